"""Exporting a trained network to one ONNX file, and proving that it is the same network."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from faststyle.contract import INPUT, OUTPUT, ModelCard
from faststyle.errors import ExportError
from faststyle.files import whole_file
from faststyle.training.config import Plan, TrainingConfig
from faststyle.training.graph import write_graph
from faststyle.training.network import TransformerNetwork
from faststyle.version import __version__

TOLERANCE = 2
"""Largest difference allowed between torch and onnxruntime, in levels of 255."""

CHECKED_SIZES = ((1, 1), (2, 7), (37, 64), (61, 127), (250, 333))
"""Heights and widths that both are compared at: odd, tiny, and off every multiple."""


def export_model(
    network: TransformerNetwork,
    path: Path,
    *,
    config: TrainingConfig,
    plan: Plan,
    trained_steps: int,
    half_weights: bool = False,
) -> int:
    """Write a network as an ONNX file that follows the contract of `faststyle.contract`.

    The file is written only if onnx's checker accepts it and onnxruntime paints with it
    what torch paints, at several odd sizes.

    Args:
        network: a trained network, on the CPU.
        path: where to write; missing folders are made, an existing file is replaced.
        config: the configuration it was trained with.
        plan: the plan of its training.
        trained_steps: steps it was trained for.
        half_weights: store the weights as float16, which halves the file; the network is
            then compared with itself after the same rounding.

    Returns:
        The largest difference found, in levels of 255.

    Raises:
        ExportError: the file cannot be written, or does not reproduce the network.
    """
    if half_weights:
        network = _rounded(network)
    model = write_graph(network, half_weights=half_weights)
    card = model_card(network, config=config, plan=plan, trained_steps=trained_steps)
    onnx.helper.set_model_props(model, card.to_metadata())
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"{path}: the exported graph is not valid ({error})") from error
    content = model.SerializeToString()
    difference = _compare(network, content)
    if difference > TOLERANCE:
        raise ExportError(
            f"{path}: onnxruntime differs from torch by {difference}/255, "
            f"more than {TOLERANCE}/255; nothing was written"
        )
    try:
        with whole_file(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})") from error
    return difference


def model_card(
    network: TransformerNetwork, *, config: TrainingConfig, plan: Plan, trained_steps: int
) -> ModelCard:
    """Fill in what the exported model says of itself."""
    halo = -(-network.halo // network.multiple) * network.multiple
    stated = ("name", "author", "license", "source")
    settings = {**config.to_dict(), **asdict(plan)}
    training = {key: value for key, value in settings.items() if key not in stated}
    # Folders of the machine that trained it are nobody's business.
    paths = ("style", "content", "vgg_weights", "start_from")
    training |= {key: Path(training[key]).name for key in paths if training[key]}
    return ModelCard(
        style=config.name or Path(config.style).stem,
        author=config.author,
        license=config.license,
        source=config.source,
        preset=f"{network.preset} width {network.width}",
        normalization=network.normalization,
        multiple=network.multiple,
        halo=halo,
        trained_steps=trained_steps,
        training=training,
        faststyle_version=__version__,
    )


def _rounded(network: TransformerNetwork) -> TransformerNetwork:
    return copy.deepcopy(network).half().float()


def _compare(network: TransformerNetwork, content: bytes) -> int:
    """Return the largest difference between torch and onnxruntime on smooth noise."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(0)
    largest = 0
    for height, width in CHECKED_SIZES:
        images = _smooth_noise(draw, height=height, width=width)
        (result,) = session.run([OUTPUT], {INPUT: images})
        difference = np.abs(_run_torch(network, images).astype(int) - result.astype(int))
        largest = max(largest, int(difference.max()))
    return largest


def _run_torch(network: TransformerNetwork, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    planes = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        stylized = network(planes)
    levels = (stylized * 255).round().clamp(0, 255).byte()
    painted: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).numpy()
    return painted


def _smooth_noise(draw: np.random.Generator, *, height: int, width: int) -> NDArray[np.uint8]:
    """Draw two pictures of soft blotches with a little grain: uint8 2×H×W×3."""
    coarse = torch.from_numpy(draw.uniform(0, 255, (2, 3, 5, 5)))
    soft = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    grain = draw.normal(0, 8, (2, height, width, 3))
    levels = soft.permute(0, 2, 3, 1).numpy() + grain
    return levels.clip(0, 255).astype(np.uint8)
