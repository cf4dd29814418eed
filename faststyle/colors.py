"""Colours of pictures of any mode and profile, as sRGB."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from faststyle.errors import ImageError

Picture: TypeAlias = Image.Image | NDArray[np.uint8]
"""A PIL image of any mode, or uint8 H×W×3, RGB."""

WIDE_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's greyscale modes of more than 8 bits, which ``convert`` would clip at 255."""

SMALL_MODES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Bytes that Pillow holds for a pixel, of modes that take less than four."""

ROWS = 256
"""Rows that are converted at once where it takes many times as much memory."""

FILLED_ROWS = 32
"""Rows that are filled at once, which takes some fifty bytes for each pixel."""

WHITE = "white"
"""Where a greyscale picture of 16 bits says, in its ``info``, what white is; else it is `MOST`."""

MOST = 65535
"""Largest number of 16 bits."""

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


def read_colors(picture: Picture) -> tuple[NDArray[np.uint8], Image.Image | None]:
    """Return the colours of a picture, uint8 H×W×3, and its transparency if it has any.

    Raises:
        ImageError: it is an array of another type or shape, is empty, or has no colours.
    """
    alpha = None
    if isinstance(picture, Image.Image):
        colors, alpha = split_alpha(picture)
        picture = np.asarray(colors)
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        kind = getattr(picture, "dtype", type(picture).__name__)
        raise ImageError(f"a picture must be a PIL image or a uint8 array, not {kind}")
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise ImageError(f"an array must be H×W×3 and not empty, not {picture.shape}")
    return picture, alpha


def repainted(picture: Picture, paint: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Picture:
    """Repaint the colours of a picture, uint8 H×W×3, and keep its transparency.

    Returns:
        The same type: an RGB image, RGBA if the picture has transparency, or an array.

    Raises:
        ImageError: as `read_colors`.
    """
    pixels, alpha = read_colors(picture)
    painted = paint(pixels)
    if not isinstance(picture, Image.Image):
        return painted
    image = Image.fromarray(painted)
    if alpha is not None:
        image.putalpha(alpha)
    return image


def split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours of a picture of any mode as sRGB, and its transparency if it has any.

    Colours that come with an ICC profile are converted by it, others taken as sRGB; a picture of
    mode RGB that is sRGB already is returned itself. What nobody sees, as it is wholly
    transparent, has colours of what is seen (`fill_hidden`).

    Raises:
        ImageError: the mode has no colours, as some of Pillow's internal ones.
    """
    profile = picture.info.get("icc_profile")
    try:
        if picture.mode in WIDE_MODES:
            picture = _narrowed(picture)
        alpha = None
        if picture.has_transparency_data:
            mode = "L" if picture.mode in ("L", "LA") else "RGB"
            picture = picture.convert(f"{mode}A")
            alpha = picture.getchannel("A")
            picture = picture.getchannel("L") if mode == "L" else picture.convert("RGB")
        elif picture.mode not in PROFILE_SPACES:
            picture = picture.convert("RGB")
        colors = _as_srgb(picture, profile)
        if alpha is not None:
            fill_hidden(colors, alpha)
        return colors, alpha
    except ValueError as error:
        raise ImageError(f"a picture of mode {picture.mode} has no colours to paint") from error


def fill_hidden(picture: Image.Image, alpha: Image.Image) -> None:
    """Continue what is seen of a picture, as in mirrors, where it is wholly transparent.

    Networks that normalize by statistics of the whole picture would else paint a cut-out by the
    colours that programs leave below what they cut away, mostly black or white.

    Args:
        picture: RGB; is changed.
        alpha: its transparency, mode L, of which 0 is what nobody sees.
    """
    hidden = alpha.point(lambda level: 255 * (level == 0))
    if hidden.getbbox() is None or alpha.getbbox() is None:
        return
    width, height = picture.size
    rows_seen = np.zeros(height, bool)
    for top in range(0, height, FILLED_ROWS):
        box = (0, top, width, min(height, top + FILLED_ROWS))
        seen = np.asarray(alpha.crop(box)) > 0
        rows_seen[top : box[3]] = seen.any(axis=1)
        if not seen.all():
            band = np.asarray(picture.crop(box))
            filled = np.take_along_axis(band, _mirrored(seen)[..., None], axis=1)
            picture.paste(Image.fromarray(filled), box)
    sources = _mirrored(rows_seen[None])[0]
    for row in np.flatnonzero(~rows_seen):
        source = int(sources[row])
        picture.paste(picture.crop((0, source, width, source + 1)), (0, int(row)))


def _mirrored(seen: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return for each place the one of its row that fills it: itself, if it is seen.

    Otherwise, the nearest run of places that are seen is repeated, each time mirrored. Rows in
    which nothing is seen have any.
    """
    width = seen.shape[1]
    here = np.arange(width, dtype=np.int32)
    step = np.diff(seen, axis=1, prepend=False)
    before, begins = _last(seen), _last(seen & step)
    after, ends = (
        width - 1 - _last(each[:, ::-1])[:, ::-1]
        for each in (seen, seen & np.diff(seen, axis=1, append=False))
    )
    to_left = np.where(before < 0, 2 * width, here - before)
    to_right = np.where(after >= width, 2 * width, after - here)
    leftwards = to_left <= to_right
    run = np.maximum(1, np.where(leftwards, before - begins, ends - after) + 1)
    way = (np.minimum(to_left, to_right) - 1) % (2 * run)
    way = np.minimum(way, 2 * run - 1 - way)
    filling = np.where(leftwards, before - way, after + way).clip(0, width - 1)
    return np.where(seen, here, filling).astype(np.int32)


def _last(there: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return for each place the last one of its row, up to itself, that is there; else -1."""
    places = np.arange(there.shape[1], dtype=np.int32)
    return np.maximum.accumulate(np.where(there, places, np.int32(-1)), axis=1)


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
    white = float(picture.info.get(WHITE, MOST))
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
    result = Image.fromarray(MOST - np.asarray(picture, np.uint16))
    result.info = picture.info
    return result


def _rows(picture: Image.Image, top: int) -> NDArray[np.float32]:
    bottom = min(picture.height, top + ROWS)
    part = picture.crop((0, top, picture.width, bottom))
    return np.nan_to_num(np.asarray(part, dtype=np.float32))
