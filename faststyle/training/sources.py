"""Networks that were trained before, in checkpoints, models and bundled styles."""

from __future__ import annotations

from pathlib import Path

from faststyle.errors import CheckpointError, UnknownStyleError
from faststyle.gallery import resolve
from faststyle.training.checkpoint import load_checkpoint
from faststyle.training.exported import read_exported
from faststyle.training.network import TransformerNetwork


def read_network(name: str, *, option: str) -> TransformerNetwork:
    """Read a trained network, for evaluation.

    Args:
        name: a checkpoint.pt, a model.onnx or a bundled style.
        option: what it was given to on the command line.

    Raises:
        CheckpointError: it is none of these, or damaged, or in int8.
    """
    if _is_checkpoint(name):
        return load_checkpoint(Path(name)).build()
    network, _ = read_exported(_model(name, option=option))
    return network


def source_file(name: str, *, option: str) -> Path:
    """Return the file that `read_network` reads.

    Raises:
        CheckpointError: there is none.
    """
    return Path(name) if _is_checkpoint(name) else _model(name, option=option)


def _is_checkpoint(name: str) -> bool:
    return Path(name).suffix in (".pt", ".pth")


def _model(name: str, *, option: str) -> Path:
    try:
        return resolve(name)
    except UnknownStyleError as error:
        raise CheckpointError(
            f"{option} {name}: neither a checkpoint.pt nor a model.onnx nor a "
            "bundled style; check the path"
        ) from error
