from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faststyle.gallery import style_path
from tests.clients.conftest import EXAMPLES, STYLE, Levels, levels, run
from tests.conftest import REPOSITORY, blotches

pytestmark = pytest.mark.clients

SCRIPT = EXAMPLES / "python" / "stylize.py"


def test_onnxruntime_and_pillow_alone(
    make_environment: Callable[..., Path], photo: Path, expected: Levels, tmp_path: Path
) -> None:
    python = make_environment("onnxruntime", "pillow")
    result = tmp_path / "result.png"
    run(python, SCRIPT, style_path(STYLE), photo, result, cwd=tmp_path)
    assert np.array_equal(levels(result), expected)


def test_a_photo_of_16_bits_is_not_clipped(tmp_path: Path) -> None:
    deep, flat = tmp_path / "deep.png", tmp_path / "flat.png"
    grey = blotches(40, 50)[..., 0]
    Image.fromarray(grey.astype(np.uint16) * 257).save(deep)
    Image.fromarray(grey).save(flat)
    for photo in (deep, flat):
        run(sys.executable, SCRIPT, style_path(STYLE), photo, photo.with_suffix(".bmp"))
    assert np.array_equal(levels(deep.with_suffix(".bmp")), levels(flat.with_suffix(".bmp")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "stylize.py MODEL PHOTO RESULT"),
        ([style_path(STYLE), "none.jpg", "out.png"], "No such file.*none.jpg"),
        (["none.onnx", "none.jpg", "out.png"], "none.onnx.*File doesn't exist"),
    ],
)
def test_mistakes_are_one_line(arguments: list[Path | str], message: str) -> None:
    failed = subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False
    )
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert re.search(message, line)


def test_it_is_what_the_readme_shows() -> None:
    """But for the names of files."""
    shown = (REPOSITORY / "README.md").read_text()
    lines = map(str.strip, SCRIPT.read_text().splitlines())
    calls = [line for line in lines if "session" in line and "model" not in line]
    assert calls
    assert all(line.replace("pixels", "photo") in shown for line in calls)
