from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faststyle.gallery import style_path
from tests.clients.conftest import EXAMPLES, STYLE, Levels, levels, run
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.clients

SCRIPT = EXAMPLES / "python" / "stylize.py"


def test_onnxruntime_and_pillow_alone(
    make_environment: Callable[..., Path], photo: Path, expected: Levels, tmp_path: Path
) -> None:
    python = make_environment("onnxruntime", "pillow")
    result = tmp_path / "result.png"
    run(python, SCRIPT, style_path(STYLE), photo, result, cwd=tmp_path)
    assert np.array_equal(levels(result), expected)


def test_it_is_what_the_readme_shows() -> None:
    """But for the names of files."""
    shown = (REPOSITORY / "README.md").read_text()
    lines = SCRIPT.read_text().split('"""')[2].strip().splitlines()
    calls = [line for line in lines if "session" in line and "model" not in line]
    assert calls
    assert all(line.replace("pixels", "photo") in shown for line in calls)
