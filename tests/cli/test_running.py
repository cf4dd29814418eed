from __future__ import annotations

import io
import sys

import pytest

from faststyle.cli.running import LINES, ProgressBar
from faststyle.training.meter import Progress, Reading


def _show(bar: ProgressBar, steps: int) -> None:
    for step in range(1, steps + 1):
        reading = Reading(step, 1.5, 0.25, 0.125, 0.0, 2.0)
        bar.show(Progress(step=step, steps=steps, reading=reading))


def test_a_file_gets_few_whole_lines_and_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as bar:
        bar.say("begun")
        bar.begin("start")
        _show(bar, 1001)
    first, *steps = capsys.readouterr().err.splitlines()
    assert first == "begun"
    assert LINES <= len(steps) <= LINES + 2
    losses = "content 1.500, style 0.2500, total variation 0.1250"
    assert steps[0] == f"start: step 1 of 1001: {losses}"
    assert steps[-1] == f"start: step 1001 of 1001: {losses}"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressBar() as bar:
        _show(bar, 3)
    assert "3/3" in terminal.getvalue()
    assert "style 0.2500" in terminal.getvalue()
