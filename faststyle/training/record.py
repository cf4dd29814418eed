"""What a run leaves in its folder: log, previews and checkpoints."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

import torch
from PIL import Image
from torch import Tensor

from faststyle.errors import DivergenceError, TrainingError
from faststyle.files import whole_file
from faststyle.training.checkpoint import save_checkpoint
from faststyle.training.losses import Losses
from faststyle.training.network import finite
from faststyle.training.trainer import Trainer, learning_rate_factor

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
PREVIEWS = "previews"

READ_EVERY = 10
"""Steps between two readings of the losses, each of which waits for the device."""


class Reading(NamedTuple):
    """One row of the log: losses averaged over the steps since the row before."""

    step: int
    content: float
    style: float
    total_variation: float
    total: float
    learning_rate: float
    seconds: float


class RunRecord:
    """The files of a run, and the losses not yet read from the device.

    Attributes:
        reading: the newest row of the log, None before the first.
    """

    def __init__(
        self,
        trainer: Trainer,
        *,
        out: Path,
        fingerprints: dict[str, str],
        seconds: float,
        photos: Tensor,
    ) -> None:
        """Keep the record of a trainer.

        Args:
            trainer: what is trained.
            out: the run's folder, made when the record is opened.
            fingerprints: what the run learns from, for its checkpoints.
            seconds: time trained before.
            photos: what previews show, float N×3×S×S in [0, 1].
        """
        self.trainer = trainer
        self.out = out
        self.fingerprints = fingerprints
        self.photos = photos
        self.reading: Reading | None = None
        self.started = time.monotonic() - seconds
        self.pending: list[Tensor] = []
        self.log: TextIO

    def __enter__(self) -> RunRecord:
        with _writing(self.out / LOG):
            self.out.mkdir(parents=True, exist_ok=True)
            self.log = _open_log(self.out / LOG, step=self.trainer.step)
        return self

    def __exit__(self, *_: object) -> None:
        with _writing(self.out / LOG):
            self.log.close()

    @property
    def seconds(self) -> float:
        """Time trained so far, earlier parts of the run included."""
        return time.monotonic() - self.started

    def take(self, losses: Losses) -> None:
        """Note the losses of the step just done, and read them from time to time.

        Raises:
            DivergenceError: they are NaN or infinite.
            TrainingError: the log cannot be written.
        """
        self.pending.append(torch.stack(losses))
        if self.trainer.step == 1 or self.trainer.step % READ_EVERY == 0:
            self._read()

    def _read(self) -> None:
        """Average the pending losses into a row of the log."""
        if not self.pending:
            return
        content, style, variation, total = torch.stack(self.pending).mean(0).tolist()
        self.pending.clear()
        step = self.trainer.step
        if not math.isfinite(total):
            raise self._diverged(f"a loss (content {content:.3g}, style {style:.3g})")
        rate = self.trainer.config.learning_rate * learning_rate_factor(
            step - 1, steps=self.trainer.config.steps
        )
        self.reading = Reading(step, content, style, variation, total, rate, self.seconds)
        with _writing(self.out / LOG):
            csv.writer(self.log).writerow([step, *(f"{value:.6g}" for value in self.reading[1:])])
            self.log.flush()

    def save(self) -> None:
        """Write the checkpoint, unless the network has become useless.

        Raises:
            DivergenceError: a loss or a weight is NaN or infinite.
            CheckpointError: the file cannot be written.
        """
        self._read()
        if not finite(self.trainer.network):
            raise self._diverged("a weight")
        save_checkpoint(
            self.trainer.checkpoint(fingerprints=self.fingerprints, seconds=self.seconds),
            self.out / CHECKPOINT,
        )

    def _diverged(self, what: str) -> DivergenceError:
        remedy = "start again with a lower --learning-rate"
        if (self.out / CHECKPOINT).exists():
            remedy = "the last good checkpoint is kept: --resume with a lower --learning-rate"
        return DivergenceError(
            f"{what} became NaN or infinite by step {self.trainer.step}; {remedy}"
        )

    def preview(self) -> None:
        """Draw the photos above their stylized versions.

        Raises:
            TrainingError: the picture cannot be written.
        """
        if not len(self.photos):
            return
        rows = torch.stack([self.photos, self.trainer.stylize(self.photos)])  # 2×N×3×S×S
        sheet = rows.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)  # 2S × NS × 3
        picture = Image.fromarray((sheet * 255).round().byte().numpy())
        path = self.out / PREVIEWS / f"step_{self.trainer.step:06d}.png"
        with _writing(path), whole_file(path) as temporary:
            picture.save(temporary, "PNG")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path}: cannot be written ({error.strerror}); check the disk"
        ) from error


def _open_log(path: Path, *, step: int) -> TextIO:
    """Open the log for appending, with only the rows up to a step."""
    rows: list[list[str]] = []
    if step and path.exists():
        with open(path, newline="") as file:
            rows = [row for row in csv.reader(file) if row and row[0].isdigit()]
    with whole_file(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Reading._fields)
        writer.writerows(row for row in rows if int(row[0]) <= step)
    return open(path, "a", newline="")
