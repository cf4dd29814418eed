from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import faststyle
from faststyle.errors import CheckpointError
from faststyle.training.config import START_RANDOM, TrainingConfig
from faststyle.training.export import export_model
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.start import decide_start, starting_network
from tests.conftest import blotches, make_card, vivid_network

CONFIG = TrainingConfig(style="style.jpg", content="photos", width=3)


def _same(one: TransformerNetwork, other: TransformerNetwork) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("preset", ["fast", "johnson"])
def test_a_run_can_start_from_an_exported_model(tmp_path: Path, preset: str) -> None:
    network = vivid_network(preset=preset, width=3)
    path = tmp_path / "model.onnx"
    export_model(network, path, card=make_card(network))
    start = starting_network(dataclasses.replace(CONFIG, preset=preset, start_from=str(path)))
    photo = torch.rand(1, 3, 30, 41)
    assert torch.allclose(start(photo), network(photo), atol=1e-4)


@pytest.mark.parametrize(("preset", "bundled"), [("fast", "wave"), ("quality", "wave-quality")])
def test_a_run_of_default_shape_starts_from_the_bundled_network(preset: str, bundled: str) -> None:
    config = dataclasses.replace(CONFIG, width=None, preset=preset)
    assert decide_start(config) == bundled
    photo = blotches(48, 64)
    with torch.no_grad():
        planes = torch.tensor(photo).permute(2, 0, 1)[None] / 255
        painted = starting_network(config)(planes)[0].clamp(0, 1).permute(1, 2, 0)
    expected = torch.tensor(faststyle.load(bundled, device="cpu")(photo))
    assert ((255 * painted).round() - expected).abs().mean() < 1


@pytest.mark.parametrize(
    ("preset", "width", "bundled"),
    [("fast", 48, "wave"), ("quality", 48, "wave"), ("quality", 80, "wave-quality")],
)
def test_larger_networks_start_from_the_bundled_one_grown_to_them(
    preset: str, width: int, bundled: str
) -> None:
    config = dataclasses.replace(CONFIG, width=width, preset=preset)
    assert decide_start(config) == bundled
    preset, width = ("fast", 32) if bundled == "wave" else ("quality", 64)
    smaller = starting_network(dataclasses.replace(config, preset=preset, width=width))
    photo = torch.rand(1, 3, 48, 64)
    assert torch.allclose(starting_network(config)(photo), smaller(photo), atol=1e-5)


@pytest.mark.parametrize("start_from", [START_RANDOM, TrainingConfig.start_from])
@pytest.mark.parametrize("preset", ["fast", "johnson"])
def test_other_shapes_start_from_the_seed(start_from: str, preset: str) -> None:
    config = dataclasses.replace(CONFIG, start_from=start_from, preset=preset)
    assert decide_start(config) == START_RANDOM
    torch.manual_seed(5)
    start = starting_network(config)
    torch.manual_seed(5)
    assert _same(start, build_network(preset=preset, width=3))


def test_a_start_that_is_asked_for_is_kept() -> None:
    config = dataclasses.replace(CONFIG, width=None, start_from="my.onnx")
    assert decide_start(config) == "my.onnx"


def test_what_does_not_fit_is_named(tmp_path: Path, model_path: Path) -> None:
    message = (
        r"tiny\.onnx: is a johnson width 2; "
        "--start-from needs a fast width 3, or a smaller network of its kind$"
    )
    with pytest.raises(CheckpointError, match=message):
        starting_network(dataclasses.replace(CONFIG, start_from=str(model_path)))
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(CheckpointError, match=r"text\.onnx: not a faststyle model"):
        starting_network(dataclasses.replace(CONFIG, start_from=str(tmp_path / "text.onnx")))
    with pytest.raises(CheckpointError, match="--start-from nonesuch: neither a checkpoint"):
        starting_network(dataclasses.replace(CONFIG, start_from="nonesuch"))
    with pytest.raises(CheckpointError, match="No such file"):
        starting_network(dataclasses.replace(CONFIG, start_from="nonesuch.pt"))
