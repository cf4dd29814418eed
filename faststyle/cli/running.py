"""Showing a training run, and stopping it so that it saves first."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from faststyle.training.meter import Progress

STOPPING = b"\nsaving after this step; once more stops at once\n"

FIRST_PROCESS = os.environ.get("RANK", "0") == "0"
"""Whether this is the one that writes, of the processes that torchrun started."""

SIGNAL_STATUS = 128
"""Shells count an end by signal N as exit status 128 + N."""


class ProgressBar:
    """Draws the progress of a run with tqdm."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None
        self.name: str | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            with suppress(OSError):
                self.bar.close()

    def begin(self, name: str) -> None:
        """Begin another bar, with a name before it."""
        self.__exit__()
        self.bar, self.name = None, name

    def show(self, progress: Progress) -> None:
        """Draw the bar at a step, with the newest losses beside it."""
        with suppress(OSError):  # a run goes on when nobody looks any more
            if self.bar is None:
                self.bar = tqdm(
                    desc=self.name,
                    total=progress.steps,
                    initial=progress.step - 1,
                    unit="step",
                )
            self.bar.total = progress.steps  # a flat run ends early
            if progress.reading is not None:
                self.bar.set_postfix_str(
                    f"content {progress.reading.content:.3f}, "
                    f"style {progress.reading.style:.4f}, "
                    f"total variation {progress.reading.total_variation:.4f}",
                    refresh=False,
                )
            self.bar.update(progress.step - self.bar.n)

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        with suppress(OSError):
            tqdm.write(text, file=sys.stderr)


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
