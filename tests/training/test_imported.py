"""Checkpoints of pytorch/examples, saved by a network as it is written there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import faststyle
from faststyle.cli import main
from faststyle.errors import CheckpointError
from faststyle.training.imported import read_checkpoint
from tests.conftest import blotches

State = dict[str, Any]


class ConvLayer(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(kernel // 2)
        self.conv2d = nn.Conv2d(channels_in, channels_out, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        convolved: Tensor = self.conv2d(self.pad(x))
        return convolved


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, 3, 1)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = ConvLayer(channels, channels, 3, 1)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.in2(self.conv2(functional.relu(self.in1(self.conv1(x)))))
        return x + changed


class Theirs(nn.Module):
    """Takes and gives colours from 0 to 255."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(3, width, 9, 1)
        self.in1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = ConvLayer(width, 2 * width, 3, 2)
        self.in2 = nn.InstanceNorm2d(2 * width, affine=True)
        self.conv3 = ConvLayer(2 * width, 4 * width, 3, 2)
        self.in3 = nn.InstanceNorm2d(4 * width, affine=True)
        for number in range(1, 6):
            self.add_module(f"res{number}", Block(4 * width))
        self.deconv1 = ConvLayer(4 * width, 2 * width, 3, 1)
        self.in4 = nn.InstanceNorm2d(2 * width, affine=True)
        self.deconv2 = ConvLayer(2 * width, width, 3, 1)
        self.in5 = nn.InstanceNorm2d(width, affine=True)
        self.deconv3 = ConvLayer(width, 3, 9, 1)

    def forward(self, x: Tensor) -> Tensor:
        for number in (1, 2, 3):
            x = functional.relu(self._normalized(f"conv{number}", f"in{number}", x))
        for number in range(1, 6):
            x = getattr(self, f"res{number}")(x)
        for number in (1, 2):
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = functional.relu(self._normalized(f"deconv{number}", f"in{number + 3}", x))
        painted: Tensor = self.deconv3(x)
        return painted

    def _normalized(self, convolution: str, norm: str, x: Tensor) -> Tensor:
        normalized: Tensor = getattr(self, norm)(getattr(self, convolution)(x))
        return normalized


def _theirs(width: int) -> Theirs:
    torch.manual_seed(width)
    network = Theirs(width)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".conv2d." not in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
        # So that what is painted spans the colours, and beyond.
        network.deconv3.conv2d.weight.mul_(150)
        assert network.deconv3.conv2d.bias is not None
        network.deconv3.conv2d.bias.add_(127)
    return network.eval()


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
    theirs = _theirs(width)
    path, output = tmp_path / "mosaic.model", tmp_path / "mosaic.onnx"
    state = saved(theirs.state_dict())
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    assert main(["import", str(path), "-o", str(output), "--author", "somebody"]) == 0
    stylizer = faststyle.load(output, device="cpu")
    assert stylizer.card.preset == f"johnson width {width}"
    assert (stylizer.card.style, stylizer.card.author) == ("mosaic", "somebody")
    photo = blotches(64, 92)
    with torch.no_grad():
        painted = theirs(torch.tensor(photo).permute(2, 0, 1)[None].float())[0]
    assert painted.min() < 0
    assert painted.max() > 255
    expected = painted.clamp(0, 255).round().permute(1, 2, 0).numpy()
    assert expected.std() > 30
    difference = np.abs(stylizer(photo).astype(int) - expected)
    assert difference.max() <= (20 if saved is _in_half else 1)
    assert difference.mean() < 1


def test_every_size_comes_back(tmp_path: Path) -> None:
    torch.save(_theirs(2).state_dict(), tmp_path / "a.pth")
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
            {**_theirs(2).state_dict(), "res6.conv1.conv2d.weight": torch.zeros(8, 8, 3, 3)},
            r"any width \(it has res6.conv1.conv2d.weight, too\)",
        ),
        (
            {**_theirs(2).state_dict(), "in2.weight": torch.zeros(5)},
            r"any width \(size mismatch .*\[5\]",
        ),
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
