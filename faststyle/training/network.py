"""Transformer networks: feed-forward image-to-image networks, one preset each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from faststyle.contract import SAMPLE_STEP
from faststyle.errors import OptionError
from faststyle.training.layers import Affine, Enlarge, InstanceNorm, Residual, SampledNorm

MINIMUM_SIDE = 8
"""Smallest height and width the layers run on, in pixels, if reflection padding needs no more.

Instance normalization needs more than one position at a quarter of the resolution.
"""

OUTPUT_UNITS = 16
"""Units of the last convolution in the range from black to white.

That convolution sums hundreds of inputs, so if its unit were the whole range, one step of
Adam could move every pixel by half of it. pytorch/examples has 255 units, which start slowly.
"""

MOST_WIDTH = 1024
"""Largest width a network is built with; what a damaged file says may be anything."""

Normalize = Callable[[SampledNorm, Tensor], Tensor]


class TransformerNetwork(nn.Module):
    """A stack of plain layers that repaints pictures of any size.

    ``layers`` holds only the layer types that `faststyle.training.graph` can write to
    ONNX, so every preset is exported by the same code.

    What `SampledNorm` layers measure may be measured on another picture, the context. In training
    mode they measure all of the picture and not a sample.

    Attributes:
        preset: name the network was built by.
        width: channels that the preset was built with.
        multiple: height and width the layers need to be divisible by, in pixels.
        normalization: what the network normalizes by; ``"instance"`` means statistics of the
            whole picture, ``"sampled"`` those of a sample of it, or of another picture.
    """

    def __init__(self, layers: Sequence[nn.Module], *, preset: str, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.preset = preset
        self.width = width
        strides = dict(_strides(self.layers))
        self.multiple = max(strides.values())
        self.smallest_side = _smallest_side(strides)
        self.normalization = _normalization(self.layers)

    @property
    def shape(self) -> str:
        """What the weights fit, as models say it: preset and width."""
        return f"{self.preset} width {self.width}"

    @property
    def takes_context(self) -> bool:
        """Whether what the network normalizes by can be measured on another picture."""
        return self.normalization == "sampled"

    @property
    def block(self) -> int:
        """Sides of the blocks of pixels that the last layer paints at once; 1 for single ones."""
        last = self.layers[-1]
        return last.factor if isinstance(last, Enlarge) else 1

    @property
    def channels(self) -> int:
        """Channels of the widest layer."""
        convolutions = (each for each in _flat(self.layers) if isinstance(each, nn.Conv2d))
        return max(convolution.out_channels for convolution in convolutions)

    @property
    def halo(self) -> int:
        """Pixels around an output pixel that can reach it through convolutions alone."""
        reaches = (_reach(self.layers, pixel) for pixel in range(self.multiple))
        return max(max(reach) for reach in reaches)

    def forward(self, images: Tensor, context: Tensor | None = None) -> Tensor:
        """Repaint a batch.

        Args:
            images: float N×3×H×W, RGB in [0, 1]; any H and W from 1 pixel up.
            context: what to measure instead, float N×3×h×w or 1×3×h×w for all: pictures that
                these are parts of, or others of their scene, of the same scale. Of no effect on a
                network without `SampledNorm`.

        Returns:
            float N×3×H×W, RGB nominally in [0, 1], not clamped.
        """
        if context is None or not self.takes_context:
            return self._repaint(images, None)
        return self._repaint(images, self.describe(context))

    def describe(self, context: Tensor) -> list[Affine]:
        """Measure what each `SampledNorm` does to pictures with this context, float N×3×h×w."""
        affines: list[Affine] = []
        self._repaint(context, None, found=affines)
        return affines

    def filled(self, images: Tensor) -> Tensor:
        """Repeat the last row and column of N×3×H×W up to a size that the layers can run on."""
        lacking = [
            math.ceil(max(side, self.smallest_side) / self.multiple) * self.multiple - side
            for side in images.shape[-2:]
        ]
        if not any(lacking):
            return images
        return functional.pad(images, (0, lacking[1], 0, lacking[0]), mode="replicate")

    def _repaint(
        self, images: Tensor, affines: Iterable[Affine] | None, *, found: list[Affine] | None = None
    ) -> Tensor:
        """Repaint pictures, normalized by what is given or found."""
        height, width = images.shape[-2:]
        given = None if affines is None else iter(affines)

        def normalize(layer: SampledNorm, features: Tensor) -> Tensor:
            affine = next(given) if given is not None else layer.measure(self._sample(features))
            if found is not None:
                found.append(affine)
            return affine(features)

        stylized = _walk(self.layers, self.filled(images), normalize)
        return stylized[..., :height, :width] / OUTPUT_UNITS

    def _sample(self, features: Tensor) -> Tensor:
        """Return what is measured of features: those that a larger stride would give."""
        return features if self.training else features[..., ::SAMPLE_STEP, ::SAMPLE_STEP]


def _walk(layers: Iterable[nn.Module], features: Tensor, normalize: Normalize) -> Tensor:
    for layer in layers:
        if isinstance(layer, Residual):
            features = features + _walk(layer, features, normalize)
        elif isinstance(layer, SampledNorm):
            features = normalize(layer, features)
        else:
            features = layer(features)
    return features


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
        [
            *_normalized(channels, channels, kernel=3),
            nn.ReLU(inplace=True),
            *_normalized(channels, channels, kernel=3),
        ]
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
    )


def stem(channels: int) -> list[nn.Module]:
    """Build the first layers of a network that works at a quarter of the resolution."""
    return [
        nn.ReflectionPad2d(2),
        nn.Conv2d(3, channels, 8, 4, bias=False),
        SampledNorm(channels),
        nn.ReLU(inplace=True),
    ]


def sampled_residual(channels: int) -> Residual:
    """Build a residual block that is padded once for both of its convolutions."""
    return Residual(
        [
            nn.ReflectionPad2d(2),
            nn.Conv2d(channels, channels, 3, bias=False),
            SampledNorm(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, bias=False),
            SampledNorm(channels),
        ]
    )


def painting_head(channels: int, *, factor: int) -> list[nn.Module]:
    """Build the last layers of a network that paints blocks of factor×factor pixels."""
    layer = Enlarge(channels, 3, factor=factor)
    nn.init.constant_(layer.bias, OUTPUT_UNITS / 2)  # training starts from grey
    return [nn.ReflectionPad2d(1), layer]


def fast(width: int) -> TransformerNetwork:
    """Build the real-time network: all at a quarter of the resolution, but for its ends.

    Args:
        width: channels; multiples of 16 suit processors.
    """
    return _at_a_quarter(width, preset="fast", blocks=3)


def quality(width: int) -> TransformerNetwork:
    """Build a network like `fast` with more channels and two more blocks.

    Args:
        width: channels; multiples of 16 suit processors.
    """
    return _at_a_quarter(width, preset="quality", blocks=5)


def _at_a_quarter(width: int, *, preset: str, blocks: int) -> TransformerNetwork:
    return TransformerNetwork(
        [
            *stem(width),
            *(sampled_residual(width) for _ in range(blocks)),
            *painting_head(width, factor=4),
        ],
        preset=preset,
        width=width,
    )


class Preset(NamedTuple):
    """A network design."""

    build: Callable[[int], TransformerNetwork]
    width: int
    """The width it is built with where none is asked for."""


PRESETS = {
    "fast": Preset(fast, 32),
    "quality": Preset(quality, 64),
    "johnson": Preset(johnson, 32),
}


def choose_width(*, preset: str, width: int | None) -> int:
    """Return the width a network is built with: the preset's own where None is asked for.

    Raises:
        OptionError: no preset has that name, or the width is below 1 or above `MOST_WIDTH`.
    """
    if preset not in PRESETS:
        raise OptionError(f"no preset is called {preset!r}: choose from {', '.join(PRESETS)}")
    width = PRESETS[preset].width if width is None else width
    if not 1 <= width <= MOST_WIDTH:
        raise OptionError(f"--width {width}: the width must be from 1 to {MOST_WIDTH}")
    return width


def build_network(*, preset: str, width: int | None = None) -> TransformerNetwork:
    """Build a network with random weights from torch's global generator, for evaluation.

    Raises:
        OptionError: no preset has that name, or the width is below 1 or above `MOST_WIDTH`.
    """
    width = choose_width(preset=preset, width=width)
    return PRESETS[preset].build(width).eval()


def _flat(layers: nn.Module) -> list[nn.Module]:
    return [layer for layer in layers.modules() if not isinstance(layer, nn.ModuleList)]


def _normalization(layers: nn.Module) -> str:
    kinds = {type(layer) for layer in layers.modules()}
    return "sampled" if SampledNorm in kinds else "instance"


def _strides(layers: Iterable[nn.Module], *, stride: int = 1) -> Iterator[tuple[nn.Module, int]]:
    """Yield each layer, and how many pixels the positions of what it gives are apart."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from _strides(layer, stride=stride)
        elif isinstance(layer, nn.Conv2d):
            stride *= layer.stride[0]
        elif isinstance(layer, nn.Upsample):
            stride //= _factor(layer)
        yield layer, stride


def _smallest_side(strides: Mapping[nn.Module, int]) -> int:
    """Return the smallest side on which each reflection has more positions than it repeats."""
    pads = (each for each in strides if isinstance(each, nn.ReflectionPad2d))
    return max([MINIMUM_SIDE, *((each.padding[0] + 1) * strides[each] for each in pads)])


def _factor(layer: nn.Upsample) -> int:
    return int(layer.scale_factor)  # type: ignore[arg-type]


def _reach(layers: nn.Module, pixel: int) -> tuple[int, int]:
    """Tell by how many inputs before and after it an output pixel is reached."""
    low = high = pixel
    for layer in reversed(_flat(layers)):
        if isinstance(layer, nn.Conv2d):
            kernel, stride, before = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
            low, high = low * stride - before, high * stride + kernel - 1 - before
        elif isinstance(layer, nn.ReflectionPad2d):
            low, high = low - layer.padding[0], high - layer.padding[0]
        elif isinstance(layer, Enlarge):
            low, high = low // layer.factor, high // layer.factor + 2
        elif isinstance(layer, nn.Upsample):
            low, high = low // _factor(layer), high // _factor(layer)
    return pixel - low, high - pixel


def finite(network: nn.Module) -> bool:
    """Tell whether every weight is a finite number."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters())
