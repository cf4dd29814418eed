"""What proves the examples with the real clients: their tools are fetched here.

Run by ``.ci/clients``, where a skip is a failure; without it by ``pytest -m clients``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import faststyle
from tests.conftest import REPOSITORY

EXAMPLES = REPOSITORY / "examples"

PHOTO = REPOSITORY / "data" / "photos" / "chelsea.jpg"

STYLE = "wave"

REQUIRED = "FASTSTYLE_CLIENTS"
"""Environment variable that makes a failure of every skip, if it is ``required``."""

Levels = NDArray[np.int_]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get(REQUIRED) == "required":
        report.outcome = "failed"
        report.longrepr = f"skipped, where every client must be tested: {report.longrepr}"
    return report


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a client, which must succeed."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout[-2000:]}{result.stderr[-4000:]}"
    return result


def tool(name: str) -> str:
    """Return the path of a program, or skip the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def levels(path: Path) -> Levels:
    """Read a picture's colours, H×W×3."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo without losses, of odd sides."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    with Image.open(PHOTO) as picture:
        picture.convert("RGB").save(path)
    return path


@pytest.fixture(scope="session")
def expected(photo: Path) -> Levels:
    """What faststyle makes of it."""
    with Image.open(photo) as picture:
        return np.asarray(faststyle.load(STYLE, device="cpu")(picture)).astype(int)


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Export the style with options of the command."""
    folder = tmp_path_factory.mktemp("models")

    def write(*options: str) -> Path:
        path = folder / f"{'_'.join(options).strip('-') or 'default'}.onnx"
        if not path.exists():
            faststyle_command = [sys.executable, "-m", "faststyle", "export", STYLE]
            run(*faststyle_command, "-o", path, *options)
        return path

    return write


@pytest.fixture(scope="session")
def make_environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a Python environment with packages, and return its interpreter."""

    def make(*packages: str) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        run(sys.executable, "-m", "venv", folder)
        python = folder / "bin" / "python"
        result = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *packages],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            pytest.skip(f"{', '.join(packages)} cannot be installed: {result.stderr[-300:]}")
        return python

    return make
