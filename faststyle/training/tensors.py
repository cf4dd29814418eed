"""Files of tensors: written whole, and read without running anything that they say."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from faststyle.errors import CheckpointError
from faststyle.files import whole_file
from faststyle.training.outputs import unwritable


def save_tensors(content: Mapping[str, Any], path: Path) -> None:
    """Write a dictionary of tensors and plain values whole or not at all.

    Raises:
        CheckpointError: the file cannot be written.
    """
    try:
        # As a file of Python's, as torch's own does not say why it cannot be written.
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            torch.save(dict(content), file)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(unwritable(path, _reason(error))) from error


def _reason(error: BaseException | None) -> OSError:
    """Find what made torch fail, which may raise an error of its own while it closes the file."""
    while error is not None and not isinstance(error, OSError):
        error = error.__context__
    return error or OSError("writing failed")


def load_tensors(path: Path) -> dict[str, Any]:
    """Read a dictionary of tensors and plain values onto the CPU.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it is damaged, no dictionary, or holds anything but plain values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of TorchScript files before it fails
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch's readers raise all sorts on files of other kinds
        raise ValueError("not a file of tensors, or damaged") from error
    if not isinstance(content, dict):
        raise ValueError("not a dictionary of tensors")
    return content
