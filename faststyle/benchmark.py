"""Timing models side by side, and what else they take."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import NamedTuple

from faststyle.counting import read_contents
from faststyle.errors import FaststyleError, ModelError, OptionError
from faststyle.files import whole_file
from faststyle.stylizer import load_file
from faststyle.timing import Case, Cost, Size, TimedProcess

SIZES = (Size(512, 512), Size(1280, 720), Size(1920, 1080))
ROUNDS = 10

STEPS_BESIDE_ROUNDS = 2
"""The start of a process, and its count of multiply-adds."""


@dataclass(frozen=True)
class Model:
    """What can be told of a model without running it."""

    name: str
    path: Path
    file_size: int
    """Bytes, with those of files that weights lie in beside it."""
    parameters: int
    width: int | None
    """The only width that it takes, in pixels; None if it takes any."""
    height: int | None
    """The only height that it takes, in pixels; None if it takes any."""
    device: str
    """The device it runs on."""

    def fit(self, size: Size) -> Size:
        """Return the size that is computed in place of another: its own sides, if it has any."""
        return Size(self.width or size.width, self.height or size.height)


@dataclass(frozen=True)
class Measurement:
    """What a model takes for pictures of one size."""

    model: Model
    size: Size
    seconds: tuple[float, ...]
    """Of each round."""
    cost: Cost
    ratio: float | None
    """How many times longer than the first model it takes: the median over the rounds, as
    what disturbs a round disturbs both. None if the first has no times at this size."""

    def min_median_max(self) -> tuple[float, float, float]:
        """Return the least, the median and the most of the seconds."""
        return min(self.seconds), median(self.seconds), max(self.seconds)

    @property
    def gflop(self) -> float | None:
        """Billions of operations for a picture, two for each multiply-add."""
        return None if self.cost.multiply_adds is None else 2e-9 * self.cost.multiply_adds


@dataclass(frozen=True)
class Benchmark:
    """What came out of `benchmark`."""

    models: tuple[Model, ...]
    measurements: tuple[Measurement, ...]
    """Size after size, each with the models in their order."""
    failures: tuple[FaststyleError, ...]
    """Why models, or some of their sizes, are left out."""
    threads: int | None
    """CPU threads; None is one for each core."""
    interrupted: bool = False
    """Whether it was stopped by Ctrl-C after the first size; what is there is whole."""


class _Runs(NamedTuple):
    """What became of a model at one size."""

    seconds: tuple[float, ...]
    cost: Cost


class Progress(NamedTuple):
    """How far a benchmark has come."""

    size: Size
    """What is being computed."""
    done: int
    """Steps so far; those that a failure spares are never done."""
    steps: int
    """Steps in all."""


def benchmark(
    models: Mapping[str, Path],
    *,
    sizes: Sequence[Size] = SIZES,
    device: str = "auto",
    threads: int | None = None,
    rounds: int = ROUNDS,
    on_progress: Callable[[Progress], object] = lambda _: None,
) -> Benchmark:
    """Time models side by side, each in a process of its own.

    In every round each model computes one picture, in an order that changes from round to
    round, so that whatever else the machine does meets all of them. All models are in memory
    together, at one size at a time. A model that fails is left out, and the others go on. Ctrl-C
    ends it with the sizes that are done.

    Args:
        models: ONNX files, ours or anybody's that repaint a picture, by name; each is
            compared with the first that can be opened.
        sizes: what to compute; a model that takes only one size is timed at that one.
        device: one of `faststyle.session.devices`, or ``auto``.
        threads: CPU threads; None is one for each core.
        rounds: how often each model is timed at each size, after one run that is not.
        on_progress: called after each step.

    Raises:
        OptionError: there are no rounds or no sizes, or one without pixels.
        DeviceError: the device or the number of threads cannot be used here.
        KeyboardInterrupt: it was stopped before the first size was done.
    """
    if rounds < 1:
        raise OptionError("--rounds must be at least 1")
    if not sizes or min(min(size) for size in sizes) < 1:
        raise OptionError("--sizes must name at least one, with sides of 1 pixel or more")
    known, failures = _read_models(models, device=device, threads=threads)
    meetings = _bring_together(known, sizes)
    steps = sum(map(len, meetings.values())) * (rounds + STEPS_BESIDE_ROUNDS)
    done = 0

    def step(size: Size) -> None:
        nonlocal done
        done += 1
        on_progress(Progress(size, done, steps))

    measurements: list[Measurement] = []
    interrupted = False
    try:
        for size, meeting in meetings.items():
            runs, failed = _run_side_by_side(
                meeting, size=size, threads=threads, rounds=rounds, on_step=step
            )
            measurements += _compare(runs, size=size, first=known[0])
            failures += failed
    except KeyboardInterrupt:
        if not measurements:
            raise
        interrupted = True
    return Benchmark(tuple(known), tuple(measurements), tuple(failures), threads, interrupted)


def order_of_turns(models: Sequence[Model], *, index: int) -> list[Model]:
    """Return whose turn it is in a round, so that over the rounds nobody is always first.

    Every second round goes backwards, so that nobody always follows the same one either.
    """
    start = index // 2 % max(len(models), 1)
    turned = [*models[start:], *models[:start]]
    return turned[::-1] if index % 2 else turned


def write_csv(result: Benchmark, path: Path) -> None:
    """Write one line for each measurement, of which there must be one; the unknown is empty.

    Raises:
        OSError: the file cannot be written.
    """
    rows = [_row(measured, threads=result.threads) for measured in result.measurements]
    with (
        whole_file(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _row(measured: Measurement, *, threads: int | None) -> dict[str, object]:
    model, (least, middle, most) = measured.model, measured.min_median_max()
    return {
        "model": model.name,
        "path": model.path,
        "file_bytes": model.file_size,
        "parameters": model.parameters,
        "device": model.device,
        "threads": threads,
        "width": measured.size.width,
        "height": measured.size.height,
        "gflop": measured.gflop,
        "rounds": len(measured.seconds),
        "ms_min": 1e3 * least,
        "ms_median": 1e3 * middle,
        "ms_max": 1e3 * most,
        "fps_min": 1 / most,
        "fps_median": 1 / middle,
        "fps_max": 1 / least,
        "memory_bytes": measured.cost.memory,
        "ratio": measured.ratio,
    }


def _read_models(
    paths: Mapping[str, Path], *, device: str, threads: int | None
) -> tuple[list[Model], list[FaststyleError]]:
    models: list[Model] = []
    failures: list[FaststyleError] = []
    for name, path in paths.items():
        try:
            stylizer = load_file(path, device=device, threads=threads)
            contents = read_contents(path)
        except ModelError as error:
            failures.append(error)
        except OSError as error:
            failures.append(ModelError(f"{path}: {error.strerror}; check the path"))
        except MemoryError:
            failures.append(ModelError(f"{path}: not enough memory to open it; leave it out"))
        else:
            taken = stylizer.port.taken
            models.append(
                Model(
                    name=name,
                    path=path,
                    file_size=contents.size,
                    parameters=contents.parameters,
                    width=taken.width,
                    height=taken.height,
                    device=stylizer.device,
                )
            )
    return models, failures


def _bring_together(models: Sequence[Model], sizes: Sequence[Size]) -> dict[Size, list[Model]]:
    """Find the models to run at each size, their own sizes included."""
    fitting = {model: [model.fit(size) for size in sizes] for model in models}
    return {
        size: [model for model in models if size in fitting[model]]
        for size in chain.from_iterable(fitting.values())
    }


def _run_side_by_side(
    models: Sequence[Model],
    *,
    size: Size,
    threads: int | None,
    rounds: int,
    on_step: Callable[[Size], None],
) -> tuple[dict[Model, _Runs], list[FaststyleError]]:
    """Run models in turn on pictures of one size, and drop those that fail."""
    seconds: dict[Model, list[float]] = {model: [] for model in models}
    runs: dict[Model, _Runs] = {}
    failures: list[FaststyleError] = []
    with ExitStack() as stack:
        processes: dict[Model, TimedProcess] = {}
        for model in models:
            case = Case(
                model.path,
                size,
                device=model.device,
                threads=threads,
                rounds=rounds,
                only_size=None not in (model.width, model.height),
            )
            with _collect(failures):
                processes[model] = stack.enter_context(TimedProcess(case))
            on_step(size)
        for index in range(rounds):
            for model in order_of_turns(list(processes), index=index):
                try:
                    seconds[model].append(processes[model].run())
                except FaststyleError as error:
                    failures.append(error)
                    del processes[model]
                on_step(size)
        for model, process in processes.items():
            with _collect(failures):
                runs[model] = _Runs(tuple(seconds[model]), process.finish())
            on_step(size)
    return runs, failures


@contextmanager
def _collect(failures: list[FaststyleError]) -> Iterator[None]:
    try:
        yield
    except FaststyleError as error:
        failures.append(error)


def _compare(runs: Mapping[Model, _Runs], *, size: Size, first: Model) -> Iterator[Measurement]:
    reference = runs[first].seconds if first in runs else None
    for model, (seconds, cost) in runs.items():
        ratio = None
        if reference is not None:
            ratio = median(own / other for own, other in zip(seconds, reference, strict=True))
        yield Measurement(model, size, seconds, cost, ratio)
