from __future__ import annotations

import onnx
from onnx import TensorProto

from faststyle.training.graph import write_graph
from faststyle.training.layers import Residual
from faststyle.training.network import build_network


def _sides(graph: onnx.GraphProto) -> dict[str, list[str]]:
    return {
        value.name: [
            side.dim_param or str(side.dim_value) for side in value.type.tensor_type.shape.dim
        ]
        for value in graph.value_info
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }


def test_both_summands_of_every_block_have_sides_of_the_same_names() -> None:
    network = build_network(preset="fast", width=4)
    graph = write_graph(network).graph
    sides = _sides(graph)
    sums = [
        [sides[name] for name in node.input]
        for node in graph.node
        if node.op_type == "Add" and all(name in sides for name in node.input)
    ]
    assert len(sums) == sum(isinstance(layer, Residual) for layer in network.layers)
    for one, other in sums:
        assert one == other == ["batch", "4", "layer_height_4", "layer_width_4"]


def test_the_head_has_a_channel_for_each_pixel_of_a_block() -> None:
    graph = write_graph(build_network(preset="fast", width=4)).graph
    assert ["batch", "48", "layer_height_4", "layer_width_4"] in _sides(graph).values()
