"""Writing a network as an ONNX graph, layer by layer.

The graph is written rather than traced: older runtimes need opset 17, which torch's
current exporter no longer writes, and what is not written need not be optimized away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from faststyle.context import CONTEXT_SIDE
from faststyle.contract import CONTEXT, INPUT, OUTPUT, SMALL_COPY
from faststyle.errors import ExportError
from faststyle.training.layers import ContextNorm, Enlarge, Residual
from faststyle.training.network import OUTPUT_UNITS, TransformerNetwork
from faststyle.training.sides import name_sides

OPSET = 17
"""ONNX operator set: old enough for the runtimes that people still have."""

IR_VERSION = 8
"""Version of the file format that came with opset 17."""

LAST = 2**62
"""An end of a slice beyond any."""

BLOCK_WINDOW = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
"""Attributes of the convolution of an `Enlarge`."""

PLANES = (2, 3)
"""Axes of height and width in N×C×H×W."""

NO_SPREADS: Mapping[ContextNorm, Tensor] = {}

Normalize = Callable[[ContextNorm, str], str]


@dataclass(frozen=True)
class Affine:
    """Names of the scale and shift that normalize one layer: N×C×1×1."""

    scale: str
    shift: str


class GraphWriter:
    """Collects nodes and weights, and names what flows between them."""

    def __init__(
        self, network: TransformerNetwork, *, half: bool = False, half_weights: bool = False
    ) -> None:
        """Begin a graph.

        Args:
            network: names its parameters.
            half: compute in float16.
            half_weights: store float16 weights at least.
        """
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[tuple[str, bytes], onnx.TensorProto] = {}
        self.half = half
        self.half_weights = half or half_weights
        self.names = {id(each): name for name, each in network.named_parameters()}

    def node(
        self,
        operator: str,
        *inputs: str,
        attributes: Mapping[str, Any] | None = None,
        output: str = "",
    ) -> str:
        """Append a node with one output and return the output's name."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **(attributes or {})))
        return output

    def constant(self, values: NDArray[np.generic], *, name: str = "") -> str:
        """Return the name of a constant, written once however often it is used."""
        key = (f"{name}{values.dtype}{values.shape}", values.tobytes())
        if key not in self.initializers:
            name = name or f"constant_{len(self.initializers)}"
            self.initializers[key] = numpy_helper.from_array(values, name)
        return self.initializers[key].name

    def integers(self, *values: int) -> str:
        """Return the name of a constant int64 vector."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: float, *, kind: type[np.generic] = np.float32) -> str:
        """Return the name of a constant scalar."""
        return self.constant(np.array(value, kind))

    def parameter(self, parameter: Tensor, values: Tensor | None = None) -> str:
        """Return the name of a parameter's values, which are those used where given.

        It has the name of the parameter, so that the network can be read back.
        """
        used = (parameter if values is None else values).detach().cpu().float().numpy()
        contiguous = np.ascontiguousarray(
            used.astype(np.float16 if self.half_weights else used.dtype)
        )
        stored = self.constant(contiguous, name=self.names[id(parameter)])
        if self.half_weights and not self.half:
            # Runtimes fold this cast when they load the file.
            return self.node("Cast", stored, attributes={"to": TensorProto.FLOAT})
        return stored

    def floats(self, x: str) -> str:
        """Turn float32 into the type that is computed in."""
        return self.node("Cast", x, attributes={"to": TensorProto.FLOAT16}) if self.half else x

    def float32(self, x: str) -> str:
        """Turn the type that is computed in into float32."""
        return self.node("Cast", x, attributes={"to": TensorProto.FLOAT}) if self.half else x


@dataclass(frozen=True)
class Opening:
    """What every graph begins with."""

    inputs: tuple[str, ...]
    """Names of the graph's inputs."""
    size: str
    """Height and width of the picture."""
    padded: str
    """Height and width of what the layers run on."""
    framed: str
    """What the layers run on: uint8 N×3×H×W."""
    affines: tuple[Affine, ...]
    """What each `ContextNorm` does, in the order in which they come."""


def write_graph(
    network: TransformerNetwork, *, half: bool = False, context_input: bool = False
) -> onnx.ModelProto:
    """Write a network as an ONNX model that follows the contract, without metadata.

    Args:
        network: any network whose layers are of the types known here.
        half: compute in float16, all but statistics, and store the weights so.
        context_input: take the small copy of the picture as a second input.

    Raises:
        ExportError: the network has a layer of another type.
    """
    writer = GraphWriter(network, half=half)
    opening = open_graph(writer, network, context_input=context_input)
    affines = iter(opening.affines)

    def normalize(_: ContextNorm, x: str) -> str:
        return _apply(writer, next(affines), x)

    images = writer.floats(_in_range(writer, opening.framed))
    *layers, last = network.layers
    x = _write_all(writer, layers, images, normalize)
    if isinstance(last, Enlarge):
        stylized = _blocks(writer, last, x)  # put in their places as bytes, by `close_graph`
    else:
        stylized = _write(writer, last, x, normalize)
    levels = writer.node(
        "QuantizeLinear",
        writer.float32(stylized),
        writer.number(OUTPUT_UNITS / 255),
        writer.number(0, kind=np.uint8),
    )
    model = close_graph(writer, network, opening, levels=levels)
    # Reflecting inside the network changes sides by what is not named.
    if network.margin:
        model.graph.value_info.extend(
            name_sides(
                writer.nodes,
                start=images,
                weights=model.graph.initializer,
                kind=TensorProto.FLOAT16 if half else TensorProto.FLOAT,
            )
        )
    return model


def open_graph(
    writer: GraphWriter,
    network: TransformerNetwork,
    *,
    context_input: bool,
    least_spreads: Mapping[ContextNorm, Tensor] = NO_SPREADS,
) -> Opening:
    """Write what comes before a network's layers: padding, and the look at the small copy.

    Args:
        writer: to write to.
        network: to be written.
        context_input: take the small copy as a second input.
        least_spreads: the smallest standard deviations to divide by, float C×1×1, if any.
    """
    inputs = [INPUT]
    pixels = writer.node("Transpose", INPUT, attributes={"perm": [0, 3, 1, 2]})
    size = _size(writer, pixels)
    affines: list[Affine] = []
    if network.needs_context:
        if context_input:
            inputs.append(CONTEXT)
            planes = writer.node("Transpose", CONTEXT, attributes={"perm": [0, 3, 1, 2]})
            copy = _in_range(writer, planes)
        else:
            copy = _small_copy(writer, pixels, size=size)
        affines = _describe(writer, network, copy, least_spreads=least_spreads)
    framed, padded = _frame(writer, network, pixels)
    if network.margin:
        padded = writer.node("Add", padded, writer.integers(2 * network.margin))
    return Opening(tuple(inputs), size, padded, framed, tuple(affines))


def close_graph(
    writer: GraphWriter,
    network: TransformerNetwork,
    opening: Opening,
    *,
    levels: str,
    batch: str | int = "batch",
) -> onnx.ModelProto:
    """Write what comes after the layers, and return the model.

    Args:
        writer: has the layers.
        network: that was written.
        opening: what comes before them.
        levels: what the layers gave: uint8 N×C×h×w.
        batch: how many pictures the model takes.
    """
    interleaved = _interleave(writer, network, levels, padded=opening.padded)
    start = writer.integers(network.margin, network.margin)
    end = writer.node("Add", opening.size, start) if network.margin else opening.size
    writer.node("Slice", interleaved, start, end, writer.integers(1, 2), output=OUTPUT)
    return _model(writer, opening.inputs, batch=batch)


def _model(writer: GraphWriter, inputs: Iterable[str], *, batch: str | int) -> onnx.ModelProto:
    picture: list[str | int] = [batch, "height", "width", 3]
    contexts = batch if isinstance(batch, int) else "contexts"
    shapes = {
        INPUT: picture,
        CONTEXT: [contexts, "context_height", "context_width", 3],
        OUTPUT: picture,
    }

    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.UINT8, shapes[name])

    used = {name for node in writer.nodes for name in node.input}
    graph = helper.make_graph(
        writer.nodes,
        "faststyle",
        [value(name) for name in inputs],
        [value(OUTPUT)],
        [each for each in writer.initializers.values() if each.name in used],
    )
    return helper.make_model(
        graph,
        producer_name="faststyle",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _size(writer: GraphWriter, planes: str) -> str:
    """Return height and width of N×C×H×W."""
    shape = writer.node("Shape", planes)
    return writer.node("Slice", shape, writer.integers(2), writer.integers(4))


def _in_range(writer: GraphWriter, levels: str) -> str:
    """Turn uint8 levels into float32 in [0, 1]."""
    return writer.node(
        "DequantizeLinear", levels, writer.number(1 / 255), writer.number(0, kind=np.uint8)
    )


def _round_up(writer: GraphWriter, values: str, step: str) -> str:
    """Return the multiples of a step that are next above, as a number of steps."""
    above = writer.node("Add", values, writer.node("Sub", step, writer.integers(1)))
    return writer.node("Div", above, step)


def _frame(writer: GraphWriter, network: TransformerNetwork, planes: str) -> tuple[str, str]:
    """Pad as the network does; return what comes out, and its sides without the margin."""
    filled, target = _fill(writer, network, planes, smallest_side=network.smallest_side)
    if not network.margin:
        return filled, target
    both = writer.integers(0, 0, network.margin, network.margin)
    pads = writer.node("Concat", both, both, attributes={"axis": 0})
    return writer.node("Pad", filled, pads, attributes={"mode": "reflect"}), target


def _fill(
    writer: GraphWriter, network: TransformerNetwork, planes: str, *, smallest_side: int
) -> tuple[str, str]:
    """Repeat the last row and column up to a size that the layers can run on; return that too."""
    size = _size(writer, planes)
    enough = writer.node("Max", size, writer.integers(smallest_side))
    step = writer.integers(network.multiple)
    target = writer.node("Mul", _round_up(writer, enough, step), step)
    return _pad_end(writer, planes, writer.node("Sub", target, size)), target


def _pad_end(writer: GraphWriter, planes: str, missing: str) -> str:
    """Repeat the last row and column as often as is said."""
    pads = writer.node(
        "Concat", writer.integers(0, 0, 0, 0, 0, 0), missing, attributes={"axis": 0}
    )  # before N, channels, H and W, and after them
    return writer.node("Pad", planes, pads, attributes={"mode": "edge"})


def _small_copy(writer: GraphWriter, pixels: str, *, size: str) -> str:
    """Shrink uint8 N×3×H×W as `network.small_copy` does, to float32 in [0, 1]."""
    both_sides = writer.node("ReduceSum", size, writer.integers(0))
    shrink = _round_up(writer, both_sides, writer.integers(2 * CONTEXT_SIDE))
    is_small = writer.node("Less", shrink, writer.integers(4))
    half = _round_up(writer, shrink, writer.integers(2))
    stride = writer.node("Where", is_small, writer.integers(1), half)
    block = writer.node("Where", is_small, shrink, writer.integers(2))
    rows, all_rows = writer.integers(0), writer.integers(LAST)
    sampled = writer.node("Slice", pixels, rows, all_rows, writer.integers(PLANES[0]), stride)
    across = writer.node("Mul", block, stride)
    sides = _size(writer, sampled)
    steps = writer.node("Concat", block, across, attributes={"axis": 0})
    blocks = _round_up(writer, sides, steps)
    lacking = writer.node("Sub", writer.node("Mul", blocks, steps), sides)
    filled = _in_range(writer, _pad_end(writer, sampled, lacking))
    height, width = (
        writer.node("Slice", blocks, writer.integers(axis), writer.integers(axis + 1))
        for axis in (0, 1)
    )
    shape = [writer.integers(0, 3), height, block, width, across]
    split = writer.node(
        "Reshape", filled, writer.node("Concat", *shape, attributes={"axis": 0})
    )  # N×3×h×down×w×across
    return writer.node(
        "ReduceMean", split, attributes={"axes": [3, 5], "keepdims": 0}, output=SMALL_COPY
    )


def _describe(
    writer: GraphWriter,
    network: TransformerNetwork,
    copy: str,
    *,
    least_spreads: Mapping[ContextNorm, Tensor],
) -> list[Affine]:
    """Run the layers on the small copy, and return what normalizes each of them."""
    affines: list[Affine] = []

    def normalize(layer: ContextNorm, x: str) -> str:
        affines.append(_measure(writer, layer, x, least_spread=least_spreads.get(layer)))
        return _apply(writer, affines[-1], x)

    filled, _ = _fill(writer, network, copy, smallest_side=network.smallest_context)
    _write_all(writer, network.measuring, writer.floats(filled), normalize, reflect=True)
    # What comes after the last statistics leads nowhere.
    used = affines[-1].scale, affines[-1].shift
    while not set(writer.nodes[-1].output) & set(used):
        writer.nodes.pop()
    return affines


def _measure(
    writer: GraphWriter, layer: ContextNorm, x: str, *, least_spread: Tensor | None
) -> Affine:
    x = writer.float32(x)
    over = {"axes": list(PLANES), "keepdims": 1}
    mean = writer.node("ReduceMean", x, attributes=over)
    centred = writer.node("Sub", x, mean)
    squares = writer.node("Mul", centred, centred)
    variance = writer.node("ReduceMean", squares, attributes=over)
    spread = writer.node("Sqrt", writer.node("Add", variance, writer.number(layer.epsilon)))
    if least_spread is not None:
        spread = writer.node("Max", spread, writer.constant(least_spread.detach().numpy()[None]))
    weight = writer.float32(writer.parameter(layer.weight))
    bias = writer.float32(writer.parameter(layer.bias))
    scale = writer.node("Div", weight, spread)
    shift = writer.node("Sub", bias, writer.node("Mul", mean, scale))
    return Affine(writer.floats(scale), writer.floats(shift))


def _apply(writer: GraphWriter, affine: Affine, x: str) -> str:
    return writer.node("Add", writer.node("Mul", x, affine.scale), affine.shift)


def _interleave(
    writer: GraphWriter, network: TransformerNetwork, levels: str, *, padded: str
) -> str:
    """Turn uint8 N×C×h×w, of a picture or of its blocks, into N×H×W×3."""
    x = writer.node("Transpose", levels, attributes={"perm": [0, 2, 3, 1]})
    last = network.layers[-1]
    if not isinstance(last, Enlarge):
        return x
    # Blocks of rows of pixels: what is moved are whole runs of pixels.
    rows = writer.node("Reshape", x, writer.integers(0, 0, 0, last.factor, -1))
    x = writer.node("Transpose", rows, attributes={"perm": [0, 1, 3, 2, 4]})
    width = writer.node("Slice", padded, writer.integers(1), writer.integers(2))
    shape = writer.node(
        "Concat", writer.integers(0, -1), width, writer.integers(3), attributes={"axis": 0}
    )
    return writer.node("Reshape", x, shape)


def _write_all(
    writer: GraphWriter,
    layers: Iterable[nn.Module],
    x: str,
    normalize: Normalize,
    *,
    reflect: bool = False,
) -> str:
    in_row = False
    for layer in layers:
        by_convolution = isinstance(layer, Residual) and isinstance(layer[-1], nn.Conv2d)
        if by_convolution and not (in_row or reflect):
            x = _keep_blocked(writer, x)
        in_row = by_convolution or (in_row and isinstance(layer, nn.ReLU))
        x = _write(writer, layer, x, normalize, reflect=reflect)
    return x


def _write(
    writer: GraphWriter, layer: nn.Module, x: str, normalize: Normalize, *, reflect: bool = False
) -> str:
    """Write a layer; ``reflect`` makes convolutions reflect the borders that they pad."""
    match layer:
        case Residual():
            return writer.node("Add", x, _write_all(writer, layer, x, normalize, reflect=reflect))
        case ContextNorm():
            return normalize(layer, x)
        case nn.ReflectionPad2d():
            return _reflect(writer, x, sides=layer.padding)
        case nn.Conv2d() if layer.padding_mode == "zeros" and isinstance(layer.padding, tuple):
            return _convolve(writer, layer, x, reflect=reflect)
        case Enlarge():
            attributes = {"blocksize": layer.factor, "mode": "DCR"}
            return writer.node("DepthToSpace", _blocks(writer, layer, x), attributes=attributes)
        case nn.InstanceNorm2d():
            return _instance_norm(writer, layer, x)
        case nn.ReLU():
            return writer.node("Relu", x)
        case nn.Upsample(mode="nearest", scale_factor=float(factor)):
            scales = writer.constant(np.array([1, 1, factor, factor], np.float32))
            attributes = {
                "mode": "nearest",
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            }
            return writer.node("Resize", x, "", scales, attributes=attributes)
    raise ExportError(f"the layer {layer} has no place in the ONNX graph")


def _convolve(writer: GraphWriter, layer: nn.Conv2d, x: str, *, reflect: bool) -> str:
    attributes = window(layer)
    if reflect and any(attributes["pads"]):
        x = _reflect(writer, x, sides=attributes.pop("pads"))
    parameters = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
    names = [writer.parameter(each) for each in parameters]
    return writer.node("Conv", x, *names, attributes=attributes)


def _reflect(writer: GraphWriter, x: str, *, sides: Sequence[int]) -> str:
    """Reflect borders; sides as many pixels as one another, at left, right, top and bottom."""
    left, right, top, bottom = sides
    pads = writer.integers(0, 0, top, left, 0, 0, bottom, right)
    return writer.node("Pad", x, pads, attributes={"mode": "reflect"})


def _keep_blocked(writer: GraphWriter, x: str) -> str:
    """Begin a row of residual blocks in the layout that convolutions on a CPU work in.

    onnxruntime leaves a sum in the layout of its first input, and would turn the output of
    every block's last convolution, and the input of every first, to match the picture. A
    pooling of single pixels changes nothing but the layout, and onnxruntime keeps that.
    """
    if writer.half or writer.nodes[-1].op_type != "Relu":
        return x
    return writer.node("MaxPool", x, attributes={"kernel_shape": [1, 1]})


def window(layer: nn.Conv2d) -> dict[str, Any]:
    """Return the attributes of a convolution."""
    assert isinstance(layer.padding, tuple)
    return {
        "kernel_shape": list(layer.kernel_size),
        "strides": list(layer.stride),
        "pads": [*layer.padding, *layer.padding],
        "dilations": list(layer.dilation),
        "group": layer.groups,
    }


def _instance_norm(writer: GraphWriter, layer: nn.InstanceNorm2d, x: str) -> str:
    scale, shift = (writer.parameter(each) for each in (layer.weight, layer.bias))
    if writer.half:
        scale, shift, x = (writer.float32(each) for each in (scale, shift, x))
    normalized = writer.node(
        "InstanceNormalization", x, scale, shift, attributes={"epsilon": layer.eps}
    )
    return writer.floats(normalized)


def _blocks(writer: GraphWriter, layer: Enlarge, x: str) -> str:
    """Write the convolution of an `Enlarge`, whose channels are the pixels of a block."""
    kernels, biases = layer.by_pixel()
    weight, bias = writer.parameter(layer.weight, kernels), writer.parameter(layer.bias, biases)
    return writer.node("Conv", x, weight, bias, attributes=BLOCK_WINDOW)


def read_weights(network: TransformerNetwork, graph: onnx.GraphProto) -> None:
    """Give a network the weights of a graph that `write_graph` wrote of one of its shape.

    Raises:
        ValueError: weights are missing, or of another shape.
    """
    stored = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    with torch.no_grad():
        for prefix, layer in network.named_modules():
            for name, parameter in layer.named_parameters(prefix=prefix, recurse=False):
                if name not in stored:
                    raise ValueError(f"no weights are called {name}")
                values = torch.from_numpy(stored[name].astype(np.float32))
                if isinstance(layer, Enlarge):
                    values = _by_color(values, layer, like=parameter)
                if values.shape != parameter.shape:
                    raise ValueError(f"{name} has the shape {tuple(values.shape)}")
                parameter.copy_(values)


def _by_color(values: Tensor, layer: Enlarge, *, like: Tensor) -> Tensor:
    """Undo the order of channels of `Enlarge.by_pixel`."""
    by_pixel = values.reshape(layer.factor**2, -1, *values.shape[1:])
    return by_pixel[0] if like.ndim == 1 else by_pixel.transpose(0, 1).flatten(0, 1)
