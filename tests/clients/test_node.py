from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from faststyle.gallery import style_path
from tests.clients.conftest import EXAMPLES, PHOTO, STYLE, Levels, levels, run, tool

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed as its README says."""
    folder = tmp_path_factory.mktemp("node") / "node"
    shutil.copytree(EXAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    run(tool("npm"), "ci", cwd=folder)
    return folder


def test_node_paints_what_python_paints(folder: Path, photo: Path, expected: Levels) -> None:
    result = folder / "result.png"
    run(tool("node"), "stylize.mjs", style_path(STYLE), photo, result, cwd=folder)
    assert np.array_equal(levels(result), expected)


def test_formats_of_photos(folder: Path, expected: Levels) -> None:
    result = folder / "result.jpg"
    run(tool("node"), "stylize.mjs", style_path(STYLE), PHOTO, result, cwd=folder)
    assert np.abs(levels(result) - expected).mean() < 10


def test_the_script_is_short() -> None:
    assert len((EXAMPLES / "node" / "stylize.mjs").read_text().splitlines()) < 40


@pytest.mark.parametrize("arguments", [[], ["none.onnx", "none.jpg", "out.png"]])
def test_mistakes_are_one_line(folder: Path, arguments: list[str]) -> None:
    command = [tool("node"), "stylize.mjs", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode
    assert len(result.stderr.strip().splitlines()) == 1
