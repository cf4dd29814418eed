"""The state of an optimized picture in one file, resumed only with what it was started from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faststyle.errors import CheckpointError, ImageError, OptionError, WeightsError
from faststyle.training.config import flag
from faststyle.training.fingerprints import file_digest
from faststyle.training.synthesis_config import SynthesisConfig
from faststyle.training.tensors import load_tensors, save_tensors
from faststyle.training.vgg import LITE, LITE_WEIGHTS

FORMAT = 1
"""Version of the file's layout; a reader refuses any other."""

FILES = ("content", "style", "vgg_weights")
"""Settings that name files, of which the contents count."""


@dataclass(frozen=True, kw_only=True)
class SynthesisState:
    """A picture after a number of steps."""

    config: dict[str, Any]
    """What was asked, as `SynthesisConfig.to_dict` gives it."""
    fingerprints: dict[str, str]
    """Of what it is made from: `fingerprints`."""
    step: int
    """Steps done at all sizes."""
    optimizer: dict[str, Any]
    """State of `faststyle.training.image_optimizer.ImageOptimizer`."""
    seconds: float
    """Time taken so far."""


_TYPES = {"config": dict, "fingerprints": dict, "step": int, "optimizer": dict, "seconds": float}


def fingerprints(config: SynthesisConfig) -> dict[str, str]:
    """Fingerprint the files that a picture is made from, by setting.

    Raises:
        ImageError: a picture cannot be read.
        WeightsError: the VGG weights cannot be read.
    """
    prints = {}
    paths = config.to_dict()
    for setting in FILES:
        path = paths.get(setting)
        if path is None:
            continue
        try:
            prints[setting] = file_digest(path)
        except OSError as error:
            kind = WeightsError if setting == "vgg_weights" else ImageError
            raise kind(f"{path}: {error.strerror}; check the path") from error
    if config.loss_network == LITE:
        prints[LITE] = file_digest(str(LITE_WEIGHTS))
    return prints


def save_state(state: SynthesisState, path: Path) -> None:
    """Write a state whole or not at all.

    Raises:
        CheckpointError: the file cannot be written.
    """
    save_tensors({**vars(state), "format": FORMAT}, path)


def load_state(path: Path) -> SynthesisState:
    """Read a state without running anything that it says.

    Raises:
        CheckpointError: the file is missing, damaged, or not such a state.
    """
    try:
        content = load_tensors(path)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: there is nothing to resume; leave --resume out to start"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; check the path") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: not a saved state of faststyle, or damaged") from error
    if content.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path}: not a saved state of this version of faststyle")
    if content.keys() != _TYPES.keys() or not all(
        isinstance(content[name], kind) for name, kind in _TYPES.items()
    ):
        raise CheckpointError(f"{path}: not a saved state of faststyle, or damaged")
    return SynthesisState(**content)


def require_same(
    state: SynthesisState, config: SynthesisConfig, *, prints: Mapping[str, str]
) -> None:
    """Check that a picture is resumed with what it was started from.

    Raises:
        OptionError: a setting is another.
        CheckpointError: a file is another.
    """
    asked = config.to_dict()
    for setting in sorted(asked.keys() | state.config.keys()):
        old, new = state.config.get(setting), asked.get(setting)
        if setting not in FILES and old != new:
            raise OptionError(
                f"{flag(setting)} {_shown(new)}: the picture was started with {_shown(old)}; "
                "give that, or start again without --resume"
            )
    for setting in sorted(prints.keys() | state.fingerprints.keys()):
        if prints.get(setting) != state.fingerprints.get(setting):
            named = asked.get(setting) or setting
            raise CheckpointError(
                f"{named}: not the file that the picture was started with; "
                "name that one, or start again without --resume"
            )


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
