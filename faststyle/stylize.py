"""Stylizing files: one picture, or a folder with everything below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from PIL import Image

from faststyle.errors import ImageError, OutputExistsError
from faststyle.files import find_pictures, refuse_existing
from faststyle.images import open_picture, picture_format, save_picture

Stylize = Callable[[Image.Image], Image.Image]
"""What files are stylized with: a `faststyle.Stylizer`, or a stand-in."""


class Status(Enum):
    """What became of a file."""

    DONE = "stylized"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class FileResult:
    """What became of one picture of a folder."""

    source: Path
    destination: Path
    status: Status
    error: ImageError | None = None
    """Why it failed."""


def stylize_file(
    stylizer: Stylize, source: Path, destination: Path, *, overwrite: bool = False
) -> None:
    """Stylize one picture file, upright, keeping its size, transparency and colour profile.

    Raises:
        OutputExistsError: the destination exists and ``overwrite`` is false.
        ImageError: a file cannot be read, computed or written, or both are the same.
    """
    picture_format(destination)
    if destination.exists() and source.exists() and destination.samefile(source):
        raise ImageError(f"{destination}: is the photo itself; write to another file")
    refuse_existing(destination, overwrite=overwrite)
    photo = open_picture(source)
    try:
        stylized = stylizer(photo)
    except ImageError as error:
        raise ImageError(f"{source}: {error}") from error
    # A profile describes the channels it came with, so one for CMYK or grey is of no use.
    profile = photo.info.get("icc_profile") if photo.mode in ("RGB", "RGBA") else None
    save_picture(stylized, destination, overwrite=overwrite, icc_profile=profile)


def plan_folder(source: Path, destination: Path) -> list[tuple[Path, Path]]:
    """Pair each picture of a folder and its sub-folders with the file to write.

    Args:
        source: the folder of photos.
        destination: the folder of results, which may lie inside it.

    Raises:
        ImageError: the folder holds no pictures, or both folders are the same.
    """
    if destination.exists() and not destination.is_dir():
        raise ImageError(f"{destination}: is a file; name a folder for a folder of photos")
    if destination.is_dir() and destination.samefile(source):
        raise ImageError(f"{destination}: is the folder of the photos; write to another one")
    pairs = [
        (path, destination / path.relative_to(source))
        for path in find_pictures(source, without=destination)
    ]
    if not pairs:
        raise ImageError(f"{source}: no pictures in this folder; check the path")
    return pairs


def stylize_files(
    stylizer: Stylize, pairs: Iterable[tuple[Path, Path]], *, overwrite: bool = False
) -> Iterator[FileResult]:
    """Stylize pictures one after another; a bad one does not stop the rest.

    Args:
        stylizer: what to stylize with.
        pairs: picture files and the files to write.
        overwrite: replace existing files, which are otherwise skipped.

    Yields:
        What became of each picture, as soon as it is known.
    """
    for source, destination in pairs:
        try:
            stylize_file(stylizer, source, destination, overwrite=overwrite)
        except OutputExistsError:
            yield FileResult(source, destination, Status.SKIPPED)
        except ImageError as error:
            yield FileResult(source, destination, Status.FAILED, error)
        except OSError as error:  # a name too long, a folder that may not be entered
            named = ImageError(f"{source}: {error.strerror}; check the path and its permissions")
            yield FileResult(source, destination, Status.FAILED, named)
        else:
            yield FileResult(source, destination, Status.DONE)
