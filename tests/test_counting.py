"""Counts of files built by hand, whose work can be told by hand too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from faststyle.contract import INPUT
from faststyle.counting import count_multiply_adds, read_contents
from faststyle.errors import ModelError
from faststyle.training.network import build_network
from tests.conftest import Build, blotches

ANY = (1, 4, "h", "w")
PHOTO = np.zeros((1, 4, 10, 12), np.float32)
"""A picture of four channels, so that groups can be of two."""

SAME: dict[str, Any] = {"pads": [1, 1, 1, 1]}


def _weights(*shape: int) -> NDArray[np.float32]:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("operator", "attributes", "weights", "expected"),
    [
        ("Conv", SAME, _weights(6, 4, 3, 3), 6 * 10 * 12 * 4 * 9),
        ("Conv", {}, _weights(6, 4, 3, 3), 6 * 8 * 10 * 4 * 9),
        ("Conv", {**SAME, "group": 2, "strides": [2, 2]}, _weights(6, 2, 3, 3), 6 * 5 * 6 * 2 * 9),
        ("Conv", {**SAME, "group": 4}, _weights(4, 1, 3, 3), 4 * 10 * 12 * 9),
        ("ConvTranspose", {"strides": [2, 2]}, _weights(4, 5, 2, 2), 4 * 10 * 12 * 5 * 4),
        ("ConvTranspose", {"group": 2}, _weights(4, 3, 2, 2), 4 * 10 * 12 * 3 * 4),
        ("MatMul", {}, _weights(12, 7), 4 * 10 * 12 * 7),
        ("MatMul", {}, _weights(12), 4 * 10 * 12),
    ],
)
def test_one_operator(
    build: Build,
    operator: str,
    attributes: dict[str, Any],
    weights: NDArray[np.float32],
    expected: int,
) -> None:
    node = helper.make_node(operator, ["x", "w"], ["y"], **attributes)
    path = build([node], shape=ANY, w=weights)
    assert count_multiply_adds(path, {"x": PHOTO}) == expected


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_matrix_may_be_transposed(build: Build, transposed: int) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "sides"], ["matrix"]),
        helper.make_node("Gemm", ["matrix", "w"], ["y"], transA=transposed),
    ]
    sides = np.array([10, 48] if transposed else [48, 10])
    path = build(nodes, shape=ANY, sides=sides, w=_weights(10, 7))
    assert count_multiply_adds(path, {"x": PHOTO}) == 48 * 10 * 7


def test_two_computed_matrices(build: Build) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["x", "turned"], ["y"]),
    ]
    assert count_multiply_adds(build(nodes, shape=ANY), {"x": PHOTO}) == 4 * 10 * 10 * 12


CONVOLVED = 6 * 10 * 12 * 4 * 9
MULTIPLIED = 4 * 10 * 12 * 7
SCALED = ("scale", "zero")


@pytest.mark.parametrize(
    ("nodes", "sides", "expected"),
    [
        (
            [
                helper.make_node(
                    "QLinearConv", ["q", *SCALED, "w", *SCALED, *SCALED], ["r"], **SAME
                ),
                helper.make_node("DequantizeLinear", ["r", *SCALED], ["y"]),
            ],
            (6, 4, 3, 3),
            CONVOLVED,
        ),
        (
            [
                helper.make_node("ConvInteger", ["q", "w", "zero"], ["r"], **SAME),
                helper.make_node("Cast", ["r"], ["y"], to=TensorProto.FLOAT),
            ],
            (6, 4, 3, 3),
            CONVOLVED,
        ),
        (
            [
                helper.make_node("DequantizeLinear", ["q", *SCALED], ["a"]),
                helper.make_node("DequantizeLinear", ["w", *SCALED], ["b"]),
                helper.make_node("Conv", ["a", "b"], ["y"], **SAME),
            ],
            (6, 4, 3, 3),
            CONVOLVED,
        ),
        (
            [
                helper.make_node("QLinearMatMul", ["q", *SCALED, "w", *SCALED, *SCALED], ["r"]),
                helper.make_node("DequantizeLinear", ["r", *SCALED], ["y"]),
            ],
            (12, 7),
            MULTIPLIED,
        ),
        (
            [
                helper.make_node("MatMulInteger", ["q", "w"], ["r"]),
                helper.make_node("Cast", ["r"], ["y"], to=TensorProto.FLOAT),
            ],
            (12, 7),
            MULTIPLIED,
        ),
    ],
    ids=["QLinearConv", "ConvInteger", "quantized around", "QLinearMatMul", "MatMulInteger"],
)
def test_quantized_operators(
    build: Build, nodes: Sequence[NodeProto], sides: Sequence[int], expected: int
) -> None:
    path = build(
        [helper.make_node("QuantizeLinear", ["x", *SCALED], ["q"]), *nodes],
        shape=ANY,
        w=np.zeros(sides, np.uint8),
        scale=np.array(1, np.float32),
        zero=np.array(0, np.uint8),
    )
    assert count_multiply_adds(path, {"x": PHOTO}) == expected
    assert read_contents(path).parameters == np.prod(sides)


def test_our_network_counts_as_in_torch(model_path: Path) -> None:
    network = build_network(preset="johnson", width=2)
    total = 0

    def count(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, torch.nn.Conv2d)
        total += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, 40, 56))
    assert count_multiply_adds(model_path, {INPUT: blotches(40, 56)[None]}) == total


def test_a_picture_that_fails_is_named(build: Build) -> None:
    path = build([helper.make_node("MatMul", ["x", "w"], ["y"])], shape=ANY, w=_weights(9, 9))
    with pytest.raises(ModelError, match=f"^{path}: could not be run"):
        count_multiply_adds(path, {"x": PHOTO})


def test_parameters_are_no_shapes_and_no_scalars(build: Build) -> None:
    nodes = [
        helper.make_node(
            "Constant", [], ["b"], value=helper.make_tensor("b", 1, [1, 3, 1, 1], [0] * 3)
        ),
        helper.make_node("Add", ["x", "b"], ["moved"]),
        helper.make_node("Conv", ["moved", "w"], ["wide"]),
        helper.make_node("Mul", ["wide", "factor"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "sides"], ["y"]),
    ]
    path = build(
        nodes,
        w=_weights(5, 3, 1, 1),
        factor=np.array(2, np.float32),
        sides=np.array([1, 5, -1]),
    )
    contents = read_contents(path)
    assert contents.parameters == 5 * 3 + 3
    assert contents.size == path.stat().st_size


def test_weights_in_a_file_of_their_own(build: Build) -> None:
    weights = np.random.default_rng(0).random((50, 3, 3, 3), np.float32)
    path = build([helper.make_node("Conv", ["x", "w"], ["y"])], w=weights)
    whole = read_contents(path)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="apart.data", size_threshold=0
    )
    apart = read_contents(path)
    assert apart.parameters == whole.parameters == weights.size
    assert apart.size == path.stat().st_size + weights.nbytes
    photo = np.zeros((1, 3, 5, 5), np.float32)
    assert count_multiply_adds(path, {"x": photo}) == 50 * 9 * 27


@pytest.mark.parametrize("content", [b"\xff", b"\x3a\x7f", b"\x3c", b"ORTM no protobuf"])
def test_what_is_no_onnx_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.ort"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"^{path}: its weights cannot be counted; pass"):
        read_contents(path)
