from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from faststyle.cli import main
from tests.conftest import Paint


@pytest.fixture
def command(paint: Paint, vgg_weights: Path, tmp_path: Path) -> list[str]:
    return [
        *("texture", str(paint("style.png", height=64, width=72)), "-o", str(tmp_path / "out.png")),
        *("--loss-network", "vgg19", "--vgg-weights", str(vgg_weights), "--device", "cpu"),
        *("--steps", "1", "--style-side", "64"),
    ]


@pytest.mark.parametrize(("given", "size"), [("96", (96, 96)), ("96x64", (96, 64))])
def test_any_size(
    given: str,
    size: tuple[int, int],
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*command, "--size", given, "--tileable"]) == 0
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == size
    assert "out.png: content 0, style " in capsys.readouterr().out


@pytest.mark.parametrize("size", ["wide", "1x2x3", ""])
def test_a_size_that_is_none(
    size: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--size", size])
    assert "is no size in pixels: give WIDTHxHEIGHT such as 1280x720" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["8", "5000x64"])
def test_a_size_that_cannot_be(
    size: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--size", size]) == 1
    assert "--size: sides go from 64 to 4096 pixels" in capsys.readouterr().err
