"""Reading the losses of a run from the device, and noticing when they go astray."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from faststyle.errors import DivergenceError
from faststyle.training.losses import Losses
from faststyle.training.processes import Processes

READ_EVERY = 10
"""Steps between two readings of the losses, each of which waits for the device."""

DIVERGED = 4.0
"""A total loss so many times the lowest one reached means that the training has diverged."""


class Reading(NamedTuple):
    """Losses averaged over the steps since the reading before, and over all processes."""

    step: int
    content: float
    style: float
    total_variation: float
    grid: float
    total: float


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a run reports after every step."""

    step: int
    """Steps done."""
    steps: int
    """Steps to do in all."""
    reading: Reading | None
    """The newest losses, None before the first reading."""


class Meter:
    """The losses not yet read from the device.

    Attributes:
        reading: the newest reading, None before the first.
        lowest: the lowest total loss, of readings at regular times.
    """

    def __init__(self, processes: Processes, *, lowest: float = math.inf) -> None:
        """Read losses.

        Args:
            processes: those that train together.
            lowest: the lowest total loss read before.
        """
        self.processes = processes
        self.reading: Reading | None = None
        self.pending: list[Tensor] = []
        self.lowest = lowest

    def take(self, losses: Losses, *, step: int, read: bool) -> Reading | None:
        """Note the losses of a step.

        Args:
            losses: of this process's share of the batch.
            step: its number, from 1.
            read: whether to read now in any case.

        Returns:
            A new reading, if it was time for one.

        Raises:
            DivergenceError: the losses have become NaN, infinite or much higher than before.
        """
        self.pending.append(torch.stack(losses))
        # Step 1, as a run that explodes within its first steps knows no better loss to come.
        regular = step == 1 or step % READ_EVERY == 0
        if not (read or regular):
            return None
        means = self.processes.mean(torch.stack(self.pending).mean(0)).tolist()
        self.pending.clear()
        total = means[-1]
        if not math.isfinite(total):
            raise DivergenceError(f"the losses became NaN or infinite by step {step}")
        if regular:  # others may average too few steps to tell
            if total > DIVERGED * self.lowest:
                raise DivergenceError(
                    f"the loss rose from {self.lowest:.3g} to {total:.3g} by step {step}"
                )
            self.lowest = min(self.lowest, total)
        self.reading = Reading(step, *means)
        return self.reading
