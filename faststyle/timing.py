"""A process of its own that has one model open, and repaints one picture when told."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.counting import count_multiply_adds
from faststyle.errors import FaststyleError, ModelError
from faststyle.port import read_input
from faststyle.session import QUIET, RUNTIME_ERRORS, open_model

WHITE = 255.0
"""What stands for white whatever a model expects, as its time does not depend on it."""

FAILURES: tuple[type[Exception], ...] = (*RUNTIME_ERRORS, MemoryError, OverflowError)
"""What a model raises on a picture that is too large, or does not fit it."""

PATIENCE = 10
"""Seconds that a process may take to end after its work."""


ANOTHER_MODEL = "it takes no other size; export it for a smaller one"


class Size(NamedTuple):
    """Sides of a picture in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Case:
    """A model on a picture."""

    path: Path
    size: Size
    """Sides that the model takes."""
    device: str
    """One of `faststyle.session.devices`."""
    threads: int | None
    """CPU threads; None is one for each core."""
    rounds: int
    """How often the model is run for its time."""
    only_size: bool = False
    """Whether the model takes no other size."""


class Cost(NamedTuple):
    """What a model takes besides time."""

    memory: int | None
    """Most bytes of main memory the process ever held at once, with Python and onnxruntime
    itself and without a GPU's; None where the platform does not tell."""
    multiply_adds: int | None
    """Those of `count_multiply_adds`; None if the model cannot be run for it."""


class TimedProcess:
    """Runs one case in a process of its own.

    So its memory is its own, and when it ends for want of memory, nothing else does.
    """

    def __init__(self, case: Case) -> None:
        """Start the process, which opens the model and runs it once.

        Raises:
            ModelError: the model cannot be opened or cannot compute the picture.
            DeviceError: the device cannot be used.
        """
        self._case = case
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, case), daemon=True)
        with _deaf_to_interrupts():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does
        try:
            self._receive()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> TimedProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def run(self) -> float:
        """Compute the picture once, and return the seconds that the model took.

        Raises:
            ModelError: it failed.
        """
        self._tell()
        seconds: float = self._receive()
        return seconds

    def finish(self) -> Cost:
        """Return what the model took besides time, after all rounds; only `close` may follow."""
        self._tell()
        memory: int | None = self._receive()
        try:
            multiply_adds: int | None = self._receive()
        except ModelError:
            multiply_adds = None
        return Cost(memory, multiply_adds)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.terminate()
        self._process.join(PATIENCE)
        self._pipe.close()

    def _tell(self) -> None:
        try:
            self._pipe.send(None)
        except OSError as error:
            raise self._ended() from error

    def _receive(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(answer, FaststyleError):
            raise answer
        return answer

    def _ended(self) -> ModelError:
        self._process.join(PATIENCE)
        return ModelError(
            f"{self._case.path}: its process ended at {self._case.size} "
            f"(exit status {self._process.exitcode}), probably for want of memory; "
            + (ANOTHER_MODEL if self._case.only_size else "choose smaller --sizes")
        )


def draw_photo(size: Size) -> NDArray[np.uint8]:
    """Draw soft blotches with grain, the same each time: uint8 H×W×3."""
    random = np.random.default_rng(0)
    blotches = Image.fromarray(random.integers(0, 256, (9, 16, 3), dtype=np.uint8))
    # Whole numbers throughout, as floats would take more memory than a small model.
    soft = np.asarray(blotches.resize(size, Image.Resampling.BICUBIC)) // 8 * 7
    return soft + random.integers(0, 32, soft.shape, dtype=np.uint8)


def peak_memory() -> int | None:
    """Return the most bytes of memory that this process ever held at once, None if unknown."""
    if sys.platform == "linux":
        # What getrusage tells includes the process that started this one.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C, as processes that are started meanwhile then do from their first moment.

    It reaches them too, and is for whoever started them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # others may not set this
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _serve(pipe: Connection, case: Case) -> None:
    """Answer one message for the warm-up, one for each round, and two for the cost."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows passes no ignoring on
    try:
        _measure(pipe, case)
    except (EOFError, BrokenPipeError):
        return  # whoever asked has gone
    except FaststyleError as error:
        pipe.send(error)
    except FAILURES:
        remedy = "choose --sizes that are smaller, or whose sides divide by 8"
        pipe.send(
            ModelError(
                f"{case.path}: could not compute a picture of {case.size} pixels; "
                + (ANOTHER_MODEL if case.only_size else remedy)
            )
        )


def _measure(pipe: Connection, case: Case) -> None:
    # By default the threads of a session keep the cores busy for about 50 ms after a run,
    # in wait of the next. Whatever ran then took half as long again, so here they wait like
    # that within a run only, which alone is as fast.
    model = open_model(case.path, device=case.device, threads=case.threads, spinning=False)
    taken = read_input(model, path=case.path)
    inputs = taken.feed(draw_photo(case.size), white=WHITE)
    model.session.run(None, inputs, QUIET)
    pipe.send(None)
    for _ in range(case.rounds):
        pipe.recv()
        start = time.perf_counter()
        model.session.run(None, inputs, QUIET)
        pipe.send(time.perf_counter() - start)
    pipe.recv()
    pipe.send(peak_memory())
    del model  # counting takes memory of its own
    pipe.send(count_multiply_adds(case.path, inputs, threads=case.threads))
