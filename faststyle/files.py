"""Finding pictures and writing files whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faststyle.errors import OutputExistsError

PICTURE_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
"""The picture formats faststyle reads and writes, by file name ending in lower case."""


def find_pictures(folder: Path, *, without: Path | None = None) -> Iterator[Path]:
    """Find the pictures of a folder and its sub-folders, in the order of their names.

    Hidden files and folders are left out, and links to folders are not followed.

    Args:
        folder: where to look.
        without: a folder to leave out, such as the one results are written to.
    """
    for root, folders, names in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not (without and _same(here / name, without))
        )
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_FORMATS:
                yield here / name


def _same(first: Path, second: Path) -> bool:
    return second.exists() and first.samefile(second)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Refuse a path that is taken.

    Raises:
        OutputExistsError: the path exists and ``overwrite`` is false.
    """
    if not overwrite and path.exists():
        raise OutputExistsError(f"{path}: already exists; pass --overwrite to replace it")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside a path, and rename it when the block has succeeded.

    The file under the real name is at every moment the old one or the new one, whole. When
    the block fails, the temporary file is removed and the old one stays.

    Raises:
        OSError: the folder cannot be made, or the file cannot be written or renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A short name of its own, as the real one may be as long as the file system allows.
    temporary = path.with_name(f".faststyle-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        yield temporary
        with open(temporary, "r+b") as file:  # Windows syncs only what may be written
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
