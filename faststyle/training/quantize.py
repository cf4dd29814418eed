"""Writing a network as an int8 ONNX graph, by ranges measured on photos.

Normalization by a small copy makes it cheap: what it does to a picture is a scale and a shift
for each channel. The scale goes into the scales of a convolution's int8 weights, which are read
when the model runs, and the shift is one addition. General tools quantize convolutions with
constant scales only, and would leave the normalization to float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from faststyle.contract import NCHW_FLOAT
from faststyle.errors import ExportError
from faststyle.training import layers as blocks
from faststyle.training.ends import Form, close_graph, from_levels, open_graph
from faststyle.training.graph import BLOCK_WINDOW, DEFAULT_FORM, Affine, describe, window
from faststyle.training.layers import ContextNorm, Enlarge, Residual
from faststyle.training.network import OUTPUT_UNITS, TransformerNetwork, small_copy
from faststyle.training.writer import GraphWriter

Layer = TypeVar("Layer", bound=nn.Module)

SHIFT_MARGIN = 2.0
"""How much further than on the photos seen a shift may go; it has steps to spare."""

SPREAD_MARGIN = 2.0
"""How much less may vary than on the photos seen before it is normalized by less.

A picture of one colour would else be scaled beyond all ranges.
"""

TAIL = 3e-4
"""Share of values at either end of a range that may be clipped."""

SAMPLES = 1_000_000
"""Values looked at of each layer and photo; torch's quantile takes no more than 16 million."""


@dataclass(frozen=True)
class Range:
    """Smallest and largest value to be represented by uint8."""

    low: float = 0.0
    high: float = 0.0

    def __or__(self, other: Range) -> Range:
        """Return the range of both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

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
    centres: dict[ContextNorm, Tensor] = field(default_factory=dict)
    """Mean by channel of what is to be normalized: float C×1×1."""
    scaled: dict[ContextNorm, Range] = field(default_factory=dict)
    """Range of what is to be normalized, less its centre, after the scale."""
    shifts: dict[ContextNorm, Range] = field(default_factory=dict)
    """Range of what is then to be added."""
    spreads: dict[ContextNorm, Tensor] = field(default_factory=dict)
    """Smallest standard deviation by channel of what is to be normalized: float C×1×1."""


def observe(network: TransformerNetwork, photos: Sequence[Tensor]) -> Observations:
    """Run a network on photos and note the ranges of everything in it.

    Args:
        network: one that needs a context, on the CPU.
        photos: float 1×3×H×W in [0, 1].
    """
    norms = [each for each in network.layers.modules() if isinstance(each, ContextNorm)]
    seen = Observations()
    with torch.no_grad():
        affines = [network.describe(small_copy(photo)) for photo in photos]
        for norm, by_photo in zip(norms, zip(*affines, strict=True), strict=True):
            means = [(norm.bias - affine.shift) / affine.scale for affine in by_photo]
            seen.centres[norm] = torch.cat(means).mean(0)
            spreads = [(norm.weight / affine.scale).abs() for affine in by_photo]
            seen.spreads[norm] = torch.cat(spreads).amin(0)
        for photo, each in zip(photos, affines, strict=True):
            _watch(network.layers, network.framed(photo), iter(each), seen)
    return seen


def _watch(
    layers: Iterable[nn.Module],
    features: Tensor,
    affines: Iterator[blocks.Affine],
    seen: Observations,
) -> Tensor:
    for layer in layers:
        if isinstance(layer, Residual):
            features = features + _watch(layer, features, affines, seen)
        elif isinstance(layer, ContextNorm):
            affine = next(affines)
            shift = affine.shift + affine.scale * seen.centres[layer]
            features = affine(features)
            extremes = Range(*(SHIFT_MARGIN * shift.aminmax()[end].item() for end in (0, 1)))
            seen.shifts[layer] = seen.shifts.get(layer, Range()) | extremes
            seen.scaled[layer] = seen.scaled.get(layer, Range()) | _range(features - shift)
        else:
            features = layer(features)
        seen.outputs[layer] = seen.outputs.get(layer, Range()) | _range(features)
    return features


def _range(values: Tensor) -> Range:
    step = -(-values.numel() // SAMPLES)
    low, high = torch.quantile(values.flatten()[::step], torch.tensor([TAIL, 1 - TAIL])).tolist()
    return Range(min(low, 0.0), max(high, 0.0))


@dataclass(frozen=True)
class _Value:
    """A uint8 tensor in the graph, and the range it stands for."""

    name: str
    range: Range
    stride: int
    """Pixels of the picture from one position to the next."""


def write_quantized_graph(
    network: TransformerNetwork, *, seen: Observations, form: Form = DEFAULT_FORM
) -> onnx.ModelProto:
    """Write a network as an int8 model of one picture at a time, without metadata.

    The look at the small copy stays in float32. Weights are symmetrical int8 with a scale for
    each channel, everything between layers is uint8.

    Args:
        network: one that needs a context.
        seen: what photos told of it.
        form: what the file takes and gives.

    Raises:
        ExportError: the network is of another kind.
    """
    if not network.needs_context:
        raise ExportError(
            f"preset {network.preset}: only networks that normalize by a small copy of the "
            "picture can be exported in int8; choose fp16"
        )
    writer = GraphWriter(network, half_weights=True)
    least = {norm: spreads / SPREAD_MARGIN for norm, spreads in seen.spreads.items()}
    opening = open_graph(writer, network, form=form)
    affines = describe(writer, network, opening, least_spreads=least)
    width = writer.node("Slice", opening.padded, writer.integers(1), writer.integers(2))
    quantizer = _Quantizer(writer, seen, iter(affines), width=width)
    picture = Range(0, 1)
    framed = opening.framed
    if form.layout == NCHW_FLOAT:
        framed = quantizer.quantize(framed, picture)
    painted = quantizer.write_all(list(network.layers), _Value(framed, picture, 1)).name
    if form.layout == NCHW_FLOAT:
        painted = from_levels(writer, painted)
    return close_graph(writer, network, opening, painted=painted, form=form, batch=1)


class _Quantizer:
    """Writes layers whose inputs and outputs are uint8."""

    def __init__(
        self, writer: GraphWriter, seen: Observations, affines: Iterator[Affine], *, width: str
    ) -> None:
        self.writer = writer
        self.seen = seen
        self.affines = affines
        self.width = width

    def write_all(self, layers: Sequence[nn.Module], x: _Value) -> _Value:
        remaining = list(layers)
        while remaining:
            x = self.write(remaining, x)
        return x

    def write(self, remaining: list[nn.Module], x: _Value) -> _Value:
        """Write the next layer, with the normalization and activation that follow it."""
        layer = remaining.pop(0)
        match layer:
            case Residual():
                changed = self.write_all(list(layer), x)
                activation = _take(remaining, nn.ReLU)
                return self.add(x, changed, self.seen.outputs[activation or layer])
            case Enlarge():
                levels = Range(0, OUTPUT_UNITS)
                return self.convolve(x, *layer.by_pixel(), attributes=BLOCK_WINDOW, output=levels)
            case nn.Conv2d():
                norm = _take(remaining, ContextNorm)
                activation = _take(remaining, nn.ReLU)
                output = self.seen.outputs[activation or norm or layer]
                if norm is None:
                    return self.convolve(
                        x, layer.weight, layer.bias, attributes=window(layer), output=output
                    )
                return self.normalized(
                    x, layer, norm, output=output, clipped=activation is not None
                )
        raise ExportError(f"the layer {layer} has no place in an int8 graph")

    def normalized(
        self, x: _Value, layer: nn.Conv2d, norm: ContextNorm, *, output: Range, clipped: bool
    ) -> _Value:
        """Write a convolution and what normalizes it; an activation is the range's end at 0.

        What remains below 0 with the largest shift need not be told apart if it is ``clipped``.
        """
        writer = self.writer
        affine = next(self.affines)
        scaled_range = self.seen.scaled[norm]
        if clipped:
            lowest = max(scaled_range.low, -self.seen.shifts[norm].high)
            scaled_range = replace(scaled_range, low=lowest)
        # Scales of weights must be positive, so negative ones turn the weights round.
        sign = torch.where(norm.weight < 0, -1.0, 1.0)
        centre = self.seen.centres[norm]
        scaled = self.convolve(
            x,
            layer.weight * sign[..., None],
            -(centre * sign).flatten(),
            attributes=window(layer),
            output=scaled_range,
            scale=writer.node("Reshape", writer.node("Abs", affine.scale), writer.integers(-1)),
        )
        moved = writer.node("Mul", affine.scale, writer.constant(centre.detach().numpy()[None]))
        shift = writer.node("Add", affine.shift, moved)
        return self.add(scaled, self._row(shift, norm, like=scaled), output)

    def _row(self, shift: str, norm: ContextNorm, *, like: _Value) -> _Value:
        """Repeat a shift, 1×C×1×1, to a row, which onnxruntime adds five times as fast.

        Made with the channels last, as onnxruntime lays int8 out, it is not transposed there.
        """
        writer = self.writer
        last = writer.node("Reshape", shift, writer.integers(1, 1, 1, -1))
        quantized = self.quantize(last, self.seen.shifts[norm])
        width = writer.node("Div", self.width, writer.integers(like.stride))
        one = writer.integers(1)
        shape = writer.node("Concat", one, one, width, one, attributes={"axis": 0})
        row = writer.node("Expand", quantized, shape)
        planes = writer.node("Transpose", row, attributes={"perm": [0, 3, 1, 2]})
        return _Value(planes, self.seen.shifts[norm], like.stride)

    def convolve(
        self,
        x: _Value,
        weight: Tensor,
        bias: Tensor | None,
        *,
        attributes: Mapping[str, Any],
        output: Range,
        scale: str | None = None,
    ) -> _Value:
        """Write a convolution; ``scale`` names a vector to multiply it with, by channel."""
        values = weight.detach().float().numpy()
        by_channel = np.abs(values).reshape(len(values), -1).max(1).clip(1e-9) / 127
        steps = np.rint(values / by_channel[:, None, None, None]).astype(np.int8)
        if bias is None:
            bias = torch.zeros(len(values))
        biases = np.rint(bias.detach().double().numpy() / (by_channel * x.range.scale))
        weight_scale = self.writer.constant(by_channel.astype(np.float32))
        if scale is not None:
            weight_scale = self.writer.node("Mul", weight_scale, scale)
        name = self.writer.node(
            "QLinearConv",
            x.name,
            *self._constants(x.range),
            self.writer.constant(steps),
            weight_scale,
            self.writer.constant(np.zeros(len(values), np.int8)),
            *self._constants(output),
            self.writer.constant(biases.astype(np.int32)),
            attributes=attributes,
        )
        (stride, _) = attributes.get("strides", (1, 1))
        return _Value(name, output, x.stride * stride)

    def add(self, x: _Value, y: _Value, output: Range) -> _Value:
        total = self.writer.node("Add", self.dequantize(x), self.dequantize(y))
        return _Value(self.quantize(total, output), output, x.stride)

    def quantize(self, x: str, output: Range) -> str:
        return self.writer.node("QuantizeLinear", x, *self._constants(output))

    def dequantize(self, x: _Value) -> str:
        return self.writer.node("DequantizeLinear", x.name, *self._constants(x.range))

    def _constants(self, values: Range) -> tuple[str, str]:
        return self.writer.number(values.scale), self.writer.number(values.zero, kind=np.uint8)


def _take(remaining: list[nn.Module], kind: type[Layer]) -> Layer | None:
    if remaining and isinstance(remaining[0], kind):
        layer = remaining.pop(0)
        assert isinstance(layer, kind)
        return layer
    return None
