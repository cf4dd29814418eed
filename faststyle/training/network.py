"""Transformer networks: feed-forward image-to-image networks, one preset each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from faststyle.errors import ConfigError

MINIMUM_SIDE = 8
"""Smallest height and width the layers run on, in pixels.

Reflection padding needs more positions than it reflects, and instance normalization
needs more than one position at a quarter of the resolution.
"""


OUTPUT_UNITS = 16
"""Units of the last convolution in the range from black to white.

That convolution sums hundreds of inputs, so if its unit were the whole range, one step of
Adam could move every pixel by half of it. pytorch/examples has 255 units, which start slowly.
"""


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


class Residual(nn.Sequential):
    """A residual block: ``input + layers(input)``, with no activation after the sum."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (named as nn.Sequential does)
        """Return the sum, of the input's shape."""
        changed: Tensor = super().forward(input)  # type: ignore[no-untyped-call]
        return input + changed


class TransformerNetwork(nn.Module):
    """A stack of plain layers that repaints pictures of any size.

    ``layers`` holds only the layer types that `faststyle.training.graph` can write to
    ONNX, so every preset is exported by the same code.

    Attributes:
        preset: name the network was built by.
        width: channels of the first layer.
        multiple: height and width the layers need to be divisible by, in pixels.
        normalization: what the network normalizes by; ``"instance"`` means statistics
            of the whole picture.
    """

    def __init__(
        self, layers: Sequence[nn.Module], *, preset: str, width: int, normalization: str
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.preset = preset
        self.width = width
        self.multiple = _multiple(self.layers)
        self.normalization = normalization

    @property
    def halo(self) -> int:
        """Pixels around an output pixel that can reach it through convolutions alone."""
        return _halo(self.layers, multiple=self.multiple)

    def forward(self, images: Tensor) -> Tensor:
        """Repaint a batch.

        Args:
            images: float N×3×H×W, RGB in [0, 1]; any H and W from 1 pixel up.

        Returns:
            float N×3×H×W, RGB nominally in [0, 1], not clamped.
        """
        height, width = images.shape[-2:]
        padding = (0, self.padded(width) - width, 0, self.padded(height) - height)
        if any(padding):
            images = functional.pad(images, padding, mode="replicate")
        stylized: Tensor = self.layers(images)
        return stylized[..., :height, :width] / OUTPUT_UNITS

    def padded(self, side: int) -> int:
        """Height or width, in pixels, that a side is padded to before the layers run."""
        return math.ceil(max(side, MINIMUM_SIDE) / self.multiple) * self.multiple


def _convolution(
    channels_in: int, channels_out: int, *, kernel: int, stride: int = 1, bias: bool = False
) -> list[nn.Module]:
    return [
        nn.ReflectionPad2d(kernel // 2),
        nn.Conv2d(channels_in, channels_out, kernel, stride, bias=bias),
    ]


def _normalized(
    channels_in: int, channels_out: int, *, kernel: int, stride: int = 1
) -> list[nn.Module]:
    # The convolution needs no bias: instance normalization would subtract it again.
    return [
        *_convolution(channels_in, channels_out, kernel=kernel, stride=stride),
        InstanceNorm(channels_out, affine=True),
    ]


def _output(channels: int) -> list[nn.Module]:
    padding, convolution = _convolution(channels, 3, kernel=9, bias=True)
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    nn.init.constant_(convolution.bias, OUTPUT_UNITS / 2)  # training starts from grey
    return [padding, convolution]


def _residual(channels: int) -> Residual:
    return Residual(
        *_normalized(channels, channels, kernel=3),
        nn.ReLU(inplace=True),
        *_normalized(channels, channels, kernel=3),
    )


def johnson(width: int) -> TransformerNetwork:
    """Build the network of Johnson et al. 2016, as pytorch/examples builds it.

    It departs from the paper as that does: reflection padding in every convolution,
    instance for batch normalization (Ulyanov et al. 2016), nearest-neighbour upsampling
    followed by a convolution for the transposed one (Odena et al. 2016), and a linear
    output for the scaled tanh.

    Args:
        width: channels of the first layer; 32 is the reference.
    """
    return TransformerNetwork(
        [
            *_normalized(3, width, kernel=9),
            nn.ReLU(inplace=True),
            *_normalized(width, 2 * width, kernel=3, stride=2),
            nn.ReLU(inplace=True),
            *_normalized(2 * width, 4 * width, kernel=3, stride=2),
            nn.ReLU(inplace=True),
            *(_residual(4 * width) for _ in range(5)),
            nn.Upsample(scale_factor=2, mode="nearest"),
            *_normalized(4 * width, 2 * width, kernel=3),
            nn.ReLU(inplace=True),
            nn.Upsample(scale_factor=2, mode="nearest"),
            *_normalized(2 * width, width, kernel=3),
            nn.ReLU(inplace=True),
            *_output(width),
        ],
        preset="johnson",
        width=width,
        normalization="instance",
    )


PRESETS: dict[str, Callable[[int], TransformerNetwork]] = {"johnson": johnson}


def build_network(*, preset: str, width: int) -> TransformerNetwork:
    """Build a network with random weights from torch's global generator.

    Raises:
        ConfigError: no preset has that name, or the width is below 1.
    """
    if preset not in PRESETS:
        raise ConfigError(f"no preset is called {preset!r}: choose from {', '.join(PRESETS)}")
    if width < 1:
        raise ConfigError(f"--width {width}: the width must be at least 1")
    return PRESETS[preset](width)


def _flat(layers: nn.Module) -> list[nn.Module]:
    return [layer for layer in layers.modules() if not isinstance(layer, nn.Sequential)]


def _multiple(layers: nn.Sequential) -> int:
    strides = [layer.stride[0] for layer in _flat(layers) if isinstance(layer, nn.Conv2d)]
    return math.prod(strides)


def _halo(layers: nn.Sequential, *, multiple: int) -> int:
    """Trace the interval of inputs that each output pixel of one period depends on."""
    reach = 0
    for pixel in range(multiple):
        low = high = pixel
        for layer in reversed(_flat(layers)):
            if isinstance(layer, nn.Conv2d):
                radius = layer.kernel_size[0] // 2
                low, high = low * layer.stride[0] - radius, high * layer.stride[0] + radius
            elif isinstance(layer, nn.Upsample):
                factor = int(layer.scale_factor)  # type: ignore[arg-type]
                low, high = low // factor, high // factor
        reach = max(reach, pixel - low, high - pixel)
    return reach


def finite(network: nn.Module) -> bool:
    """Tell whether every weight is a finite number."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters())
