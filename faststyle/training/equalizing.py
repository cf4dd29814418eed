"""Scaling channels so that bytes of one range serve all of them."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from faststyle.training.layers import Enlarge, Residual, SampledNorm
from faststyle.training.network import TransformerNetwork
from faststyle.training.observing import watch

POWER = 0.5
"""Of how much larger a channel is than another, what is taken from it and left to its weights,
whose steps it makes larger: half, as a power."""

HIGHEST = 0.999
"""Share of the values of a channel that are not larger than what it is taken to reach."""

SAMPLES = 20_000
"""Values looked at of each channel."""


@dataclass(eq=False)
class _Channels:
    """Channels that are added up or handed on, which can be scaled together."""

    makers: list[nn.Module] = field(default_factory=list)
    """Layers whose weights have them as outputs."""
    users: list[nn.Module] = field(default_factory=list)
    """Layers whose weights have them as inputs."""
    seen: list[nn.Module] = field(default_factory=list)
    """Layers that tell how large they are."""


def equalized(network: TransformerNetwork, photos: Sequence[Tensor]) -> TransformerNetwork:
    """Return a network that paints the same, whose channels differ less in how large they are.

    A layer that gives a channel is scaled down by what those that take it are scaled up
    (cross-layer equalization, Nagel et al. 2019, section 4.1).

    Args:
        network: one whose statistics can be shared, on the CPU; it stays as it is.
        photos: float 1×3×H×W in [0, 1], to see how large channels are.
    """
    network = copy.deepcopy(network)
    found: list[_Channels] = []
    _follow(network.layers, None, found)
    sizes = _sizes(network, photos)
    with torch.no_grad():
        for channels in found[:-1]:  # the last are the colours
            size = torch.stack([sizes[layer] for layer in channels.seen]).amax(0)
            scale = (size / size.max()).clamp(min=1e-3) ** POWER
            for layer in channels.makers:
                for parameter in layer.parameters():
                    parameter.div_(_along(scale, parameter, axis=0))
            for layer in channels.users:
                weight = layer.get_parameter("weight")
                weight.mul_(_along(scale, weight, axis=1))
    return network


def _along(scale: Tensor, parameter: Tensor, *, axis: int) -> Tensor:
    shape = [1] * parameter.ndim
    shape[axis] = -1
    return scale.reshape(shape)


def _follow(
    layers: Iterable[nn.Module], channels: _Channels | None, found: list[_Channels]
) -> _Channels | None:
    """Find out which layers give and take the same channels; None stands for the picture."""
    for layer in layers:
        if isinstance(layer, Residual):
            changed = _follow(layer, channels, found)
            assert channels is not None and changed is not None
            # What is added up is scaled alike.
            channels.makers += changed.makers
            channels.seen += [*changed.seen, layer]
            found.remove(changed)
        elif isinstance(layer, nn.Conv2d | Enlarge):
            if channels is not None:
                channels.users.append(layer)
            channels = _Channels([layer], [], [layer])
            found.append(channels)
        elif isinstance(layer, SampledNorm):
            # Whatever scales what is normalized is taken away again.
            assert channels is not None
            channels.makers, channels.seen = [layer], [layer]
        elif isinstance(layer, nn.ReLU):
            assert channels is not None
            channels.seen = [layer]
    return channels


def _sizes(network: TransformerNetwork, photos: Sequence[Tensor]) -> dict[nn.Module, Tensor]:
    """Return how large what each layer gives is, by channel: float C."""
    found: defaultdict[nn.Module, list[Tensor]] = defaultdict(list)
    for photo in photos:
        for layer, output in watch(network, photo):
            values = output.abs().transpose(0, 1).flatten(1)
            some = values[:, :: -(-values.shape[1] // SAMPLES)]
            found[layer].append(torch.quantile(some, HIGHEST, dim=1))
    return {layer: torch.stack(each).amax(0) for layer, each in found.items()}
