"""Writing the nodes that measure features, and find out what normalizes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from faststyle.contract import MEASURED, STATISTICS
from faststyle.training.layers import SampledNorm
from faststyle.training.network import SAMPLE_STEP, TransformerNetwork
from faststyle.training.writer import GraphWriter

PLANES = (2, 3)
"""Axes of height and width in N×C×H×W."""


@dataclass(frozen=True)
class Affine:
    """Names of the scale and shift that normalize one layer: float32 N×C×1×1."""

    scale: str
    shift: str


class Ruler:
    """Measures features of one framed picture, layer after layer."""

    def __init__(
        self, writer: GraphWriter, network: TransformerNetwork, *, size: str, named: bool
    ) -> None:
        """Begin.

        Args:
            writer: to write to.
            network: to be written.
            size: height and width of the framed picture.
            named: whether what is measured is to have names that it can be shared by.
        """
        self.writer = writer
        self.sampling = network.sampling
        self.named = named
        self.count = 0
        self.size = size
        self.multiple = network.multiple

    @cached_property
    def ends(self) -> str:
        """Row and column of features at which the picture ends."""
        positions = self.writer.node("Div", self.size, self.writer.integers(self.multiple))
        return self.writer.node("Sub", positions, self.writer.integers(self.sampling.margin))

    def sample(self, features: str) -> str:
        """Take the positions that are measured."""
        start, step = self.sampling.start, SAMPLE_STEP
        return self._slice(features, start, self.ends, step=step)

    def sample_of_strided(self, features: str) -> str:
        """Take them from features that were computed at every `SAMPLE_STEP`-th position only."""
        start = self.sampling.start // SAMPLE_STEP
        return self._slice(features, start, self._strided_ends, step=1)

    @cached_property
    def _strided_ends(self) -> str:
        above = self.writer.node("Add", self.ends, self.writer.integers(SAMPLE_STEP - 1))
        return self.writer.node("Div", above, self.writer.integers(SAMPLE_STEP))

    def _slice(self, features: str, start: int, ends: str, *, step: int) -> str:
        pairs = ((start, start), PLANES, (step, step))
        starts, axes, steps = (self.writer.integers(*pair) for pair in pairs)
        return self.writer.node("Slice", features, starts, ends, axes, steps)

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
