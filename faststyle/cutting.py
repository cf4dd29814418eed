"""Turning tensors inside an ONNX file into inputs or outputs, without the onnx package.

An ONNX file is a protocol buffer: fields, each a number, a kind and a value, some of which
hold fields again. Only the few that matter here are looked into; all others are copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

GRAPH = 7
"""Field of a model."""
NODE, GRAPH_INPUT, GRAPH_OUTPUT = 1, 11, 12
"""Fields of a graph."""
NODE_INPUT, NODE_OUTPUT = 1, 2
"""Fields of a node."""
VALUE_NAME = 1
"""Field of an input or output."""

VARINT, WIDE, BYTES, NARROW = 0, 1, 2, 5
"""Kinds of values."""

FLOAT = 1
"""Element type of float32."""


class Field(NamedTuple):
    """One field of a message."""

    number: int
    whole: bytes
    """The field as it is stored."""
    value: bytes
    """The value, of fields that hold bytes or other fields."""


Dimensions = tuple[str | int, ...]
"""Sizes of a tensor, or names of those that vary."""


def tensors_called(model: bytes, prefixes: tuple[str, ...]) -> list[str]:
    """Return the names of what nodes of an ONNX file put out that begin so, in their order.

    Raises:
        ValueError: the content is no ONNX file.
    """
    nodes = (each for each in _graph(model) if each.number == NODE)
    names = (name for node in nodes for name in _names(node, NODE_OUTPUT))
    return [name for name in names if name.startswith(prefixes)]


def cut(model: bytes, *, tensors: Mapping[str, Dimensions]) -> bytes:
    """Make inputs of what nodes put out, and leave out what led to them alone.

    Args:
        model: content of an ONNX file.
        tensors: names of the outputs, float32, and the dimensions of the new inputs.

    Returns:
        The content of an ONNX file.

    Raises:
        ValueError: the content is no ONNX file.
    """
    graph = _without_what_leads_to(_graph(model), set(tensors))
    return _with_graph(model, [*graph, *_values(GRAPH_INPUT, tensors)])


def expose(model: bytes, *, tensors: Mapping[str, Dimensions]) -> bytes:
    """Make outputs of what nodes put out, besides those there are.

    Args:
        model: content of an ONNX file.
        tensors: names, float32, and dimensions.

    Returns:
        The content of an ONNX file.

    Raises:
        ValueError: the content is no ONNX file.
    """
    return _with_graph(model, [*_graph(model), *_values(GRAPH_OUTPUT, tensors)])


def _graph(model: bytes) -> list[Field]:
    graphs = (each for each in _fields(model) if each.number == GRAPH)
    return next((list(_fields(each.value)) for each in graphs), [])


def _with_graph(model: bytes, graph: list[Field]) -> bytes:
    content = b"".join(each.whole for each in graph)
    return b"".join(
        _message(GRAPH, content) if each.number == GRAPH else each.whole for each in _fields(model)
    )


def _values(number: int, tensors: Mapping[str, Dimensions]) -> Iterator[Field]:
    for name, dimensions in tensors.items():
        yield Field(number, _message(number, _value_info(name, dimensions)), b"")


def _without_what_leads_to(graph: list[Field], unused: set[str]) -> list[Field]:
    """Remove the nodes that put out some tensors, and every node of which nothing is used then."""
    outputs = {_names(each, VALUE_NAME)[0] for each in graph if each.number == GRAPH_OUTPUT}
    while unused:
        nodes = [each for each in graph if each.number == NODE]
        gone = [each for each in nodes if unused.issuperset(_names(each, NODE_OUTPUT))]
        graph = [each for each in graph if each not in gone]
        asked = {name for each in gone for name in _names(each, NODE_INPUT)}
        rest = (each for each in graph if each.number == NODE)
        unused = asked - {name for each in rest for name in _names(each, NODE_INPUT)} - outputs
        if not gone:
            break
    return graph


def _names(node: Field, number: int) -> list[str]:
    return [each.value.decode() for each in _fields(node.value) if each.number == number]


def _value_info(name: str, dimensions: Dimensions) -> bytes:
    """Write a ValueInfoProto of a float32 tensor."""
    sizes = b"".join(
        _message(
            1, _message(2, each.encode()) if isinstance(each, str) else b"\x08" + _varint(each)
        )
        for each in dimensions
    )
    tensor = b"\x08" + _varint(FLOAT) + _message(2, sizes)
    return _message(1, name.encode()) + _message(2, _message(1, tensor))


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _fields(message: bytes) -> Iterator[Field]:
    place = 0
    while place < len(message):
        start = place
        key, place = _read_varint(message, place)
        kind, value = key & 7, b""
        if kind == VARINT:
            _, place = _read_varint(message, place)
        elif kind == BYTES:
            size, place = _read_varint(message, place)
            value = message[place : place + size]
            place += size
        elif kind in (WIDE, NARROW):
            place += 8 if kind == WIDE else 4
        else:
            raise ValueError(f"a field of kind {kind} at {start}")
        if place > len(message):
            raise ValueError("ends within a field")
        yield Field(key >> 3, message[start:place], value)


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place == len(message):
            raise ValueError("ends within a number")
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
