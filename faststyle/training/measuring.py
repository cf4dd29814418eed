"""Writing the nodes that measure features, and find out what normalizes them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from faststyle.contract import MEASURED, STATISTICS
from faststyle.training.layers import SampledNorm
from faststyle.training.network import SAMPLE_STEP
from faststyle.training.writer import GraphWriter

PLANES = (2, 3)
"""Axes of height and width in N×C×H×W."""


@dataclass(frozen=True)
class Affine:
    """Names of the scale and shift that normalize one layer: float32 N×C×1×1."""

    scale: str
    shift: str


class Ruler:
    """Measures features of one picture, layer after layer."""

    def __init__(self, writer: GraphWriter, *, named: bool) -> None:
        """Begin.

        Args:
            writer: to write to.
            named: whether what is measured is to have names that it can be shared by.
        """
        self.writer = writer
        self.named = named
        self.count = 0

    def sample(self, features: str) -> str:
        """Take the positions that are measured, those that a larger stride would give.

        A pooling of single positions leaves onnxruntime its own layout of them, which a slice
        does not.
        """
        every = {"kernel_shape": [1, 1], "strides": [SAMPLE_STEP, SAMPLE_STEP]}
        return self.writer.node("MaxPool", features, attributes=every)

    def measure(
        self, layer: SampledNorm, sampled: str, *, least_spread: Tensor | None = None
    ) -> Affine:
        """Find out what normalizes features.

        Args:
            layer: what is to be done.
            sampled: float32 N×C×h×w, from `sample`.
            least_spread: the smallest standard deviations to divide by, float C×1×1.
        """
        writer = self.writer
        over = {"axes": list(PLANES), "keepdims": 1}
        mean = writer.node("ReduceMean", sampled, attributes=over)
        centred = writer.node("Sub", sampled, mean)
        squares = writer.node("Mul", centred, centred)
        variance = writer.node("ReduceMean", squares, attributes=over)
        spread = writer.node("Sqrt", writer.node("Add", variance, writer.number(layer.epsilon)))
        if least_spread is not None:
            least = writer.constant(least_spread.detach().numpy()[None])
            spread = writer.node("Max", spread, least)
        if self.named:
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

    def _name(self, statistic: str, name: str) -> str:
        """Tell what was measured from what is used, which runtimes take to be the same."""
        measured = self.writer.node("Identity", statistic, output=f"{MEASURED}{name}")
        return self.writer.node("Identity", measured, output=name)
