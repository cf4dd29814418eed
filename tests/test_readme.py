"""The README's Python runs as it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from faststyle.images import open_picture
from tests.conftest import REPOSITORY, Paint

README = (REPOSITORY / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_python_runs_as_it_stands(
    block: str, paint: Paint, tmp_path: Path, model_path: Path
) -> None:
    paint("photo.jpg")
    shutil.copy(model_path, tmp_path / "mine.onnx")
    subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)
    (result,) = tmp_path.glob("out.*")
    assert open_picture(result).size == (56, 40)


def test_embedding_takes_ten_lines_without_faststyle() -> None:
    lines = [line for line in BLOCKS[-1].splitlines() if line]
    assert len(lines) <= 10
    assert "faststyle" not in BLOCKS[-1]


def test_nothing_installs_the_other_program_of_that_name() -> None:
    for path in [REPOSITORY / "README.md", *(REPOSITORY / "faststyle").rglob("*.py")]:
        assert not re.search(r"pip install '?\"?faststyle", path.read_text()), path
