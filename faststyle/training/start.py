"""The network that a run starts from: a trained one where there is one, or random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from faststyle.errors import CheckpointError, UnknownStyleError
from faststyle.gallery import resolve, style_path
from faststyle.training.checkpoint import load_checkpoint
from faststyle.training.config import START_BUNDLED, START_RANDOM, TrainingConfig
from faststyle.training.exported import read_exported, read_model
from faststyle.training.network import TransformerNetwork, build_network, choose_width

BUNDLED = "wave"
"""Style whose network others start from."""


def decide_start(config: TrainingConfig) -> str:
    """Say what a run starts from: the bundled style if it is of the same shape, or random weights.

    Raises:
        CheckpointError: the bundled style is damaged.
    """
    if config.start_from != START_BUNDLED:
        return config.start_from
    bundled, _ = read_model(style_path(BUNDLED))
    return BUNDLED if bundled.preset == _shape(config) else START_RANDOM


def starting_network(config: TrainingConfig) -> TransformerNetwork:
    """Build the network of a configuration with the weights that it starts from.

    A network that paints one style has learnt to see and to paint; another style takes it far
    fewer steps than one with random weights needs.

    Raises:
        ConfigError: the preset does not exist.
        CheckpointError: what to start from cannot be read, or is of another shape.
    """
    if config.start_from == START_BUNDLED:
        config = replace(config, start_from=decide_start(config))
    needed = _shape(config)
    if config.start_from == START_RANDOM:
        return build_network(preset=config.preset, width=config.width)
    if Path(config.start_from).suffix in (".pt", ".pth"):
        network = load_checkpoint(Path(config.start_from)).build()
    else:
        network = _from_model(config.start_from)
    found = f"{network.preset} width {network.width}"
    if found != needed:
        raise CheckpointError(f"{config.start_from}: is a {found}; --start-from needs a {needed}")
    return network


def _from_model(name: str) -> TransformerNetwork:
    try:
        network, _ = read_exported(resolve(name))
    except UnknownStyleError as error:
        raise CheckpointError(
            f"--start-from {name}: neither a checkpoint.pt nor a model.onnx nor a "
            "bundled style; check the path"
        ) from error
    return network


def _shape(config: TrainingConfig) -> str:
    width = choose_width(preset=config.preset, width=config.width)
    return f"{config.preset} width {width}"
