"""Network designs that are compared by `networks`: the presets, and each of their choices undone.

All but Johnson's are built as the preset ``fast`` is: a stem with a stride of 4, three residual
blocks normalized twice by a sample of the picture, and `Enlarge` back to the full resolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from faststyle.training.layers import InstanceNorm, Residual, SampledNorm
from faststyle.training.network import (
    PRESETS,
    Preset,
    TransformerNetwork,
    johnson,
    painting_head,
    sampled_residual,
    stem,
)


def relus(width: int) -> TransformerNetwork:
    """Put a ReLU between each two blocks."""
    body = [sampled_residual(width) for _ in range(3)]
    return _network(width, _with_activations(body), name="relus")


def once(width: int) -> TransformerNetwork:
    """Normalize a block once, after its first convolution, and put a ReLU between the blocks.

    What nothing normalizes starts with four times its usual weights, as it would else be next
    to nothing beside what it is added to.
    """
    body = [_once_normalized(width, width, kernel=3) for _ in range(3)]
    return _network(width, _with_activations(body), name="once")


def early(width: int) -> TransformerNetwork:
    """Normalize in the stem and the first block alone."""
    body = [sampled_residual(width), *(_unnormalized(width) for _ in range(2))]
    return _network(width, body, name="early")


def wide(width: int) -> TransformerNetwork:
    """Carry twice the channels from block to block, in two blocks of half of them."""
    body = [_once_normalized(2 * width, width, kernel=1) for _ in range(2)]
    return _network(2 * width, _with_activations(body), name="wide")


def wide_head(width: int) -> TransformerNetwork:
    """Give the work of one block to a head that paints by twice the channels."""
    last = [
        nn.Conv2d(width, 2 * width, 1, bias=False),
        SampledNorm(2 * width),
        nn.ReLU(inplace=True),
        *painting_head(2 * width, factor=4),
    ]
    layers = [*stem(width), *(sampled_residual(width) for _ in range(2)), *last]
    return _built(layers, name="wide-head", width=width)


def johnson_body(width: int) -> TransformerNetwork:
    """Put the body of Johnson's network between the ends of ``fast``.

    Its five blocks are normalized by the whole picture, which tiles cannot share.
    """
    layers = [
        nn.ReflectionPad2d(2),
        nn.Conv2d(3, width, 8, 4, bias=False),
        InstanceNorm(width, affine=True),
        nn.ReLU(inplace=True),
        *(_own_residual(width) for _ in range(5)),
        *painting_head(width, factor=4),
    ]
    return _built(layers, name="johnson-body", width=width)


DESIGNS = {
    "johnson": Preset(johnson, 16),
    "fast": PRESETS["fast"],
    "relus": Preset(relus, 32),
    "once": Preset(once, 32),
    "early": Preset(early, 32),
    "wide": Preset(wide, 32),
    "wide-head": Preset(wide_head, 32),
    "johnson-body": Preset(johnson_body, 32),
    "quality": PRESETS["quality"],
    "johnson-32": PRESETS["johnson"],
}
"""Each design by name, and the width that it is compared at; the last two with one another."""

BRANCH_GAIN = 4.0
"""How many times its usual size a last convolution starts with that nothing normalizes."""


def _network(width: int, body: Sequence[nn.Module], *, name: str) -> TransformerNetwork:
    layers = [*stem(width), *body, *painting_head(width, factor=4)]
    return _built(layers, name=name, width=width)


def _built(layers: list[nn.Module], *, name: str, width: int) -> TransformerNetwork:
    return TransformerNetwork(layers, preset=name, width=width)


def _with_activations(body: Sequence[nn.Module]) -> list[nn.Module]:
    last = len(body) - 1
    return [
        each
        for index, block in enumerate(body)
        for each in ((block,) if index == last else (block, nn.ReLU(inplace=True)))
    ]


def _once_normalized(channels: int, inner: int, *, kernel: int) -> Residual:
    last = nn.Conv2d(inner, channels, kernel)
    with torch.no_grad():
        last.weight.mul_(BRANCH_GAIN)
    first = nn.Conv2d(channels, inner, 3, bias=False)
    padding = nn.ReflectionPad2d(1 + kernel // 2)
    return Residual([padding, first, SampledNorm(inner), nn.ReLU(inplace=True), last])


def _unnormalized(channels: int) -> Residual:
    first, second = (nn.Conv2d(channels, channels, 3) for _ in range(2))
    return Residual([nn.ReflectionPad2d(2), first, nn.ReLU(inplace=True), second])


def _own_residual(channels: int) -> Residual:
    first, second = (nn.Conv2d(channels, channels, 3, bias=False) for _ in range(2))
    norms = [InstanceNorm(channels, affine=True) for _ in range(2)]
    return Residual(
        [nn.ReflectionPad2d(2), first, norms[0], nn.ReLU(inplace=True), second, norms[1]]
    )
