"""Writing the look at the windows: the nodes that find out what normalizes a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from faststyle.context import WINDOW
from faststyle.errors import ExportError
from faststyle.training.ends import Opening
from faststyle.training.layers import ContextNorm, Residual
from faststyle.training.network import TransformerNetwork
from faststyle.training.writer import GraphWriter

NO_SPREADS: Mapping[ContextNorm, Tensor] = {}

WITHIN_PICTURES = (1, 3)
"""Axes of windows and positions in pictures × windows × channels × positions."""


@dataclass(frozen=True)
class Affine:
    """Names of the scale and shift that normalize one layer: N×C×1×1."""

    scale: str
    shift: str


def describe(
    writer: GraphWriter,
    network: TransformerNetwork,
    opening: Opening,
    *,
    least_spreads: Mapping[ContextNorm, Tensor] = NO_SPREADS,
) -> list[Affine]:
    """Run the layers on the windows as `TransformerNetwork.describe` does.

    Args:
        writer: to write to.
        network: to be written.
        opening: has the windows of networks that need some; for others there is nothing to do.
        least_spreads: the smallest standard deviations to divide by, float C×1×1, if any.

    Returns:
        What normalizes each layer.

    Raises:
        ExportError: the network has a layer of another type.
    """
    if opening.context is None:
        return []
    look = _Look(writer, pictures=_count(writer, opening), least_spreads=least_spreads)
    look.write_all(network.measuring, _split(writer, opening))
    # What comes after the last statistics leads nowhere.
    used = look.affines[-1].scale, look.affines[-1].shift
    while not set(writer.nodes[-1].output) & set(used):
        writer.nodes.pop()
    return look.affines


def _count(writer: GraphWriter, opening: Opening) -> str:
    """Return how many pictures have a context."""
    if opening.context_size in writer.sizes:
        return writer.integers(1)
    shape = writer.node("Shape", opening.context or "")
    return writer.node("Slice", shape, writer.integers(0), writer.integers(1))


def _split(writer: GraphWriter, opening: Opening) -> str:
    """Turn the windows beside and below one another into a batch."""
    side = writer.integers(WINDOW)
    counts = writer.node("Div", opening.context_size, side)
    down, across = (
        writer.node("Slice", counts, writer.integers(axis), writer.integers(axis + 1))
        for axis in (0, 1)
    )
    parts = [writer.integers(0, 3), down, side, across, side]
    shape = writer.node("Concat", *parts, attributes={"axis": 0})
    split = writer.node("Reshape", writer.floats(opening.context or ""), shape)
    by_window = writer.node("Transpose", split, attributes={"perm": [0, 2, 4, 1, 3, 5]})
    return writer.node("Reshape", by_window, writer.integers(-1, 3, WINDOW, WINDOW))


class _Look:
    """Writes layers that run on windows, whose convolutions do not pad."""

    def __init__(
        self, writer: GraphWriter, *, pictures: str, least_spreads: Mapping[ContextNorm, Tensor]
    ) -> None:
        self.writer = writer
        self.pictures = pictures
        self.least_spreads = least_spreads
        self.side = WINDOW
        self.affines: list[Affine] = []

    def write_all(self, layers: Iterable[nn.Module], x: str) -> str:
        for layer in layers:
            x = self.write(layer, x)
        return x

    def write(self, layer: nn.Module, x: str) -> str:
        match layer:
            case Residual():
                before = self.side
                changed = self.write_all(layer, x)
                return self.writer.node("Add", self.inner(x, (before - self.side) // 2), changed)
            case ContextNorm():
                return self.normalize(layer, x)
            case nn.Conv2d():
                return self.convolve(layer, x)
            case nn.ReLU():
                return self.writer.node("Relu", x)
        raise ExportError(f"the layer {layer} has no place before the last normalization")

    def inner(self, x: str, cut: int) -> str:
        """Leave out as many positions at every border."""
        if not cut:
            return x
        start, end, axes = (
            self.writer.integers(*pair) for pair in ((cut,) * 2, (-cut,) * 2, (2, 3))
        )
        return self.writer.node("Slice", x, start, end, axes)

    def convolve(self, layer: nn.Conv2d, x: str) -> str:
        parameters = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        names = [self.writer.parameter(each) for each in parameters]
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        self.side = (self.side - kernel) // stride + 1
        attributes = {"kernel_shape": list(layer.kernel_size), "strides": list(layer.stride)}
        return self.writer.node("Conv", x, *names, attributes=attributes)

    def normalize(self, layer: ContextNorm, x: str) -> str:
        """Measure the windows of each picture together, and normalize them."""
        writer, channels = self.writer, len(layer.weight)
        parts = [self.pictures, writer.integers(-1, channels, self.side**2)]
        shape = writer.node("Concat", *parts, attributes={"axis": 0})
        values = writer.node("Reshape", writer.float32(x), shape)
        over = {"axes": list(WITHIN_PICTURES), "keepdims": 1}
        mean = writer.node("ReduceMean", values, attributes=over)
        centred = writer.node("Sub", values, mean)
        squares = writer.node("Mul", centred, centred)
        variance = writer.node("ReduceMean", squares, attributes=over)
        spread = writer.node("Sqrt", writer.node("Add", variance, writer.number(layer.epsilon)))
        by_channel = writer.integers(-1, channels, 1, 1)
        mean, spread = (writer.node("Reshape", each, by_channel) for each in (mean, spread))
        least = self.least_spreads.get(layer)
        if least is not None:
            spread = writer.node("Max", spread, writer.constant(least.detach().numpy()[None]))
        weight, bias = (
            writer.float32(writer.parameter(each)) for each in (layer.weight, layer.bias)
        )
        scale = writer.node("Div", weight, spread)
        shift = writer.node("Sub", bias, writer.node("Mul", mean, scale))
        self.affines.append(Affine(writer.floats(scale), writer.floats(shift)))
        like_values = writer.integers(-1, 1, channels, 1)
        factor, addend = (writer.node("Reshape", each, like_values) for each in (scale, shift))
        normalized = writer.node("Add", writer.node("Mul", values, factor), addend)
        back = writer.integers(-1, channels, self.side, self.side)
        return writer.floats(writer.node("Reshape", normalized, back))
