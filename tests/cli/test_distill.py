from __future__ import annotations

from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--steps", "0"], "--steps must be at least 1"),
        (["--content", "/nonesuch"], "/nonesuch: no such folder"),
        (["--start-from", "/nonesuch.pth"], "/nonesuch.pth: No such file"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], change: list[str], message: str
) -> None:
    assert main([*arguments, *change]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("faststyle: ")
    assert message in line
