"""The configuration of a training run: every default is written here, and only here.

Imports no torch, so that the command line can show the defaults without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from faststyle.errors import ConfigError

SMALLEST_CROP = 64
"""The deepest VGG block needs a few positions to compare, at 16 pixels each."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that decides what a run learns; stored in checkpoints and models."""

    style: str
    """Path of the style picture."""
    content: str
    """Folder of photos, searched recursively."""
    name: str = ""
    """Name of the style; empty means the style picture's file name."""
    author: str = ""
    """Author of the style picture."""
    license: str = ""
    """Licence of the trained model."""
    source: str = ""
    """Where the style picture comes from."""

    preset: str = "johnson"
    """Network preset."""
    width: int = 32
    """Channels of the network's first layer."""

    start_from: str | None = None
    """Checkpoint of another style to start from; None starts from random weights."""

    loss_network: str = "vgg19"
    """Loss network: vgg16 or vgg19."""
    vgg_weights: str | None = None
    """VGG state dict in torchvision's layout; None downloads torchvision's own."""
    content_layers: tuple[str, ...] = ("relu3_2",)
    """Layers of the content loss."""
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    """Layers of the style loss."""
    style_layer_weights: tuple[float, ...] | None = None
    """One weight for each style layer; None weighs all alike."""
    content_weight: float = 1.0
    """Weight of the content loss."""
    style_weight: float = 10.0
    """Weight of the style loss."""
    total_variation_weight: float = 10.0
    """Weight of the total-variation loss."""

    style_size: int = 512
    """Shorter side of the style picture in pixels; larger gives larger strokes."""
    crop_size: int = 256
    """Side of the square crops of photos, in pixels."""
    batch_size: int = 4
    """Photos in a step."""
    steps: int = 4000
    """Steps to train for."""
    learning_rate: float = 2e-3
    """Peak learning rate of Adam; a short warm-up and a cosine decay follow from it."""
    precision: str = "auto"
    """float32, bfloat16 or auto (bfloat16 where the machine computes with it)."""
    seed: int = 0
    """Seed of the weights, the data order and the augmentation."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            ConfigError: names the option.
        """
        _require(bool(self.content_layers), "--content-layers names no layer")
        _require(bool(self.style_layers), "--style-layers names no layer")
        _require(
            len(self.layer_weights) == len(self.style_layers),
            f"--style-layer-weights has {len(self.layer_weights)} numbers "
            f"for {len(self.style_layers)} style layers; give one for each",
        )
        _require(
            min(self.layer_weights) >= 0 and 0 < sum(self.layer_weights) < math.inf,
            "--style-layer-weights: give numbers from 0 up, at least one above 0",
        )
        for option in ("content_weight", "style_weight", "total_variation_weight"):
            weight = getattr(self, option)
            _require(0 <= weight < math.inf, f"{_flag(option)} must be 0 or more")
        for option in ("style_size", "crop_size"):
            size = getattr(self, option)
            _require(size >= SMALLEST_CROP, f"{_flag(option)} must be at least {SMALLEST_CROP}")
        for option in ("batch_size", "steps", "width"):
            _require(getattr(self, option) >= 1, f"{_flag(option)} must be at least 1")
        _require(0 < self.learning_rate <= 1, "--learning-rate must be above 0 and at most 1")
        _require(0 <= self.seed < 2**63, "--seed must be 0 or more, and below 2 to the 63")
        _require(
            self.precision in ("auto", "float32", "bfloat16"),
            "--precision must be auto, float32 or bfloat16",
        )

    @property
    def layer_weights(self) -> tuple[float, ...]:
        """One weight for each style layer."""
        return self.style_layer_weights or (1.0,) * len(self.style_layers)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON types."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Read what `to_dict` wrote.

        Raises:
            ConfigError: a key is unknown or missing, or a value makes no sense.
        """
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        _require(not unknown, f"unknown settings: {', '.join(unknown)}")
        settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        try:
            return cls(**settings)
        except TypeError as error:
            raise ConfigError(f"settings do not fit: {error}") from error


DEVICES = ("auto", "cpu", "cuda", "mps")
"""Where training can run; auto is the first of cuda, mps and cpu that works."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is carried out, which changes nothing in what it learns."""

    device: str = "auto"
    """One of `DEVICES`."""
    workers: int = 2
    """Processes that decode photos; 0 decodes in the training process."""
    checkpoint_every: int = 250
    """Steps between two checkpoints."""
    preview_every: int = 250
    """Steps between two preview pictures."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            ConfigError: names the option.
        """
        _require(self.device in DEVICES, f"--device must be one of {', '.join(DEVICES)}")
        _require(self.workers >= 0, "--workers must be 0 or more")
        for option in ("checkpoint_every", "preview_every"):
            _require(getattr(self, option) >= 1, f"{_flag(option)} must be at least 1")


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)
