"""Fingerprints of what a run learns from, so that a resumed run learns from the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from faststyle.errors import CheckpointError, ImageError, WeightsError
from faststyle.training.config import TrainingConfig
from faststyle.training.data import name_in
from faststyle.training.vgg import LITE, LITE_WEIGHTS


def fingerprints(config: TrainingConfig, *, photos: list[Path]) -> dict[str, str]:
    """Fingerprint what a run learns from: the names of its photos, the style and the weights.

    Raises:
        ImageError: the style picture cannot be read.
        WeightsError: the file of VGG weights cannot be read.
    """
    names = "\n".join(name_in(Path(config.content), photo) for photo in photos)
    prints = {"content": hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()}
    try:
        prints["style"] = file_digest(config.style)
    except OSError as error:
        raise ImageError(f"{config.style}: {error.strerror}; check the path") from error
    if config.loss_network == LITE:
        prints["lite"] = file_digest(str(LITE_WEIGHTS))
    if config.vgg_weights is not None:
        try:
            prints["vgg_weights"] = file_digest(config.vgg_weights)
        except OSError as error:
            raise WeightsError(
                f"{config.vgg_weights}: {error.strerror}; check the path given to --vgg-weights"
            ) from error
    return prints


def file_digest(path: str) -> str:
    """Return the SHA-256 of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def compare_fingerprints(
    old: dict[str, str],
    new: dict[str, str],
    *,
    config: TrainingConfig,
    on_notice: Callable[[str], None],
) -> None:
    """Check that a run is resumed with the files it was started with.

    Args:
        old: fingerprints in the checkpoint.
        new: fingerprints now.
        config: the configuration now.
        on_notice: told when the photos changed, which changes what is learnt from now on.

    Raises:
        CheckpointError: the style picture or the VGG weights are others.
    """
    if old.get("content") != new["content"]:
        on_notice(f"{config.content}: the photos changed since the checkpoint; so does their order")
    if old.get("lite") != new.get("lite"):
        raise CheckpointError(
            "the loss network lite is another than the run was started with; "
            "resume with the faststyle it was started with, or start another run with --out"
        )
    for key in ("style", "vgg_weights"):
        if old.get(key) != new.get(key):
            raise CheckpointError(
                f"{getattr(config, key)}: not the {key.replace('_', ' ')} that the run was "
                "started with; name that file, or start another run with --out"
            )
