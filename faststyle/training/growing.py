"""Networks that go on from what a smaller one has learnt."""

from __future__ import annotations

import torch
from torch import nn

from faststyle.training.layers import InstanceNorm, Residual, SampledNorm
from faststyle.training.network import TransformerNetwork


def can_grow(small: TransformerNetwork, large: TransformerNetwork) -> bool:
    """Tell whether `grow` can: of the same kind, and with no fewer channels and blocks."""
    return (
        small.normalization == large.normalization
        and small.width <= large.width
        and len(_blocks(small)) <= len(_blocks(large))
    )


def grow(small: TransformerNetwork, large: TransformerNetwork) -> None:
    """Write what a network has learnt into a larger one, so that it paints the same pictures.

    New channels keep the random kernels they have, and what reads them for old channels weighs
    them by 0, so that no two channels learn the same, as copies of one would (Net2Net, Chen et
    al. 2016). New blocks follow the old ones, and add nothing yet.

    Args:
        small: what has learnt.
        large: what is written into, with random weights; `can_grow` says whether it fits.
    """
    blocks = _blocks(large)
    known = len(_blocks(small))
    pairs = [(_ends(small), _ends(large))]
    pairs += [(list(one), list(other)) for one, other in zip(_blocks(small), blocks, strict=False)]
    with torch.no_grad():
        for learnt_layers, layers in pairs:
            for learnt, layer in zip(learnt_layers, layers, strict=True):
                _write(learnt, layer)
        for block in blocks[known:]:
            last = block[-1]
            assert isinstance(last, InstanceNorm | SampledNorm)
            nn.init.zeros_(last.weight)


def _write(learnt: nn.Module, layer: nn.Module) -> None:
    for known, parameter in zip(learnt.parameters(), layer.parameters(), strict=True):
        parameter[: len(known)] = 0
        parameter[tuple(slice(size) for size in known.shape)] = known


def _ends(network: TransformerNetwork) -> list[nn.Module]:
    return [layer for layer in network.layers if not isinstance(layer, Residual)]


def _blocks(network: TransformerNetwork) -> list[Residual]:
    return [layer for layer in network.layers if isinstance(layer, Residual)]
