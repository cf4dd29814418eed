from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from faststyle.cutting import cut


def _model() -> bytes:
    """Write a model in which ``copy`` is made of the input by two nodes."""
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("Mul", ["positive", "two"], ["copy"]),
        helper.make_node("Neg", ["x"], ["negative"]),
        helper.make_node("Add", ["copy", "negative"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "some",
        [value("x", TensorProto.FLOAT, ["n"])],
        [value("y", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.array(2, np.float32), "two")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, {"style": "a" * 300})
    content: bytes = model.SerializeToString()
    return content


def test_what_led_to_the_tensor_is_replaced_by_an_input() -> None:
    content = cut(_model(), tensor="copy", dimensions=("count", 3))
    assert content is not None
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Neg", "Add"]
    assert [each.name for each in model.graph.input] == ["x", "copy"]
    added = model.graph.input[1].type.tensor_type
    assert added.elem_type == TensorProto.FLOAT
    assert [each.dim_param or each.dim_value for each in added.shape.dim] == ["count", 3]
    assert model.metadata_props[0].value == "a" * 300


def test_a_model_without_the_tensor_is_not_cut() -> None:
    assert cut(_model(), tensor="x", dimensions=()) is None


@pytest.mark.parametrize("content", [_model()[:-5], _model() + b"\xff", b"\x0f"])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"ends within|a field of kind"):
        cut(content, tensor="copy", dimensions=())
