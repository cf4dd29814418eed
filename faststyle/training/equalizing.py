"""Giving channels more alike ranges, as all channels of bytes share one.

Cross-layer equalization (Nagel et al. 2019, "Data-free quantization through weight equalization and
bias correction", section 4.1): channels are scaled where they are made, and the kernels that read
them the other way, which is the same network, as ReLUs between keep scales. Here ranges are those
on photos, as they are what bytes cut off and round. Scales are the roots of what would make ranges
equal; with these themselves, kernels would be rounded too much.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from faststyle.training.layers import Enlarge, Residual, SampledNorm
from faststyle.training.network import TransformerNetwork
from faststyle.training.observing import some, watch

TAIL = 1e-4
"""Share of the values of a channel that may be beyond its range."""

SAMPLES = 2000
"""Values looked at of each channel and photo."""

LEAST = 0.05
"""Smallest range that is told apart from none, where the widest is 1."""


@dataclass
class _Channels:
    """Channels that layers share."""

    makers: list[nn.Module] = field(default_factory=list)
    """Layers that make them, or add to them."""
    readers: list[nn.Module] = field(default_factory=list)
    """Convolutions of them."""
    outputs: list[nn.Module] = field(default_factory=list)
    """Layers whose outputs are rounded."""


def equalized(network: TransformerNetwork, photos: Sequence[Tensor]) -> TransformerNetwork:
    """Return a network that paints the same, whose channels have more alike ranges.

    Args:
        network: one whose statistics can be shared, on the CPU.
        photos: float 1×3×H×W in [0, 1].
    """
    network = copy.deepcopy(network)
    found: list[_Channels] = []
    _walk(network.layers, _Channels(), found)
    ranges = _ranges(network, photos)
    with torch.no_grad():
        for channels in found:
            if channels.readers:
                _scale(channels, _factors([ranges[each] for each in channels.outputs]))
    return network


def _walk(layers: Iterable[nn.Module], read: _Channels, found: list[_Channels]) -> _Channels:
    """Find the channels that layers make, and return those that the last of them gives."""
    for layer in layers:
        match layer:
            case Residual():
                added = _walk(layer, read, found)
                read.makers += added.makers
                read.outputs += [*added.outputs, layer]
            case nn.Conv2d() | Enlarge() | SampledNorm():
                if not isinstance(layer, SampledNorm):
                    read.readers.append(layer)
                read = _Channels([layer], [], [layer])
                found.append(read)
            case nn.ReLU():
                read.outputs[-1] = layer
    return read


def _ranges(network: TransformerNetwork, photos: Sequence[Tensor]) -> dict[nn.Module, Tensor]:
    """Return how far the channels of each layer's output go from 0: float C."""
    values: defaultdict[nn.Module, list[Tensor]] = defaultdict(list)
    for photo in photos:
        for layer, output in watch(network, photo, network.describe(photo)):
            values[layer].append(some(output[0].flatten(1), SAMPLES).abs())
    return {
        layer: torch.quantile(torch.cat(every, 1), 1 - TAIL, dim=1)
        for layer, every in values.items()
    }


def _factors(ranges: Sequence[Tensor]) -> Tensor:
    """Return what to multiply channels with, of which several layers have ranges: float C."""
    shares = torch.stack([each / each.max().clamp(min=1e-9) for each in ranges])
    typical = shares.clamp(min=LEAST).log().mean(0).exp()
    return typical.rsqrt()


def _scale(channels: _Channels, factors: Tensor) -> None:
    """Multiply channels where they are made, and divide them where they are read."""
    for maker in channels.makers:
        for parameter in maker.parameters():
            parameter.mul_(factors.view(-1, *[1] * (parameter.ndim - 1)))
    for reader in channels.readers:
        assert isinstance(reader.weight, Tensor)
        reader.weight.div_(factors.view(1, -1, 1, 1))
