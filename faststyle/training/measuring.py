"""Writing the nodes that measure features, and find out what normalizes them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from faststyle.contract import MEASURED, SAMPLE_STEP, STATISTICS
from faststyle.training.layers import SampledNorm
from faststyle.training.writer import GraphWriter

PLANES = (2, 3)
"""Axes of height and width in N×C×H×W."""


@dataclass(frozen=True)
class Affine:
    """Names of the scale and shift that normalize one layer: float32 N×C×1×1."""

    scale: str
    shift: str


@dataclass(frozen=True)
class Bounds:
    """What keeps features that are normalized within the ranges of bytes: float C×1×1 each.

    A picture of one colour would else be scaled beyond all ranges.
    """

    spread: Tensor
    """Smallest standard deviations to divide by …"""
    centre: Tensor
    """… and means on photos, beside which …"""
    spread_by_distance: Tensor
    """… the smallest ones grow by this with the distance of a mean."""


class Ruler:
    """Measures features of one picture, layer after layer.

    What is measured has names, by which other pictures can share it.
    """

    def __init__(self, writer: GraphWriter) -> None:
        self.writer = writer
        self.count = 0

    def sample(self, features: str) -> str:
        """Take the positions that are measured, those that a larger stride would give.

        A pooling of single positions leaves onnxruntime its own layout of them, which a slice
        does not.
        """
        every = {"kernel_shape": [1, 1], "strides": [SAMPLE_STEP, SAMPLE_STEP]}
        return self.writer.node("MaxPool", features, attributes=every)

    def measure(self, layer: SampledNorm, sampled: str, *, bounds: Bounds | None = None) -> Affine:
        """Find out what normalizes features.

        Args:
            layer: what is to be done.
            sampled: float32 N×C×h×w, from `sample`.
            bounds: of what divides, if any.
        """
        writer = self.writer
        over = {"axes": list(PLANES), "keepdims": 1}
        mean = writer.node("ReduceMean", sampled, attributes=over)
        centred = writer.node("Sub", sampled, mean)
        squares = writer.node("Mul", centred, centred)
        variance = writer.node("ReduceMean", squares, attributes=over)
        spread = writer.node("Sqrt", writer.node("Add", variance, writer.number(layer.epsilon)))
        if bounds is not None:
            spread = self._bounded(spread, mean, bounds)
        mean, spread = (
            self._name(each, f"{name}{self.count}")
            for each, name in zip((mean, spread), STATISTICS, strict=True)
        )
        self.count += 1
        weight, bias = (
            writer.float32(writer.parameter(each)) for each in (layer.weight, layer.bias)
        )
        scale = writer.node("Div", weight, spread)
        return Affine(scale, writer.node("Sub", bias, writer.node("Mul", mean, scale)))

    def _bounded(self, spread: str, mean: str, bounds: Bounds) -> str:
        writer = self.writer
        least, centre, by_distance = (
            writer.constant(each.detach().numpy()[None])
            for each in (bounds.spread, bounds.centre, bounds.spread_by_distance)
        )
        distance = writer.node("Abs", writer.node("Sub", mean, centre))
        return writer.node("Max", spread, least, writer.node("Mul", distance, by_distance))

    def _name(self, statistic: str, name: str) -> str:
        """Tell what was measured from what is used, which runtimes take to be the same."""
        measured = self.writer.node("Identity", statistic, output=f"{MEASURED}{name}")
        return self.writer.node("Identity", measured, output=name)
