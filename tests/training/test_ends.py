"""Files in other layouts, of fixed sizes and with controls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from faststyle.contract import LAYOUTS, NCHW_FLOAT, NHWC_UINT8
from faststyle.controls import Controls
from faststyle.training.ends import Form
from faststyle.training.graph import write_graph
from faststyle.training.network import TransformerNetwork
from faststyle.training.observing import observe
from faststyle.training.quantize import write_quantized_graph
from tests.conftest import blotches, vivid_network

SIZES = ((1, 1), (37, 61), (64, 64), (250, 333))


@pytest.fixture(params=["fast", "johnson"])
def network(request: pytest.FixtureRequest) -> TransformerNetwork:
    return vivid_network(preset=request.param)


def _run(model: ModelProto, **inputs: NDArray[Any]) -> NDArray[Any]:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (output,) = session.get_outputs()
    (result,) = session.run(None, inputs)
    assert len(output.shape) == 4
    given: NDArray[Any] = result
    return given


def _floats(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2) / np.float32(255))


def _levels(values: NDArray[np.float32]) -> NDArray[np.int_]:
    assert values.dtype == np.float32
    assert values.min() >= 0
    assert values.max() <= 1
    levels: NDArray[np.int_] = np.rint(values * 255).astype(int).transpose(0, 2, 3, 1)
    return levels


@pytest.mark.parametrize("size", SIZES)
def test_planes_of_floats_are_painted_as_bytes_are(
    network: TransformerNetwork, size: tuple[int, int]
) -> None:
    photos = np.stack([blotches(*size, seed=seed) for seed in (1, 2)])
    expected = _run(write_graph(network), image=photos)
    model = write_graph(network, form=Form(layout=NCHW_FLOAT))
    assert np.abs(_levels(_run(model, image=_floats(photos))) - expected).max() <= 1


@pytest.mark.parametrize("context_input", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
def test_a_fixed_size_changes_nothing_but_the_shapes(
    network: TransformerNetwork, size: tuple[int, int], layout: str, context_input: bool
) -> None:
    photo = blotches(*size)[None]
    expected = _run(write_graph(network), image=photo).astype(int)
    form = Form(layout=layout, size=size, context_input=context_input)
    model = write_graph(network, form=form)
    inputs = {"image": photo}
    if context_input and network.takes_context:
        inputs["context"] = photo
    if layout == NHWC_UINT8:
        painted = _run(model, **inputs).astype(int)
    else:
        painted = _levels(_run(model, **{name: _floats(each) for name, each in inputs.items()}))
    assert np.abs(painted - expected).max() <= 1
    for value in (*model.graph.input, *model.graph.output):
        shape = [each.dim_value for each in value.type.tensor_type.shape.dim]
        assert all(shape), f"{value.name}: {shape}"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_context_is_another_picture_of_the_same_layout(layout: str) -> None:
    network = vivid_network(preset="fast")
    photo, context = blotches(61, 40)[None], blotches(61, 40, seed=5)[None]
    form = Form(context_input=True)
    expected = _run(write_graph(network, form=form), image=photo, context=context).astype(int)
    alone = _run(write_graph(network), image=photo).astype(int)
    assert np.abs(expected - alone).mean() > 5
    for size in (None, (61, 40)):
        model = write_graph(network, form=replace(form, layout=layout, size=size))
        if layout == NHWC_UINT8:
            painted = _run(model, image=photo, context=context).astype(int)
        else:
            painted = _levels(_run(model, image=_floats(photo), context=_floats(context)))
        assert np.abs(painted - expected).max() <= 1


@pytest.mark.parametrize("context_input", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_graphs_of_a_fixed_size_do_no_arithmetic_of_sizes(
    network: TransformerNetwork, layout: str, context_input: bool
) -> None:
    """Which some runtimes cannot do; nor do they pad where nothing is lacking."""
    form = Form(layout=layout, size=(64, 96), context_input=context_input)
    model = write_graph(network, form=form)
    used = {node.op_type for node in model.graph.node}
    assert not used & {"Shape", "Where", "Less", "Max", "Concat", "ReduceSum", "Expand"}
    modes = [
        attribute.s
        for node in model.graph.node
        for attribute in node.attribute
        if (node.op_type, attribute.name) == ("Pad", "mode")
    ]
    assert set(modes) == {b"reflect"}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [None, (70, 99)])
@pytest.mark.parametrize("context_input", [False, True])
def test_int8_in_every_form(layout: str, size: tuple[int, int] | None, context_input: bool) -> None:
    network = vivid_network(preset="fast")
    photo = blotches(70, 99)[None]
    planes = torch.from_numpy(_floats(photo))
    seen = observe(network, [planes])
    form = Form(context_input=context_input)
    inputs = {"image": photo}
    if context_input:
        inputs["context"] = blotches(70, 99, seed=5)[None]
    expected = _run(write_quantized_graph(network, seen=seen, form=form), **inputs).astype(int)
    form = replace(form, layout=layout, size=size)
    model = write_quantized_graph(network, seen=seen, form=form)
    if layout == NHWC_UINT8:
        painted = _run(model, **inputs).astype(int)
    else:
        painted = _levels(_run(model, **{name: _floats(each) for name, each in inputs.items()}))
    assert np.abs(painted - expected).mean() < 0.1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "controls",
    [
        Controls(),
        Controls(strength=0),
        Controls(strength=0.4),
        Controls(keep_colors=True),
        Controls(strength=0.7, keep_colors=True),
    ],
)
def test_controls_are_those_of_the_program(
    network: TransformerNetwork, layout: str, controls: Controls
) -> None:
    photo = blotches(60, 80)
    painting = _run(write_graph(network), image=photo[None])[0]
    expected = controls.finish(photo, painting, top=0, height=60).astype(int)
    model = write_graph(network, form=Form(layout=layout, controls=True))
    inputs = {
        "strength": np.array(controls.strength, np.float32),
        "keep_colors": np.array(controls.keep_colors, np.float32),
    }
    if layout == NHWC_UINT8:
        result = _run(model, image=photo[None], **inputs)[0].astype(int)
    else:
        result = _levels(_run(model, image=_floats(photo[None]), **inputs))[0]
    assert np.abs(result - expected).max() <= (2 if controls.keep_colors else 1)
    if not controls.strength:
        assert np.array_equal(result, photo)


def test_colors_are_kept_by_shares() -> None:
    network = vivid_network(preset="fast")
    photo = blotches(60, 80)[None]
    model = write_graph(network, form=Form(layout=NCHW_FLOAT, controls=True))
    painted, half, kept = (
        _run(
            model,
            image=_floats(photo),
            strength=np.array(1, np.float32),
            keep_colors=np.array(share, np.float32),
        )
        for share in (0, 0.5, 1)
    )
    assert np.allclose(half, (painted + kept) / 2, atol=1e-6)
    changes = kept[0] - _floats(photo)[0]
    unclipped = ((kept[0] > 0) & (kept[0] < 1)).all(0)
    assert unclipped.mean() > 0.1
    assert np.ptp(changes[:, unclipped], axis=0).max() < 1e-5
    assert np.abs(changes).max() > 0.1
