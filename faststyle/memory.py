"""How much memory there is, and sharing it between pictures that are painted at the same time."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Lock

from faststyle.errors import OptionError

SHARE = 0.5
"""Share of the free memory that is taken where nobody says how much."""

USUAL = 2_000_000_000
"""Free memory, in bytes, where the system does not say."""

MOST = 10**18
"""Bytes that no machine has; a size of so many is a slip."""

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}

CONTROL_GROUP = Path("/sys/fs/cgroup")


def parse_size(text: str) -> int:
    """Read a size such as ``1GB``, ``800 MB`` or ``1.5GiB``, in bytes.

    Raises:
        OptionError: it is no such size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = UNITS.get(match[2].upper()) if match else None
    size = float(match[1]) * unit if match is not None and unit is not None else 0.0
    if not 0 < size < MOST:
        raise OptionError(f"--memory {text}: give a size such as 800MB or 2GB")
    return int(size)


def resident() -> int:
    """Return the memory that this process holds, in bytes; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def available() -> int:
    """Return the memory that can be taken without swapping, in bytes."""
    found = [each for each in (_free(), _left_to_group()) if each is not None]
    return min(found, default=USUAL)


def _free() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return _free_on_windows()
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError):
        return None


def _free_on_windows() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")),
        )

    status = Status(length=ctypes.sizeof(Status))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  (only Windows has it)
    return int(status.free) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None


def _left_to_group() -> int | None:
    """Return what a container may still take, of what it has of files in memory, too."""
    try:
        most = (CONTROL_GROUP / "memory.max").read_text().strip()
        if most == "max":
            return None
        taken = int((CONTROL_GROUP / "memory.current").read_text())
        statistics = (CONTROL_GROUP / "memory.stat").read_text()
    except (OSError, ValueError):
        return None
    cached = re.search(r"^inactive_file (\d+)$", statistics, re.MULTILINE)
    return max(0, int(most) - taken + (int(cached[1]) if cached else 0))


class Budget:
    """Memory that several threads share.

    Attributes:
        total: bytes to share out.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._left = total
        self._changed = Condition()
        self._turn = Lock()

    @contextmanager
    def reserve(self, amount: int) -> Iterator[None]:
        """Wait until so many bytes are free, or all of them, and hold them.

        Who asks for much is not passed by those who ask for little after it.
        """
        amount = min(amount, self.total)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._left >= amount)
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()
