"""Turning a tensor inside an ONNX file into an input, without the onnx package.

An ONNX file is a protocol buffer: fields, each a number, a kind and a value, some of which
hold fields again. Only the few that matter here are looked into; all others are copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

GRAPH = 7
"""Field of a model."""
NODE, GRAPH_INPUT = 1, 11
"""Fields of a graph."""
NODE_INPUT, NODE_OUTPUT = 1, 2
"""Fields of a node."""

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


def cut(model: bytes, *, tensor: str, dimensions: tuple[str | int, ...]) -> bytes | None:
    """Make an input of what a node puts out, and leave out what led to it alone.

    Args:
        model: content of an ONNX file.
        tensor: name of the output, float32.
        dimensions: of the new input: sizes, or names of those that vary.

    Returns:
        The content of an ONNX file, or None if no node puts out such a tensor.

    Raises:
        ValueError: the content is no ONNX file.
    """
    fields = list(_fields(model))
    graph = next((list(_fields(each.value)) for each in fields if each.number == GRAPH), [])
    if not any(each.number == NODE and tensor in _names(each, NODE_OUTPUT) for each in graph):
        return None
    graph = _without_what_leads_to(graph, tensor)
    graph.append(Field(GRAPH_INPUT, _message(GRAPH_INPUT, _input(tensor, dimensions)), b""))
    content = b"".join(each.whole for each in graph)
    return b"".join(
        _message(GRAPH, content) if each.number == GRAPH else each.whole for each in fields
    )


def _without_what_leads_to(graph: list[Field], tensor: str) -> list[Field]:
    """Remove the node that puts out a tensor, and every node of which nothing is used then."""
    unused = {tensor}
    while unused:
        nodes = [each for each in graph if each.number == NODE]
        gone = [each for each in nodes if unused.issuperset(_names(each, NODE_OUTPUT))]
        graph = [each for each in graph if each not in gone]
        asked = {name for each in gone for name in _names(each, NODE_INPUT)}
        rest = (each for each in graph if each.number == NODE)
        unused = asked - {name for each in rest for name in _names(each, NODE_INPUT)}
        if not gone:
            break
    return graph


def _names(node: Field, number: int) -> list[str]:
    return [each.value.decode() for each in _fields(node.value) if each.number == number]


def _input(name: str, dimensions: tuple[str | int, ...]) -> bytes:
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
