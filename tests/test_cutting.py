from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from faststyle.cutting import carried, cut, only, origin, tensors_called


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
    model = onnx.load_from_string(cut(_model(), tensors={"copy": ("count", 3)}))
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Neg", "Add"]
    assert [each.name for each in model.graph.input] == ["x", "copy"]
    added = model.graph.input[1].type.tensor_type
    assert added.elem_type == TensorProto.FLOAT
    assert [each.dim_param or each.dim_value for each in added.shape.dim] == ["count", 3]
    assert model.metadata_props[0].value == "a" * 300


def test_what_else_is_made_of_the_same_stays() -> None:
    model = onnx.load_from_string(cut(_model(), tensors={"positive": ("n",)}))
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Neg", "Add"]
    assert [each.name for each in model.graph.input] == ["x", "positive"]


def test_several_tensors_are_replaced() -> None:
    model = onnx.load_from_string(cut(_model(), tensors={"copy": ("n",), "negative": ("n",)}))
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Add"]
    assert [each.name for each in model.graph.input] == ["x", "copy", "negative"]


def test_only_what_is_asked_for_is_put_out_and_computed() -> None:
    content = only(_model(), tensors={"copy"})
    model = onnx.load_from_string(content)
    assert [node.op_type for node in model.graph.node] == ["Relu", "Mul"]
    assert [each.name for each in model.graph.output] == ["copy"]
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {"x": np.array([-1, 3], np.float32)})
    assert given.tolist() == [0, 6]
    both = onnx.load_from_string(only(_model(), tensors=["y", "negative"]))
    assert both.graph.node == onnx.load_from_string(_model()).graph.node
    assert [each.name for each in both.graph.output] == ["y", "negative"]


def test_inputs_may_be_of_any_type_and_dimensions() -> None:
    content = cut(_model(), tensors={"copy": None}, elements={"copy": TensorProto.FLOAT16})
    added = onnx.load_from_string(content).graph.input[1].type.tensor_type
    assert added.elem_type == TensorProto.FLOAT16
    assert not added.HasField("shape")


def test_what_a_stretch_makes_for_those_after_it_is_carried() -> None:
    assert carried(_model(), ways=["positive", "copy", "y"]) == [{"positive"}, {"copy"}, set()]
    assert carried(_model(), ways=["negative", "copy", "y"]) == [
        {"negative"},
        {"negative", "copy"},
        set(),
    ]
    assert carried(_model(), ways=["x", "y"]) == [set(), set()]


def test_what_is_put_out_can_be_put_in() -> None:
    """A model that takes what was measured elsewhere uses that and nothing of its own."""
    content = cut(_model(), tensors={"copy": ("n",)})
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    inputs = {"x": np.array([-1, 3], np.float32), "copy": np.array([10, 20], np.float32)}
    (given,) = session.run(None, inputs)
    assert given.tolist() == [11, 17]


def test_tensors_are_found_by_how_their_names_begin() -> None:
    assert tensors_called(_model(), ("ne", "cop")) == ["copy", "negative"]
    assert tensors_called(_model(), ("y",)) == ["y"]
    assert tensors_called(_model(), ("x", "two")) == []  # no node puts them out
    assert tensors_called(b"", ("y",)) == []


def test_what_an_operator_took_is_found() -> None:
    assert origin(_model(), "copy", of="Relu") == "x"
    assert origin(_model(), "copy", of="Mul") == "positive"
    for tensor, operator in (("copy", "Neg"), ("x", "Relu"), ("gone", "Relu")):
        with pytest.raises(ValueError, match=f"no {operator} leads to it"):
            origin(_model(), tensor, of=operator)


@pytest.mark.parametrize("content", [_model()[:-5], _model() + b"\xff", b"\x0f"])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    for edit in (cut, only):
        with pytest.raises(ValueError, match=r"ends within|a field of kind"):
            edit(content, tensors={"copy": ()})


def test_a_damaged_graph_names_no_tensors() -> None:
    with pytest.raises(ValueError, match="ends within"):
        tensors_called(_model()[:50], ("copy",))
