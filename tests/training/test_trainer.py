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


@pytest.mark.parametrize("name", ["validate", "stylize"])
@pytest.mark.parametrize(("preset", "draws"), [("fast", True), ("johnson", False)])
def test_steps_draw_and_looks_do_not(
    config: TrainingConfig, crops: Tensor, preset: str, draws: bool, name: str
) -> None:
    def look(trainer: Trainer) -> Tensor:
        if name == "stylize":
            return trainer.stylize(crops / 255)
        return trainer.validate(crops).total

    trainer = _trainer(config, preset=preset)
    trainer.plan = dataclasses.replace(PLAN, learning_rate=1e-12)
    totals, seen = [], []
    for seed in range(6):
        totals.append(_total(trainer, crops, seed=seed))
        state = torch.get_rng_state()
        seen.append(look(trainer))
        assert torch.equal(torch.get_rng_state(), state)
    assert (max(totals) - min(totals) > 1e-3) == draws
    assert all(torch.allclose(one, seen[0], atol=1e-4) for one in seen)


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
