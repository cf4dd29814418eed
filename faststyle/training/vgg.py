"""VGG features: the frozen loss network (Simonyan & Zisserman 2015)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn

from faststyle.errors import OptionError, WeightsError
from faststyle.training.tensors import load_tensors

LITE = "lite"
"""The bundled loss network: a thin VGG-19 distilled by `faststyle.training.distill`."""

LITE_WEIGHTS = Path(__file__).with_name("lite.pth")

BLOCKS = {LITE: (2, 2, 4, 4, 1), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions in each block; a max pooling follows every block."""

Pooling = Literal["max", "average"]
Padding = Literal["reflect", "circular"]

POOLINGS: Mapping[Pooling, type[nn.MaxPool2d | nn.AvgPool2d]] = {
    "max": nn.MaxPool2d,
    "average": nn.AvgPool2d,
}
"""Published VGGs take the maximum; Gatys et al. 2016 found averages to look better."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def layer_names(loss_network: str) -> list[str]:
    """Name the activations of a loss network from shallow to deep, such as relu1_2.

    Raises:
        OptionError: no loss network has that name.
    """
    if loss_network not in BLOCKS:
        raise OptionError(
            f"no loss network is called {loss_network!r}: choose from {', '.join(BLOCKS)}"
        )
    return [
        f"relu{block}_{convolution}"
        for block, count in enumerate(BLOCKS[loss_network], start=1)
        for convolution in range(1, count + 1)
    ]


def convolution_keys(loss_network: str) -> dict[str, str]:
    """Key of each layer's convolution in torchvision's state dict, such as features.5."""
    # Each convolution is followed by a ReLU, and each block by a pooling.
    return {
        name: f"features.{2 * place + int(name[4]) - 1}"
        for place, name in enumerate(layer_names(loss_network))
    }


class VggFeatures(nn.Module):
    """A frozen VGG, evaluated only as deep as the deepest requested layer.

    Convolutions pad by reflection where the published network pads with zeros: zeros
    are an edge that the loss would see and the transformer network would paint. Circular
    padding makes the opposite borders of a picture neighbours, so that it tiles.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        state: Mapping[str, Tensor],
        *,
        loss_network: str,
        layers: Iterable[str],
        pooling: Pooling = "max",
        padding: Padding = "reflect",
    ) -> None:
        """Build the network from a state dict in torchvision's layout.

        Args:
            state: ``features.N.weight`` and ``features.N.bias``; may stop early and may
                be thinner than the published network.
            loss_network: one of `BLOCKS`.
            layers: names of the activations to return, such as ``relu2_2``.
            pooling: what a pooling takes of each 2×2 activations.
            padding: what convolutions see beyond the borders.

        Raises:
            OptionError: a layer does not exist in this VGG.
            WeightsError: the state dict does not reach a layer or is no such VGG.
        """
        super().__init__()
        self.layers = frozenset(layers)
        names = layer_names(loss_network)
        keys = convolution_keys(loss_network)
        _require_known(self.layers, names=names, loss_network=loss_network)
        last = max((names.index(name) for name in self.layers), default=-1)
        self.stages = nn.ModuleDict()
        channels = 3
        for name in names[: last + 1]:
            convolution = _convolution(
                state, key=keys[name], channels_in=channels, name=name, padding=padding
            )
            pooled = name.endswith("_1") and name != "relu1_1"
            before = [POOLINGS[pooling](2)] if pooled else []
            self.stages[name] = nn.Sequential(*before, convolution, nn.ReLU(inplace=True))
            channels = convolution.out_channels
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def convolution(self, layer: str) -> nn.Conv2d:
        """Return the convolution of a layer."""
        (convolution,) = (
            module for module in self.stages[layer].modules() if isinstance(module, nn.Conv2d)
        )
        return convolution

    def forward(self, images: Tensor, *, until: str | None = None) -> dict[str, Tensor]:
        """Compute the requested activations.

        Args:
            images: float N×3×H×W, RGB in [0, 1], ImageNet-normalized inside.
            until: stop after this layer.

        Returns:
            Activations N×C×h×w by layer name.
        """
        features: dict[str, Tensor] = {}
        x = (images - self.mean) / self.std
        for name, stage in self.stages.items():
            x = stage(x)
            if name in self.layers:
                features[name] = x
            if name == until:
                break
        return features


def load_vgg(
    *,
    loss_network: str,
    layers: Iterable[str],
    weights: Path | None = None,
    pooling: Pooling = "max",
    padding: Padding = "reflect",
    on_notice: Callable[[str], None] = lambda _: None,
) -> VggFeatures:
    """Build a loss network.

    Args:
        loss_network: one of `BLOCKS`.
        layers: names of the activations to return.
        weights: a state dict in torchvision's layout; None takes the bundled weights of
            ``lite``, and downloads torchvision's ImageNet weights of the others.
        pooling: what a pooling takes of each 2×2 activations.
        padding: what convolutions see beyond the borders.
        on_notice: called with a line of text when weights are about to be downloaded.

    Raises:
        OptionError: the loss network or a layer does not exist.
        WeightsError: the weights cannot be downloaded or read, or do not fit.
    """
    layers = tuple(layers)
    _require_known(layers, names=layer_names(loss_network), loss_network=loss_network)
    if weights is None and loss_network == LITE:
        weights = LITE_WEIGHTS
    build = partial(
        VggFeatures, loss_network=loss_network, layers=layers, pooling=pooling, padding=padding
    )
    if weights is None:
        return build(_download(loss_network, on_notice=on_notice))
    try:
        return build(read_weights(weights))
    except WeightsError as error:
        raise WeightsError(f"{weights}: {error}") from error


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Read a state dict.

    Raises:
        WeightsError: the file is missing, or no state dict.
    """
    try:
        return load_tensors(path)
    except OSError as error:
        raise WeightsError(f"{error.strerror}; check the path") from error
    except ValueError as error:
        raise WeightsError("not a PyTorch state dict; pass a .pth file of VGG weights") from error


def _require_known(layers: Iterable[str], *, names: list[str], loss_network: str) -> None:
    for layer in sorted(layers):
        if layer not in names:
            raise OptionError(
                f"{loss_network} has no layer {layer!r}: choose from {', '.join(names)}"
            )


def _convolution(
    state: Mapping[str, Tensor], *, key: str, channels_in: int, name: str, padding: Padding
) -> nn.Conv2d:
    weight, bias = (state.get(f"{key}.{part}") for part in ("weight", "bias"))
    if not isinstance(weight, Tensor) or not isinstance(bias, Tensor):
        raise WeightsError(
            f"the weights stop before {name} (no {key}); "
            "use weights that reach it, or ask for shallower layers"
        )
    channels_out = len(weight)
    if weight.shape != (channels_out, channels_in, 3, 3) or bias.shape != (channels_out,):
        raise WeightsError(
            f"{key} has shape {tuple(weight.shape)} where {name} needs "
            f"(channels, {channels_in}, 3, 3); use weights of this VGG in torchvision's layout"
        )
    if not (weight.isfinite().all() and bias.isfinite().all()):
        raise WeightsError(f"{key} holds numbers that are NaN or infinite; fetch the file again")
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode=padding)
    convolution.load_state_dict({"weight": weight, "bias": bias})
    return convolution


def _download(loss_network: str, *, on_notice: Callable[[str], None]) -> Mapping[str, Tensor]:
    weights = {
        "vgg16": torchvision.models.VGG16_Weights.IMAGENET1K_V1,
        "vgg19": torchvision.models.VGG19_Weights.IMAGENET1K_V1,
    }[loss_network]
    kept = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    if not kept.exists():
        size = weights.meta["_file_size"]
        on_notice(f"downloading the {loss_network} weights, {size:.0f} MB, once, to {kept}")
    try:
        # Without torch's own progress bar, which it draws whoever calls.
        state: Mapping[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"the {loss_network} weights could not be downloaded ({_first_line(error)}); "
            "download them elsewhere and pass the file with --vgg-weights FILE"
        ) from error
    return state


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
