from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from faststyle.training.config import Plan, TrainingConfig
from faststyle.training.pace import Pace
from faststyle.training.plan import ENOUGH_STEPS, OVERHEAD, make_plan

CONFIG = TrainingConfig(style="style.jpg", content="photos")


def _plan(*, seconds_per_photo: float = 0.1, processes: int = 1, **changes: Any) -> Plan:
    asked: list[int] = []

    def pace(plan: Plan) -> Pace:
        asked.append(plan.batch_size)
        return Pace(step=seconds_per_photo * plan.batch_size, look=2.0)

    return make_plan(
        dataclasses.replace(CONFIG, **changes),
        style_weight=3.0,
        precision="float32",
        processes=processes,
        pace=pace,
        looks=20,
        elapsed=lambda: 5.0 * len(asked),
    )


def test_given_steps_need_no_measurement() -> None:
    def never(_: Plan) -> Pace:
        raise AssertionError

    config = dataclasses.replace(CONFIG, steps=30)
    plan = make_plan(
        config,
        style_weight=3.0,
        precision="bfloat16",
        processes=1,
        pace=never,
        looks=20,
        elapsed=lambda: 0.0,
    )
    assert (plan.steps, plan.style_weight, plan.precision) == (30, 3.0, "bfloat16")
    assert plan.learning_rate == config.learning_rate


def test_the_steps_fill_the_minutes_less_what_has_passed() -> None:
    plan = _plan(minutes=10, batch_size=2)
    assert plan.steps == int((600 * (1 - OVERHEAD) - 5 - 40) / 0.2)


@pytest.mark.parametrize(("seconds_per_photo", "batch_size"), [(0.001, 8), (0.06, 4), (5, 2)])
def test_a_fast_machine_takes_larger_batches(seconds_per_photo: float, batch_size: int) -> None:
    plan = _plan(seconds_per_photo=seconds_per_photo, minutes=10)
    assert plan.batch_size == batch_size
    assert plan.steps >= ENOUGH_STEPS or batch_size == 2


def test_a_hopeless_budget_still_takes_a_step() -> None:
    assert _plan(minutes=0.01, seconds_per_photo=100).steps == 1


@pytest.mark.parametrize("processes", [1, 2, 3, 16])
@pytest.mark.parametrize("settings", [{"steps": 10}, {"minutes": 1}])
def test_batches_can_be_shared(processes: int, settings: dict[str, Any]) -> None:
    assert _plan(processes=processes, **settings).batch_size % processes == 0
