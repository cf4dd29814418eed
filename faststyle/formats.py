"""Picture formats: what each can hold, and whether it can be read and written here."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from PIL import Image

from faststyle.errors import ImageError
from faststyle.files import PICTURE_FORMATS

QUALITIES = {"JPEG": 95, "WEBP": 95, "AVIF": 90, "HEIF": 90}
"""Quality from 1 to 100 of the formats that have one, where none is asked for."""

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"subsampling": "4:4:4"},  # brush strokes are edges in colour
    "TIFF": {"compression": "tiff_lzw"},
}
WITHOUT_ALPHA = frozenset({"JPEG", "BMP"})
"""Formats that cannot hold transparency everywhere."""

ANIMATED_FORMATS = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
"""Formats whose further pictures are frames; those of others are pages, or the same scene."""

PLUGINS = {"HEIF": ("pillow_heif", "register_heif_opener"), "AVIF": ("pillow_avif", "")}
"""Packages that read and write a format where Pillow does not, and what sets them up."""

READ_FORMATS = ("MPO", *dict.fromkeys(PICTURE_FORMATS.values()))
"""Formats that are tried, by Pillow's names; others of its formats run programs, or fetch what a
file names."""


def picture_format(path: Path) -> str:
    """Return Pillow's name of the format that a path's ending stands for.

    Raises:
        ImageError: the ending stands for no format that faststyle writes here.
    """
    encoder = PICTURE_FORMATS.get(path.suffix.lower())
    if encoder is None:
        known = ", ".join(sorted(PICTURE_FORMATS))
        raise ImageError(f"{path}: unknown picture format; end the name in one of {known}")
    if not available(encoder, to_write=True):
        raise ImageError(f"{path}: {missing_plugin(encoder)}")
    return encoder


def available(encoder: str, *, to_write: bool) -> bool:
    """Tell whether Pillow reads or writes a format, with the plug-ins that are installed."""
    Image.init()
    known = Image.SAVE if to_write else Image.OPEN
    if encoder not in known and encoder in PLUGINS:
        package, set_up = PLUGINS[encoder]
        try:
            plugin = importlib.import_module(package)
        except ImportError:
            return False
        if set_up:
            getattr(plugin, set_up)()
    return encoder in known


def missing_plugin(encoder: str) -> str:
    """Say which package reads and writes a format that Pillow does not."""
    package = PLUGINS[encoder][0].replace("_", "-")
    return f"reading and writing {encoder} needs another package; run  pip install {package}"
