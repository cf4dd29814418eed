"""Reading a network back from a model file that was exported from it."""

from __future__ import annotations

from pathlib import Path

import onnx

from faststyle.contract import ModelCard, check_version
from faststyle.errors import CheckpointError, ModelError, OptionError
from faststyle.training.graph import read_weights
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.version import __version__


def read_exported(path: Path) -> tuple[TransformerNetwork, ModelCard]:
    """Rebuild the network of a model that `faststyle.training.export` wrote.

    Args:
        path: a model in fp32 or fp16; one in int8 has lost too much.

    Raises:
        CheckpointError: the file is no such model.
    """
    card, model = read_model(path)
    if card.precision == "int8":
        raise CheckpointError(
            f"{path}: is an int8 model, which cannot be turned back; take one in fp32 or fp16"
        )
    preset, _, width = card.preset.partition(" width ")
    try:
        network = build_network(preset=preset, width=int(width))
        read_weights(network, model.graph)
    except (OptionError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: its weights do not fit {card.preset or 'any preset'} ({error}); "
            f"export it again {_source(card)}"
        ) from error
    return network, card


def _source(card: ModelCard) -> str:
    """Say what a model can be exported anew from: presets may change between versions."""
    if card.faststyle_version == __version__:
        return "from its checkpoint"
    return f"with faststyle {card.faststyle_version}, which made it"


def read_model(path: Path) -> tuple[ModelCard, onnx.ModelProto]:
    """Read a model file and what it says of itself.

    Raises:
        CheckpointError: the file cannot be read, is not a faststyle model, or is one of a newer
            contract.
    """
    try:
        model = onnx.load(path)
        card = ModelCard.from_metadata({entry.key: entry.value for entry in model.metadata_props})
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; check the path") from error
    except Exception as error:  # protobuf's readers raise all sorts on files of other kinds
        raise CheckpointError(
            f"{path}: not a faststyle model, or damaged; pass a checkpoint.pt or a model.onnx that "
            "faststyle wrote"
        ) from error
    try:
        check_version(card, path=path)
    except ModelError as error:
        raise CheckpointError(str(error)) from error
    return card, model
