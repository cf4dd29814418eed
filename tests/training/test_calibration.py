from __future__ import annotations

from pathlib import Path

import pytest
import torch

from faststyle.training.calibration import GROWTH, MIDDLE_WEIGHT, calibrate
from faststyle.training.config import TrainingConfig
from faststyle.training.trainer import build_objective
from tests.conftest import Paint


def test_the_style_loss_of_photos_weighs_the_same_for_every_style(
    paint: Paint, vgg_weights: Path
) -> None:
    crops = torch.randint(256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(0)).byte()
    weights = []
    for seed in (1, 2):
        config = TrainingConfig(
            style=str(paint(f"{seed}.png", height=64, width=64, seed=seed)),
            content="",
            stroke_size=1,
            loss_network="vgg19",
            vgg_weights=str(vgg_weights),
        )
        objective = build_objective(config)
        weight = calibrate(5, objective=objective, crops=crops)
        with torch.no_grad():
            unchanged = objective.style(objective.features(crops / 255))
        assert weight * float(unchanged) == pytest.approx(MIDDLE_WEIGHT, rel=1e-4)
        stronger = calibrate(7, objective=objective, crops=crops)
        assert stronger == pytest.approx(GROWTH**2 * weight)
        weights.append(weight)
    assert weights[0] != pytest.approx(weights[1], rel=0.01)
