"""Showing a training run, and stopping it so that it saves first."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from faststyle.training.meter import Progress

LINES = 20
"""Lines that tell of a run's progress where no terminal can show a bar."""

STOPPING = b"\nsaving after this step; once more stops at once\n"

FIRST_PROCESS = os.environ.get("RANK", "0") == "0"
"""Whether this is the one that writes, of the processes that torchrun started."""

SIGNAL_STATUS = 128
"""Shells count an end by signal N as exit status 128 + N."""


class ProgressBar:
    """Shows the progress of a run: as a bar of tqdm, or in a few lines where that is no terminal.

    A bar that goes into a file fills it with a line for every time that it is drawn.
    """

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None
        self.name: str | None = None
        self.drawn = sys.stderr.isatty()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            with suppress(OSError):
                self.bar.close()

    def begin(self, name: str) -> None:
        """Begin anew, with a name before it."""
        self.__exit__()
        self.bar, self.name = None, name

    def show(self, progress: Progress) -> None:
        """Show the step that was done, with the newest losses beside it."""
        with suppress(OSError):  # a run goes on when nobody looks any more
            if self.drawn:
                self._draw(progress)
            elif progress.step in (1, progress.steps) or not progress.step % math.ceil(
                progress.steps / LINES
            ):
                name = "" if self.name is None else f"{self.name}: "
                self.say(f"{name}step {progress.step} of {progress.steps}: {_losses(progress)}")

    def _draw(self, progress: Progress) -> None:
        if self.bar is None:
            self.bar = tqdm(
                desc=self.name, total=progress.steps, initial=progress.step - 1, unit="step"
            )
        self.bar.total = progress.steps  # a flat run ends early
        self.bar.set_postfix_str(_losses(progress), refresh=False)
        self.bar.update(progress.step - self.bar.n)

    def say(self, text: str) -> None:
        """Write a line, above the bar if there is one."""
        with suppress(OSError):
            tqdm.write(text, file=sys.stderr)


def _losses(progress: Progress) -> str:
    reading = progress.reading
    if reading is None:
        return ""
    return (
        f"content {reading.content:.3f}, style {reading.style:.4f}, "
        f"total variation {reading.total_variation:.4f}"
    )


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM, so that the run can save first; a second one is obeyed at once.

    Yields:
        The numbers of the signals received so far.
    """
    received: list[int] = []
    previous: dict[signal.Signals, Any] = {}

    def receive(number: int, _: object) -> None:
        received.append(number)
        for each, handler in previous.items():
            signal.signal(each, handler)
        with suppress(OSError):  # Ctrl-C also ends whoever reads our output
            os.write(2, STOPPING)

    for each in (signal.SIGINT, signal.SIGTERM):
        previous[each] = signal.signal(each, receive)
    try:
        yield received
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
