"""How published work scales its losses, and the weights and layers that go with each scale.

Imports no torch, so that the command line can show the defaults without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faststyle.errors import OptionError

Distance = Literal["relative", "mean", "half_sum", "quarter_mean"]
"""How far features or Gram matrices are apart: see `faststyle.training.losses.DISTANCES`."""

GramNormalization = Literal["positions", "elements"]
"""What a Gram matrix is divided by: the positions H·W, or the elements C·H·W."""

TotalVariation = Literal["mean", "half_sum_of_levels"]
"""The mean over the picture, or half the sum with pixels from 0 to 255."""


@dataclass(frozen=True, kw_only=True)
class LossConvention:
    """One way to scale the losses, with what was published for it."""

    content: Distance
    """Distance of the features of the content loss."""
    gram: GramNormalization
    """What Gram matrices are divided by."""
    style: Distance
    """Distance of the Gram matrices."""
    total_variation: TotalVariation
    """How the total variation is summed up."""
    layers_averaged: bool
    """Whether only the ratios of layer weights count, or the weights as they are."""

    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    style_layer_weight: float
    """Weight of each style layer."""
    content_weight: float
    style_weight: float
    total_variation_weight: float


RELATIVE = LossConvention(
    content="relative",
    gram="positions",
    style="relative",
    total_variation="mean",
    layers_averaged=True,
    content_layers=("relu4_2",),
    style_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    style_layer_weight=1.0,
    content_weight=1.0,
    style_weight=20.0,
    total_variation_weight=10.0,
)
"""What faststyle trains by: no weight depends on the loss network, its layers or the size.

The content layer is that of Gatys et al., not that of training: by relu3_2 a picture that starts
from the photo stays too near to it.
"""

GATYS = LossConvention(
    content="half_sum",
    gram="positions",
    style="quarter_mean",
    total_variation="mean",
    layers_averaged=False,
    content_layers=("relu4_2",),
    style_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    style_layer_weight=0.2,
    content_weight=1.0,
    style_weight=1e3,
    total_variation_weight=0.0,
)
"""Gatys, Ecker & Bethge 2016, eqs. 1, 4, 5 and 7, at a content-to-style ratio of 1e-3."""

JOHNSON = LossConvention(
    content="mean",
    gram="elements",
    style="mean",
    total_variation="half_sum_of_levels",
    layers_averaged=False,
    content_layers=("relu3_3",),
    style_layers=("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
    style_layer_weight=1.0,
    content_weight=1.0,
    style_weight=5.0,
    total_variation_weight=1e-6,
)
"""jcjohnson/fast-neural-style, whose code averages where eq. 4 of Johnson et al. 2016 sums."""

PYTORCH_EXAMPLES = LossConvention(
    content="mean",
    gram="elements",
    style="mean",
    total_variation="mean",
    layers_averaged=False,
    content_layers=("relu2_2",),
    style_layers=("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
    style_layer_weight=1.0,
    content_weight=1e5,
    style_weight=1e10,
    total_variation_weight=0.0,
)
"""pytorch/examples, fast_neural_style."""

CONVENTIONS = {
    "relative": RELATIVE,
    "gatys": GATYS,
    "johnson": JOHNSON,
    "pytorch-examples": PYTORCH_EXAMPLES,
}


def find_convention(name: str) -> LossConvention:
    """Return the convention of a name.

    Raises:
        OptionError: there is none.
    """
    if name not in CONVENTIONS:
        raise OptionError(
            f"no loss convention is called {name!r}: choose from {', '.join(CONVENTIONS)}"
        )
    return CONVENTIONS[name]
