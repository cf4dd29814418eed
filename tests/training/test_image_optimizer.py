from __future__ import annotations

import io
from itertools import pairwise
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from faststyle.errors import CheckpointError, DivergenceError
from faststyle.training.image_optimizer import ImageOptimizer, Objective
from faststyle.training.losses import Losses
from faststyle.training.synthesis_config import OPTIMIZERS


def _losses(total: Tensor) -> Losses:
    nothing = torch.zeros(())
    return Losses(total, nothing, nothing, nothing, total)


def _valley(picture: Tensor) -> Losses:
    """Rosenbrock's valley, whose lowest point is where all pixels are 0.5."""
    x = picture.flatten() * 2
    valley = 100 * (x[1:] - x[:-1].square()).square() + (1 - x[:-1]).square()
    return _losses(valley.mean())


def _bright(picture: Tensor) -> Losses:
    """As near as can be to what is brighter than white in one half and darker than black."""
    target = torch.cat([torch.full((1, 3, 4, 2), 1.5), torch.full((1, 3, 4, 2), -0.5)], 3)
    return _losses((picture - target).square().mean())


def _begun(optimizer: str = "lbfgs", *, objective: Objective = _valley) -> ImageOptimizer:
    picture = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return ImageOptimizer(picture, objective, optimizer=optimizer, learning_rate=0.02)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_step_returns_the_losses_after_it(optimizer: str) -> None:
    image = _begun(optimizer)
    for _ in range(5):
        losses = image.step()
        assert losses.total.item() == pytest.approx(_valley(image.picture).total.item())
        assert not losses.total.requires_grad


def test_lbfgs_finds_the_bottom_of_a_valley_in_few_evaluations() -> None:
    valley = Mock(side_effect=_valley)
    image = _begun(objective=valley)
    totals = [image.step().total.item() for _ in range(80)]
    assert totals[-1] < 1e-4 * totals[0]
    assert valley.call_count < 130
    assert all(after <= before for before, after in pairwise(totals))


def test_adam_takes_one_evaluation_a_step() -> None:
    valley = Mock(side_effect=_valley)
    image = _begun("adam", objective=valley)
    first = image.losses.total
    for _ in range(30):
        image.step()
    assert image.losses.total < 0.2 * first
    assert valley.call_count == 31


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_picture_stays_within_black_and_white(optimizer: str) -> None:
    image = ImageOptimizer(
        torch.full((1, 3, 4, 4), 0.5), _bright, optimizer=optimizer, learning_rate=0.1
    )
    for _ in range(40):
        image.step()
    assert image.picture.min() == 0
    assert image.picture.max() == 1
    assert image.losses.total.item() == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_pixels_come_back_from_white(optimizer: str) -> None:
    """The right half is held white until the left, black at first, has become grey."""

    def losses(picture: Tensor) -> Losses:
        left, right = picture.chunk(2, 3)
        return _losses((left - 0.5).square().mean() + (right + 2 * left - 1.5).square().mean())

    picture = torch.cat([torch.zeros(1, 3, 4, 2), torch.ones(1, 3, 4, 2)], 3)
    image = ImageOptimizer(picture, losses, optimizer=optimizer, learning_rate=0.05)
    for _ in range(150):
        image.step()
    assert torch.allclose(image.picture, torch.full((1, 3, 4, 4), 0.5), atol=0.02)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_saved_state_goes_on_exactly(optimizer: str) -> None:
    image, other = _begun(optimizer), _begun(optimizer)
    for _ in range(7):
        image.step()
    file = io.BytesIO()
    torch.save(image.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(7):
        image.step()
        other.step()
    assert torch.equal(image.picture, other.picture)


@pytest.mark.parametrize("state", [{}, {"pixels": torch.zeros(1, 3, 2, 2)}, {"pixels": "none"}])
def test_a_state_that_does_not_fit_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="does not fit; it is damaged"):
        _begun().load_state_dict(state)


def test_losses_that_are_not_finite_end_it() -> None:
    image = ImageOptimizer(
        torch.full((1, 3, 4, 4), 0.5),
        lambda picture: _losses((picture.mean() - 2).log()),
        optimizer="lbfgs",
        learning_rate=0.1,
    )
    with pytest.raises(DivergenceError, match="NaN or infinite; lower"):
        image.step()
