"""Writing a network as an ONNX graph, layer by layer.

The graph is written rather than traced: older runtimes need opset 17, which torch's
current exporter no longer writes, and what is not written need not be optimized away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from faststyle.errors import ExportError
from faststyle.training.ends import (
    Filled,
    Form,
    Opening,
    as_painted,
    close_graph,
    in_range,
    open_graph,
)
from faststyle.training.layers import Enlarge, Residual, SampledNorm
from faststyle.training.measuring import Affine, Ruler
from faststyle.training.network import TransformerNetwork
from faststyle.training.writer import GraphWriter

DEFAULT_FORM = Form()

BLOCK_WINDOW = {"kernel_shape": [3, 3]}
"""Attributes of the convolution of an `Enlarge`."""

Normalize = Callable[[SampledNorm, str], str]


def write_graph(
    network: TransformerNetwork, *, half: bool = False, form: Form = DEFAULT_FORM
) -> onnx.ModelProto:
    """Write a network as an ONNX model that follows the contract, without metadata.

    Args:
        network: any network whose layers are of the types known here.
        half: compute in float16, all but statistics, and store the weights so.
        form: what the file takes and gives.

    Raises:
        ExportError: the network has a layer of another type.
    """
    writer = GraphWriter(network, half=half, half_weights=form.half_weights)
    opening = open_graph(writer, network, form=form)
    normalize = _normalizer(writer, network, opening, form=form)
    *layers, last = network.layers
    x = _write_all(writer, *_begin(writer, layers, opening.picture.planes, form=form), normalize)
    if isinstance(last, Enlarge):
        stylized = _blocks(writer, last, x)  # put in their places by `close_graph`
    else:
        stylized = _write(writer, last, x, normalize)
    painted = as_painted(writer, writer.float32(stylized), form=form)
    return close_graph(writer, network, opening, painted=painted, form=form)


def _normalizer(
    writer: GraphWriter, network: TransformerNetwork, opening: Opening, *, form: Form
) -> Normalize:
    """Return what writes normalizations of the picture, by a context if there is one."""
    if opening.context is not None:
        given = iter(_describe(writer, network, opening.context, form=form))
        return lambda _, x: _apply(writer, next(given), x)
    ruler = Ruler(writer)
    return lambda layer, x: _apply(writer, _measure(ruler, layer, x), x)


def _describe(
    writer: GraphWriter, network: TransformerNetwork, context: Filled, *, form: Form
) -> list[Affine]:
    """Run the layers on another picture, and return what normalizes each of them."""
    ruler = Ruler(writer)
    affines: list[Affine] = []

    def normalize(layer: SampledNorm, x: str) -> str:
        affines.append(_measure(ruler, layer, x))
        return _apply(writer, affines[-1], x)

    layers = list(network.layers)[:-1]
    _write_all(writer, *_begin(writer, layers, context.planes, form=form), normalize)
    writer.end_with(affines[-1].scale, affines[-1].shift)
    return affines


def _measure(ruler: Ruler, layer: SampledNorm, x: str) -> Affine:
    return ruler.measure(layer, ruler.writer.float32(ruler.sample(x)))


def _apply(writer: GraphWriter, affine: Affine, x: str) -> str:
    scale, shift = writer.floats(affine.scale), writer.floats(affine.shift)
    return writer.node("Add", writer.node("Mul", x, scale), shift)


def _begin(
    writer: GraphWriter, layers: Sequence[nn.Module], planes: str, *, form: Form
) -> tuple[Sequence[nn.Module], str]:
    """Turn a picture into floats, and return the layers that are left to write, and it.

    Padding comes before, as bytes are less to copy.
    """
    if layers and isinstance(layers[0], nn.ReflectionPad2d):
        planes, layers = reflect(writer, layers[0], planes), layers[1:]
    return layers, writer.floats(in_range(writer, planes, form=form))


def _write_all(
    writer: GraphWriter, layers: Iterable[nn.Module], x: str, normalize: Normalize
) -> str:
    for layer in layers:
        x = _write(writer, layer, x, normalize)
    return x


def _write(writer: GraphWriter, layer: nn.Module, x: str, normalize: Normalize) -> str:
    match layer:
        case Residual():
            return writer.node("Add", x, _write_all(writer, layer, x, normalize))
        case SampledNorm():
            return normalize(layer, x)
        case nn.ReflectionPad2d():
            return reflect(writer, layer, x)
        case nn.Conv2d() if layer.padding_mode == "zeros" and isinstance(layer.padding, tuple):
            return _convolve(writer, layer, x)
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


def _convolve(writer: GraphWriter, layer: nn.Conv2d, x: str) -> str:
    parameters = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
    names = [writer.parameter(each) for each in parameters]
    return writer.node("Conv", x, *names, attributes=window(layer))


def reflect(writer: GraphWriter, layer: nn.ReflectionPad2d, x: str) -> str:
    """Write a reflection of the borders of features of any type."""
    left, right, top, bottom = layer.padding
    pads = writer.integers(0, 0, top, left, 0, 0, bottom, right)
    return writer.node("Pad", x, pads, attributes={"mode": "reflect"})


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
