"""Checkpoints of pytorch/examples, saved by a network as it is written there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import faststyle
from faststyle.cli import main
from faststyle.errors import CheckpointError
from faststyle.training.checkpoint import FORMAT
from faststyle.training.imported import read_checkpoint
from tests.conftest import blotches
from tests.theirs import theirs

State = dict[str, Any]


def _as_it_is(state: State) -> State:
    return state


def _of_torch_03(state: State) -> State:
    left = {}
    for name, value in state.items():
        left[name] = value
        if name.rpartition(".")[0].rpartition(".")[2].startswith("in") and name.endswith("weight"):
            left[name.replace("weight", "running_mean")] = torch.zeros_like(value)
            left[name.replace("weight", "running_var")] = torch.ones_like(value)
    assert len(left) == len(state) + 30
    return left


def _before_torch_had_the_layer(state: State) -> State:
    return {
        name if ".conv2d." in name else name.replace("weight", "scale").replace("bias", "shift"): v
        for name, v in state.items()
    }


def _of_several_gpus(state: State) -> State:
    return {"epoch": 2, "state_dict": {f"module.{name}": value for name, value in state.items()}}


def _in_half(state: State) -> State:
    return {name: value.half() for name, value in state.items()}


@pytest.mark.parametrize(
    "saved", [_as_it_is, _of_torch_03, _before_torch_had_the_layer, _of_several_gpus, _in_half]
)
@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_imported_paints_the_same(
    saved: Callable[[State], State], width: int, legacy: bool, tmp_path: Path
) -> None:
    network = theirs(width)
    path, output = tmp_path / "mosaic.model", tmp_path / "mosaic.onnx"
    state = saved(network.state_dict())
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    assert main(["import", str(path), "-o", str(output), "--author", "somebody"]) == 0
    stylizer = faststyle.load(output, device="cpu")
    assert stylizer.card.preset == f"johnson width {width}"
    assert (stylizer.card.style, stylizer.card.author) == ("mosaic", "somebody")
    photo = blotches(64, 92)
    with torch.no_grad():
        painted = network(torch.tensor(photo).permute(2, 0, 1)[None].float())[0]
    assert painted.min() < 0
    assert painted.max() > 255
    expected = painted.clamp(0, 255).round().permute(1, 2, 0).numpy()
    assert expected.std() > 30
    difference = np.abs(stylizer(photo).astype(int) - expected)
    assert difference.max() <= (20 if saved is _in_half else 1)
    assert difference.mean() < 1


def test_every_size_comes_back(tmp_path: Path) -> None:
    torch.save(theirs(2).state_dict(), tmp_path / "a.pth")
    assert main(["import", str(tmp_path / "a.pth"), "-o", str(tmp_path / "a.onnx")]) == 0
    stylizer = faststyle.load(tmp_path / "a.onnx", device="cpu")
    for size in ((1, 1), (33, 47)):
        assert stylizer(blotches(*size)).shape == (*size, 3)


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "not a checkpoint of pytorch/examples.*conv1.conv2d.weight"),
        ({"conv1.conv2d.weight": torch.tensor(1.0)}, "not a checkpoint of pytorch/examples"),
        ({1: torch.zeros(1), "epoch": 3}, "not a checkpoint of pytorch/examples"),
        ([1, 2], "no state dict that can be read"),
        (_Evil(), "no state dict that can be read without running what it says"),
        (
            {**theirs(2).state_dict(), "res6.conv1.conv2d.weight": torch.zeros(8, 8, 3, 3)},
            r"any width \(it has res6.conv1.conv2d.weight, too\)",
        ),
        (
            {**theirs(2).state_dict(), "in2.weight": torch.zeros(5)},
            r"any width \(size mismatch .*\[5\]",
        ),
        (
            {**theirs(2).state_dict(), "conv1.conv2d.weight": torch.zeros(0, 3, 9, 9)},
            r"any width \(it is 0 channels wide\)",
        ),
        (
            {"conv1.conv2d.weight": torch.zeros(1, 1, 1, 1).expand(10**6, 3, 9, 9)},
            r"any width \(it is 1000000 channels wide\)",
        ),
        (
            {**theirs(2).state_dict(), "in1.weight": torch.full((2,), float("nan"))},
            "a weight is NaN or infinite; import an older checkpoint",
        ),
        ({"format": FORMAT, "config": {}}, "is a checkpoint of faststyle; use faststyle export"),
    ],
)
def test_other_files_are_refused_in_one_line(
    content: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert not Path("ran").exists()


def test_a_missing_file_and_one_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.pth: No such file"):
        read_checkpoint(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(CheckpointError, match=r"text\.pth: no state dict"):
        read_checkpoint(tmp_path / "text.pth")
    with pytest.raises(CheckpointError, match=r"mine\.ONNX: is an ONNX file, .* faststyle export"):
        read_checkpoint(tmp_path / "mine.ONNX")
