"""Writing a network as an ONNX graph, layer by layer.

The graph is written rather than traced: older runtimes need opset 17, which torch's
current exporter no longer writes, and what is not written need not be optimized away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from faststyle.contract import INPUT, OUTPUT
from faststyle.errors import ExportError
from faststyle.training.network import MINIMUM_SIDE, OUTPUT_UNITS, Residual, TransformerNetwork

OPSET = 17
"""ONNX operator set: old enough for the runtimes that people still have."""

IR_VERSION = 8
"""Version of the file format that came with opset 17."""


class GraphWriter:
    """Collects nodes and weights, and names what flows between them."""

    def __init__(self, *, half_weights: bool) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[tuple[str, bytes], onnx.TensorProto] = {}
        self.half_weights = half_weights

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

    def constant(self, values: NDArray[np.generic]) -> str:
        """Return the name of a constant, written once however often it is used."""
        key = (f"{values.dtype}{values.shape}", values.tobytes())
        if key not in self.initializers:
            name = f"constant_{len(self.initializers)}"
            self.initializers[key] = numpy_helper.from_array(values, name)
        return self.initializers[key].name

    def integers(self, *values: int) -> str:
        """Return the name of a constant int64 vector."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Return the name of a constant float32 scalar."""
        return self.constant(np.array(value, np.float32))

    def weights(self, tensor: Tensor) -> str:
        """Return the name of float32 weights, stored as float16 if so asked."""
        values = tensor.detach().cpu().float().numpy()
        if not self.half_weights:
            return self.constant(values)
        # Runtimes fold this cast when they load the file: computing stays in float32.
        stored = self.constant(values.astype(np.float16))
        return self.node("Cast", stored, attributes={"to": TensorProto.FLOAT})

    def graph(self) -> onnx.GraphProto:
        """Return the graph from the contract's input to its output."""
        shape: list[str | int | None] = ["batch", "height", "width", 3]
        return helper.make_graph(
            self.nodes,
            "faststyle",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.UINT8, shape)],
            list(self.initializers.values()),
        )


def write_graph(network: TransformerNetwork, *, half_weights: bool) -> onnx.ModelProto:
    """Write a network as an ONNX model that follows the contract, without metadata.

    Args:
        network: any network whose layers are of the types known here.
        half_weights: store the weights as float16; they are cast to float32 at load.

    Raises:
        ExportError: the network has a layer of another type.
    """
    writer = GraphWriter(half_weights=half_weights)
    size = writer.node(
        "Slice", writer.node("Shape", INPUT), writer.integers(1), writer.integers(3)
    )  # [H, W]
    padded = _pad_to_multiple(writer, size=size, multiple=network.multiple)
    pixels = writer.node("Cast", padded, attributes={"to": TensorProto.FLOAT})
    planes = writer.node("Transpose", pixels, attributes={"perm": [0, 3, 1, 2]})
    images = writer.node("Mul", planes, writer.number(1 / 255))  # N×3×H×W in [0, 1]
    stylized = _write_all(writer, network.layers, images)
    levels = writer.node("Round", writer.node("Mul", stylized, writer.number(255 / OUTPUT_UNITS)))
    clipped = writer.node("Clip", levels, writer.number(0), writer.number(255))
    narrow = writer.node("Cast", clipped, attributes={"to": TensorProto.UINT8})
    interleaved = writer.node("Transpose", narrow, attributes={"perm": [0, 2, 3, 1]})
    origin, axes = writer.integers(0, 0), writer.integers(1, 2)
    writer.node("Slice", interleaved, origin, size, axes, output=OUTPUT)
    return helper.make_model(
        writer.graph(),
        producer_name="faststyle",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _pad_to_multiple(writer: GraphWriter, *, size: str, multiple: int) -> str:
    """Repeat the last row and column until the layers can run: `TransformerNetwork.padded`."""
    step = writer.integers(multiple)
    enough = writer.node("Max", size, writer.integers(MINIMUM_SIDE))
    blocks = writer.node("Div", writer.node("Add", enough, writer.integers(multiple - 1)), step)
    target = writer.node("Mul", blocks, step)
    missing = writer.node("Sub", target, size)
    pads = writer.node(
        "Concat",
        writer.integers(0, 0, 0, 0, 0),
        missing,
        writer.integers(0),
        attributes={"axis": 0},
    )  # before N, H, W, channels and after them
    return writer.node("Pad", INPUT, pads, attributes={"mode": "edge"})


def _write_all(writer: GraphWriter, layers: Iterable[nn.Module], x: str) -> str:
    for layer in layers:
        x = _write(writer, layer, x)
    return x


def _write(writer: GraphWriter, layer: nn.Module, x: str) -> str:
    match layer:
        case Residual():
            return writer.node("Add", x, _write_all(writer, layer, x))
        case nn.ReflectionPad2d():
            left, right, top, bottom = layer.padding
            pads = writer.integers(0, 0, top, left, 0, 0, bottom, right)
            return writer.node("Pad", x, pads, attributes={"mode": "reflect"})
        case nn.Conv2d() if layer.padding_mode == "zeros" and isinstance(layer.padding, tuple):
            parameters = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
            return writer.node(
                "Conv",
                x,
                *map(writer.weights, parameters),
                attributes={
                    "kernel_shape": list(layer.kernel_size),
                    "strides": list(layer.stride),
                    "pads": [*layer.padding, *layer.padding],
                    "dilations": list(layer.dilation),
                    "group": layer.groups,
                },
            )
        case nn.InstanceNorm2d():
            scale, shift = writer.weights(layer.weight), writer.weights(layer.bias)
            return writer.node(
                "InstanceNormalization", x, scale, shift, attributes={"epsilon": layer.eps}
            )
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
