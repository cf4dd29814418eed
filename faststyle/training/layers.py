"""The layers of transformer networks that torch has not, or not as they are needed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalization (Ulyanov et al. 2016) with a scale and shift for each channel.

    On a CPU, torch's own turns channels-last pictures into planes, and leaves them so for the
    next layer to turn back; batch normalization of one picture at a time is the same and does
    not, which makes a step of a narrow network a fifth faster.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (named as its parent does)
        """Return the normalized pictures, of the input's shape and layout."""
        if input.device.type != "cpu" or not input.is_contiguous(memory_format=torch.channels_last):
            normalized: Tensor = super().forward(input)
            return normalized
        return torch.cat(
            [
                functional.batch_norm(
                    picture, None, None, self.weight, self.bias, training=True, eps=self.eps
                )
                for picture in torch.split(input, 1)
            ]
        )


class Affine(NamedTuple):
    """A scale and a shift for each channel of each picture: float N×C×1×1."""

    scale: Tensor
    shift: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Return scaled and shifted features, of the shape and type of N×C×H×W."""
        scale, shift = (each.to(features.dtype) for each in self)
        return torch.addcmul(shift, features, scale)


class SampledNorm(nn.Module):
    """Instance normalization by the statistics of a sample of the picture, or of another one.

    What it does to the picture is an `Affine`, the same everywhere, so tiles of a picture and
    frames of a video that share it agree.
    """

    def __init__(self, channels: int, *, epsilon: float = 1e-3) -> None:
        """Build the layer.

        Args:
            channels: of what is normalized.
            epsilon: added to the variance. It bounds how much pictures are scaled up that
                hardly vary, and with them the errors of rounding, layer after layer.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.epsilon = epsilon

    def measure(self, features: Tensor) -> Affine:
        """Return what normalizes these features, N×C×H×W of any float type; float32."""
        features = features.float()
        variance, mean = torch.var_mean(features, (2, 3), correction=0, keepdim=True)
        scale = self.weight * torch.rsqrt(variance + self.epsilon)
        return Affine(scale, self.bias - mean * scale)


class Residual(nn.ModuleList):
    """A residual block: the input plus what its layers make of it."""


class Enlarge(nn.Module):
    """A 3×3 convolution to a higher resolution that draws no grid.

    It is a convolution to ``factor``² times the channels and a pixel shuffle, each output pixel
    of a block having a kernel of its own. Kernels that answer differently to a flat or evenly
    rising input would draw a grid with the block's period; the kernels used here are those
    nearest to the learnt ones that answer alike. Textures remain free. Training starts from
    smooth interpolation, by quadratic B-splines.
    """

    offsets: Tensor
    """float 1×factor²×2: how far each output pixel is to the right of and below the centre of
    its block, in input pixels."""

    slope: Tensor
    """float 3×3: what rises by 1 from column to column, around 0. Kept on the device, as a copy
    from the host makes a GPU wait."""

    def __init__(self, channels_in: int, channels_out: int, *, factor: int) -> None:
        super().__init__()
        self.factor = factor
        across = (torch.arange(factor) + 0.5) / factor - 0.5
        grid = torch.stack([across.repeat(factor), across.repeat_interleave(factor)], dim=1)
        self.register_buffer("offsets", grid[None], persistent=False)
        slope = torch.tensor([-1.0, 0.0, 1.0]).expand(3, 3).clone()
        self.register_buffer("slope", slope, persistent=False)
        mixing = torch.empty(channels_out, 1, channels_in, 1, 1)
        nn.init.uniform_(mixing, -(channels_in**-0.5), channels_in**-0.5)
        splines = _spline(grid[:, 1])[:, :, None] * _spline(grid[:, 0])[:, None]
        self.weight = nn.Parameter((mixing * splines[None, :, None]).flatten(0, 1))
        self.bias = nn.Parameter(torch.zeros(channels_out))

    def kernels(self) -> Tensor:
        """Return the kernels used: float out×factor²×in×3×3, blocks in reading order."""
        learnt = self.weight.view(-1, self.factor**2, *self.weight.shape[1:])
        slope = self.slope
        sums = learnt.sum((3, 4))
        to_right, down = (learnt * slope).sum((3, 4)), (learnt * slope.T).sum((3, 4))
        alike = sums.mean(1, keepdim=True)
        right_alike = to_right.mean(1, keepdim=True) + alike * self.offsets[..., :1]
        down_alike = down.mean(1, keepdim=True) + alike * self.offsets[..., 1:]
        used: Tensor = (
            learnt
            + (alike - sums)[..., None, None] / 9
            + (right_alike - to_right)[..., None, None] * slope / 6
            + (down_alike - down)[..., None, None] * slope.T / 6
        )
        return used

    def by_pixel(self) -> tuple[Tensor, Tensor]:
        """Return kernels and biases of one convolution to all pixels of a block.

        Its channels run through the block's rows and columns and then the colours, where those
        of torch's shuffle have the colours first: float (factor²·out)×in×3×3 and factor²·out.
        """
        kernels = self.kernels().transpose(0, 1).flatten(0, 1)
        return kernels, self.bias.repeat(self.factor**2)

    def forward(self, features: Tensor) -> Tensor:
        """Turn N×in×(H+2)×(W+2) into N×out×(factor·H)×(factor·W)."""
        enlarged = functional.conv2d(
            features, self.kernels().flatten(0, 1), self.bias.repeat_interleave(self.factor**2)
        )
        return functional.pixel_shuffle(enlarged, self.factor)


def _spline(offsets: Tensor) -> Tensor:
    """Return the weights of a quadratic B-spline for three neighbours: …×3."""
    before, here, after = (0.5 - offsets) ** 2 / 2, 0.75 - offsets**2, (0.5 + offsets) ** 2 / 2
    return torch.stack([before, here, after], dim=-1)
