"""The programs that draw pictures to learn styles from."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "data" / "styles"
STYLES = sorted(
    path.stem
    for path in (FOLDER / "paintings").glob("*.py")
    if "def draw(" in path.read_text(encoding="utf-8")
)
SIZE = 96


@pytest.fixture(scope="module")
def program() -> Iterator[ModuleType]:
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("draw")
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("draw", "paintings"):
            del sys.modules[name]


def test_every_module_that_draws_is_offered(program: ModuleType) -> None:
    assert sorted(program.PAINTINGS) == STYLES
    assert len(STYLES) >= 8


@pytest.mark.parametrize("name", STYLES)
def test_a_style_fills_its_picture_and_is_the_same_each_time(
    program: ModuleType, name: str
) -> None:
    picture = program.PAINTINGS[name](SIZE, 0)
    assert picture.mode == "RGB"
    assert picture.size == (SIZE, SIZE)
    assert picture.tobytes() == program.PAINTINGS[name](SIZE, 0).tobytes()
    pixels = np.asarray(picture, np.float32)
    light = pixels.mean(axis=2)
    assert np.percentile(light, 95) - np.percentile(light, 5) > 90
    assert (pixels.max(axis=2) - pixels.min(axis=2)).max() > 120
    # Where nothing changes for 32 pixels there is nothing to learn.
    blocks = light.reshape(3, SIZE // 3, 3, SIZE // 3).std(axis=(1, 3))
    assert blocks.min() > 4


def test_another_seed_gives_another_picture(program: ModuleType) -> None:
    draw = program.PAINTINGS["linocut"]
    assert draw(SIZE, 0).tobytes() != draw(SIZE, 1).tobytes()


def test_pictures_are_saved_under_their_names(
    program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "folder"
    assert program.main(["neon", "mosaic", "-o", str(out), "--size", "64"]) == 0
    assert capsys.readouterr().out.split() == [str(out / "neon.png"), str(out / "mosaic.png")]
    with Image.open(out / "neon.png") as picture:
        assert picture.size == (64, 64)


def test_styles_are_listed(program: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(STYLES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a style"),
        (["fresco"], "fresco: no such style"),
        (["neon"], "-o FOLDER"),
        (["neon", "-o", "unused", "--size", "8"], "--size 8"),
        (["neon", "-o", "unused", "--seed", "-1"], "--seed -1"),
        (["neon", "-o", __file__, "--size", "64"], "cannot be saved"),
    ],
)
def test_mistakes_are_told_in_one_line(
    program: ModuleType,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert program.main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
