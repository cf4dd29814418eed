"""Counting what an ONNX file holds and what it computes, without the onnx package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from faststyle.errors import ModelError
from faststyle.protobuf import read_fields, read_numbers
from faststyle.session import profile_run

Shape = Sequence[int]

_INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
    "sparse tensor": {1: "tensor"},
}
"""Where tensors may lie in a file: by kind of message, the fields to look into."""

_DIMENSIONS, _TYPE, _EXTERNAL = 1, 2, 13
"""Fields of a tensor."""

_KEY, _VALUE = 1, 2
"""Fields of an entry of a tensor's external data."""

_INT64 = 7


class Contents(NamedTuple):
    """What an ONNX file holds."""

    parameters: int
    """Numbers stored, but for scalars and for int64, which is the type of shapes and axes."""
    size: int
    """Bytes of the file, with those of files that weights lie in beside it."""


def read_contents(path: Path) -> Contents:
    """Count the parameters and bytes of an ONNX file.

    Raises:
        ModelError: it is no ONNX file.
        OSError: the file, or one with its weights, cannot be read.
    """
    content = path.read_bytes()
    parameters, companions = 0, set()
    try:
        for tensor in _tensors(memoryview(content), kind="model"):
            count, companion = _read_tensor(tensor)
            parameters += count
            companions |= companion
    except ValueError as error:
        raise ModelError(
            f"{path}: its weights cannot be counted; pass a file in the ONNX format"
        ) from error
    beside = sum((path.parent / name).stat().st_size for name in companions)
    return Contents(parameters, len(content) + beside)


def count_multiply_adds(
    path: Path, inputs: Mapping[str, NDArray[Any]], *, threads: int | None = None
) -> int:
    """Count the multiply-adds of a model's convolutions and matrix products.

    The rest of a network, such as normalizing and resizing, is not counted, as is usual.
    The model is run once for it, on the CPU and without optimizations, as these put
    operators together whose work could not be told any more.

    Args:
        path: an ONNX file that `faststyle.session.open_model` takes.
        inputs: arrays by the names of the model's inputs.
        threads: CPU threads that share the work; None is one for each core.

    Raises:
        ModelError: the model cannot be run so.
    """
    total = 0
    for operator in profile_run(path, inputs, threads=threads):
        rule = _RULES.get(operator["op_name"])
        if rule is not None:
            shapes = [
                [shape for value in operator[key] for shape in value.values()]
                for key in ("input_type_shape", "output_type_shape")
            ]
            total += rule(*shapes)
    return total


def _convolution(inputs: Sequence[Shape], outputs: Sequence[Shape], *, weights: int = 1) -> int:
    """Each output is a sum over a kernel: weights are out × in/groups × kernel sides."""
    return prod(outputs[0]) * prod(inputs[weights][1:])


def _quantized_convolution(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _convolution(inputs, outputs, weights=3)


def _transposed_convolution(inputs: Sequence[Shape], _: Sequence[Shape]) -> int:
    """Each input is spread over a kernel: weights are in × out/groups × kernel sides."""
    return prod(inputs[0]) * prod(inputs[1][1:])


def _matrix_product(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return prod(outputs[0]) * inputs[0][-1]


def _general_matrix_product(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """The first matrix, M × K, may be transposed; the output is M × N."""
    return prod(inputs[0]) * outputs[0][1]


_RULES: Mapping[str, Callable[[Sequence[Shape], Sequence[Shape]], int]] = {
    "Conv": _convolution,
    "ConvInteger": _convolution,
    "FusedConv": _convolution,
    "QLinearConv": _quantized_convolution,
    "ConvTranspose": _transposed_convolution,
    "MatMul": _matrix_product,
    "MatMulInteger": _matrix_product,
    "QLinearMatMul": _matrix_product,
    "Gemm": _general_matrix_product,
    "QGemm": _general_matrix_product,
}
"""Multiply-adds of an operator, from the shapes of its inputs and outputs."""


def _tensors(message: memoryview, *, kind: str) -> Iterator[memoryview]:
    """Find the tensors in a message, those of nested graphs too."""
    if kind == "tensor":
        yield message
        return
    for field in read_fields(message):
        inner = _INSIDE[kind].get(field.number)
        if inner is not None:
            yield from _tensors(field.content, kind=inner)


def _read_tensor(message: memoryview) -> tuple[int, set[str]]:
    """Return how many parameters a tensor holds, and the file that they lie in, if another."""
    sides: list[int] = []
    counts, companions = True, set()
    for field in read_fields(message):
        if field.number == _DIMENSIONS:
            value = field.value
            sides += [value] if isinstance(value, int) else read_numbers(value)
        elif field.number == _TYPE:
            counts = field.value != _INT64
        elif field.number == _EXTERNAL:
            entry = {each.number: each.text for each in read_fields(field.content)}
            if entry.get(_KEY) == "location":
                companions.add(entry.get(_VALUE, ""))
    return prod(sides) if sides and counts else 0, companions
