from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from faststyle.errors import OptionError
from faststyle.training.config import RunOptions, TrainingConfig


def _config(**changes: Any) -> TrainingConfig:
    return dataclasses.replace(TrainingConfig(style="style.jpg", content="photos"), **changes)


def test_configuration_survives_json() -> None:
    config = _config(style_layers=("relu1_1",), style_layer_weights=(2.0,), loss_network="vgg19")
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"style_layer_weights": (1.0,)}, "--style-layer-weights has 1 numbers for 5"),
        ({"style_layer_weights": (-1.0, 1, 1, 1, 1)}, "--style-layer-weights"),
        ({"content_layers": ()}, "--content-layers"),
        ({"style_layers": ()}, "--style-layers"),
        (
            {"style_layers": ("relu1_1", "relu2_1", "relu1_1")},
            "--style-layers names relu1_1 more than once",
        ),
        ({"content_layers": ("relu3_2",) * 2}, "--content-layers names relu3_2 more than once"),
        (
            dict.fromkeys(
                ("content_weight", "style_weight", "total_variation_weight", "grid_weight"), 0.0
            ),
            "the weights of all losses are 0",
        ),
        ({"content_weight": -1}, "--content-weight"),
        ({"style_weight": float("nan")}, "--style-weight"),
        ({"crop_size": 32}, "--crop-size must be at least 64"),
        ({"stroke_size": 0.5}, "--stroke-size goes from 1 to 10"),
        ({"intensity": 11}, "--intensity goes from 1 to 10"),
        ({"intensity": None}, "give --intensity or --style-weight"),
        ({"minutes": 0}, "--minutes must be above 0"),
        ({"minutes": None}, "give --minutes or --steps"),
        ({"vgg_weights": "w.pth"}, "--vgg-weights needs --loss-network vgg16 or vgg19"),
        ({"batch_size": 0}, "--batch-size"),
        ({"steps": 0}, "--steps"),
        ({"style_weight": float("inf")}, "--style-weight"),
        ({"learning_rate": 0}, "--learning-rate"),
        ({"learning_rate": 1e38}, "--learning-rate"),
        ({"seed": 10**20}, "--seed"),
        ({"precision": "float64"}, "--precision"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_values_that_make_no_sense_name_their_option(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        _config(**changes)


@pytest.mark.parametrize(
    "name", ["content_weight", "style_weight", "total_variation_weight", "grid_weight"]
)
def test_one_loss_is_enough(name: str) -> None:
    weights = dict.fromkeys(("content_weight", "total_variation_weight", "grid_weight"), 0.0)
    assert _config(**{**weights, "style_weight": 0.0, name: 1.0})
    assert _config(**weights)  # with a style weight that is calibrated


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "gpu"}, "--device must be one of auto, cpu"),
        ({"workers": -1}, "--workers"),
        ({"checkpoint_every": 0}, "--checkpoint-every must be at least 1"),
        ({"preview_every": 0}, "--preview-every"),
    ],
)
def test_run_options_that_make_no_sense_name_themselves(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        RunOptions(**changes)


def test_unknown_and_missing_settings_are_refused() -> None:
    with pytest.raises(OptionError, match="unknown settings: magic"):
        TrainingConfig.from_dict({**_config().to_dict(), "magic": 1})
    with pytest.raises(OptionError, match="content"):
        TrainingConfig.from_dict({"style": "style.jpg"})
