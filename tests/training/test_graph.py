"""What onnxruntime makes of a written graph, against what torch makes of its network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from faststyle.contract import CONTEXT, INPUT, OUTPUT
from faststyle.errors import ExportError
from faststyle.training.ends import Form
from faststyle.training.graph import read_weights, write_graph
from faststyle.training.network import OUTPUT_UNITS, PRESETS, TransformerNetwork, build_network
from tests.conftest import blotches, vivid_network

SIZES = [(1, 1), (2, 7), (37, 64), (61, 127), (131, 333), (3, 2500)]
"""Odd, tiny, off every multiple, and two whose copy is smaller, the last also sampled."""

KINDS = [*((preset, False) for preset in PRESETS), ("fast", True)]
"""Presets, and whether the context is an input of the graph."""

Levels = NDArray[np.uint8]


@pytest.fixture(params=PRESETS)
def network(request: pytest.FixtureRequest) -> TransformerNetwork:
    return vivid_network(preset=request.param)


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> tuple[TransformerNetwork, bool]:
    preset, context_input = request.param
    return vivid_network(preset=preset), context_input


def _open(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, **inputs: Levels) -> Levels:
    (stylized,) = session.run(None, inputs)
    assert isinstance(stylized, np.ndarray)
    return stylized


def _pictures(height: int, width: int) -> Levels:
    return np.stack([blotches(height, width, seed=seed) for seed in (1, 2)])


def _inputs(*, context_input: bool) -> Iterator[dict[str, Levels]]:
    for size in SIZES:
        images = _pictures(*size)
        if not context_input:
            yield {INPUT: images}
            continue
        yield {INPUT: images, CONTEXT: _pictures(9, 61)}
        yield {INPUT: images, CONTEXT: blotches(41, 30)[None]}  # shared


def _paint(network: TransformerNetwork, image: Levels, context: Levels | None = None) -> Levels:
    planes = [
        each if each is None else torch.tensor(each).permute(0, 3, 1, 2) / 255
        for each in (image, context)
    ]
    with torch.no_grad():
        stylized = network(*planes)
    painted: Levels = (stylized * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return painted


def _differences(one: Levels, other: Levels) -> NDArray[np.int_]:
    assert one.shape == other.shape
    differences: NDArray[np.int_] = np.abs(one.astype(int) - other.astype(int))
    return differences


def test_onnxruntime_paints_what_torch_paints(kind: tuple[TransformerNetwork, bool]) -> None:
    network, context_input = kind
    session = _open(write_graph(network, form=Form(context_input=context_input)))
    for inputs in _inputs(context_input=context_input):
        painted = _paint(network, **inputs)
        assert _differences(_run(session, **inputs), painted).max() <= 1, painted.shape


def test_half_precision_paints_nearly_the_same(kind: tuple[TransformerNetwork, bool]) -> None:
    network, context_input = kind
    session = _open(write_graph(network, half=True, form=Form(context_input=context_input)))
    for inputs in _inputs(context_input=context_input):
        painted = _paint(network, **inputs)
        assert _differences(_run(session, **inputs), painted).mean() < 1, painted.shape


def test_a_network_without_a_context_has_no_input_for_it() -> None:
    network = vivid_network(preset="johnson")
    assert write_graph(network, form=Form(context_input=True)) == write_graph(network)


@pytest.mark.parametrize("half", [False, True])
def test_graphs_are_valid_and_compute_nothing_in_vain(
    kind: tuple[TransformerNetwork, bool], half: bool
) -> None:
    network, context_input = kind
    model = write_graph(network, half=half, form=Form(context_input=context_input))
    onnx.checker.check_model(model, full_check=True)
    needed, wasted = {OUTPUT}, []
    for node in reversed(model.graph.node):
        if needed.isdisjoint(node.output):
            wasted.append(node.op_type)
        else:
            needed.update(node.input)
    assert not {"Conv", "Pad", "Relu"} & set(wasted)
    assert {each.name for each in model.graph.initializer} <= needed


def test_tiles_that_share_a_context_fit_together() -> None:
    network = vivid_network(preset="fast")
    session = _open(write_graph(network, form=Form(context_input=True)))
    picture, context = blotches(192, 208)[None], blotches(41, 30)[None]
    whole = _run(session, image=picture, context=context)
    halo = -(-network.halo // network.multiple) * network.multiple
    rows, columns = slice(80 - halo, 112 + halo), slice(100 - halo, 140 + halo)
    tile = _run(session, image=picture[:, rows, columns], context=context)
    assert tile.shape[1] < picture.shape[1]
    inside = tile[:, halo:-halo, halo:-halo]
    assert _differences(inside, whole[:, 80:112, 100:140]).max() <= 1


def test_levels_are_rounded_and_clipped() -> None:
    """A network of one 1×1 convolution says by hand what each level becomes."""
    convolution = nn.Conv2d(3, 3, 1)
    network = TransformerNetwork([convolution], preset="plain", width=3)
    with torch.no_grad():
        convolution.weight.copy_(1.5 * OUTPUT_UNITS * torch.eye(3)[:, :, None, None])
        assert convolution.bias is not None
        convolution.bias.fill_(-0.1 * OUTPUT_UNITS)
    images = np.array([0, 17, 18, 99, 200, 255], np.uint8).reshape(1, 2, 3, 1).repeat(3, 3)
    stylized = _run(_open(write_graph(network)), image=images)
    # 1.5 · level - 25.5 is -25.5, 0, 1.5, 123, 274.5 and 357, and 1.5 rounds to the even 2.
    assert stylized[0, ..., 0].ravel().tolist() == [0, 0, 2, 123, 255, 255]


def test_a_layer_without_a_place_in_the_graph_is_named() -> None:
    with pytest.raises(ExportError, match="Tanh"):
        write_graph(TransformerNetwork([nn.Tanh()], preset="plain", width=3))


@pytest.mark.parametrize("half", [False, True])
def test_weights_are_read_back(kind: tuple[TransformerNetwork, bool], half: bool) -> None:
    network, context_input = kind
    graph = write_graph(network, half=half, form=Form(context_input=context_input)).graph
    other = build_network(preset=network.preset, width=network.width)
    images = _pictures(32, 43)
    expected = _paint(network, images)
    assert _differences(_paint(other, images), expected).mean() > 9
    read_weights(other, graph)
    assert _differences(_paint(other, images), expected).mean() < (1 if half else 0.01)


def test_weights_that_are_missing_or_do_not_fit_are_named(network: TransformerNetwork) -> None:
    graph = write_graph(network).graph
    wider = build_network(preset=network.preset, width=network.width + 1)
    with pytest.raises(ValueError, match=r"layers\.[01]\.weight has the shape \(4, 3, \d, \d\)"):
        read_weights(wider, graph)
    names = [name for name, _ in network.named_parameters()]
    for initializer in graph.initializer:
        if initializer.name == names[-1]:
            initializer.name = "another"
    with pytest.raises(ValueError, match=f"no weights are called {names[-1]}$"):
        read_weights(network, graph)
