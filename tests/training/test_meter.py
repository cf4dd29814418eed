from __future__ import annotations

import pytest
import torch

from faststyle.errors import DivergenceError
from faststyle.training.losses import Losses
from faststyle.training.meter import READ_EVERY, Meter
from faststyle.training.processes import Processes


def _losses(total: float) -> Losses:
    return Losses(*(torch.tensor(value) for value in (0.1, 0.2, 0.3, 0.4, total)))


def test_readings_are_means_since_the_one_before() -> None:
    meter = Meter(Processes())
    readings = [
        meter.take(_losses(100.0 - step), step=step, read=False)
        for step in range(1, 2 * READ_EVERY + 1)
    ]
    found = [reading for reading in readings if reading is not None]
    assert [reading.step for reading in found] == [1, READ_EVERY, 2 * READ_EVERY]
    assert found[1].total == pytest.approx(100 - (2 + READ_EVERY) / 2)
    assert found[1].style == pytest.approx(0.2)
    assert meter.reading == found[-1]


def test_losses_that_explode_in_the_first_steps_are_noticed() -> None:
    meter = Meter(Processes())
    meter.take(_losses(2.0), step=1, read=False)
    meter.take(_losses(90.0), step=4, read=True)
    with pytest.raises(DivergenceError, match="rose from 2 to 90 by step 10"):
        meter.take(_losses(90.0), step=READ_EVERY, read=False)


def test_a_reading_can_be_asked_for() -> None:
    reading = Meter(Processes()).take(_losses(2.0), step=7, read=True)
    assert reading is not None
    assert reading.total == 2


@pytest.mark.parametrize(
    ("total", "message"),
    [(float("nan"), "NaN or infinite by step 20"), (9.0, r"rose from 2 to 9 by step 20")],
)
def test_losses_that_go_astray_are_noticed(total: float, message: str) -> None:
    meter = Meter(Processes())
    meter.take(_losses(2.0), step=10, read=False)
    meter.take(_losses(9.0), step=11, read=True)  # a single batch may be hard
    with pytest.raises(DivergenceError, match=message):
        meter.take(_losses(total), step=20, read=True)
