"""Network designs that are compared by `networks`: the presets, and each of their choices undone.

All but Johnson's are built as the preset ``fast`` is: a stem with a stride of 4, residual blocks
normalized twice by a sample of the picture, and `Enlarge` back to the full resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from faststyle.training.network import (
    PRESETS,
    Preset,
    TransformerNetwork,
    deeper,
    johnson,
    painting_head,
    sampled_residual,
    stem,
)

Body = Callable[[int], Sequence[nn.Module]]
"""Builds what is between the stem and the head, for a width."""


def _quarter(width: int) -> list[nn.Module]:
    """Three blocks, all at a quarter."""
    return [sampled_residual(width) for _ in range(3)]


def _first(width: int) -> list[nn.Module]:
    """The block at a quarter comes before those at an eighth."""
    return [sampled_residual(width), deeper(width, inner=2 * width, blocks=2)]


def _alone(width: int) -> list[nn.Module]:
    """Three blocks at an eighth and none at a quarter."""
    return [deeper(width, inner=2 * width, blocks=3)]


def _narrow(width: int) -> list[nn.Module]:
    """Three blocks of one and a half times the channels at an eighth."""
    return [deeper(width, inner=3 * width // 2, blocks=3), sampled_residual(width)]


def _broad(width: int) -> list[nn.Module]:
    """One block of three times the channels at an eighth."""
    return [deeper(width, inner=3 * width, blocks=1), sampled_residual(width)]


def _design(name: str, body: Body) -> Preset:
    def build(width: int) -> TransformerNetwork:
        layers = [*stem(width), *body(width), *painting_head(width, factor=4)]
        return TransformerNetwork(layers, preset=name, width=width)

    return Preset(build, 32)


DESIGNS = {
    "johnson": Preset(johnson, 16),
    "fast": PRESETS["fast"],
    "quarter": _design("quarter", _quarter),
    "first": _design("first", _first),
    "alone": _design("alone", _alone),
    "narrow": _design("narrow", _narrow),
    "broad": _design("broad", _broad),
    "quality": PRESETS["quality"],
    "johnson-32": PRESETS["johnson"],
}
"""Each design by name, and the width that it is compared at; the last two with one another."""
