"""Reading and writing picture files, and telling colours from transparency."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from faststyle.errors import ImageError
from faststyle.files import PICTURE_FORMATS, refuse_existing, whole_file

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},  # brush strokes are edges in colour
    "WEBP": {"quality": 95},
    "TIFF": {"compression": "tiff_lzw"},
}
WITHOUT_ALPHA = frozenset({"JPEG", "BMP"})
"""Formats that cannot hold transparency everywhere."""

WIDE_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's greyscale modes of more than 8 bits, which ``convert`` would clip at 255."""


def open_picture(path: Path, *, enough: int | None = None) -> Image.Image:
    """Read a picture file and turn it upright by its EXIF orientation.

    Args:
        path: a file of any format that Pillow reads.
        enough: a shorter side, in pixels, that is all that is needed; a JPEG may then be
            decoded at a half, a quarter or an eighth of its size, which is much faster.

    Raises:
        ImageError: the file is missing, is no picture, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                if enough is not None:
                    picture.draft("RGB", (enough, enough))
                picture.load()
                return ImageOps.exif_transpose(picture)
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: not a picture that can be read; use a JPEG or PNG") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: too many pixels; scale the picture down first") from error
    except OSError as error:
        reason = error.strerror or "truncated or damaged picture"
        raise ImageError(f"{path}: {reason}; check the file") from error
    except Exception as error:  # Pillow's decoders raise all sorts on damaged files.
        raise ImageError(f"{path}: damaged picture; check the file") from error


def open_colors(path: Path, *, enough: int | None = None) -> Image.Image:
    """Read a picture file like `open_picture`, as RGB without transparency.

    Raises:
        ImageError: the file is missing, is no picture, or is damaged.
    """
    return split_alpha(open_picture(path, enough=enough))[0]


def split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the RGB colours of a picture of any mode, and its transparency if it has any.

    Raises:
        ImageError: the mode has no colours, as some of Pillow's internal ones.
    """
    try:
        if picture.mode in WIDE_MODES:
            return _narrowed(picture).convert("RGB"), None
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            return picture.convert("RGB"), picture.getchannel("A")
        return picture.convert("RGB"), None
    except ValueError as error:
        raise ImageError(f"a picture of mode {picture.mode} has no colours to paint") from error


def save_picture(
    picture: Image.Image, path: Path, *, overwrite: bool = False, icc_profile: bytes | None = None
) -> None:
    """Write a picture whole or not at all, in the format of the path's ending.

    Transparency is laid over white where the format cannot hold it.

    Args:
        picture: RGB or RGBA.
        path: where to write; missing folders are made.
        overwrite: replace an existing file.
        icc_profile: colour profile to store with the picture.

    Raises:
        OutputExistsError: the file exists and ``overwrite`` is false.
        ImageError: the ending names no known format, or the file cannot be written.
    """
    encoder = picture_format(path)
    refuse_existing(path, overwrite=overwrite)
    if picture.mode == "RGBA" and encoder in WITHOUT_ALPHA:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    try:
        with whole_file(path) as temporary:
            picture.save(
                temporary, encoder, icc_profile=icc_profile, **SAVE_OPTIONS.get(encoder, {})
            )
    except (OSError, ValueError) as error:
        # The encoders say by ValueError or OSError without a number what they cannot hold.
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path}: cannot be written ({reason}); write it elsewhere") from error


def picture_format(path: Path) -> str:
    """Return Pillow's name of the format that a path's ending stands for.

    Raises:
        ImageError: the ending stands for no format that faststyle writes.
    """
    encoder = PICTURE_FORMATS.get(path.suffix.lower())
    if encoder is None:
        known = ", ".join(sorted(PICTURE_FORMATS))
        raise ImageError(f"{path}: unknown picture format; end the name in one of {known}")
    return encoder


def _narrowed(picture: Image.Image) -> Image.Image:
    """Bring a greyscale picture of more than 8 bits to 8 bits."""
    values = np.nan_to_num(np.asarray(picture, dtype=np.float32))
    white = 65535.0
    if picture.mode == "F":
        white = 1.0 if values.max(initial=0) <= 1 else 255.0
    elif picture.mode == "I" and values.max(initial=0) <= 255:
        white = 255.0
    return Image.fromarray((values * (255 / white)).round().clip(0, 255).astype(np.uint8))
