"""Deciding at the start of a run what its configuration leaves open."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from faststyle.training.config import Plan, TrainingConfig
from faststyle.training.pace import Pace

BATCH_SIZES = (2, 4, 8)
"""What a timed run chooses from."""

ENOUGH_STEPS = 2000
"""A larger batch is taken only if it leaves so many steps."""

USUAL_BATCH = 4
"""Photos in a step when the steps are given."""

OVERHEAD = 0.03
"""Share of a timed run that goes into checkpoints, pictures and the export."""


def make_plan(
    config: TrainingConfig,
    *,
    style_weight: float,
    precision: str,
    processes: int,
    pace: Callable[[Plan], Pace],
    looks: int,
    elapsed: Callable[[], float],
) -> Plan:
    """Decide on the steps and the batch size.

    Args:
        config: what was asked.
        style_weight: the calibrated or given one.
        precision: float32 or bfloat16.
        processes: how many share a batch.
        pace: measures a plan on this machine; asked only if the steps follow from the minutes.
        looks: how often the run will preview and validate.
        elapsed: seconds of the minutes that have passed.
    """
    sizes = [math.lcm(size, processes) for size in BATCH_SIZES]
    plan = Plan(
        steps=config.steps or 1,
        batch_size=config.batch_size or math.lcm(USUAL_BATCH, processes),
        style_weight=style_weight,
        learning_rate=config.learning_rate,
        precision=precision,
    )
    if config.steps is not None:
        return plan
    assert config.minutes is not None
    best = None
    for size in dict.fromkeys(sizes if config.batch_size is None else [config.batch_size]):
        plan = replace(plan, batch_size=size)
        measured = pace(plan)
        left = 60 * config.minutes * (1 - OVERHEAD) - elapsed() - looks * measured.look
        plan = replace(plan, steps=max(1, math.floor(left / measured.step)))
        if best is None or plan.steps >= ENOUGH_STEPS:
            best = plan
        if plan.steps < ENOUGH_STEPS:
            break
    assert best is not None
    return best
