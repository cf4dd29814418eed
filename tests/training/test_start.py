from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import faststyle
from faststyle.errors import CheckpointError
from faststyle.gallery import style_path
from faststyle.training.config import START_RANDOM, TrainingConfig
from faststyle.training.export import export_model
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.start import BUNDLED, load_model_weights, starting_network
from tests.conftest import PLAN, blotches

CONFIG = TrainingConfig(style="style.jpg", content="photos", width=3)


def _same(one: TransformerNetwork, other: TransformerNetwork) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("half_weights", [False, True])
def test_an_exported_network_is_read_back(tmp_path: Path, half_weights: bool) -> None:
    network = build_network(preset="johnson", width=3)
    path = tmp_path / "model.onnx"
    export_model(
        network, path, config=CONFIG, plan=PLAN, trained_steps=1, half_weights=half_weights
    )
    config = dataclasses.replace(CONFIG, start_from=str(path))
    start = starting_network(config)
    assert _same(start, network.half().float() if half_weights else network)


def test_the_bundled_network_paints_as_its_style_does() -> None:
    width = int(faststyle.load(BUNDLED).card.preset.split()[-1])
    start = starting_network(dataclasses.replace(CONFIG, width=width))
    photo = blotches(48, 64)
    with torch.no_grad():
        painted = start(torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255)[0]
    expected = torch.from_numpy(faststyle.load(BUNDLED, device="cpu")(photo).copy())
    assert (painted.clamp(0, 1).permute(1, 2, 0) * 255 - expected).abs().max() <= 2


@pytest.mark.parametrize("start_from", [START_RANDOM, TrainingConfig.start_from])
def test_other_shapes_start_from_the_seed(start_from: str) -> None:
    config = dataclasses.replace(CONFIG, start_from=start_from)
    torch.manual_seed(5)
    start = starting_network(config)
    torch.manual_seed(5)
    assert _same(start, build_network(preset="johnson", width=3))


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    network = build_network(preset="johnson", width=3)
    with pytest.raises(CheckpointError, match=r"is a johnson width \d+; .* johnson width 3$"):
        load_model_weights(network, style_path(BUNDLED))
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(CheckpointError, match=r"text\.onnx: not a faststyle model"):
        load_model_weights(network, tmp_path / "text.onnx")
    with pytest.raises(CheckpointError, match="--start-from nonesuch: neither a checkpoint"):
        starting_network(dataclasses.replace(CONFIG, start_from="nonesuch"))
    with pytest.raises(CheckpointError, match="No such file"):
        starting_network(dataclasses.replace(CONFIG, start_from="nonesuch.pt"))
