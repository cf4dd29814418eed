"""Writing a network as an int8 ONNX graph, by ranges measured on photos.

Normalization by a sample makes it cheap: a convolution is computed at some positions first,
and what that says of all of them is a scale and a shift for each channel. The scale goes into the
scales of the convolution's int8 weights, which are read when the model runs, and the shift is one
addition. General tools quantize convolutions with
constant scales only, and would leave the normalization to float32.

Flat areas are what bytes paint differently, as styles fill them with textures that begin as next
to nothing. Three things keep them: the stem's features, which all else is made of, have finer
steps; rounded kernels answer to a flat area as the exact ones do; and ranges are those of all
photos together, not of the one with the largest values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor, nn

from faststyle.contract import NCHW_FLOAT, SAMPLE_STEP
from faststyle.errors import ExportError
from faststyle.training.ends import Filled, Form, close_graph, from_levels, open_graph
from faststyle.training.graph import BLOCK_WINDOW, DEFAULT_FORM, reflect, window
from faststyle.training.layers import Enlarge, Residual, SampledNorm
from faststyle.training.measuring import Affine, Bounds, Ruler
from faststyle.training.network import OUTPUT_UNITS, TransformerNetwork
from faststyle.training.observing import Observations, Range
from faststyle.training.writer import GraphWriter

Layer = TypeVar("Layer", bound=nn.Module)

SPREAD_MARGIN = 2.0
"""How much less may vary than on the photos seen before it is normalized by less."""

OFFSET_MARGIN = 1.5
"""How much further than on the photos seen a mean may be from its centre, after the scale.

Means of a picture of one colour would else be beyond all ranges, and the picture white.
"""

LEAST_OFFSET = 1.0
"""How far it may be where the photos seen are alike."""

SAMPLE_MARGIN = 1.6
"""How many times the range of photos a convolution has where it is measured.

What is cut off there makes the spread of all too small, where steps hardly change it.
"""

STEM_MARGIN = 1.5
"""How many times the range of photos the stem's features have, whose steps are fine."""

HIGH_STEP = 2
"""How many steps of the stem's small features one step of its large ones is as wide as.

The small ones have a third of the range, in steps a third as wide as bytes would else have.
"""

LARGEST_PAIR = 126
"""Largest sum of two neighbouring weights of one sign, before they are rounded.

Processors without VNNI (Intel's before Ice Lake, AMD's before Zen 4) add up two products of a byte
and a weight in 16 bits, which can hold 255 · 128. It can be divided by `HIGH_STEP`, which joins
both without error.
"""

LARGEST_BIAS = 2**30
"""Largest bias in int32 that leaves room for the sum it is added to."""

LEAST_SCALE = 1e-12
"""Smallest scale of weights; a channel may be normalized to nothing."""


@dataclass(frozen=True)
class _Value:
    """A uint8 tensor in the graph, and the range it stands for."""

    name: str
    range: Range
    stride: int
    """Pixels of the picture from one position to the next."""
    more: int = 0
    """How many positions more there are, down and across, than that makes."""
    parts: tuple[float, ...] = (1.0,)
    """What to multiply equal groups of the channels with; the value is the sum of them."""


def write_quantized_graph(
    network: TransformerNetwork, *, seen: Observations, form: Form = DEFAULT_FORM
) -> onnx.ModelProto:
    """Write a network as an int8 model of one picture at a time, without metadata.

    Weights are symmetrical int8 with a scale for each channel, everything between layers is uint8,
    but for the first features where they are measured.

    Args:
        network: one whose statistics can be shared.
        seen: what photos told of it.
        form: what the file takes and gives.

    Raises:
        ExportError: the network is of another kind.
    """
    if not network.takes_context:
        raise ExportError(
            f"preset {network.preset}: only networks that normalize by a sample of the "
            "picture can be exported in int8; choose fp16"
        )
    writer = GraphWriter(network, half_weights=True)
    # What normalizes the picture itself is within no range before, and needs no bound.
    bounds = {norm: _bounds(norm, seen) for norm in list(seen.spreads)[1:]}
    opening = open_graph(writer, network, form=form)
    stem = next(each for each in network.layers if isinstance(each, nn.Conv2d))
    *layers, last = network.layers

    def write(picture: Filled, *, given: Iterator[Affine] | None) -> tuple[_Quantizer, _Value]:
        width = writer.node("Slice", picture.size, writer.integers(1), writer.integers(2))
        quantizer = _Quantizer(writer, seen, bounds=bounds, given=given, stem=stem, width=width)
        return quantizer, quantizer.write_all(layers, quantizer.bytes_of(picture, form=form))

    given = None
    if opening.context is not None:
        quantizer, _ = write(opening.context, given=None)
        writer.end_with(quantizer.found[-1].scale, quantizer.found[-1].shift)
        given = iter(quantizer.found)
    quantizer, features = write(opening.picture, given=given)
    painted = quantizer.write([last], features).name
    if form.layout == NCHW_FLOAT:
        painted = from_levels(writer, painted)
    return close_graph(writer, network, opening, painted=painted, form=form, batch=1)


def _bounds(norm: SampledNorm, seen: Observations) -> Bounds:
    return Bounds(
        seen.spreads[norm] / SPREAD_MARGIN,
        seen.centres[norm],
        norm.weight.abs() / max(OFFSET_MARGIN * seen.offsets[norm], LEAST_OFFSET),
    )


class _Quantizer:
    """Writes layers whose inputs and outputs are uint8."""

    def __init__(
        self,
        writer: GraphWriter,
        seen: Observations,
        *,
        bounds: Mapping[SampledNorm, Bounds],
        given: Iterator[Affine] | None,
        stem: nn.Module,
        width: str,
    ) -> None:
        self.writer = writer
        self.seen = seen
        self.ruler = Ruler(writer)
        self.given = given
        self.found: list[Affine] = []
        self.bounds = bounds
        self.stem = stem
        self.width = width

    def bytes_of(self, picture: Filled, *, form: Form) -> _Value:
        values = Range(0, 1)
        planes = picture.planes
        if form.layout == NCHW_FLOAT:
            planes = self.quantize(planes, values)
        return _Value(planes, values, 1)

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
                return self.add(self.joined(x), changed, self.seen.outputs[activation or layer])
            case nn.ReflectionPad2d():
                padded = reflect(self.writer, layer, x.name)
                return replace(x, name=padded, more=x.more + 2 * layer.padding[0])
            case Enlarge():
                levels = Range(0, OUTPUT_UNITS)
                return self.convolve(x, *layer.by_pixel(), attributes=BLOCK_WINDOW, output=levels)
            case nn.Conv2d():
                norm = _take(remaining, SampledNorm)
                activation = _take(remaining, nn.ReLU)
                output = self.seen.outputs[activation or norm or layer]
                if norm is None:
                    return self.convolve(
                        x, layer.weight, layer.bias, attributes=window(layer), output=output
                    )
                if layer is self.stem and activation is not None:
                    return self.in_fine_steps(x, layer, norm, output=output)
                return self.normalized(
                    x, layer, norm, output=output, clipped=activation is not None
                )
        raise ExportError(f"the layer {layer} has no place in an int8 graph")

    def in_fine_steps(
        self, x: _Value, layer: nn.Conv2d, norm: SampledNorm, *, output: Range
    ) -> _Value:
        """Write the first convolution, its normalization and activation, with twice the channels.

        Half of them have what is below a knee, the others what is above it. The shift is a bias,
        so that nothing is rounded before. Elsewhere onnxruntime is half as fast with biases that
        it learns when it runs, but with the three channels of a picture it is no slower.
        """
        writer, affine = self.writer, self.measured(x, layer, norm)
        sign = torch.where(norm.weight < 0, -1.0, 1.0)
        knee = STEM_MARGIN * output.high / (1 + HIGH_STEP)
        channels = np.ones(layer.out_channels, np.float32)
        starts = writer.constant(np.concatenate([0 * channels, knee * channels]))
        steps = writer.constant(np.concatenate([channels, HIGH_STEP * channels]))
        scale, shift = (self._twice(each) for each in (affine.scale, affine.shift))
        value = self.convolve(
            x,
            (layer.weight * sign[..., None]).repeat(2, 1, 1, 1),
            writer.node("Div", writer.node("Sub", shift, starts), steps),
            attributes=window(layer),
            output=Range(0, knee),
            scale=writer.node("Div", writer.node("Abs", scale), steps),
        )
        return replace(value, parts=(1, HIGH_STEP))

    def measured(self, x: _Value, layer: nn.Conv2d, norm: SampledNorm) -> Affine:
        """Write what normalizes a convolution, which is computed at some positions for it."""
        if self.given is not None:
            return next(self.given)
        attributes = window(layer)
        attributes["strides"] = [SAMPLE_STEP * stride for stride in layer.stride]
        if layer is self.stem:
            # Pictures differ too much in contrast for bytes of one range.
            weight = self.writer.parameter(layer.weight)
            sampled = self.writer.node("Conv", self.dequantize(x), weight, attributes=attributes)
        else:
            output = self.seen.outputs[layer].widened(SAMPLE_MARGIN)
            value = self.convolve(x, layer.weight, None, attributes=attributes, output=output)
            sampled = self.dequantize(value)
        self.found.append(self.ruler.measure(norm, sampled, bounds=self.bounds.get(norm)))
        return self.found[-1]

    def _twice(self, by_channel: str) -> str:
        """Turn 1×C×1×1 into a vector of 2·C."""
        vector = self.writer.node("Reshape", by_channel, self.writer.integers(-1))
        return self.writer.node("Concat", vector, vector, attributes={"axis": 0})

    def joined(self, x: _Value) -> _Value:
        """Add up the parts of a value."""
        if len(x.parts) == 1:
            return x
        output = Range(0, x.range.high * sum(x.parts))
        assert isinstance(self.stem, nn.Conv2d)
        identity = torch.eye(self.stem.out_channels)[..., None, None]
        return self.convolve(x, identity, None, attributes={"kernel_shape": [1, 1]}, output=output)

    def normalized(
        self, x: _Value, layer: nn.Conv2d, norm: SampledNorm, *, output: Range, clipped: bool
    ) -> _Value:
        """Write a convolution and what normalizes it; an activation is the range's end at 0.

        What remains below 0 with the largest shift need not be told apart if it is ``clipped``.
        """
        writer, affine = self.writer, self.measured(x, layer, norm)
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

    def _row(self, shift: str, norm: SampledNorm, *, like: _Value) -> _Value:
        """Repeat a shift, 1×C×1×1, to a row, which onnxruntime adds five times as fast.

        Made with the channels last, as onnxruntime lays int8 out, it is not transposed there.
        """
        writer = self.writer
        last = writer.node("Reshape", shift, writer.integers(1, 1, 1, -1))
        quantized = self.quantize(last, self.seen.shifts[norm])
        width = writer.node("Div", self.width, writer.integers(like.stride))
        width = writer.node("Add", width, writer.integers(like.more))
        one = writer.integers(1)
        shape = writer.node("Concat", one, one, width, one, attributes={"axis": 0})
        row = writer.node("Expand", quantized, shape)
        planes = writer.node("Transpose", row, attributes={"perm": [0, 3, 1, 2]})
        return replace(like, name=planes, range=self.seen.shifts[norm])

    def convolve(
        self,
        x: _Value,
        weight: Tensor,
        bias: Tensor | str | None,
        *,
        attributes: Mapping[str, Any],
        output: Range,
        scale: str | None = None,
    ) -> _Value:
        """Write a convolution.

        Args:
            x: what is convolved.
            weight: of the sum of its parts.
            bias: in the units of the weights, or the name of a vector, in units of the output.
            attributes: of the node.
            output: range of what comes out.
            scale: names a vector to multiply the weights, and a bias in their units, with.
        """
        values = torch.cat([part * weight for part in x.parts], 1).detach().float().numpy()
        by_channel = _largest_pairs(values).clip(1e-9) / LARGEST_PAIR
        steps = rounded(values / by_channel[:, None, None, None])
        weight_scale = self.writer.constant(by_channel.astype(np.float32))
        if scale is not None:
            weight_scale = self.writer.node("Mul", weight_scale, scale)
        if isinstance(bias, str):
            weight_scale, biases = self._bias(bias, x, weight_scale)
        else:
            units = by_channel.astype(float) * x.range.scale
            floats = np.zeros(len(values)) if bias is None else bias.detach().double().numpy()
            biases = self.writer.constant(np.rint(floats / units).astype(np.int32))
        name = self.writer.node(
            "QLinearConv",
            x.name,
            *self._constants(x.range),
            self.writer.constant(steps),
            weight_scale,
            self.writer.constant(np.zeros(len(values), np.int8)),
            *self._constants(output),
            biases,
            attributes=attributes,
        )
        stride, _ = attributes.get("strides", (1, 1))
        kernel, _ = attributes["kernel_shape"]
        return _Value(name, output, x.stride * stride, (x.more - kernel) // stride + 1)

    def _bias(self, bias: str, x: _Value, weight_scale: str) -> tuple[str, str]:
        """Round a bias to int32; return the scale of weights that it can be told in, and it."""
        writer = self.writer
        least = writer.node(
            "Mul", writer.node("Abs", bias), writer.number(1 / (LARGEST_BIAS * x.range.scale))
        )
        weight_scale = writer.node("Max", weight_scale, least, writer.number(LEAST_SCALE))
        unit = writer.node("Mul", weight_scale, writer.number(x.range.scale))
        rounded = writer.node("Round", writer.node("Div", bias, unit))
        return weight_scale, writer.node("Cast", rounded, attributes={"to": TensorProto.INT32})

    def add(self, x: _Value, y: _Value, output: Range) -> _Value:
        total = self.writer.node("Add", self.dequantize(x), self.dequantize(y))
        return replace(x, name=self.quantize(total, output), range=output)

    def quantize(self, x: str, output: Range) -> str:
        return self.writer.node("QuantizeLinear", x, *self._constants(output))

    def dequantize(self, x: _Value) -> str:
        return self.writer.node("DequantizeLinear", x.name, *self._constants(x.range))

    def _constants(self, values: Range) -> tuple[str, str]:
        return self.writer.number(values.scale), self.writer.number(values.zero, kind=np.uint8)


def _largest_pairs(kernels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the largest sum of two neighbours of one sign in each of the kernels, out×in×h×w.

    Neighbours are channels of one place, the first and second, third and fourth, as onnxruntime
    lays them out; of an odd number, they are counted on through the places.
    """
    values = kernels.transpose(0, 2, 3, 1).reshape(len(kernels), -1)
    values = np.pad(values, ((0, 0), (0, values.shape[1] % 2)))
    pairs = values.reshape(len(values), -1, 2)
    above, below = pairs.clip(min=0).sum(2), -pairs.clip(max=0).sum(2)
    largest: NDArray[np.floating] = np.maximum(above, below).max(1)
    return largest


def rounded(kernels: NDArray[np.floating]) -> NDArray[np.int8]:
    """Round kernels, out×in×h×w of steps, so that the sum of each stays what it is.

    Flat areas see nothing else of a kernel. Those rounded the other way were the nearest to it.
    """
    nearest = np.rint(kernels)
    lacking = (kernels - nearest).reshape(*kernels.shape[:2], -1)
    missing = np.rint(lacking.sum(-1, keepdims=True))
    rank = (-np.sign(missing) * lacking).argsort(-1).argsort(-1)
    turned = np.sign(missing) * (rank < np.abs(missing))
    steps: NDArray[np.int8] = (
        (nearest + turned.reshape(kernels.shape)).clip(-127, 127).astype(np.int8)
    )
    return steps


def _take(remaining: list[nn.Module], kind: type[Layer]) -> Layer | None:
    if remaining and isinstance(remaining[0], kind):
        layer = remaining.pop(0)
        assert isinstance(layer, kind)
        return layer
    return None
