"""onnxruntime's own mobile format, read by the Python runtime."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from tests.clients.conftest import Levels, levels, run

pytestmark = pytest.mark.clients

CONVERT = ("-m", "onnxruntime.tools.convert_onnx_models_to_ort")


@pytest.mark.parametrize("style", ["Fixed", "Runtime"])
@pytest.mark.parametrize("options", [["--precision", "fp16", "--size", "451x300"], []])
def test_the_mobile_format_paints_the_same(
    options: list[str],
    style: str,
    export: Callable[..., Path],
    photo: Path,
    expected: Levels,
    tmp_path: Path,
) -> None:
    model = shutil.copy(export(*options), tmp_path / "model.onnx")
    run(sys.executable, *CONVERT, model, "--optimization_style", style)
    (converted,) = tmp_path.glob("*.ort")
    session = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])
    (stylized,) = session.run(["stylized"], {"image": levels(photo).astype(np.uint8)[np.newaxis]})
    difference = np.abs(stylized[0].astype(int) - expected)
    assert difference.max() <= 1 or (options and difference.mean() < 0.2)
    if style == "Fixed":
        (operators,) = tmp_path.glob("*.config")
        assert "Conv" in operators.read_text()


def test_the_program_takes_it_too(export: Callable[..., Path], photo: Path, tmp_path: Path) -> None:
    model = shutil.copy(export(), tmp_path / "model.onnx")
    run(sys.executable, *CONVERT, model, "--optimization_style", "Fixed")
    (converted,) = tmp_path.glob("*.ort")
    result = tmp_path / "result.png"
    run(sys.executable, "-m", "faststyle", "stylize", photo, "-o", result, "--model", converted)
    with Image.open(photo) as before, Image.open(result) as after:
        assert before.size == after.size
