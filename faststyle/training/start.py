"""The network that a run starts from: a trained one where there is one, or random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from faststyle.contract import ModelCard
from faststyle.errors import CheckpointError, UnknownStyleError
from faststyle.gallery import resolve, style_path
from faststyle.training.checkpoint import load_checkpoint
from faststyle.training.config import START_BUNDLED, START_RANDOM, TrainingConfig
from faststyle.training.network import TransformerNetwork, build_network

BUNDLED = "wave"
"""Style whose network others start from."""


def decide_start(config: TrainingConfig) -> str:
    """Say what a run starts from: the bundled style if it is of the same shape, or random weights.

    Raises:
        CheckpointError: the bundled style is damaged.
    """
    if config.start_from != START_BUNDLED:
        return config.start_from
    bundled, _ = _read_model(style_path(BUNDLED))
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
    network = build_network(preset=config.preset, width=config.width)
    if config.start_from == START_RANDOM:
        return network
    if Path(config.start_from).suffix in (".pt", ".pth"):
        return _from_checkpoint(network, Path(config.start_from))
    try:
        load_model_weights(network, resolve(config.start_from))
    except UnknownStyleError as error:
        raise CheckpointError(
            f"--start-from {config.start_from}: neither a checkpoint.pt nor a model.onnx nor a "
            "bundled style; check the path"
        ) from error
    return network


def _from_checkpoint(network: TransformerNetwork, path: Path) -> TransformerNetwork:
    other = load_checkpoint(path)
    _require_shape(network, f"{other.config.preset} width {other.config.width}", path=path)
    return other.build()


def load_model_weights(network: TransformerNetwork, path: Path) -> None:
    """Load the weights of an exported model into a network of the same shape.

    Args:
        network: gets the weights.
        path: a file that `faststyle.training.graph` wrote.

    Raises:
        CheckpointError: the file is no such model, or of another shape.
    """
    card, model = _read_model(path)
    _require_shape(network, card.preset, path=path)
    weights = _weights(model.graph)
    parameters = list(network.layers.parameters())
    if [tuple(each.shape) for each in parameters] != [tuple(each.shape) for each in weights]:
        raise CheckpointError(f"{path}: its weights do not fit {card.preset}; export it again")
    with torch.no_grad():
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.copy_(weight)


def _read_model(path: Path) -> tuple[ModelCard, onnx.ModelProto]:
    try:
        model = onnx.load(path)
        card = ModelCard.from_metadata({entry.key: entry.value for entry in model.metadata_props})
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; check the path") from error
    except Exception as error:  # protobuf's readers raise all sorts on files of other kinds
        raise CheckpointError(f"{path}: not a faststyle model, or damaged") from error
    return card, model


def _weights(graph: onnx.GraphProto) -> list[torch.Tensor]:
    """Collect the weights in the order of the layers, which is that of the nodes."""
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in constants:  # stored as float16
            constants[node.output[0]] = constants[node.input[0]]
    return [
        torch.from_numpy(constants[name].copy()).float()
        for node in graph.node
        if node.op_type in ("Conv", "InstanceNormalization")
        for name in node.input[1:]
    ]


def _require_shape(network: TransformerNetwork, found: str, *, path: Path) -> None:
    needed = _shape(network)
    if found != needed:
        raise CheckpointError(f"{path}: is a {found}; --start-from needs a {needed}")


def _shape(network: TransformerNetwork | TrainingConfig) -> str:
    return f"{network.preset} width {network.width}"
