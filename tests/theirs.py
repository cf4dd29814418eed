"""The network of pytorch/examples' fast_neural_style, as it is written there."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


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
    """Takes and gives colours from 0 to 255; what it gives is not clamped."""

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


def theirs(width: int) -> Theirs:
    """Build it with random weights that give vivid pictures."""
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
