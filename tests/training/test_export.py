from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

import faststyle
from faststyle.contract import CONTRACT_VERSION, ModelCard
from faststyle.errors import DataError, ExportError
from faststyle.training.config import TrainingConfig
from faststyle.training.ends import Form
from faststyle.training.export import (
    FEWEST_PHOTOS,
    LARGEST,
    Difference,
    export_model,
    measure,
    model_card,
)
from faststyle.training.graph import DEFAULT_FORM, write_graph
from faststyle.training.layers import Residual
from faststyle.training.network import (
    OUTPUT_UNITS,
    PRESETS,
    TransformerNetwork,
    build_network,
    painting_head,
    sampled_residual,
    stem,
)
from faststyle.version import __version__
from tests.conftest import PLAN, blotches, make_card, vivid_network


@pytest.fixture(params=PRESETS)
def network(request: pytest.FixtureRequest) -> TransformerNetwork:
    return vivid_network(preset=request.param)


def _export(
    network: TransformerNetwork, path: Path, *, precision: str = "fp32", form: Form = DEFAULT_FORM
) -> Difference:
    card = make_card(network)
    return export_model(network, path, card=card, precision=precision, form=form)


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _card(path: Path) -> ModelCard:
    entries = onnx.load(path).metadata_props
    return ModelCard.from_metadata({entry.key: entry.value for entry in entries})


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_file_follows_the_contract(
    network: TransformerNetwork, tmp_path: Path, precision: str
) -> None:
    path = tmp_path / "model.onnx"
    _export(network, path, precision=precision)
    model = onnx.load(path)
    assert model.ir_version == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    (image,), (stylized,) = _session(path).get_inputs(), _session(path).get_outputs()
    assert (image.name, stylized.name) == ("image", "stylized")
    assert image.type == stylized.type == "tensor(uint8)"
    assert image.shape == stylized.shape == ["batch", "height", "width", 3]


def test_a_context_input_is_stated(tmp_path: Path) -> None:
    network = vivid_network(preset="fast")
    path = tmp_path / "model.onnx"
    _export(network, path, form=Form(context_input=True))
    image, context = _session(path).get_inputs()
    assert (image.name, context.name) == ("image", "context")
    assert context.type == "tensor(uint8)"
    assert context.shape == ["contexts", "context_height", "context_width", 3]
    assert (_card(path).normalization, _card(path).context) == ("sampled", "input")
    _export(network, path)
    assert (_card(path).normalization, _card(path).context) == ("sampled", "inside")


def test_a_network_without_a_context_states_none(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    network = vivid_network(preset="johnson")
    with pytest.raises(ExportError, match="share what johnson width 4 measures; leave out --cont"):
        _export(network, path, form=Form(context_input=True))
    assert not path.exists()
    _export(network, path)
    assert (_card(path).normalization, _card(path).context) == ("instance", "")


def test_files_follow_the_contract_of_this_version(
    network: TransformerNetwork, tmp_path: Path
) -> None:
    """Whatever their source followed."""
    old = replace(make_card(network), contract_version=CONTRACT_VERSION - 1)
    export_model(network, tmp_path / "model.onnx", card=old)
    assert _card(tmp_path / "model.onnx").contract_version == CONTRACT_VERSION


def test_fp32_may_differ_whatever_is_said_of_the_others(
    network: TransformerNetwork, tmp_path: Path
) -> None:
    card, path = make_card(network), tmp_path / "model.onnx"
    assert export_model(network, path, card=card, largest_mean=0).worst_mean > 0
    with pytest.raises(ExportError, match=r"in fp16, one picture .* differs by .* more than 0/255"):
        export_model(network, path, card=card, precision="fp16", largest_mean=0)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_precision_and_difference_are_stated(
    network: TransformerNetwork, tmp_path: Path, precision: str
) -> None:
    path = tmp_path / "model.onnx"
    difference = _export(network, path, precision=precision)
    card = _card(path)
    assert card.precision == precision
    assert card.difference == {
        "mean": pytest.approx(difference.mean, abs=1e-3),
        "percentile_99": pytest.approx(difference.percentile_99, abs=1e-3),
        "largest": difference.largest,
    }
    rest = replace(card, precision="fp32", difference={}, context="")
    assert rest == make_card(network)


class Halved(NamedTuple):
    """A network exported in float32 and in fewer bytes."""

    paths: tuple[Path, Path]
    differences: tuple[Difference, Difference]
    from_each_other: float
    """Mean difference of what both paint, in levels."""


def _halved(
    network: TransformerNetwork, folder: Path, *, precision: str = "fp32", form: Form = DEFAULT_FORM
) -> Halved:
    """Export a network both ways; the second file has half the bytes for each weight."""
    network = build_network(preset=network.preset, width=8)
    weights = sum(parameter.numel() for parameter in network.parameters())
    whole, half = folder / "whole.onnx", folder / "half.onnx"
    differences = _export(network, whole), _export(network, half, precision=precision, form=form)
    assert whole.stat().st_size - half.stat().st_size > 2 * weights - 4000
    image = blotches(64, 64)[None]
    pictures = [_session(path).run(None, {"image": image})[0].astype(int) for path in (whole, half)]
    return Halved((whole, half), differences, np.abs(pictures[0] - pictures[1]).mean())


def test_half_precision_halves_the_file_and_keeps_the_picture(
    network: TransformerNetwork, tmp_path: Path
) -> None:
    halved = _halved(network, tmp_path, precision="fp16")
    exact, rounded = halved.differences
    assert exact.mean < rounded.mean < 1
    assert halved.from_each_other < 1


def test_half_weights_halve_the_file_and_leave_the_arithmetic(
    network: TransformerNetwork, tmp_path: Path
) -> None:
    halved = _halved(network, tmp_path, form=Form(half_weights=True))
    assert halved.from_each_other < 0.3
    operators = [{node.op_type for node in onnx.load(path).graph.node} for path in halved.paths]
    assert operators[1] == operators[0] | {"Cast"}


def test_a_deep_network_is_not_refused_for_rounding_that_tiny_pictures_amplify(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    body = [sampled_residual(16) for _ in range(20)]
    network = TransformerNetwork(
        [*stem(16), *body, *painting_head(16, factor=4)], preset="deep", width=16
    ).eval()
    with torch.no_grad():
        network.layers[-1].get_parameter("weight").mul_(8)
    content = write_graph(network).SerializeToString()
    noises = np.random.default_rng(0).integers(0, 256, (20, 2, 7, 3), dtype=np.uint8)
    assert measure(network, content, pictures=[noises]).largest > LARGEST
    assert _export(network, tmp_path / "model.onnx").mean < 1


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_tiny_fixed_size_is_exported(
    network: TransformerNetwork, tmp_path: Path, precision: str
) -> None:
    path = tmp_path / "model.onnx"
    _export(network, path, precision=precision, form=Form(size=(8, 9)))
    assert _session(path).get_inputs()[0].shape == [1, 8, 9, 3]


def _plain(*, brighter: float) -> TransformerNetwork:
    """A network that only adds some levels to every colour."""
    convolution = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        convolution.weight.copy_(OUTPUT_UNITS * torch.eye(3)[:, :, None, None])
        assert convolution.bias is not None
        convolution.bias.fill_(brighter / 255 * OUTPUT_UNITS)
    return TransformerNetwork([convolution], preset="plain", width=3)


def test_differences_are_measured_in_levels() -> None:
    content = write_graph(_plain(brighter=8)).SerializeToString()
    grey, white = (np.full((1, 10, 10, 3), level, np.uint8) for level in (100, 255))
    spot = white[:, :1, :1] - 3
    difference = measure(_plain(brighter=0), content, pictures=[grey, white, spot])
    assert difference.mean == pytest.approx((100 * 8 + 100 * 0 + 3) / 201)
    assert (difference.largest, difference.worst_mean) == (8, 8)
    assert difference.percentile_99 == 8
    difference = measure(_plain(brighter=0), content, pictures=[white] * 2 + [spot])
    assert (difference.percentile_99, difference.largest, difference.worst_mean) == (0, 3, 3)


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("fp32", r"model\.onnx: onnxruntime differs from torch by \d+/255, more than"),
        ("fp16", r"model\.onnx: in fp16, one picture .noise. differs by [\d.]+/255 on average"),
    ],
)
def test_a_file_that_differs_from_torch_is_not_written(
    network: TransformerNetwork,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    message: str,
) -> None:
    def spoil(network: TransformerNetwork, *, half: bool, form: Form) -> onnx.ModelProto:
        model = write_graph(network, half=half, form=form)
        for node in model.graph.node:
            if node.op_type == "Relu":
                node.op_type = "Neg"
        return model

    monkeypatch.setattr("faststyle.training.export.write_graph", spoil)
    with pytest.raises(ExportError, match=message):
        _export(network, tmp_path / "model.onnx", precision=precision)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("precision", "refused"), [("fp32", True), ("fp16", False)])
def test_half_precision_may_be_a_little_further_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, refused: bool
) -> None:
    """One dark picture out of many differs, and little on average."""
    differences = Difference(
        mean=0.1, percentile_99=1.0, largest=LARGEST + 1, worst_mean=0.5, worst=0
    )
    monkeypatch.setattr("faststyle.training.export.measure", lambda *_, **__: differences)
    path = tmp_path / "model.onnx"
    if not refused:
        assert _export(_plain(brighter=0), path, precision=precision) == differences
        assert path.exists()
        return
    with pytest.raises(ExportError, match="nothing was written"):
        _export(_plain(brighter=0), path, precision=precision)
    assert not path.exists()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_network_that_has_broken_down_is_not_written(tmp_path: Path, precision: str) -> None:
    network = vivid_network(preset="fast")
    with torch.no_grad():
        next(network.parameters()).view(-1)[3] = float("nan")
    with pytest.raises(ExportError, match=r"model\.onnx: not written, as a weight .* NaN"):
        _export(network, tmp_path / "model.onnx", precision=precision)
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_no_text_are_stated_as_far_as_they_are(
    network: TransformerNetwork, tmp_path: Path
) -> None:
    config = TrainingConfig(style="art/caf\udce9.jpg", content="photos", author="\ud800 A.")
    card = model_card(network, config=config, plan=PLAN, trained_steps=1)
    export_model(network, tmp_path / "model.onnx", card=card)
    stated = faststyle.load(tmp_path / "model.onnx").card
    assert (stated.style, stated.author) == ("caf\ufffd", "\ufffd A.")
    assert stated.training["style"] == "caf\ufffd.jpg"


def test_the_version_that_exports_is_stated(tmp_path: Path) -> None:
    network = vivid_network(preset="fast")
    card = replace(make_card(network), faststyle_version="0.0.1")
    export_model(network, tmp_path / "model.onnx", card=card)
    assert _card(tmp_path / "model.onnx").faststyle_version == __version__


def test_a_network_with_blocks_that_add_nothing_yet_is_exported_in_int8(tmp_path: Path) -> None:
    network = vivid_network(preset="fast", width=8).requires_grad_(False)
    block = [each for each in network.layers if isinstance(each, Residual)][1]
    block[-1].get_parameter("weight").zero_()
    photos = [tmp_path / f"{seed}.png" for seed in range(FEWEST_PHOTOS)]
    for seed, photo in enumerate(photos):
        Image.fromarray(blotches(64, 96, seed=seed)).save(photo)
    difference = export_model(
        *(network, tmp_path / "model.onnx"),
        card=make_card(network),
        precision="int8",
        photos=photos,
        largest_mean=3,  # rather vivid for bytes
    )
    assert difference.mean > 0


@pytest.mark.parametrize("size", [(63, 96), (100, 1200)])
def test_small_and_narrow_photos_are_no_measure_of_int8(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    network = vivid_network(preset="fast", width=8).requires_grad_(False)
    photos = [tmp_path / f"{seed}.png" for seed in range(FEWEST_PHOTOS)]
    for seed, photo in enumerate(photos):
        height, width = (64, 96) if seed else size
        Image.fromarray(blotches(height, width, seed=seed)).save(photo)
    with pytest.raises(DataError, match=r"photos of 64 pixels and more .* 7 can be read"):
        export_model(
            *(network, tmp_path / "model.onnx"),
            card=make_card(network),
            precision="int8",
            photos=photos,
        )
    Image.fromarray(blotches(64, 96)).save(photos[0])
    with pytest.raises(ExportError, match=rf"one picture \({tmp_path}/[036]\.png\) differs"):
        export_model(
            *(network, tmp_path / "model.onnx"),
            card=make_card(network),
            precision="int8",
            photos=photos,
            largest_mean=0,
        )


def test_a_larger_difference_can_be_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    differences = Difference(mean=0.1, percentile_99=1.0, largest=9, worst_mean=2.5, worst=0)
    monkeypatch.setattr("faststyle.training.export.measure", lambda *_, **__: differences)
    network, path = _plain(brighter=0), tmp_path / "model.onnx"
    card = make_card(network)
    with pytest.raises(ExportError, match=r"more than 2\.4/255.*--max-difference"):
        export_model(network, path, card=card, precision="fp16", largest_mean=2.4)
    assert not path.exists()
    export_model(network, path, card=card, precision="fp16", largest_mean=2.6)
    assert path.exists()


def test_a_folder_that_cannot_be_made_is_named(network: TransformerNetwork, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"model\.onnx: cannot be written"):
        _export(network, tmp_path / "file" / "model.onnx")


def test_the_card_states_what_tiles_need(network: TransformerNetwork) -> None:
    card = make_card(network)
    assert card.preset == f"{network.preset} width 4"
    assert card.halo % card.multiple == 0
    assert network.halo <= card.halo < network.halo + card.multiple
