"""How fast this machine trains, from a short trial."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from faststyle.training.data import PhotoCrops
from faststyle.training.trainer import Trainer

TRIAL_STEPS = 9
"""Steps that are timed; the first third warms up."""

TRIAL_CROPS = 4


class Pace(NamedTuple):
    """Seconds that things take."""

    step: float
    """A training step, with photos being decoded at the same time."""
    look: float
    """Previews and a validation."""


def measure_pace(
    trainer: Trainer,
    *,
    batches: Iterator[tuple[Tensor, tuple[str, ...]]],
    crops: PhotoCrops,
    workers: int,
    look: Callable[[], object],
) -> Pace:
    """Time a trial.

    Args:
        trainer: a trainer that is used for nothing else.
        batches: at least `TRIAL_STEPS` of them, as the run will load them.
        crops: where they come from.
        workers: processes that decode them.
        look: previews and validates.
    """
    times = []
    for batch, _ in batches:
        start = time.monotonic()
        float(trainer.train_step(batch).total)  # waits for the device
        times.append(time.monotonic() - start)
    step = statistics.median(times[len(times) // 3 :])
    # The queue of decoded batches outlasts the trial, so it does not show what decoding takes.
    start = time.monotonic()
    for index in range(TRIAL_CROPS):
        crops[index]
    mine = trainer.plan.batch_size // trainer.processes.count
    decoding = (time.monotonic() - start) / TRIAL_CROPS * mine
    start = time.monotonic()
    look()
    looking = time.monotonic() - start
    return Pace(step + decoding if workers == 0 else max(step, decoding / workers), looking)
