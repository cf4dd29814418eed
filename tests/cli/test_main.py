from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import faststyle
from faststyle.cli import COMMANDS, main
from tests.conftest import REPOSITORY


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"usage: faststyle {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["paint"], ["stylize"]])
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: faststyle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["-m", "faststyle", "--version"], f"faststyle {faststyle.__version__}"),
        (["train.py", "--help"], "usage: faststyle train"),
        (["export.py", "--help"], "usage: faststyle export"),
    ],
)
def test_other_ways_to_call_it(command: list[str], shown: str) -> None:
    process = subprocess.run(
        [sys.executable, *command], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert process.stdout.startswith(shown)


@pytest.mark.parametrize("script", ["train.py", "export.py"])
def test_a_data_worker_may_import_the_script(script: str) -> None:
    """Processes are spawned on macOS and Windows, and import the main script again."""
    runpy.run_path(str(REPOSITORY / script), run_name="__mp_main__")


@pytest.mark.parametrize("name", ["n" * 300, "photo.jpg/photo.jpg"])
def test_paths_that_cannot_be_are_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photo.jpg").touch()
    path = str(tmp_path / name)
    assert main(["stylize", path, "-o", str(tmp_path / "out.jpg"), "--style", "wave"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"faststyle: {path}: ")


def test_a_terminal_that_lacks_letters_causes_no_traceback(model_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "faststyle", "info", str(model_path)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert b"uint8 batch ? height" in process.stdout


def test_a_reader_that_leaves_early_causes_no_traceback() -> None:
    command = f"{sys.executable} -m faststyle styles | true"
    process = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert "Traceback" not in process.stderr
