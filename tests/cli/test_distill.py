from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from faststyle.cli import main
from tests.conftest import Paint


@pytest.fixture
def arguments(paint: Paint, vgg_weights: Path, tmp_path: Path) -> list[str]:
    for seed in range(8):
        paint(f"photos/{seed}.jpg", height=140, width=140, seed=seed)
    photos = str(tmp_path / "photos")
    return ["distill", str(vgg_weights), "--content", photos, "-o", str(tmp_path / "thin.pth")]


def test_distill_writes_weights_that_training_takes(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--steps", "1"]) == 0
    thin = tmp_path / "thin.pth"
    assert f"--loss-network vgg19 --vgg-weights {thin}" in capsys.readouterr().out
    assert thin.stat().st_size < 2_000_000
    assert main(arguments) == 1
    assert "thin.pth: already exists" in capsys.readouterr().err


def test_ctrl_c_writes_what_there_is_to_go_on_from(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(
            "faststyle.cli.distill._show", lambda *_: os.kill(os.getpid(), signal.SIGINT)
        )
        assert main([*arguments, "--steps", "3"]) == 128 + signal.SIGINT
    thin = str(tmp_path / "thin.pth")
    message = f"{thin}: stopped after step 1; go on with --start-from {thin} and --overwrite"
    assert capsys.readouterr().err.splitlines()[-1] == message
    assert main([*arguments, "--steps", "1", "--start-from", thin, "--overwrite"]) == 0


def test_weights_of_another_kind_are_named(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "checkpoint.pt"
    torch.save({"step": 3, "network": {}}, other)
    for command, message in (
        ([*arguments[:1], str(other), *arguments[2:]], "the weights stop before relu1_1"),
        ([*arguments, "--start-from", str(other)], "not of the shape of lite"),
    ):
        assert main([*command, "--steps", "1"]) == 1
        assert f"faststyle: {other}: {message}" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--steps", "0"], "--steps must be at least 1"),
        (["--content", "/nonesuch"], "/nonesuch: no such folder"),
        (["--start-from", "/nonesuch.pth"], "/nonesuch.pth: No such file"),
        (["-o", "/dev/null/thin.pth"], "thin.pth: cannot be written"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], change: list[str], message: str
) -> None:
    assert main([*arguments, *change]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("faststyle: ")
    assert message in line
