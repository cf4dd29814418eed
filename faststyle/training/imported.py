"""Reading checkpoints of pytorch/examples' fast_neural_style, whose network is our `johnson`.

Theirs takes and gives colours from 0 to 255, and has biases that instance normalization takes away
again; the weights are converted so that ours paints the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from faststyle.errors import CheckpointError
from faststyle.training.checkpoint import FORMAT
from faststyle.training.network import (
    MOST_WIDTH,
    OUTPUT_UNITS,
    TransformerNetwork,
    build_network,
    finite,
)
from faststyle.training.tensors import load_tensors

WHITE = 255.0
"""What stands for white there."""

BLOCKS = 5
"""Residual blocks of their network."""

FIRST, LAST = "conv1.conv2d", "deconv3.conv2d"
"""Names of their first and last convolution."""

WRAPPERS = ("state_dict", "model_state_dict", "model", "network")
"""Keys under which some training scripts keep the weights."""

LEFT_BY_OLD_VERSIONS = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")
"""Statistics that instance normalization kept in torch 0.3 and never used."""

RENAMED = {".scale": ".weight", ".shift": ".bias"}
"""Ends of names of the instance normalization that they had before torch had one."""


def read_checkpoint(path: Path) -> TransformerNetwork:
    """Rebuild the network of a state dict that pytorch/examples, or a narrower fork, saved.

    Args:
        path: a ``.pth`` or ``.model`` file.

    Returns:
        The network, which paints within rounding what theirs does wherever the sides of a picture
        divide by 4; others theirs gives another size.

    Raises:
        CheckpointError: the file cannot be read, is of another network, or has weights that are no
            numbers.
    """
    if path.suffix.lower() == ".onnx":
        raise CheckpointError(
            f"{path}: is an ONNX file, which needs no import; faststyle export gives one of ours "
            "other forms"
        )
    try:
        content = load_tensors(path)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; check the path") from error
    except ValueError as error:
        raise CheckpointError(
            f"{path}: no state dict that can be read without running what it says, or damaged; "
            "save the network's state_dict() alone"
        ) from error
    if content.get("format") == FORMAT:
        raise CheckpointError(f"{path}: is a checkpoint of faststyle; use faststyle export")
    weights = _weights(content)
    try:
        width = len(weights[f"{FIRST}.weight"])
        if not 1 <= width <= MOST_WIDTH:
            raise ValueError(f"it is {width} channels wide")
        network = build_network(preset="johnson", width=width)
        network.load_state_dict(_converted(weights, network))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a checkpoint of pytorch/examples' fast_neural_style, of any width "
            f"({str(error).strip().splitlines()[-1].strip()})"
        ) from error
    if not finite(network):
        raise CheckpointError(f"{path}: a weight is NaN or infinite; import an older checkpoint")
    return network


def _weights(content: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the tensors by the names that they have today."""
    for wrapper in WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, dict):
            content = inner
    weights = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            continue
        if LEFT_BY_OLD_VERSIONS.search(name):
            continue
        name = name.removeprefix("module.")
        for old, new in RENAMED.items():
            if name.endswith(old):
                name = name.removesuffix(old) + new
        weights[name] = value.float()
    return weights


def _converted(weights: Mapping[str, Tensor], network: TransformerNetwork) -> dict[str, Tensor]:
    """Return their weights under our names.

    Raises:
        KeyError: one is missing.
        ValueError: there are some that have no place.
    """
    needless = {f"{name}.bias" for name in _convolutions() if name != LAST}
    ours = _names(network)
    unknown = sorted(set(weights) - set(ours) - needless)
    if unknown:
        raise ValueError(f"it has {unknown[0]}, too")
    converted = {our: weights[their] for their, our in ours.items()}
    converted[ours[f"{FIRST}.weight"]] = WHITE * weights[f"{FIRST}.weight"]
    for end in ("weight", "bias"):
        converted[ours[f"{LAST}.{end}"]] = OUTPUT_UNITS / WHITE * weights[f"{LAST}.{end}"]
    return converted


def _names(network: TransformerNetwork) -> dict[str, str]:
    """Return our names of parameters by theirs."""
    convolutions = [name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    norms = [
        name for name, layer in network.named_modules() if isinstance(layer, nn.InstanceNorm2d)
    ]
    pairs = [
        *zip(_convolutions(), convolutions, strict=True),
        *zip(_norms(), norms, strict=True),
    ]
    parameters = dict(network.named_parameters())
    return {
        f"{their}.{end}": f"{our}.{end}"
        for their, our in pairs
        for end in ("weight", "bias")
        if f"{our}.{end}" in parameters
    }


def _convolutions() -> list[str]:
    """Name their convolutions from the picture on."""
    blocks = [f"res{block}.conv{place}" for block in range(1, BLOCKS + 1) for place in (1, 2)]
    names = ["conv1", "conv2", "conv3", *blocks, "deconv1", "deconv2", "deconv3"]
    return [f"{name}.conv2d" for name in names]


def _norms() -> list[str]:
    """Name their instance normalizations from the picture on."""
    blocks = [f"res{block}.in{place}" for block in range(1, BLOCKS + 1) for place in (1, 2)]
    return ["in1", "in2", "in3", *blocks, "in4", "in5"]
