from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import helper

from faststyle.contract import CONTRACT_VERSION
from faststyle.errors import CheckpointError
from faststyle.training.export import export_model
from faststyle.training.exported import read_exported, read_model
from faststyle.training.network import PRESETS
from tests.conftest import make_card, vivid_network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = vivid_network(preset="fast")
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_model(network, path, card=make_card(network))
    return path


def _changed(exported: Path, path: Path, **metadata: str) -> Path:
    model = onnx.load(exported)
    properties = {entry.key: entry.value for entry in model.metadata_props} | metadata
    del model.metadata_props[:]
    helper.set_model_props(model, properties)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("precision", "difference"), [("fp32", 1e-5), ("fp16", 5e-3)])
def test_a_network_is_read_back(
    tmp_path: Path, preset: str, precision: str, difference: float
) -> None:
    network = vivid_network(preset=preset)
    path = tmp_path / "model.onnx"
    export_model(network, path, card=make_card(network), precision=precision)
    again, card = read_exported(path)
    assert (again.preset, again.width, card.precision) == (preset, 4, precision)
    assert (card.style, card.author, card.trained_steps) == ("tiny", "A. Painter", 7)
    photo = torch.rand(1, 3, 40, 53)
    with torch.no_grad():
        assert (again(photo) - network(photo)).abs().mean() < difference


def test_a_network_read_back_is_exported_as_before(exported: Path, tmp_path: Path) -> None:
    network, card = read_exported(exported)
    export_model(network, tmp_path / "again.onnx", card=card)
    again, _ = read_exported(tmp_path / "again.onnx")
    for name, weights in network.named_parameters():
        assert torch.allclose(again.get_parameter(name), weights, atol=1e-5), name
    assert read_model(tmp_path / "again.onnx")[0] == card


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"precision": "int8"}, "is an int8 model, which cannot be turned back"),
        ({"preset": "fast width 5"}, r"do not fit fast width 5 \(layers\.1\.weight has the shape"),
        ({"preset": "johnson width 4"}, r"do not fit johnson width 4 \(.*from its checkpoint$"),
        (
            {"preset": "johnson width 4", "faststyle_version": "0.0.9"},
            r"export it again with faststyle 0\.0\.9, which made it$",
        ),
        ({"preset": "jonson width 4"}, "do not fit jonson width 4 .*no preset is called 'jonson'"),
        ({"preset": ""}, "do not fit any preset"),
        ({"preset": "fast width some"}, "do not fit fast width some"),
        ({"preset": f"fast width {10**21}"}, "do not fit fast width 10+ .*must be from 1 to"),
        ({"halo": "wide"}, "not a faststyle model, or damaged; pass a checkpoint"),
        ({"contract_version": str(CONTRACT_VERSION + 1)}, "follows contract 3.*update faststyle$"),
    ],
)
def test_what_cannot_be_read_back_is_named(
    exported: Path, tmp_path: Path, metadata: dict[str, str], message: str
) -> None:
    path = _changed(exported, tmp_path / "changed.onnx", **metadata)
    with pytest.raises(CheckpointError, match=rf"^{path}: [^\n]*$") as caught:
        read_exported(path)
    assert caught.match(message)


@pytest.mark.parametrize("content", [None, b"", b"some text"])
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "text.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"^{path}: [^\n]*$"):
        read_exported(path)
