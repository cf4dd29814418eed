"""The network that a run starts from: a trained one, as it is or grown, or random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from faststyle.errors import CheckpointError, UnknownStyleError
from faststyle.gallery import resolve, style_path
from faststyle.training.checkpoint import load_network
from faststyle.training.config import START_BUNDLED, START_RANDOM, TrainingConfig
from faststyle.training.exported import read_exported
from faststyle.training.growing import can_grow, grow
from faststyle.training.network import TransformerNetwork, build_network

BUNDLED = ("wave-quality", "wave")
"""Bundled networks that others start from: the first that can be grown to what is asked for."""


def decide_start(config: TrainingConfig) -> str:
    """Say what a run starts from: the bundled style if it can be grown to it, or random weights.

    Raises:
        OptionError: the preset does not exist.
        CheckpointError: the bundled style is damaged.
    """
    if config.start_from != START_BUNDLED:
        return config.start_from
    with torch.device("meta"):  # shapes alone, and nothing taken from the random generator
        needed = build_network(preset=config.preset, width=config.width)
        for name in BUNDLED:
            bundled, _ = read_exported(style_path(name))
            if can_grow(bundled, needed):
                return name
    return START_RANDOM


def starting_network(config: TrainingConfig) -> TransformerNetwork:
    """Build the network of a configuration with the weights that it starts from.

    A network that paints one style has learnt to see and to paint; another style takes it far
    fewer steps than one with random weights needs. So does a larger network that has grown from it.

    Raises:
        OptionError: the preset does not exist.
        CheckpointError: what to start from cannot be read, or is of another kind or larger.
    """
    if config.start_from == START_BUNDLED:
        config = replace(config, start_from=decide_start(config))
    network = build_network(preset=config.preset, width=config.width)
    if config.start_from == START_RANDOM:
        return network
    if Path(config.start_from).suffix in (".pt", ".pth"):
        learnt, _ = load_network(Path(config.start_from))
    else:
        learnt = _from_model(config.start_from)
    if not can_grow(learnt, network):
        raise CheckpointError(
            f"{config.start_from}: is a {learnt.shape}; --start-from needs a "
            f"{network.shape}, or a smaller network of its kind"
        )
    grow(learnt, network)
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
