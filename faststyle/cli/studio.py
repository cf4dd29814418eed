"""Opening styles for a command, on the machine at hand."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from faststyle.cli.names import find_model, find_style
from faststyle.controls import Controls
from faststyle.errors import ModelError, OptionError
from faststyle.memory import SHARE, available, parse_size, resident
from faststyle.painter import Painter, Weighted
from faststyle.session import check_threads
from faststyle.stylizer import load_file

MOST_WORKERS = 256
"""Pictures at the same time; each has a thread."""

LEAST_MEMORY = 50_000_000
"""Bytes that there must be for pictures."""

TENTH = 100_000_000
"""Bytes of a tenth of a GB."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What to compute with."""

    device: str
    """Where onnxruntime computes."""
    threads: int | None
    """CPU threads in all; None is one for each core."""
    workers: int | None
    """Pictures at the same time; None is one for each core."""
    memory: str | None
    """What the process may hold, such as 1GB; None is a share of what is free."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            OptionError: there are no workers, or too many, or the memory is no size.
            DeviceError: there are no threads, or too many.
        """
        check_threads(self.threads)
        if self.workers is not None and not 1 <= self.workers <= MOST_WORKERS:
            raise OptionError(f"--workers {self.workers}: must be from 1 to {MOST_WORKERS}")
        if self.memory is not None:
            parse_size(self.memory)


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What to paint with, not opened yet."""

    style: str | None
    """A bundled style or a blend of several, or None for a model."""
    model: str | None
    """A model file or a blend of several, of bundled styles too."""
    controls: Controls
    machine: Machine
    silent: bool = False
    """Do not say where the models run."""

    def open(self, *, pictures: int | None = None) -> Painter:
        """Load the models, and say where they run if nobody asked for it.

        On a CPU, each of several pictures at the same time gets its share of the threads: that is
        faster than all threads for one after another.

        Args:
            pictures: how many there are at most; None for any number.

        Raises:
            FaststyleError: a model cannot be loaded, or an option makes no sense.
        """
        workers = self.workers(pictures=pictures)
        threads = self.machine.threads
        if workers > 1:
            threads = max(1, (threads or os.cpu_count() or 1) // workers)
        opened = [
            (load_file(path, device=self.machine.device, threads=threads), share)
            for path, share in self.files()
        ]
        if self.machine.device == "auto" and not self.silent:
            devices = dict.fromkeys(stylizer.device for stylizer, _ in opened)
            print(f"running on {', '.join(devices)}", file=sys.stderr)
        styles = [Weighted(*each) for each in opened]
        return Painter(styles, controls=self.controls, memory=self._memory(), threads=workers)

    def files(self) -> list[tuple[Path, float]]:
        """Return the model files and their shares.

        Raises:
            UnknownStyleError: no bundled style has a name, and no file.
            ModelError: there is no such file, or it is a folder.
            OptionError: a blend makes no sense.
        """
        if self.style is not None:
            named = _parse_blend(self.style, option="--style")
            return [(find_style(name), share) for name, share in named]
        if not self.model:
            raise OptionError("--model: names no file")
        if Path(self.model).is_file():  # whose name may have commas
            return [(Path(self.model), 1.0)]
        named = _parse_blend(self.model, option="--model")
        files = [(find_model(name), share) for name, share in named]
        for path, _ in files:
            if not path.exists():
                raise ModelError(f"{path}: no such file; check the path")
        return files

    def workers(self, *, pictures: int | None = None) -> int:
        """Return how many pictures are worked on at the same time."""
        workers = self.machine.workers or os.cpu_count() or 1
        return workers if pictures is None else min(workers, pictures)

    def _memory(self) -> int:
        """Return the bytes that there are for pictures."""
        if self.machine.memory is None:
            return max(LEAST_MEMORY, int(SHARE * available()))
        left = parse_size(self.machine.memory) - resident()
        if left < LEAST_MEMORY:
            least = math.ceil((resident() + LEAST_MEMORY) / TENTH) / 10
            raise OptionError(
                f"--memory {self.machine.memory}: too little for any photo; give {least:g}GB at "
                "the least"
            )
        return left


def _parse_blend(text: str, *, option: str) -> list[tuple[str, float]]:
    """Read ``a:0.7,b:0.3``, or one name alone.

    Raises:
        OptionError: a blend names no style before a colon, or its shares make no sense.
    """
    named = []
    for part in text.split(","):
        name, colon, share = part.rpartition(":")
        try:
            named.append((name, float(share)) if colon else (part, 1.0))
        except ValueError:
            named.append((part, 1.0))  # a colon of the name, as in C:\\wave.onnx
    shares = [share for _, share in named]
    if len(named) > 1:
        if not all(name for name, _ in named):
            raise OptionError(f"{option} {text}: name a style before each colon, such as wave:0.7")
        if not all(0 <= share < math.inf for share in shares) or not 0 < sum(shares) < math.inf:
            raise OptionError(
                f"{option} {text}: shares must be 0 or more, and one of them above 0, such as "
                "wave:0.7,mosaic:0.3"
            )
    elif shares != [1]:
        remedy = "leave it out"
        if 0 <= shares[0] < 1:
            remedy += f", or blend it with the photo by --strength {shares[0]:g}"
        raise OptionError(f"{option} {text}: one style alone needs no share; {remedy}")
    return named
