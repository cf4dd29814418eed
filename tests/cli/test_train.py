"""``faststyle train``, as a shell calls it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import faststyle
from faststyle.cli import main
from faststyle.training.checkpoint import load_checkpoint
from faststyle.training.network import PRESETS
from faststyle.training.outputs import occupied
from tests.conftest import Paint, blotches


@pytest.fixture
def arguments(paint: Paint, vgg_weights: Path, tmp_path: Path) -> list[str]:
    for seed in range(8):
        paint(f"photos/{seed}.jpg", height=70, width=70, seed=seed)
    return [
        *(
            "train",
            str(paint("stripes.png", height=64, width=64, seed=9)),
            "--content",
            str(tmp_path / "photos"),
        ),
        *("--out", str(tmp_path / "run"), "--loss-network", "vgg19"),
        *("--vgg-weights", str(vgg_weights)),
        *(
            "--width",
            "2",
            "--stroke-size",
            "1",
            "--style-weight",
            "10",
            "--crop-size",
            "64",
            "--batch-size",
            "1",
        ),
        *("--device", "cpu", "--workers", "0", "--precision", "float32"),
    ]


def _last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_trained_style_is_exported(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--steps", "3", "--author", "A. Painter"]) == 0
    model, previews = tmp_path / "run" / "model.onnx", tmp_path / "run" / "previews.png"
    shown, told = capsys.readouterr()
    assert shown.splitlines() == [
        f"{model}: trained for 3 steps",
        f"{previews}: its previews over time",
        f"repaint a photo with  faststyle stylize photo.jpg -o out.png --model {model}",
    ]
    assert previews.exists()
    assert "step 3 of 3: content " in told.splitlines()[-1]
    output = tmp_path / "mine.onnx"
    assert main(["export", str(tmp_path / "run" / "checkpoint.pt"), "-o", str(output)]) == 0
    card = faststyle.load(output).card
    assert (card.style, card.author) == ("stripes", "A. Painter")
    assert card.training["steps"] == card.trained_steps == 3
    photo = blotches(30, 41)
    exported, trained = (
        faststyle.load(path)(photo) for path in (output, tmp_path / "run" / "model.onnx")
    )
    assert np.array_equal(exported, trained)


def _start(arguments: list[str], *, log: Path) -> subprocess.Popen[str]:
    """Start a long run in a process group of its own, and wait until it trains."""
    command = [sys.executable, "-m", "faststyle", *arguments, "--steps", "100000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 300
    while not (log.exists() and log.read_text().count("\n") > 2):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def test_sigterm_saves_and_resume_finishes(arguments: list[str], tmp_path: Path) -> None:
    process = _start([*arguments, "--workers", "1"], log=tmp_path / "run" / "log.csv")
    os.killpg(process.pid, signal.SIGTERM)  # as service managers do: workers get it too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "continue with  faststyle train --resume --out" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    step = load_checkpoint(tmp_path / "run" / "checkpoint.pt").step
    assert 0 < step < 100000
    resume = ["train", "--resume", "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*resume, "--workers", "0", "--steps", str(step + 2)]) == 0
    assert faststyle.load(tmp_path / "run" / "model.onnx")(blotches(9, 9)).shape == (9, 9, 3)


def test_kill_leaves_the_last_checkpoint_whole(arguments: list[str], tmp_path: Path) -> None:
    often = ["--workers", "1", "--checkpoint-every", "1"]
    process = _start([*arguments, *often], log=tmp_path / "run" / "log.csv")
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL
    step = load_checkpoint(tmp_path / "run" / "checkpoint.pt").step
    assert step > 0
    resume = ["train", "--resume", "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*resume, "--workers", "0", "--steps", str(step + 1)]) == 0


def test_ctrl_c_saves_even_when_it_also_ends_who_reads_the_output(
    arguments: list[str], tmp_path: Path
) -> None:
    process = _start([*arguments, "--workers", "1"], log=tmp_path / "run" / "log.csv")
    assert process.stderr is not None
    process.stderr.close()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) in (128 + signal.SIGINT, 1)
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt").step > 0


def test_a_run_is_never_started_over_another(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--steps", "1"]) == 0
    assert main([*arguments, "--steps", "1"]) == 1
    assert "a run is here already; continue it with --resume" in _last_line(capsys)


@pytest.mark.parametrize("name", ["log.csv", "validation.csv", "losses.png", "model.onnx"])
def test_a_run_replaces_nothing_that_lies_in_its_folder(
    name: str, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine")
    assert main([*arguments, "--steps", "1"]) == 1
    assert f"{name}: already exists; choose another folder with --out" in _last_line(capsys)
    assert [path.read_text() for path in (tmp_path / "run").iterdir()] == ["mine"]


def test_a_resumed_run_keeps_its_settings(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--steps", "1"]) == 0
    assert main([*arguments, "--resume", "--style-weight", "3"]) == 1
    assert "--style-weight 3.0: the run was started with 10.0" in _last_line(capsys)
    assert main([*arguments, "--resume", "--stop-when-flat"]) == 1
    assert "--stop-when-flat: the run was started without it; leave" in _last_line(capsys)
    assert main([*arguments, "--resume", "--minutes", "3"]) == 1
    assert "has counted 1 steps since it was started; give --steps" in _last_line(capsys)


def test_a_finished_run_is_given_another_name(arguments: list[str], tmp_path: Path) -> None:
    assert main([*arguments, "--steps", "1"]) == 0
    assert main([*arguments, "--resume", "--name", "Bars", "--license", "CC0"]) == 0
    for model in (tmp_path / "run" / "model.onnx", tmp_path / "again.onnx"):
        card = faststyle.load(model).card
        assert (card.style, card.license) == ("Bars", "CC0")
        again = ["export", str(tmp_path / "run" / "checkpoint.pt"), "--overwrite", "-o"]
        assert main([*again, str(tmp_path / "again.onnx")]) == 0


def test_a_run_that_ended_flat_goes_on_for_more_steps(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    flat = [*arguments, "--stop-when-flat", "--learning-rate", "1e-9", "--preview-every", "1"]
    assert main([*flat, "--steps", "30"]) == 0
    assert "flat at step 5: ends after step 6" in capsys.readouterr().err
    assert main([*flat, "--resume", "--steps", "40"]) == 0
    assert "flat at step 11: ends after step 12" in capsys.readouterr().err  # five looks later


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--content", "/nonesuch"], "/nonesuch: no such folder"),
        (["--vgg-weights", "/nonesuch.pth"], "/nonesuch.pth: No such file"),
        (["--steps", "5", "--minutes", "1"], "give --steps or --minutes, not both"),
        (["--intensity", "5"], "give --style-weight or --intensity, not both"),
        (["--style-layers", "relu9_9"], "vgg19 has no layer 'relu9_9'"),
        (["--content-layers", "relu5_3"], "stop before relu5_2"),
        (["--loss-network", "alexnet"], "no loss network is called 'alexnet'"),
        (["--preset", "jonson"], "no preset is called 'jonson'"),
        (["--steps", "0"], "--steps must be at least 1"),
        (["--device", "cuda"], "--device cuda: not available here"),
        (["--resume"], "run: no run is here; check --out, or start one without --resume"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    message: str,
) -> None:
    assert main([*arguments, *change]) == 1
    line = _last_line(capsys)
    assert line.startswith("faststyle: ")
    assert message in line
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_resuming_with_fewer_steps_than_done_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--steps", "2"]) == 0
    assert main([*arguments, "--resume", "--steps", "1"]) == 1
    assert "--steps 1: the run is at step 2 already" in _last_line(capsys)
    assert main([*arguments, "--resume", "--precision", "auto", "--steps", "3"]) == 0


def test_a_bad_style_picture_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(arguments[1]).write_text("not a picture")
    assert main(arguments) == 1
    assert "stripes.png: not a picture" in _last_line(capsys)


def test_the_help_names_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    *others, last = PRESETS
    text = " ".join(capsys.readouterr().out.split())
    assert f"network design: {', '.join(others)} or {last} (default: fast)" in text


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["train"]) == 1
    assert "name a style picture" in _last_line(capsys)
    assert main(["train", "style.jpg", "--out", str(tmp_path)]) == 1
    assert "training needs --content DIR" in _last_line(capsys)


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_a_run_is_never_trained_twice_at_the_same_time(
    resume: list[str], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with occupied(tmp_path / "run"):
        assert main([*arguments, "--steps", "1", *resume]) == 1
        assert "run: another run is at work here" in _last_line(capsys)
        assert not list((tmp_path / "run").iterdir())
