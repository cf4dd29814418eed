"""Where a run writes: a folder that is its own, and files that can be written."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faststyle.errors import CheckpointError, TrainingError
from faststyle.files import try_folder

if sys.platform != "win32":
    import fcntl

REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EISDIR: "move the folder of that name away",
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "choose a folder you may write to"),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EEXIST), "choose another path"),
}
"""What helps where a file cannot be written, by error number; otherwise to check the disk."""

_locks: set[int] = set()
"""Folders that this process holds open to keep others out."""


@contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; it is made if missing, and removed again if left empty.

    Where folders cannot be locked (Windows, some network file systems), nobody is kept out.

    Raises:
        TrainingError: another run is there, or the folder cannot be made.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"{folder}: cannot be made ({error.strerror}); choose another"
        ) from error
    lock = _lock(folder)
    try:
        yield
    finally:
        if made:
            with suppress(OSError):
                folder.rmdir()
        if lock is not None:
            _locks.discard(lock)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder until the file descriptor is closed, if only by the end of the process."""
    if sys.platform == "win32":
        return None
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise TrainingError(
            f"{folder}: another run is at work here; wait for its end, or choose another folder "
            "with --out"
        ) from error
    except OSError:
        os.close(lock)
        return None
    _locks.add(lock)
    return lock


def _let_go() -> None:
    # Workers live on for seconds when the run is killed, and must not lock a resumed one out.
    for lock in _locks:
        os.close(lock)
    _locks.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go)


def require_writable(path: Path) -> None:
    """Refuse a path that no file can be written to, before time is spent on what it would hold.

    Raises:
        CheckpointError: its folder cannot be made or written to.
    """
    try:
        try_folder(path.parent)
    except OSError as error:
        raise CheckpointError(unwritable(path, error)) from error


def unwritable(path: Path, error: OSError) -> str:
    """Say in a line why a file cannot be written, and what helps."""
    remedy = REMEDIES.get(error.errno or 0, "check the disk")
    return f"{path}: cannot be written ({error.strerror or error}); {remedy}"
