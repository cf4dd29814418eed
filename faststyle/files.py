"""Finding pictures and writing files whole."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from faststyle.errors import InputError, OutputExistsError

Item = TypeVar("Item")

PICTURE_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
}
"""The picture formats faststyle reads and writes, by file name ending in lower case."""

NO_UNNAMED_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)
"""What file systems say that cannot hold files without a name."""


def find_pictures(folder: Path, *, without: Path | None = None) -> Iterator[Path]:
    """Find the pictures of a folder and its sub-folders: each folder's by name, then what is below.

    Hidden files and folders are left out, and links to folders are not followed. However many
    there are, a folder is read when it is come to. What cannot be looked at is found, too, so
    that whoever opens it says why: links that lead nowhere, and folders that may not be entered.

    Args:
        folder: where to look.
        without: a folder to leave out, such as the one results are written to.
    """
    folders = [folder]
    while folders:
        inside = folders.pop()
        try:
            entries = os.scandir(inside)
        except FileNotFoundError:
            continue
        except OSError:
            yield inside
            continue
        with entries:
            below, pictures = _sorted_out(entries, inside)
        # The last is the next to be looked into.
        for name in reversed(below):
            path = inside / name
            if not (without and _same(path, without)):
                folders.append(path)
        for name in pictures:
            yield inside / name


def _sorted_out(entries: Iterable[os.DirEntry[str]], inside: Path) -> tuple[list[str], list[str]]:
    """Return the names of a folder's folders and of its pictures, both sorted."""
    below, pictures = [], []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            below.append(entry.name)
        # Of a plain file the folder says that it is one, and nothing else need be asked.
        elif is_picture(Path(entry.name)) and (
            entry.is_file(follow_symlinks=False) or not something_else(inside / entry.name)
        ):
            pictures.append(entry.name)
    return sorted(below), sorted(pictures)


def something_else(path: Path) -> bool:
    """Tell whether there is something that is no file, as a folder or what others write to."""
    try:
        return not path.is_file() and path.exists()
    except OSError:  # it may not be looked at
        return False


def evenly_chosen(items: Sequence[Item], *, most: int) -> list[Item]:
    """Return so many of some items, at even distances of one another, or all if there are fewer."""
    count = min(most, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def is_picture(path: Path) -> bool:
    """Tell by its name whether a file is a picture that faststyle reads."""
    return path.suffix.lower() in PICTURE_FORMATS


def _same(first: Path, second: Path) -> bool:
    return second.exists() and first.samefile(second)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Refuse a path that is taken.

    Raises:
        OutputExistsError: the path exists and ``overwrite`` is false.
        InputError: it is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file")
    if not overwrite and path.exists():
        raise OutputExistsError(f"{path}: already exists; pass --overwrite to replace it")


def try_folder(folder: Path) -> None:
    """Make a folder, and see that files can be made in it, before time is spent on what they hold.

    Raises:
        OSError: they cannot; it names the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, and give the file its name when the block has succeeded.

    The file under the real name is at every moment the old one or the new one, whole. When
    the block fails, nothing of the new one stays. Where the system has files without a name
    (Linux), nothing stays either when the process is killed.

    Raises:
        OSError: the folder cannot be made, or the file cannot be written or renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A short name of its own, as the real one may be as long as the file system allows.
    temporary = path.with_name(f".faststyle-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    unnamed = _open_unnamed(path.parent)
    try:
        if unnamed is None:
            yield temporary
            with open(temporary, "r+b") as file:  # Windows syncs only what may be written
                os.fsync(file.fileno())
        else:
            yield Path(f"/proc/self/fd/{unnamed}")
            os.fsync(unnamed)
            _name(unnamed, temporary)
        temporary.replace(path)
    finally:
        if unnamed is not None:
            os.close(unnamed)
        temporary.unlink(missing_ok=True)


def _open_unnamed(folder: Path) -> int | None:
    """Open a file without a name, which is gone when it is closed; None where there are none."""
    if not (hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").exists()):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError as error:
        if error.errno in NO_UNNAMED_FILES:
            return None
        raise


def _name(unnamed: int, path: Path) -> None:
    # With a folder given, Python calls linkat, which follows the link in /proc to the file.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.link(
            f"/proc/self/fd/{unnamed}",
            path.name,
            src_dir_fd=folder,
            dst_dir_fd=folder,
            follow_symlinks=True,
        )
    finally:
        os.close(folder)
