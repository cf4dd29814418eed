"""Network designs that are compared by `networks`: the presets, and each of their choices undone.

All but Johnson's are built as the preset ``fast`` is: a stem with a stride of 4, residual blocks
normalized once by a small copy of the picture, and `Enlarge` back to the full resolution. Where
nothing else is said there are four blocks, as what one choice does was compared with four.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from faststyle.training.layers import ContextNorm, Enlarge, InstanceNorm, Residual
from faststyle.training.network import (
    PRESETS,
    Preset,
    TransformerNetwork,
    branch_end,
    johnson,
    painting_head,
    stem,
    with_activations,
)

Norm = Callable[[int], nn.Module]
"""Builds what normalizes so many channels."""


def blocks_alone(width: int, *, name: str, blocks: int) -> TransformerNetwork:
    """Build ``fast`` with so many residual blocks."""
    body = [_block(width) for _ in range(blocks)]
    layers = [*stem(width), *with_activations(body), painting_head(width, factor=4)]
    return _network(layers, name=name, width=width)


def linear(width: int) -> TransformerNetwork:
    """Leave out the activations between the blocks, as Johnson's network does."""
    blocks = [_block(width) for _ in range(4)]
    layers = [*stem(width), *blocks, painting_head(width, factor=4)]
    return _network(layers, name="linear", width=width)


def instance(width: int) -> TransformerNetwork:
    """Normalize by statistics of the picture itself, and after both convolutions of a block."""
    blocks = [_block(width, norm=_own_norm, second_norm=_own_norm) for _ in range(4)]
    first = _convolution(3, width, kernel=8, stride=4, norm=_own_norm)
    body = [nn.ReLU(inplace=True), *with_activations(blocks)]
    layers = [*first, *body, painting_head(width, factor=4)]
    return _network(layers, name="instance", width=width)


def johnson_body(width: int) -> TransformerNetwork:
    """Put the body of Johnson's network between the ends of ``fast``.

    It has five blocks, normalizes by the picture's own statistics, twice in each of them, and has
    no activations between them.
    """
    blocks = [_block(width, norm=_own_norm, second_norm=_own_norm) for _ in range(5)]
    first = _convolution(3, width, kernel=8, stride=4, norm=_own_norm)
    layers = [*first, nn.ReLU(inplace=True), *blocks, painting_head(width, factor=4)]
    return _network(layers, name="johnson-body", width=width)


def unnormalized(width: int) -> TransformerNetwork:
    """Normalize in the stem alone."""
    blocks = [_block(width, norm=None) for _ in range(4)]
    layers = [*stem(width), *with_activations(blocks), painting_head(width, factor=4)]
    return _network(layers, name="unnormalized", width=width)


def eighth(width: int) -> TransformerNetwork:
    """Compute most at an eighth of the resolution, in three times the channels.

    What the stem sees is kept aside and added again at a quarter of the resolution.
    """
    deep = 3 * width
    body = Residual(
        [
            *_convolution(width, deep, kernel=3, stride=2, norm=ContextNorm),
            nn.ReLU(inplace=True),
            *with_activations([_block(deep) for _ in range(4)]),
            *_convolution(deep, width, kernel=1),
            nn.Upsample(scale_factor=2, mode="nearest"),
        ]
    )
    after = [*_convolution(width, width, kernel=3, norm=ContextNorm), nn.ReLU(inplace=True)]
    layers = [*stem(width), body, *after, painting_head(width, factor=4)]
    return _network(layers, name="eighth", width=width)


def nested(width: int) -> TransformerNetwork:
    """Compute one block for two at an eighth of the resolution, in twice the channels."""
    deep = 2 * width
    end = branch_end(deep, width)
    middle = Residual(
        [
            *_convolution(width, deep, kernel=3, stride=2, norm=ContextNorm),
            nn.ReLU(inplace=True),
            _block(deep),
            nn.ReLU(inplace=True),
            end,
            nn.Upsample(scale_factor=2, mode="nearest"),
        ]
    )
    body = with_activations([_block(width), middle, _block(width)])
    layers = [*stem(width), *body, painting_head(width, factor=4)]
    return _network(layers, name="nested", width=width)


def mixed_head(width: int) -> TransformerNetwork:
    """Give the work of two blocks to a head of two steps, the last at half the resolution."""
    middle = width // 2
    head = [
        Enlarge(width, middle, factor=2),
        nn.ReLU(inplace=True),
        painting_head(middle, factor=2),
    ]
    blocks = [_block(width) for _ in range(3)]
    layers = [*stem(width), *with_activations(blocks), *head]
    return _network(layers, name="mixed-head", width=width)


DESIGNS = {
    "johnson": Preset(johnson, 16),
    "fast": PRESETS["fast"],
    "linear": Preset(linear, 32),
    "four-blocks": Preset(partial(blocks_alone, name="four-blocks", blocks=4), 32),
    "five-blocks": Preset(partial(blocks_alone, name="five-blocks", blocks=5), 32),
    "six-blocks": Preset(partial(blocks_alone, name="six-blocks", blocks=6), 32),
    "instance": Preset(instance, 32),
    "johnson-body": Preset(johnson_body, 32),
    "johnson-body-64": Preset(johnson_body, 64),
    "unnormalized": Preset(unnormalized, 32),
    "eighth": Preset(eighth, 16),
    "nested": Preset(nested, 32),
    "mixed-head": Preset(mixed_head, 32),
    "quality": PRESETS["quality"],
    "johnson-32": PRESETS["johnson"],
}
"""Each design by name, and the width that it is compared at; the last two with one another."""


def _network(layers: list[nn.Module], *, name: str, width: int) -> TransformerNetwork:
    return TransformerNetwork(layers, preset=name, width=width, with_margin=True)


def _own_norm(channels: int) -> nn.Module:
    return InstanceNorm(channels, affine=True)


def _convolution(
    channels_in: int, channels_out: int, *, kernel: int, stride: int = 1, norm: Norm | None = None
) -> list[nn.Module]:
    padding = (kernel - stride + 1) // 2
    # A normalization would subtract the bias again.
    convolution = nn.Conv2d(
        channels_in, channels_out, kernel, stride, padding=padding, bias=norm is None
    )
    return [convolution] if norm is None else [convolution, norm(channels_out)]


def _block(
    channels: int,
    *,
    norm: Norm | None = ContextNorm,
    second_norm: Norm | None = None,
) -> Residual:
    first = [*_convolution(channels, channels, kernel=3, norm=norm), nn.ReLU(inplace=True)]
    if norm is None or second_norm is not None:
        return Residual([*first, *_convolution(channels, channels, kernel=3, norm=second_norm)])
    return Residual([*first, branch_end(channels, channels)])
