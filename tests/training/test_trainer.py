"""Single steps, as small as they can be."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from faststyle.training.config import TrainingConfig
from faststyle.training.device import NARROW
from faststyle.training.trainer import Trainer, build_objective
from tests.conftest import PLAN


@pytest.fixture
def crops() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (2, 3, 64, 64), generator=generator).byte()


def _trainer(config: TrainingConfig, **changes: object) -> Trainer:
    config = dataclasses.replace(config, **changes)  # type: ignore[arg-type]
    objective = build_objective(config)
    return Trainer(config, PLAN, objective=objective, device=torch.device("cpu"))


def _total(trainer: Trainer, crops: Tensor, *, seed: int) -> float:
    """Take a step with the draws of a seed, and return its loss."""
    torch.manual_seed(seed)
    return float(trainer.train_step(crops).total)


def test_the_same_seeds_give_the_same_steps(config: TrainingConfig, crops: Tensor) -> None:
    one, other = (_trainer(config) for _ in range(2))
    for seed in range(3):
        assert _total(one, crops, seed=seed) == _total(other, crops, seed=seed)
    for name, weights in one.network.named_parameters():
        assert torch.equal(other.network.get_parameter(name), weights), name


@pytest.mark.parametrize("preset", ["fast", "johnson"])
def test_neither_steps_nor_looks_draw_numbers(
    config: TrainingConfig, crops: Tensor, preset: str
) -> None:
    """Else a resumed run would go on differently, as checkpoints hold no state of generators."""
    trainer = _trainer(config, preset=preset)
    state = torch.get_rng_state()
    trainer.train_step(crops)
    trainer.validate(crops)
    trainer.stylize(crops / 255)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("width", "layout"),
    [
        (NARROW // 4, torch.channels_last),
        (NARROW // 4 + 1, torch.contiguous_format),
    ],
)
def test_the_layout_goes_by_the_widest_layer_of_the_network(
    config: TrainingConfig, width: int, layout: torch.memory_format
) -> None:
    trainer = _trainer(config, preset="johnson", width=width)
    assert trainer.layout == layout
    first = next(trainer.network.parameters())
    assert first.is_contiguous(memory_format=layout)
