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
    run(opencv_5, SCRIPT, style_path(STYLE), photo, tmp_path / "result.png")
    assert np.abs(levels(tmp_path / "result.png") - expected).max() <= 1
    run(opencv_5, SCRIPT, style_path(STYLE), photo, tmp_path / "scaled.png", "384x256")
    assert levels(tmp_path / "scaled.png").shape == expected.shape


def _failure(*command: str | Path) -> str:
    """Return what a call of the script says that must fail."""
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    return failed.stderr


@pytest.mark.parametrize("name", ["none/result.png", "result.nonesuch"])
def test_a_result_that_cannot_be_written_is_named(
    opencv_5: Path, photo: Path, tmp_path: Path, name: str
) -> None:
    result = tmp_path / name
    said = _failure(opencv_5, SCRIPT, style_path(STYLE), photo, result)
    assert f"{result}: cannot be written" in said


def test_models_that_do_not_run_are_named_with_the_remedy(
    opencv_4: Path, photo: Path, tmp_path: Path
) -> None:
    said = _failure(opencv_4, SCRIPT, style_path(STYLE), photo, tmp_path / "result.png")
    assert f"{style_path(STYLE)}: OpenCV 4." in said
    assert "export it with --layout nchw-float" in said
    said = _failure(opencv_4, SCRIPT, tmp_path / "none.onnx", photo, tmp_path / "result.png")
    assert f"{tmp_path / 'none.onnx'}: No such file" in said


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
