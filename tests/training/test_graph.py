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

from faststyle.contract import CONTEXT, INPUT, MEASURED, OUTPUT, STATISTICS
from faststyle.cutting import Dimensions, cut, only, tensors_called
from faststyle.errors import ExportError
from faststyle.training.ends import Form
from faststyle.training.graph import read_weights, write_graph
from faststyle.training.layers import SampledNorm
from faststyle.training.network import OUTPUT_UNITS, PRESETS, TransformerNetwork, build_network
from tests.conftest import blotches, vivid_network

SIZES = [(1, 1), (2, 7), (37, 64), (61, 127), (131, 333), (3, 2500)]
"""Odd, tiny, off every multiple, and so long that the other side says little."""

KINDS = [*((preset, False) for preset in PRESETS), ("fast", True), ("quality", True)]
"""Presets, and whether the context is an input of the graph."""

Levels = NDArray[np.uint8]


@pytest.fixture(params=PRESETS)
def network(request: pytest.FixtureRequest) -> TransformerNetwork:
    return vivid_network(preset=request.param)


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> tuple[TransformerNetwork, bool]:
    preset, context_input = request.param
    return vivid_network(preset=preset), context_input


def _open(model: onnx.ModelProto | bytes) -> onnxruntime.InferenceSession:
    content = model if isinstance(model, bytes) else model.SerializeToString()
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


def _planes(images: Levels) -> torch.Tensor:
    return torch.tensor(images).permute(0, 3, 1, 2) / 255


def _paint(network: TransformerNetwork, image: Levels, context: Levels | None = None) -> Levels:
    planes = [each if each is None else _planes(each) for each in (image, context)]
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


def _dimensions(content: bytes) -> dict[str, Dimensions]:
    names = tensors_called(content, STATISTICS)
    return {name: ("pictures", f"{name}_channels", 1, 1) for name in names}


def _statistics(network: TransformerNetwork, images: Levels) -> dict[str, NDArray[np.float32]]:
    """Return what torch measures of pictures, by the names it has in graphs."""
    layers = [each for each in network.modules() if isinstance(each, SampledNorm)]
    found: dict[str, NDArray[np.float32]] = {}
    with torch.no_grad():
        for number, (layer, affine) in enumerate(
            zip(layers, network.describe(_planes(images)), strict=True)
        ):
            values = (layer.bias - affine.shift) / affine.scale, layer.weight / affine.scale
            found |= {
                f"{name}{number}": each.numpy()
                for name, each in zip(STATISTICS, values, strict=True)
            }
    return found


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("preset", ["fast", "quality"])
def test_graphs_measure_the_positions_that_torch_measures(preset: str, half: bool) -> None:
    network = vivid_network(preset=preset)
    content = write_graph(network, half=half).SerializeToString()
    dimensions = _dimensions(content)
    session = _open(only(content, tensors=[f"{MEASURED}{name}" for name in dimensions]))
    for size in SIZES:
        images = _pictures(*size)
        found = session.run([f"{MEASURED}{name}" for name in dimensions], {INPUT: images})
        expected = _statistics(network, images)
        assert set(dimensions) == set(expected)
        for name, values in zip(dimensions, found, strict=True):
            wanted = expected[name]
            assert (values.dtype, values.shape) == (np.float32, wanted.shape)
            # Half precision rounds what hardly varies to what does not.
            if not half or min(size) > 30:
                most = 0.02 if half else 1e-3 if min(size) < 3 else 1e-4
                assert np.abs(values - wanted).mean() < most, (name, size)


@pytest.mark.parametrize("preset", ["fast", "quality"])
def test_a_part_with_the_statistics_of_the_whole_is_a_part_of_the_whole(preset: str) -> None:
    network = vivid_network(preset=preset)
    content = write_graph(network).SerializeToString()
    dimensions = _dimensions(content)
    measuring = _open(only(content, tensors=[OUTPUT, *dimensions]))
    sharing = _open(cut(content, tensors=dimensions))
    picture = blotches(272, 283)[None]
    whole, *values = measuring.run([OUTPUT, *dimensions], {INPUT: picture})
    statistics = dict(zip(dimensions, values, strict=True))
    assert _differences(_run(sharing, image=picture, **statistics), whole).max() == 0
    halo = -(-network.halo // network.multiple) * network.multiple
    for top, bottom, left, right in ((120, 152, 112, 161), (104, 272, 0, 136)):
        above, before = max(0, top - halo), max(0, left - halo)
        part = picture[:, above : bottom + halo, before : right + halo]
        assert part.size < picture.size
        painted = _run(sharing, image=part, **statistics)
        inside = painted[:, top - above :, left - before :][:, : bottom - top, : right - left]
        assert _differences(inside, whole[:, top:bottom, left:right]).max() <= 1
        alone = measuring.run([OUTPUT], {INPUT: part})[0]
        assert _differences(painted, alone).max() > 9


@pytest.mark.parametrize("preset", ["fast", "quality"])
def test_another_picture_is_measured_in_place_of_the_first(preset: str) -> None:
    network = vivid_network(preset=preset)
    itself, other = (
        _open(write_graph(network, form=Form(context_input=each))) for each in (False, True)
    )
    picture, context = blotches(61, 127, seed=1)[None], blotches(45, 30, seed=2)[None]
    painted = _run(other, image=picture, context=context)
    alone = _run(itself, image=picture)
    assert _differences(painted, alone).mean() > 5
    assert _differences(_run(other, image=picture, context=picture), alone).max() <= 1


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
    rows, columns = slice(80 - halo, 112 + halo), slice(104 - halo, 144 + halo)
    tile = _run(session, image=picture[:, rows, columns], context=context)
    assert tile.shape[1] < picture.shape[1]
    inside = tile[:, halo:-halo, halo:-halo]
    assert _differences(inside, whole[:, 80:112, 104:144]).max() <= 1


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
