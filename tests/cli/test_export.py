"""``faststyle export``, as a shell calls it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import faststyle
from faststyle.cli import main
from faststyle.contract import ModelCard
from faststyle.training.checkpoint import Checkpoint, save_checkpoint
from faststyle.training.config import TrainingConfig
from faststyle.training.network import TransformerNetwork
from tests.conftest import PLAN, blotches, vivid_network


@pytest.fixture
def network() -> TransformerNetwork:
    return vivid_network(preset="fast")


@pytest.fixture
def checkpoint(network: TransformerNetwork, tmp_path: Path) -> Path:
    """Of a run whose photos are gone."""
    state = Checkpoint(
        config=TrainingConfig(
            style="night.jpg", content="gone", width=network.width, author="A. Painter"
        ),
        plan=PLAN,
        step=12,
        network=network.state_dict(),
        optimizer={"state": {}, "param_groups": []},
        fingerprints={},
        validations=[],
        lowest=1.0,
        seconds=1.5,
    )
    path = tmp_path / "run" / "checkpoint.pt"
    path.parent.mkdir()
    save_checkpoint(state, path)
    return path


def _export(source: Path | str, output: Path, *options: str) -> ModelCard:
    assert main(["export", str(source), "-o", str(output), *options]) == 0
    entries = onnx.load(output).metadata_props
    return ModelCard.from_metadata({entry.key: entry.value for entry in entries})


def _last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_checkpoint_is_exported_with_other_words(
    network: TransformerNetwork, checkpoint: Path, tmp_path: Path
) -> None:
    card = _export(checkpoint, tmp_path / "mine.onnx", "--license", "CC0", "--name", "mine")
    assert (card.style, card.author, card.license) == ("mine", "A. Painter", "CC0")
    assert (card.preset, card.trained_steps) == ("fast width 4", 12)
    photo = blotches(33, 45)
    with torch.no_grad():
        planes = torch.tensor(photo).permute(2, 0, 1)[None] / 255
        expected = network(planes)[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255
    assert np.abs(faststyle.load(tmp_path / "mine.onnx")(photo) - expected).max() <= 1


def test_size_precision_and_difference_are_printed(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "mine.onnx"
    card = _export(checkpoint, output, "--precision", "fp16")
    mean, largest = card.difference["mean"], card.difference["largest"]
    assert capsys.readouterr().out == (
        f"{output}: {output.stat().st_size / 1000:.0f} kB, fp16, {mean:.2f}/255 on average and "
        f"at most {largest:g}/255 from the network in float32\n"
    )
    assert card.precision == "fp16"


def test_a_model_is_exported_anew(checkpoint: Path, tmp_path: Path) -> None:
    first = _export(checkpoint, tmp_path / "first.onnx", "--license", "CC0")
    second = _export(
        *(tmp_path / "first.onnx", tmp_path / "second.onnx"),
        *("--precision", "fp16", "--author", "Somebody"),
    )
    assert (second.precision, second.author) == ("fp16", "Somebody")
    assert (second.style, second.license, second.training) == ("night", "CC0", first.training)
    photo = blotches(33, 45)
    one, other = (
        faststyle.load(tmp_path / f"{name}.onnx")(photo).astype(int) for name in ("first", "second")
    )
    assert np.abs(one - other).mean() < 1
    assert np.abs(one - photo).mean() > 9


def test_a_size_is_width_and_height(checkpoint: Path, tmp_path: Path) -> None:
    _export(checkpoint, tmp_path / "mine.onnx", "--size", "64x40")
    assert faststyle.load(tmp_path / "mine.onnx").port.taken.sides == (40, 64)


def test_the_context_can_be_an_input(checkpoint: Path, tmp_path: Path) -> None:
    card = _export(checkpoint, tmp_path / "tiles.onnx", "--context-input")
    assert card.context == "input"
    inputs = onnx.load(tmp_path / "tiles.onnx").graph.input
    assert [each.name for each in inputs] == ["image", "context"]
    card = _export(tmp_path / "tiles.onnx", tmp_path / "whole.onnx")
    assert card.context == "inside"
    assert faststyle.load(tmp_path / "whole.onnx")(blotches(9, 9)).shape == (9, 9, 3)


def test_a_bundled_style_is_exported_by_its_name(tmp_path: Path) -> None:
    card = _export("wave", tmp_path / "mine.onnx")
    bundled = faststyle.load("wave").card
    assert (card.style, card.author, card.training) == ("wave", bundled.author, bundled.training)
    photo = blotches(33, 45)
    painted, expected = (
        faststyle.load(name)(photo).astype(int) for name in (tmp_path / "mine.onnx", "wave")
    )
    assert np.abs(painted - expected).mean() < 1


def test_a_model_is_replaced_only_on_request(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "mine.onnx"
    output.write_text("precious")
    assert main(["export", str(model_path), "-o", str(output)]) == 1
    assert "mine.onnx: already exists" in _last_line(capsys)
    assert output.read_text() == "precious"
    assert _export(model_path, output, "--overwrite").style == "tiny"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--precision", "int8", "--photos", "typo"], "typo: no such folder; name one of photos"),
        (["--precision", "fp16", "--photos", "."], "--photos is for --precision int8 alone"),
        (["--max-difference", "nan"], "--max-difference must be 0 or more"),
        (["--max-difference", "-1"], "--max-difference must be 0 or more"),
        (["--max-difference", "inf"], "--max-difference must be 0 or more"),
        (["--size", "64x99999"], "--size: sides must be at most 8192; lower them"),
    ],
)
def test_options_that_cannot_be_are_one_line(
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    message: str,
) -> None:
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "m.onnx"), *given]) == 1
    assert message in _last_line(capsys)
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("size", ["0x64", "64x00", "64x", "64x64x3", "-1x64"])
def test_a_size_that_is_none(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["export", "wave", "-o", "m.onnx", f"--size={size}"])
    assert "is no size in pixels: give WIDTHxHEIGHT such as 1280x720" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text.pt", "text.pt: not a faststyle checkpoint"),
        ("text.onnx", "text.onnx: not a faststyle model"),
        ("", "is a folder; name a file in it, such as"),
        ("missing.onnx", "missing.onnx: No such file"),
        ("missing.pt", "missing.pt: No such file"),
        ("nonesuch", "no bundled style is called"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    for text in ("text.pt", "text.onnx"):
        (tmp_path / text).write_text("text")
    assert main(["export", str(tmp_path / name), "-o", str(tmp_path / "m.onnx")]) == 1
    line = _last_line(capsys)
    assert line.startswith("faststyle: ")
    assert message in line
    assert not (tmp_path / "m.onnx").exists()
