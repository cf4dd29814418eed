from __future__ import annotations

from pathlib import Path

import pytest

from faststyle.cli import main
from faststyle.training.checkpoint import load_checkpoint
from faststyle.training.outputs import occupied
from tests.conftest import Paint


@pytest.fixture
def arguments(paint: Paint, vgg_weights: Path, tmp_path: Path) -> list[str]:
    for seed in range(8):
        paint(f"photos/{seed}.jpg", height=70, width=70, seed=seed)
    return [
        *("sweep", str(paint("stripes.png", height=64, width=64, seed=9))),
        *("--content", str(tmp_path / "photos"), "--out", str(tmp_path / "sweep")),
        *("--loss-network", "vgg19", "--vgg-weights", str(vgg_weights), "--width", "2"),
        *("--crop-size", "64", "--batch-size", "1", "--steps", "4", "--precision", "float32"),
        *("--device", "cpu", "--workers", "0", "--author", "A. Painter"),
    ]


def test_a_cell_of_a_sweep_is_continued(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--intensities", "2,7", "--stroke-sizes", "1"]) == 0
    printed = capsys.readouterr().out
    assert "\nlosses compare within one stroke size only" in printed
    assert str(tmp_path / "sweep" / "sweep.png") in printed
    cell = tmp_path / "sweep" / "intensity_7_stroke_1"
    assert f"faststyle train --from-sweep {cell}" in printed
    run = ["train", "--from-sweep", str(cell), "--out", str(tmp_path / "run"), "--steps", "2"]
    assert main([*run, "--device", "cpu", "--workers", "0", "--width", "2"]) == 0
    chosen = load_checkpoint(cell / "checkpoint.pt")
    continued = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert continued.config.start_from == str(cell / "checkpoint.pt")
    assert (continued.config.intensity, continued.config.stroke_size) == (7, 1)
    assert continued.config.author == "A. Painter"
    assert continued.config.minutes is None
    assert continued.plan.steps == 2
    assert continued.plan.style_weight == pytest.approx(chosen.plan.style_weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--intensities", ","], "need a number each"),
        (["--intensities", "2,11"], "--intensity goes from 1 to 10"),
        (["--content", "/nonesuch"], "/nonesuch: no such folder"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], change: list[str], message: str
) -> None:
    assert main([*arguments, *change]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("faststyle: ")
    assert message in line


def test_from_sweep_and_resume_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--from-sweep", str(tmp_path), "--resume"]) == 1
    assert "not both" in capsys.readouterr().err
    assert main(["train", "--from-sweep", str(tmp_path)]) == 1
    told = f"--from-sweep {tmp_path}: is no cell of a sweep; name one, such as "
    assert f"{told}runs/x_sweep/intensity_5_stroke_7" in capsys.readouterr().err
    cell = tmp_path / "intensity_2_stroke_3"
    cell.mkdir()
    (cell / "checkpoint.pt").touch()
    assert main(["train", "--from-sweep", str(tmp_path)]) == 1
    assert f"{told}{cell}\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "start"])
def test_a_sweep_keeps_out_of_folders_with_a_run_at_work(
    name: str, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with occupied(tmp_path / "sweep" / name):
        assert main(arguments) == 1
    assert "another run is at work here" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not list((tmp_path / "sweep").rglob("*.*"))
