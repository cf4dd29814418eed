"""Colours of pictures of any mode and profile, as sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from faststyle.errors import ImageError

WIDE_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's greyscale modes of more than 8 bits, which ``convert`` would clip at 255."""

SMALL_MODES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Bytes that Pillow holds for a pixel, of modes that take less than four."""

ROWS = 256
"""Rows that are converted at once where it takes many times as much memory."""

PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
"""What a colour profile is of, for each mode that one is applied to."""

KEPT_TRANSFORMS = 16


def bytes_beside(picture: Image.Image) -> int:
    """Return what a picture and its transparency take beside its colours, for each pixel."""
    alpha = int(picture.has_transparency_data)
    profile = picture.info.get("icc_profile")
    same = picture.mode == "RGB" and not alpha
    if same and not (isinstance(profile, bytes) and _transform(profile, "RGB")):
        return 0  # it is its own colours
    return alpha + SMALL_MODES.get(picture.mode, 4)


def split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours of a picture of any mode as sRGB, and its transparency if it has any.

    Colours that come with an ICC profile are converted by it, others taken as sRGB; a picture of
    mode RGB that is sRGB already is returned itself.

    Raises:
        ImageError: the mode has no colours, as some of Pillow's internal ones.
    """
    profile = picture.info.get("icc_profile")
    try:
        if picture.mode in WIDE_MODES:
            picture = _narrowed(picture)
        alpha = None
        if picture.has_transparency_data:
            if picture.mode != "RGBA":
                picture = picture.convert("RGBA")
            alpha = picture.getchannel("A")
            picture = picture.convert("RGB")
        elif picture.mode not in PROFILE_SPACES:
            picture = picture.convert("RGB")
        return _as_srgb(picture, profile), alpha
    except ValueError as error:
        raise ImageError(f"a picture of mode {picture.mode} has no colours to paint") from error


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Return an ICC profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _as_srgb(picture: Image.Image, profile: object) -> Image.Image:
    transform = _transform(profile, picture.mode) if isinstance(profile, bytes) else None
    if transform is not None:
        return transform.apply(picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


@lru_cache(maxsize=KEPT_TRANSFORMS)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what turns colours of a profile into sRGB; None where nothing does or need."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        described = ImageCms.getProfileDescription(source)
        srgb = "sRGB" in described and "linear" not in described.lower()
        if srgb or source.profile.xcolor_space.strip() != PROFILE_SPACES[mode]:
            return None
        return ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None  # A damaged profile is no reason to refuse a photo.


def _narrowed(picture: Image.Image) -> Image.Image:
    """Bring a greyscale picture of more than 8 bits to 8 bits."""
    starts = range(0, picture.height, ROWS)
    white = 65535.0
    if picture.mode in ("I", "F"):  # whose range nothing tells but what is there
        largest = max(float(_rows(picture, top).max(initial=0)) for top in starts)
        ranges = (1.0, 255.0) if picture.mode == "F" else (255.0,)
        white = next((each for each in ranges if largest <= each), white)
    narrowed = Image.new("L", picture.size)
    for top in starts:
        values = (_rows(picture, top) * (255 / white)).round().clip(0, 255)
        narrowed.paste(Image.fromarray(values.astype(np.uint8)), (0, top))
    return narrowed


def inverted(picture: Image.Image) -> Image.Image:
    """Return a greyscale picture of 16 bits with black for white, and all it says."""
    result = Image.fromarray(65535 - np.asarray(picture, np.uint16))
    result.info = picture.info
    return result


def _rows(picture: Image.Image, top: int) -> NDArray[np.float32]:
    bottom = min(picture.height, top + ROWS)
    part = picture.crop((0, top, picture.width, bottom))
    return np.nan_to_num(np.asarray(part, dtype=np.float32))
