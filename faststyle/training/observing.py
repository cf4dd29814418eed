"""Measuring on photos what range of values each layer of a network has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from faststyle.training.layers import Affine, Residual, SampledNorm
from faststyle.training.network import TransformerNetwork

SHIFT_MARGIN = 2.0
"""How much further than on the photos seen a shift may go; it has steps to spare."""

TAIL = 4.5e-5
"""Share of the values of all photos at either end of a range that may be clipped."""

SAMPLES = 50_000
"""Values looked at of each layer and photo; torch's quantile takes no more than 16 million."""


@dataclass(frozen=True)
class Range:
    """Smallest and largest value to be represented by uint8."""

    low: float = 0.0
    high: float = 0.0

    def widened(self, times: float) -> Range:
        """Return a range whose ends are so many times as far from 0."""
        return Range(times * self.low, times * self.high)

    @property
    def scale(self) -> float:
        """What one step stands for."""
        return max(self.high - self.low, 1e-6) / 255

    @property
    def zero(self) -> int:
        """The uint8 value that stands for 0, which every range holds."""
        return round(-self.low / self.scale)


@dataclass
class Observations:
    """What photos told of a network."""

    outputs: dict[nn.Module, Range] = field(default_factory=dict)
    """Range of what each layer gives."""
    centres: dict[SampledNorm, Tensor] = field(default_factory=dict)
    """Mean by channel of what is to be normalized: float C×1×1."""
    scaled: dict[SampledNorm, Range] = field(default_factory=dict)
    """Range of what is to be normalized, less its centre, after the scale."""
    shifts: dict[SampledNorm, Range] = field(default_factory=dict)
    """Range of what is then to be added."""
    offsets: dict[SampledNorm, float] = field(default_factory=dict)
    """How far a mean was at most from its centre, after the scale."""
    spreads: dict[SampledNorm, Tensor] = field(default_factory=dict)
    """Smallest standard deviation by channel of what is to be normalized: float C×1×1."""


def observe(network: TransformerNetwork, photos: Sequence[Tensor]) -> Observations:
    """Run a network on photos and note the ranges of everything in it.

    Args:
        network: one whose statistics can be shared, on the CPU.
        photos: float 1×3×H×W in [0, 1].
    """
    norms = [each for each in network.layers.modules() if isinstance(each, SampledNorm)]
    seen = Observations()
    with torch.no_grad():
        affines = [network.describe(photo) for photo in photos]
        for norm, by_photo in zip(norms, zip(*affines, strict=True), strict=True):
            means = [_over(norm.bias - affine.shift, affine.scale) for affine in by_photo]
            centre = seen.centres[norm] = torch.cat(means).mean(0)
            spreads = [_over(norm.weight, affine.scale).abs() for affine in by_photo]
            seen.spreads[norm] = torch.cat(spreads).amin(0)
            shifts = [_shift(affine, centre) for affine in by_photo]
            seen.shifts[norm] = _range(SHIFT_MARGIN * torch.cat(shifts), tail=0.0)
            seen.offsets[norm] = float((torch.cat(shifts) - norm.bias).abs().max())
    outputs: defaultdict[nn.Module, list[Tensor]] = defaultdict(list)
    scaled: defaultdict[SampledNorm, list[Tensor]] = defaultdict(list)
    for photo, given in zip(photos, affines, strict=True):
        by_norm = dict(zip(norms, given, strict=True))
        for layer, output in watch(network, photo, given):
            outputs[layer].append(some(output.flatten(), SAMPLES))
            if isinstance(layer, SampledNorm):
                shift = _shift(by_norm[layer], seen.centres[layer])
                scaled[layer].append(some((output - shift).flatten(), SAMPLES))
    seen.outputs = {layer: _range(torch.cat(values)) for layer, values in outputs.items()}
    seen.scaled = {norm: _range(torch.cat(values)) for norm, values in scaled.items()}
    return seen


def _over(value: Tensor, scale: Tensor) -> Tensor:
    """Divide by a scale; where it is 0, whatever was measured is of no effect, and 0 will do."""
    return torch.where(scale == 0, 0.0, value / scale)


def _shift(affine: Affine, centre: Tensor) -> Tensor:
    """Return what is to be added to what a scale makes of features less their centre."""
    return affine.shift + affine.scale * centre


def watch(
    network: TransformerNetwork, photo: Tensor, affines: Iterable[Affine]
) -> Iterator[tuple[nn.Module, Tensor]]:
    """Repaint a photo, and yield each layer and what it gives.

    What is in a residual block comes before the block.

    Args:
        network: one whose statistics can be shared, on the CPU.
        photo: float 1×3×H×W in [0, 1].
        affines: what normalizes it, as the network describes it.
    """
    with torch.no_grad():
        yield from _watch(network.layers, network.filled(photo), iter(affines))


def _watch(
    layers: Iterable[nn.Module], features: Tensor, affines: Iterator[Affine]
) -> Iterator[tuple[nn.Module, Tensor]]:
    for layer in layers:
        if isinstance(layer, Residual):
            before = features
            for inside, features in _watch(layer, before, affines):
                yield inside, features
            features = before + features
        elif isinstance(layer, SampledNorm):
            features = next(affines)(features)
        else:
            features = layer(features.clone())  # some change what they are given
        yield layer, features


def some(values: Tensor, count: int) -> Tensor:
    """Return some of the values along the last axis, the same ones of all that are as long.

    They do not lie at even distances, which would miss some columns of a picture.
    """
    generator = torch.Generator().manual_seed(0)
    return values[..., torch.randint(values.shape[-1], (count,), generator=generator)]


def _range(values: Tensor, *, tail: float = TAIL) -> Range:
    low, high = torch.quantile(values.flatten(), torch.tensor([tail, 1 - tail])).tolist()
    return Range(min(low, 0.0), max(high, 0.0))
