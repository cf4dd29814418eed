"""Checkpoints: one file that rebuilds a run with nothing else at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from faststyle.errors import CheckpointError, OptionError
from faststyle.training.config import Plan, TrainingConfig
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.tensors import load_tensors, save_tensors

FORMAT = 6
"""Version of the checkpoint's layout; a reader refuses any other."""

DAMAGED = "not a faststyle checkpoint, or damaged; name a checkpoint.pt that faststyle train wrote"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state of a run after a number of steps."""

    config: TrainingConfig
    """What was asked of the run."""
    plan: Plan
    """What was decided for it."""
    step: int
    """Steps done."""
    network: dict[str, Tensor]
    """Weights of the transformer network."""
    optimizer: dict[str, Any]
    """State of the optimizer."""
    fingerprints: dict[str, str]
    """What the run learns from: `faststyle.training.fingerprints.fingerprints`."""
    validations: list[float]
    """Total losses on the photos kept aside, oldest first."""
    lowest: float
    """Lowest total loss read so far; infinite before the first."""
    seconds: float
    """Time trained so far."""
    aside: list[str] = field(default_factory=list)
    """Names of the photos kept aside, by `faststyle.training.data.name_in`; files of 0.4.3 and
    before have none."""

    def build(self) -> TransformerNetwork:
        """Rebuild the network.

        Raises:
            CheckpointError: the weights do not fit the configured network, or there is none such.
        """
        try:
            network = build_network(preset=self.config.preset, width=self.config.width)
        except OptionError as error:
            raise CheckpointError(str(error)) from error
        try:
            network.load_state_dict(self.network)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"its weights do not fit {network.shape}; it was changed or is damaged"
            ) from error
        return network


def load_network(path: Path) -> tuple[TransformerNetwork, Checkpoint]:
    """Read a checkpoint and rebuild its network.

    Raises:
        CheckpointError: the file is no checkpoint, or its weights fit no network.
    """
    checkpoint = load_checkpoint(path)
    with naming(path):
        return checkpoint.build(), checkpoint


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in what is said of a checkpoint that does not fit."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


_TYPES = {
    "step": int,
    "network": dict,
    "optimizer": dict,
    "fingerprints": dict,
    "validations": list,
    "lowest": float,
    "seconds": float,
    "aside": list,
}


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        CheckpointError: the file cannot be written.
    """
    content = {
        **vars(checkpoint),
        "config": checkpoint.config.to_dict(),
        "plan": asdict(checkpoint.plan),
        "format": FORMAT,
    }
    save_tensors(content, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint without running anything that it says.

    Raises:
        CheckpointError: the file is missing, damaged, or not a faststyle checkpoint.
    """
    try:
        content = load_tensors(path)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; check the path") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: {DAMAGED}") from error
    written = content.pop("format", None)
    if written is None:
        raise CheckpointError(
            f"{path}: not a faststyle checkpoint; faststyle import takes those of pytorch/examples"
        )
    if written != FORMAT:
        raise CheckpointError(
            f"{path}: of another version of faststyle; take the model.onnx beside it, or the "
            "version that wrote it"
        )
    try:
        config = TrainingConfig.from_dict(content.pop("config"))
        plan = Plan(**content.pop("plan"))
        checkpoint = Checkpoint(config=config, plan=plan, **content)
    except (OptionError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: {DAMAGED}") from error
    if not all(isinstance(getattr(checkpoint, name), kind) for name, kind in _TYPES.items()):
        raise CheckpointError(f"{path}: {DAMAGED}")
    return checkpoint
