"""The two ends of an exported graph: how pictures come in, and how what is painted goes out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

from faststyle.contract import (
    CONTEXT,
    INPUT,
    KEEP_COLORS,
    LUMA,
    NCHW_FLOAT,
    NHWC_UINT8,
    OUTPUT,
    STRENGTH,
)
from faststyle.training.layers import Enlarge
from faststyle.training.network import OUTPUT_UNITS, TransformerNetwork
from faststyle.training.writer import GraphWriter

OPSET = 17
"""ONNX operator set: old enough for the runtimes that people still have."""

IR_VERSION = 8
"""Version of the file format that came with opset 17."""

SIDES = {NHWC_UINT8: (1, 2), NCHW_FLOAT: (2, 3)}
"""Axes of height and width."""

COLORS = {NHWC_UINT8: 3, NCHW_FLOAT: 1}
"""Axis of the colours."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What an exported file takes and gives, besides what it computes."""

    layout: str = NHWC_UINT8
    """One of `faststyle.contract.LAYOUTS`."""
    size: tuple[int, int] | None = None
    """Height and width of the only pictures it takes, one at a time; None for any."""
    controls: bool = False
    """Whether it takes a strength and how far to keep the photo's colours, too."""
    context_input: bool = False
    """Whether it takes another picture to measure, if the network can."""
    half_weights: bool = False
    """Whether weights are stored in float16, whatever it computes in."""


class Filled(NamedTuple):
    """A picture as the layers run on it."""

    planes: str
    """N×3×H×W of a size that they can run on, uint8 or float32 in [0, 1]."""
    size: str
    """Height and width of that."""


@dataclass(frozen=True)
class Opening:
    """What every graph begins with."""

    inputs: tuple[str, ...]
    """Names of the graph's inputs."""
    size: str
    """Height and width of the picture."""
    picture: Filled
    """The picture."""
    context: Filled | None
    """What is measured in its place, if the file takes such a picture."""


def open_graph(writer: GraphWriter, network: TransformerNetwork, *, form: Form) -> Opening:
    """Write what comes before a network's layers.

    Args:
        writer: to write to.
        network: to be written.
        form: what the file takes.
    """
    planes = _planes(writer, INPUT, form=form)
    size = _size(writer, planes) if form.size is None else writer.integers(*form.size)
    picture = _fill(writer, network, planes, size=size)
    if not (network.takes_context and form.context_input):
        return Opening((INPUT,), size, picture, None)
    planes = _planes(writer, CONTEXT, form=form)
    context_size = _size(writer, planes) if form.size is None else size
    context = _fill(writer, network, planes, size=context_size)
    return Opening((INPUT, CONTEXT), size, picture, context)


def close_graph(
    writer: GraphWriter,
    network: TransformerNetwork,
    opening: Opening,
    *,
    painted: str,
    form: Form,
    batch: str | int = "batch",
) -> onnx.ModelProto:
    """Write what comes after the layers, and return the model.

    Args:
        writer: has the layers.
        network: that was written.
        opening: what comes before them.
        painted: what the layers gave, N×C×h×w: uint8, or for nchw-float float32 in [0, 1].
        form: what the file gives.
        batch: how many pictures the model takes, where its size is not fixed.
    """
    if form.layout == NHWC_UINT8:
        picture = _interleave(writer, network, painted, padded=opening.picture.size)
    else:
        picture = _depth_to_space(writer, network, painted)
    start, axes = writer.integers(0, 0), writer.integers(*SIDES[form.layout])
    output = "" if form.controls else OUTPUT
    cropped = writer.node("Slice", picture, start, opening.size, axes, output=output)
    inputs = opening.inputs
    if form.controls:
        inputs = (*inputs, STRENGTH, KEEP_COLORS)
        _control(writer, cropped, form=form)
    return _model(writer, inputs, form=form, batch=batch if form.size is None else 1)


def in_range(writer: GraphWriter, picture: str, *, form: Form) -> str:
    """Turn what a picture comes as into float32 in [0, 1]."""
    return picture if form.layout == NCHW_FLOAT else from_levels(writer, picture)


def from_levels(writer: GraphWriter, levels: str) -> str:
    """Turn uint8 levels into float32 in [0, 1]."""
    return writer.node(
        "DequantizeLinear", levels, writer.number(1 / 255), writer.number(0, kind=np.uint8)
    )


def as_painted(writer: GraphWriter, stylized: str, *, form: Form) -> str:
    """Turn what a network gives, float32, into what `close_graph` takes."""
    if form.layout == NHWC_UINT8:
        return writer.node(
            "QuantizeLinear",
            stylized,
            writer.number(OUTPUT_UNITS / 255),
            writer.number(0, kind=np.uint8),
        )
    values = writer.node("Mul", stylized, writer.number(1 / OUTPUT_UNITS))
    return writer.node("Clip", values, writer.number(0), writer.number(1))


def _planes(writer: GraphWriter, picture: str, *, form: Form) -> str:
    if form.layout == NCHW_FLOAT:
        return picture
    return writer.node("Transpose", picture, attributes={"perm": [0, 3, 1, 2]})


def _size(writer: GraphWriter, planes: str) -> str:
    """Return height and width of N×C×H×W."""
    shape = writer.node("Shape", planes)
    return writer.node("Slice", shape, writer.integers(2), writer.integers(4))


def _round_up(writer: GraphWriter, values: str, step: str) -> str:
    """Return the multiples of a step that are next above, as a number of steps."""
    above = writer.node("Add", values, writer.node("Sub", step, writer.integers(1)))
    return writer.node("Div", above, step)


def _fill(writer: GraphWriter, network: TransformerNetwork, planes: str, *, size: str) -> Filled:
    """Repeat the last row and column up to a size that the layers can run on."""
    enough = writer.node("Max", size, writer.integers(network.smallest_side))
    step = writer.integers(network.multiple)
    target = writer.node("Mul", _round_up(writer, enough, step), step)
    filled = _pad_end(writer, planes, writer.node("Sub", target, size))
    return Filled(filled, target)


def _pad_end(writer: GraphWriter, planes: str, missing: str) -> str:
    """Repeat the last row and column as often as is said."""
    if writer.all_zero(missing):
        return planes
    pads = writer.node(
        "Concat", writer.integers(0, 0, 0, 0, 0, 0), missing, attributes={"axis": 0}
    )  # before N, channels, H and W, and after them
    return writer.node("Pad", planes, pads, attributes={"mode": "edge"})


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


def _depth_to_space(writer: GraphWriter, network: TransformerNetwork, values: str) -> str:
    """Turn float32 N×C×h×w, of a picture or of its blocks, into N×3×H×W."""
    last = network.layers[-1]
    if not isinstance(last, Enlarge):
        return values
    attributes = {"blocksize": last.factor, "mode": "DCR"}
    return writer.node("DepthToSpace", values, attributes=attributes)


def _control(writer: GraphWriter, painted: str, *, form: Form) -> None:
    """Make the output out of the picture and what is painted, as `Controls.finish` does."""
    axis = COLORS[form.layout]
    bytes_there = form.layout == NHWC_UINT8

    def values(picture: str) -> str:
        to_float = {"to": TensorProto.FLOAT}
        return writer.node("Cast", picture, attributes=to_float) if bytes_there else picture

    white = writer.number(255 if bytes_there else 1)
    photo, painting = values(INPUT), values(painted)
    change = writer.node("Sub", painting, photo)
    shape = [1, 1, 1, 1]
    shape[axis] = 3
    luma = writer.constant(np.array(LUMA, np.float32).reshape(shape))
    brighter = writer.node("ReduceSum", writer.node("Mul", change, luma), writer.integers(axis))
    # A change of luminance alone moves all three colours alike.
    recolored = writer.node("Add", photo, brighter)
    recolored = writer.node("Clip", recolored, writer.number(0), white)
    kept = writer.node("Mul", KEEP_COLORS, writer.node("Sub", recolored, painting))
    wanted = writer.node("Add", painting, kept)
    moved = writer.node("Mul", STRENGTH, writer.node("Sub", wanted, photo))
    result = writer.node("Add", photo, moved)
    output = "" if bytes_there else OUTPUT
    result = writer.node("Clip", result, writer.number(0), white, output=output)
    if bytes_there:
        rounded = writer.node("Round", result)
        writer.node("Cast", rounded, attributes={"to": TensorProto.UINT8}, output=OUTPUT)


def _model(
    writer: GraphWriter, inputs: Iterable[str], *, form: Form, batch: str | int
) -> onnx.ModelProto:
    sides: tuple[str | int, str | int] = form.size or ("height", "width")
    context_sides = form.size or ("context_height", "context_width")
    contexts = batch if isinstance(batch, int) else "contexts"
    shapes = {
        INPUT: _shape(batch, sides, form=form),
        CONTEXT: _shape(contexts, context_sides, form=form),
        OUTPUT: _shape(batch, sides, form=form),
    }
    kind = TensorProto.UINT8 if form.layout == NHWC_UINT8 else TensorProto.FLOAT

    def value(name: str) -> onnx.ValueInfoProto:
        if name in shapes:
            return helper.make_tensor_value_info(name, kind, shapes[name])
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [])

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


def _shape(batch: str | int, sides: tuple[str | int, str | int], *, form: Form) -> list[str | int]:
    return [batch, 3, *sides] if form.layout == NCHW_FLOAT else [batch, *sides, 3]
