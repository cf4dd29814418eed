"""How the learning rate rises and falls, and when a run has become flat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from faststyle.training.config import Plan

WARM_UP = 0.05
"""Share of the steps in which the learning rate rises to its peak."""

COOL_DOWN = 0.1
"""Steps of the end of a flat run, as a share of the steps before."""

PATIENCE = 4
"""Validations in a row without a new best one that make a run flat …"""

LEAST_GAIN = 0.01
"""… where a new best one must be lower by this share."""


def learning_rate(plan: Plan, *, step: int) -> float:
    """Learning rate of a step; a pure function, so that a resumed run needs no more state."""
    if plan.cooling_from is None:
        return plan.learning_rate * learning_rate_factor(step, steps=plan.steps)
    return plan.learning_rate * (plan.steps - step) / (plan.steps - plan.cooling_from)


def cooled_down(plan: Plan, *, step: int) -> Plan:
    """Plan a soon end: the learning rate falls from where it is to 0."""
    rest = min(max(1, round(COOL_DOWN * step)), plan.steps - step)
    return replace(
        plan, steps=step + rest, cooling_from=step, learning_rate=learning_rate(plan, step=step)
    )


def is_flat(validations: Sequence[float]) -> bool:
    """Tell whether the newest validation losses are no better than those before them."""
    old, new = validations[:-PATIENCE], validations[-PATIENCE:]
    return bool(old) and min(new) > (1 - LEAST_GAIN) * min(old)


def learning_rate_factor(step: int, *, steps: int) -> float:
    """Share of the peak learning rate at a step: a linear warm-up, then half a cosine to 0."""
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
