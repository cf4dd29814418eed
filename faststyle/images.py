"""Reading and writing picture files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from faststyle.colors import WHITE, bytes_beside, inverted, split_alpha, srgb_profile
from faststyle.errors import ImageError
from faststyle.files import PICTURE_FORMATS, refuse_existing, whole_file
from faststyle.formats import (
    ANIMATED_FORMATS,
    QUALITIES,
    READ_FORMATS,
    SAVE_OPTIONS,
    WITHOUT_ALPHA,
    available,
    missing_plugin,
    picture_format,
)
from faststyle.metadata import Metadata, put_metadata, read_metadata

MAX_PIXELS = 250_000_000
"""Pixels of the largest picture that is read, over all frames of an animation.

A small file may claim to hold more than memory does. Pillow refuses from 179 million on.
"""

SCALE_DOWN = "scale it down first"
RAISE_LIMIT = "scale it down, or raise the limit with --max-megapixels"
"""What to do about a picture that is too large: of any, and of a photo to stylize."""

USUAL_DURATION = 100.0
"""Milliseconds that a frame is shown for where the file does not say."""

PHOTOMETRIC_TAG = 262
"""The TIFF tag that says what its numbers stand for."""

BITS_TAG = 258
"""The TIFF tag that says how many bits a number has."""

WHITE_IS_ZERO = 0
"""Value of that tag where 0 is white and the largest number black."""


@dataclass(frozen=True)
class Photo:
    """A picture file that is open."""

    size: tuple[int, int]
    """Width and height, as they lie in the file, in pixels."""
    frames: Iterator[Image.Image]
    """Its pictures, upright, of any mode; one unless it is an animation, whose frames have their
    milliseconds in ``info["duration"]``. They are decoded as they are asked for."""
    count: int
    """How many frames there are."""
    bytes_beside: int
    """What it takes beside its colours, for each pixel, while it is open."""
    metadata: Metadata
    """What it says beside its pixels."""
    loop: int | None = None
    """How often an animation runs, 0 for ever; None for once."""


@dataclass(frozen=True)
class Result:
    """What is written to a picture file."""

    frames: Sequence[Image.Image]
    """RGB or RGBA, of sRGB colours; several make an animation."""
    durations: Sequence[float] = ()
    """Milliseconds that each frame of an animation is shown for."""
    loop: int | None = None
    """How often an animation runs, 0 for ever; None for once."""
    metadata: Metadata = field(default_factory=Metadata)
    """What is stored beside the pixels."""


def allow_pixels(most: int) -> None:
    """Let Pillow open pictures of so many pixels, in this whole process."""
    # It warns from there on, and refuses twice as many.
    Image.MAX_IMAGE_PIXELS = max(most, Image.MAX_IMAGE_PIXELS or 0)


def open_picture(
    source: Path, *, enough: int | None = None, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Read the first picture of a file and turn it upright by its EXIF orientation.

    Args:
        source: a file of one of `READ_FORMATS`.
        enough: a shorter side, in pixels, that is all that is needed; a JPEG may then be
            decoded at a half, a quarter or an eighth of its size, which is much faster.
        max_pixels: pixels of the largest picture to read.

    Raises:
        ImageError: the file is missing, is no picture, is too large, or is damaged.
    """
    name = str(source)
    with (
        _explained(name, too_large=SCALE_DOWN),
        _open(source, name, max_pixels=max_pixels, too_large=SCALE_DOWN) as picture,
    ):
        if enough is not None:
            picture.draft("RGB", (enough, enough))
        return _upright(picture)


def open_colors(path: Path, *, enough: int | None = None) -> Image.Image:
    """Read a picture file like `open_picture`, as sRGB without transparency.

    Raises:
        ImageError: the file is missing, is no picture, is too large, or is damaged.
    """
    return split_alpha(open_picture(path, enough=enough))[0]


@contextmanager
def open_photo(
    source: Path | BinaryIO, *, name: str, max_pixels: int = MAX_PIXELS
) -> Iterator[Photo]:
    """Open a picture file with all that it says; its frames may be read while it is open.

    Args:
        source: a file of one of `READ_FORMATS`, or what is read from one.
        name: what messages call it.
        max_pixels: pixels of the largest picture to read, all its frames together.

    Raises:
        ImageError: the file is missing, is no picture, is too large, or is damaged.
    """
    with ExitStack() as opened:
        # What goes wrong while the caller has the photo is not the file's fault.
        with _explained(name, too_large=RAISE_LIMIT):
            opening = _open(source, name, max_pixels=max_pixels, too_large=RAISE_LIMIT)
            picture = opened.enter_context(opening)
            indices = _indices(picture)
            count = len(indices)
            if picture.width * picture.height * count > max_pixels:
                raise _too_large(
                    name, picture, max_pixels=max_pixels, frames=count, remedy=RAISE_LIMIT
                )
            # Pillow does not say it of an AVIF, and those it writes run for ever.
            endless = picture.format == "AVIF" and count > 1
            metadata, loop = read_metadata(picture), 0 if endless else picture.info.get("loop")
            beside = bytes_beside(picture)
        frames = _frames(picture, indices=indices, name=name)
        yield Photo(picture.size, frames, count, beside, metadata, loop)


def save_picture(
    picture: Image.Image, path: Path, *, overwrite: bool = False, quality: int | None = None
) -> None:
    """Write a picture of sRGB colours whole or not at all, in the format of the path's ending.

    Args:
        picture: RGB or RGBA.
        path: where to write; missing folders are made.
        overwrite: replace an existing file.
        quality: from 1 to 100, for the formats that have one; None takes that of `QUALITIES`.

    Raises:
        OutputExistsError: the file exists and ``overwrite`` is false.
        InputError: the path is a folder.
        ImageError: the ending names no known format, or the file cannot be written.
    """
    save_result(Result([picture]), path, overwrite=overwrite, quality=quality)


def save_result(
    result: Result, path: Path, *, overwrite: bool = False, quality: int | None = None
) -> None:
    """Write a picture or an animation like `save_picture`, with what is stored beside it.

    Raises:
        OutputExistsError: the file exists and ``overwrite`` is false.
        InputError: the path is a folder.
        ImageError: the ending names no known format, or the file cannot be written.
    """
    encoder = picture_format(path)
    refuse_existing(path, overwrite=overwrite)
    with (
        _told(str(path)),
        whole_file(path) as temporary,
        _Written(io.FileIO(temporary, "w+")) as file,
    ):
        _encode(result, file, encoder=encoder, quality=quality)


class _Written(io.BufferedRandom):
    """A file whose number is not told.

    Pillow writes to files by their numbers, and takes for written what a full disk cut short.
    """

    def fileno(self) -> int:
        """Refuse to tell."""
        raise io.UnsupportedOperation("what is written to it goes through Python")


def encode(result: Result, *, encoder: str, quality: int | None = None, name: str) -> bytes:
    """Return what a file of a result holds, as `save_result` writes it.

    Args:
        result: what to encode.
        encoder: Pillow's name of the format.
        quality: from 1 to 100, for the formats that have one; None takes that of `QUALITIES`.
        name: what messages call it.

    Raises:
        ImageError: the format cannot hold it.
    """
    written = io.BytesIO()
    with _told(name):
        _encode(result, written, encoder=encoder, quality=quality)
    return written.getvalue()


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Name the file in whatever goes wrong while it is written."""
    try:
        yield
    except MemoryError as error:
        raise ImageError(f"{name}: not enough memory; scale the picture down first") from error
    except Exception as error:
        # What a format cannot hold, its encoder says in all sorts, none of which has a number.
        system = getattr(error, "strerror", None)
        remedy = "write it elsewhere" if system else "choose another format"
        raise ImageError(f"{name}: cannot be written ({system or error}); {remedy}") from error


def _encode(result: Result, file: BinaryIO, *, encoder: str, quality: int | None) -> None:
    """Encode a result; of an animation the first frame, where the format holds no more.

    Transparency is laid over white where the format cannot hold it.
    """
    options = SAVE_OPTIONS.get(encoder, {}) | {"icc_profile": srgb_profile()}
    put_metadata(options, result.metadata, encoder=encoder)
    if encoder in QUALITIES:
        options["quality"] = QUALITIES[encoder] if quality is None else quality
    first, *rest = map(_bare, result.frames)
    if rest and encoder in ANIMATED_FORMATS:
        durations = [round(each) for each in result.durations]  # AVIF takes no others
        options |= {"save_all": True, "append_images": rest, "duration": durations}
        if encoder != "GIF" or result.loop is not None:  # a GIF that says nothing runs once
            options["loop"] = 1 if result.loop is None else result.loop
        if first.mode == "RGBA":
            options["disposal"] = 2  # what is transparent shows no earlier frame
    if first.mode == "RGBA" and encoder in WITHOUT_ALPHA:
        white = Image.new("RGBA", first.size, "white")
        first = Image.alpha_composite(white, first).convert("RGB")
    first.save(file, encoder, **options)


def _bare(picture: Image.Image) -> Image.Image:
    """Return a picture of the same pixels that says nothing of the file it was read from.

    Pillow's encoders write some of that, such as tags of a TIFF.
    """
    bare = picture._new(picture.im)
    bare.info = {}
    return bare


@contextmanager
def _open(
    source: Path | BinaryIO, name: str, *, max_pixels: int, too_large: str
) -> Iterator[Image.Image]:
    formats = [each for each in READ_FORMATS if available(each, to_write=False)]
    with ExitStack() as opened:
        # Files that Pillow opens by their names it may map into memory, where one that is cut
        # off meanwhile ends the process, and turned TIFFs come out scrambled.
        file = opened.enter_context(open(source, "rb")) if isinstance(source, Path) else source
        picture = opened.enter_context(Image.open(file, formats=formats))
        if picture.width * picture.height > max_pixels:
            raise _too_large(name, picture, max_pixels=max_pixels, remedy=too_large)
        yield picture


def _indices(picture: Image.Image) -> range:
    """Tell which pictures of an open file are frames; of other files there is one, the first."""
    if picture.format not in ANIMATED_FORMATS:
        return range(1)
    # An animated PNG may begin with a picture for programs that cannot show animations.
    return range(int(getattr(picture, "default_image", False)), getattr(picture, "n_frames", 1))


@contextmanager
def _explained(name: str, *, too_large: str = SCALE_DOWN) -> Iterator[None]:
    """Name the file in whatever goes wrong while it is read, and what to do if it is too large."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        encoder = PICTURE_FORMATS.get(Path(name).suffix.lower())
        remedy = "not a picture that can be read; use a JPEG or PNG"
        if encoder is not None and not available(encoder, to_write=False):
            remedy = missing_plugin(encoder)
        raise ImageError(f"{name}: {remedy}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: too many pixels; {too_large}") from error
    except MemoryError as error:
        raise ImageError(f"{name}: not enough memory; scale the picture down first") from error
    except OSError as error:
        reason = error.strerror or "truncated or damaged picture"
        raise ImageError(f"{name}: {reason}; check the file") from error
    except Exception as error:  # Pillow's decoders raise all sorts on damaged files.
        raise ImageError(f"{name}: damaged picture; check the file") from error


def _too_large(
    name: str, picture: Image.Image, *, max_pixels: int, remedy: str, frames: int = 1
) -> ImageError:
    times = f" in {frames} frames" if frames > 1 else ""
    return ImageError(
        f"{name}: {picture.width}×{picture.height} pixels{times} are more than the limit of "
        f"{max_pixels / 1e6:g} million; {remedy}"
    )


def _frames(picture: Image.Image, *, indices: range, name: str) -> Iterator[Image.Image]:
    if indices == range(1):
        with _explained(name):
            picture = _upright(picture)
        yield picture
        return
    for index in indices:
        with _explained(name):
            picture.seek(index)
            frame = _upright(picture.copy())
            frame.info["duration"] = picture.info.get("duration") or USUAL_DURATION
        yield frame


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    with suppress(Exception):
        ImageOps.exif_transpose(picture, in_place=True)
    tags = getattr(picture, "tag_v2", {})
    # Pillow turns these of 8 bits alone.
    wide = picture.mode.startswith("I;16")
    if wide and BITS_TAG in tags:  # Pillow leaves numbers of 12 bits as they are
        picture.info[WHITE] = 2 ** tags[BITS_TAG][0] - 1
    negative = wide and tags.get(PHOTOMETRIC_TAG) == WHITE_IS_ZERO
    return inverted(picture) if negative else picture
