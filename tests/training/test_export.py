from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from faststyle.errors import ExportError
from faststyle.training.config import TrainingConfig
from faststyle.training.export import export_model
from faststyle.training.graph import write_graph
from faststyle.training.network import OUTPUT_UNITS, PRESETS, TransformerNetwork, build_network
from tests.conftest import PLAN, blotches

CONFIG = TrainingConfig(style="night.jpg", content="photos")


@pytest.fixture(params=PRESETS)
def network(request: pytest.FixtureRequest) -> TransformerNetwork:
    torch.manual_seed(3)
    return build_network(preset=request.param, width=4)


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_the_file_follows_the_contract(network: TransformerNetwork, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_model(network, path, config=CONFIG, plan=PLAN, trained_steps=7)
    model = onnx.load(path)
    assert model.ir_version == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    (image,), (stylized,) = _session(path).get_inputs(), _session(path).get_outputs()
    assert (image.name, stylized.name) == ("image", "stylized")
    assert image.type == stylized.type == "tensor(uint8)"
    assert image.shape == stylized.shape == ["batch", "height", "width", 3]


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (8, 8), (31, 62), (64, 45)])
def test_any_number_of_pictures_of_any_size(
    network: TransformerNetwork, tmp_path: Path, size: tuple[int, int]
) -> None:
    export_model(network, tmp_path / "model.onnx", config=CONFIG, plan=PLAN, trained_steps=7)
    images = np.stack([blotches(*size, seed=seed) for seed in range(3)])
    (stylized,) = _session(tmp_path / "model.onnx").run(None, {"image": images})
    assert (stylized.shape, stylized.dtype) == (images.shape, np.uint8)


def test_levels_are_rounded_and_clipped(tmp_path: Path) -> None:
    """A network of one 1×1 convolution says by hand what each level becomes."""
    convolution = nn.Conv2d(3, 3, 1)
    network = TransformerNetwork([convolution], preset="plain", width=3, normalization="none")
    with torch.no_grad():
        convolution.weight.copy_(1.5 * OUTPUT_UNITS * torch.eye(3)[:, :, None, None])
        assert convolution.bias is not None
        convolution.bias.fill_(-0.1 * OUTPUT_UNITS)
    export_model(network, tmp_path / "model.onnx", config=CONFIG, plan=PLAN, trained_steps=7)
    images = np.array([0, 17, 18, 99, 200, 255], np.uint8).reshape(1, 2, 3, 1).repeat(3, 3)
    (stylized,) = _session(tmp_path / "model.onnx").run(None, {"image": images})
    # 1.5 · level - 25.5 is -25.5, 0, 1.5, 123, 274.5 and 357, and 1.5 rounds to the even 2.
    assert stylized[0, ..., 0].ravel().tolist() == [0, 0, 2, 123, 255, 255]


def test_half_weights_halve_the_file_and_keep_the_picture(
    network: TransformerNetwork, tmp_path: Path
) -> None:
    whole, half = tmp_path / "whole.onnx", tmp_path / "half.onnx"
    export_model(network, whole, config=CONFIG, plan=PLAN, trained_steps=7)
    export_model(network, half, config=CONFIG, plan=PLAN, trained_steps=7, half_weights=True)
    metadata = sum(len(entry.value) for entry in onnx.load(half).metadata_props)
    assert half.stat().st_size - metadata < 0.75 * whole.stat().st_size
    image = blotches(64, 64)[None]
    pictures = [_session(path).run(None, {"image": image})[0].astype(int) for path in (whole, half)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 1


def test_a_file_that_differs_from_torch_is_not_written(
    network: TransformerNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(network: TransformerNetwork, *, half_weights: bool) -> onnx.ModelProto:
        model = write_graph(network, half_weights=half_weights)
        for node in model.graph.node:
            if node.op_type == "Relu":
                node.op_type = "Neg"
        return model

    monkeypatch.setattr("faststyle.training.export.write_graph", spoil)
    with pytest.raises(ExportError, match=r"model\.onnx: onnxruntime differs from torch by"):
        export_model(network, tmp_path / "model.onnx", config=CONFIG, plan=PLAN, trained_steps=7)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_without_a_place_in_the_graph_is_named(tmp_path: Path) -> None:
    network = TransformerNetwork([nn.Tanh()], preset="plain", width=3, normalization="none")
    with pytest.raises(ExportError, match="Tanh"):
        export_model(network, tmp_path / "model.onnx", config=CONFIG, plan=PLAN, trained_steps=7)


def test_a_folder_that_cannot_be_made_is_named(network: TransformerNetwork, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"model\.onnx: cannot be written"):
        export_model(
            network, tmp_path / "file" / "model.onnx", config=CONFIG, plan=PLAN, trained_steps=7
        )
