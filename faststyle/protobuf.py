"""Reading and writing protocol buffers, which ONNX files are, without a package for it.

A message is a row of fields, each a number, a kind and a value, some of which are messages again.
What the numbers stand for is not stored; ONNX's ``onnx.proto`` says it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
"""Kinds of values."""

_FIXED_LENGTHS = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}


class Field(NamedTuple):
    """One field of a message."""

    number: int
    whole: memoryview | bytes
    """The field as it is stored."""
    value: int | memoryview
    """A whole number, or the bytes of anything else."""

    @property
    def content(self) -> memoryview:
        """The bytes of a value that has some, as texts and messages have; else none."""
        return memoryview(b"") if isinstance(self.value, int) else self.value

    @property
    def text(self) -> str:
        """The value as a text."""
        return bytes(self.content).decode()


def read_fields(message: memoryview | bytes) -> Iterator[Field]:
    """Split a message into its fields, copying none.

    Raises:
        ValueError: it is no message.
    """
    message, place = memoryview(message), 0
    while place < len(message):
        start = place
        key, place = _read_number(message, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _read_number(message, place)
            yield Field(key >> 3, message[start:place], value)
            continue
        if kind == _BYTES:
            length, place = _read_number(message, place)
        elif kind in _FIXED_LENGTHS:
            length = _FIXED_LENGTHS[kind]
        else:
            raise ValueError(f"a field of kind {kind}")
        end = place + length
        if end > len(message):
            raise ValueError("a message that ends within a field")
        yield Field(key >> 3, message[start:end], message[place:end])
        place = end


def read_numbers(packed: memoryview) -> Iterator[int]:
    """Read whole numbers that are stored one after another.

    Raises:
        ValueError: the last is cut off.
    """
    place = 0
    while place < len(packed):
        value, place = _read_number(packed, place)
        yield value


def number_field(number: int, value: int) -> bytes:
    """Write a field of a whole number, 0 or more."""
    return _number(number << 3 | _VARINT) + _number(value)


def content_field(number: int, content: bytes) -> bytes:
    """Write a field of bytes, a text or a message."""
    return _number(number << 3 | _BYTES) + _number(len(content)) + content


def _read_number(message: memoryview, place: int) -> tuple[int, int]:
    """Read a whole number, seven bits a byte, and return it with the place after it."""
    value = shift = 0
    while True:
        if place == len(message):
            raise ValueError("a message that ends within a number")
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _number(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])
