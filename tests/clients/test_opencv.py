from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faststyle.gallery import style_path
from tests.clients.conftest import EXAMPLES, STYLE, Levels, levels, run

pytestmark = pytest.mark.clients

SCRIPT = EXAMPLES / "opencv" / "stylize.py"

AS_BYTES = """
import sys
import cv2
import numpy as np
model, photo, result = sys.argv[1:]
network = cv2.dnn.readNetFromONNX(model)
network.setInput(np.ascontiguousarray(cv2.imread(photo)[np.newaxis, :, :, ::-1]), "image")
if not cv2.imwrite(result, network.forward()[0][:, :, ::-1]):
    raise OSError(f"{result}: cannot be written")
"""
"""What examples/opencv/README.md shows of the default file."""


@pytest.fixture(scope="module")
def opencv_5(make_environment: Callable[..., Path]) -> Path:
    return make_environment("opencv-python-headless>=5,<6")


@pytest.fixture(scope="module")
def opencv_4(make_environment: Callable[..., Path]) -> Path:
    return make_environment("opencv-python-headless>=4,<5")


def test_opencv_5_takes_photos_of_any_size(
    opencv_5: Path, export: Callable[..., Path], photo: Path, expected: Levels, tmp_path: Path
) -> None:
    model = export("--layout", "nchw-float")
    run(opencv_5, SCRIPT, model, photo, tmp_path / "result.png")
    assert np.abs(levels(tmp_path / "result.png") - expected).max() <= 1


def test_opencv_5_takes_the_default_file(
    opencv_5: Path, photo: Path, expected: Levels, tmp_path: Path
) -> None:
    script = tmp_path / "bytes.py"
    script.write_text(AS_BYTES)
    run(opencv_5, script, style_path(STYLE), photo, tmp_path / "result.png")
    assert np.abs(levels(tmp_path / "result.png") - expected).max() <= 1
    shown = (EXAMPLES / "opencv" / "README.md").read_text()
    used = [line for line in AS_BYTES.splitlines() if "network" in line]
    assert all(line in shown for line in used)


@pytest.mark.parametrize("name", ["none/result.png", "result.nonesuch"])
def test_a_result_that_cannot_be_written_is_named(
    opencv_5: Path, export: Callable[..., Path], photo: Path, tmp_path: Path, name: str
) -> None:
    result = tmp_path / name
    failed = subprocess.run(
        [opencv_5, SCRIPT, export("--layout", "nchw-float"), photo, result],
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 1
    assert f"{result}: cannot be written" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("weights", [(), ("--half-weights",)])
@pytest.mark.parametrize("version", ["opencv_4", "opencv_5"])
def test_a_fixed_size(
    version: str,
    weights: tuple[str, ...],
    request: pytest.FixtureRequest,
    export: Callable[..., Path],
    photo: Path,
    expected: Levels,
    tmp_path: Path,
) -> None:
    python = request.getfixturevalue(version)
    height, width = expected.shape[:2]
    size = f"{width}x{height}"
    model = export("--layout", "nchw-float", "--size", size, *weights)
    run(python, SCRIPT, model, photo, tmp_path / "result.png", size)
    assert np.abs(levels(tmp_path / "result.png") - expected).max() <= 1
    other = export("--layout", "nchw-float", "--size", "384x256")
    run(python, SCRIPT, other, photo, tmp_path / "scaled.png", "384x256")
    assert levels(tmp_path / "scaled.png").shape == expected.shape
