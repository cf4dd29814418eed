from __future__ import annotations

import dataclasses

import pytest

from faststyle.training.schedule import cooled_down, is_flat, learning_rate, learning_rate_factor
from tests.conftest import PLAN


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    factors = [learning_rate_factor(step, steps=100) for step in range(100)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert factors[-1] < 0.001


def test_a_flat_run_cools_down_from_where_its_rate_is() -> None:
    plan = dataclasses.replace(PLAN, steps=1000)
    cooled = cooled_down(plan, step=500)
    assert cooled.steps == 550
    assert learning_rate(cooled, step=500) == learning_rate(plan, step=500)
    assert learning_rate(cooled, step=525) == learning_rate(plan, step=500) / 2
    assert cooled_down(plan, step=990).steps == 1000


@pytest.mark.parametrize(
    ("validations", "flat"),
    [
        ([], False),
        ([1, 1, 1, 1], False),
        ([1, 1, 1, 1, 1], True),
        ([1, 1, 1, 1, 0.9], False),
        ([1, 0.9, 0.95, 0.895, 0.95, 0.93], True),
        ([9, 8, 7, 6, 5, 4], False),
    ],
)
def test_flat_is_when_no_validation_is_much_better(validations: list[float], flat: bool) -> None:
    assert is_flat(validations) is flat
