"""The configuration of pictures made by optimization: every default is written here, and only here.

Imports no torch, so that the command line can show the defaults without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faststyle.training.config import (
    DEVICES,
    SMALLEST_CROP,
    TrainingConfig,
    flag,
    plain,
    require,
    require_layer_weights,
    require_layers,
    require_learning_rate,
    require_owner,
    require_seed,
    require_weight,
)
from faststyle.training.conventions import LossConvention, find_convention

OPTIMIZERS = ("lbfgs", "adam")
STARTS = ("content", "noise", "style")
POOLINGS = ("max", "average")

LARGEST_SIDE = 4096
"""Pixels of a texture's side beyond which a typing mistake is likelier than memory enough."""


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig:
    """What pictures made by optimization have in common."""

    style: str
    """Path of the style picture."""

    loss_network: str = TrainingConfig.loss_network
    """Loss network: lite, vgg16 or vgg19."""
    vgg_weights: str | None = None
    """State dict of a VGG in torchvision's layout; None downloads torchvision's own."""
    pooling: str = "max"
    """What the loss network's poolings take: max or average."""
    convention: str = "relative"
    """How losses are scaled, and whose weights and layers are the defaults."""
    style_layers: tuple[str, ...] | None = None
    """Layers of the style loss; None takes those of the convention."""
    style_layer_weights: tuple[float, ...] | None = None
    """One weight for each style layer; None takes that of the convention for all."""
    total_variation_weight: float | None = None
    """Weight of the total-variation loss; None takes that of the convention."""

    optimizer: str = "lbfgs"
    """lbfgs or adam."""
    learning_rate: float = 0.02
    """Learning rate of Adam; L-BFGS searches along a line instead."""
    steps: int = 100
    """Steps at each size."""
    scales: int = 3
    """Sizes that the picture is made at, each twice the one before."""
    seed: int = 0
    """Seed of the noise to start from."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            OptionError: names the option.
        """
        find_convention(self.convention)
        for option, known in (("optimizer", OPTIMIZERS), ("pooling", POOLINGS)):
            _require_one_of(getattr(self, option), known, option=option)
        require_layers(self.chosen_style_layers, option="style_layers")
        require_layer_weights(self.layer_weights, layers=self.chosen_style_layers)
        require_weight(self.total_variation_weight, option="total_variation_weight")
        for option in ("steps", "scales"):
            require(getattr(self, option) >= 1, f"{flag(option)} must be at least 1")
        require_learning_rate(self.learning_rate)
        require_seed(self.seed)
        require_owner(self.vgg_weights, loss_network=self.loss_network)

    @property
    def published(self) -> LossConvention:
        """The convention with its weights and layers."""
        return find_convention(self.convention)

    @property
    def chosen_style_layers(self) -> tuple[str, ...]:
        """Layers of the style loss."""
        return self.published.style_layers if self.style_layers is None else self.style_layers

    @property
    def layer_weights(self) -> tuple[float, ...]:
        """One weight for each style layer."""
        if self.style_layer_weights is not None:
            return self.style_layer_weights
        return (self.published.style_layer_weight,) * len(self.chosen_style_layers)

    @property
    def weights_file(self) -> Path | None:
        """The file of VGG weights, if one is given."""
        return None if self.vgg_weights is None else Path(self.vgg_weights)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON types."""
        return plain(self)


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig(SynthesisConfig):
    """One photo repainted by optimization (Gatys, Ecker & Bethge 2016)."""

    content: str
    """Path of the photo."""
    content_layers: tuple[str, ...] | None = None
    """Layers of the content loss; None takes those of the convention."""
    content_weight: float | None = None
    """Weight of the content loss; None takes that of the convention."""
    style_weight: float | None = None
    """Weight of the style loss; None takes that of the convention."""
    init: str = "content"
    """Picture to start from: content, noise or style."""
    max_side: int = 512
    """Longer side of the result, in pixels, unless the photo is smaller."""
    style_scale: float = 1.0
    """Longer side of the style picture, relative to the result's; its shorter side is scaled to
    no less than `faststyle.training.config.SMALLEST_CROP`."""
    square: bool = False
    """Crop the photo and the style picture to squares first, from their centres."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            OptionError: names the option.
        """
        super().__post_init__()
        require_layers(self.chosen_content_layers, option="content_layers")
        _require_one_of(self.init, STARTS, option="init")
        for option in ("content_weight", "style_weight"):
            require_weight(getattr(self, option), option=option)
        require(self.max_side >= SMALLEST_CROP, f"--max-side must be at least {SMALLEST_CROP}")
        require(0.1 <= self.style_scale <= 10, "--style-scale goes from 0.1 to 10")

    @property
    def chosen_content_layers(self) -> tuple[str, ...]:
        """Layers of the content loss."""
        return self.published.content_layers if self.content_layers is None else self.content_layers


@dataclass(frozen=True, kw_only=True)
class TextureConfig(SynthesisConfig):
    """A texture made from noise (Gatys, Ecker & Bethge 2015)."""

    size: tuple[int, int] = (512, 512)
    """Width and height of the texture, in pixels."""
    style_side: int = 512
    """Shorter side that the style picture is scaled to, in pixels."""
    tileable: bool = False
    """Make opposite borders fit together."""
    total_variation_weight: float | None = 0.0
    """Weight of the total-variation loss, which the paper does without."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            OptionError: names the option.
        """
        super().__post_init__()
        require(
            min(self.size) >= SMALLEST_CROP and max(self.size) <= LARGEST_SIDE,
            f"--size: sides go from {SMALLEST_CROP} to {LARGEST_SIDE} pixels",
        )
        require(self.style_side >= SMALLEST_CROP, f"--style-side must be at least {SMALLEST_CROP}")


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions:
    """How an optimization is carried out, which changes nothing in the picture."""

    device: str = "auto"
    """One of `faststyle.training.config.DEVICES`."""
    preview_every: int = 50
    """Steps between two previews, with which the state is saved, too."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            OptionError: names the option.
        """
        _require_one_of(self.device, DEVICES, option="device")
        require(self.preview_every >= 1, "--preview-every must be at least 1")


def _require_one_of(value: str, known: tuple[str, ...], *, option: str) -> None:
    require(value in known, f"{flag(option)} must be one of {', '.join(known)}")
