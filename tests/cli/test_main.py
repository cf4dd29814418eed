from __future__ import annotations

import subprocess
import sys

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


def test_a_reader_that_leaves_early_causes_no_traceback() -> None:
    command = f"{sys.executable} -m faststyle styles | true"
    process = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert "Traceback" not in process.stderr
