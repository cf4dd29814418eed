"""What a run leaves in its folder: log, previews, curves and checkpoints."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from faststyle.errors import ImageError
from faststyle.files import whole_file
from faststyle.images import open_colors
from faststyle.training.checkpoint import save_checkpoint
from faststyle.training.curves import draw_curves
from faststyle.training.logs import open_log, write_row, writing
from faststyle.training.losses import Losses
from faststyle.training.meter import Reading
from faststyle.training.schedule import learning_rate
from faststyle.training.sheets import contact_sheet
from faststyle.training.tensorboard import Board
from faststyle.training.trainer import Trainer

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
VALIDATION = "validation.csv"
CURVES = "losses.png"
PREVIEWS = "previews"
PREVIEW_SHEET = "previews.png"
RECORDS = (LOG, VALIDATION, CURVES, PREVIEWS, PREVIEW_SHEET)
"""What a run writes beside its checkpoint."""

NAME = re.compile(r"step_(\d{6,})\.png")
"""Name of a preview, with its step."""

MOMENTS = 6
"""Previews shown in the contact sheet, at most."""

LOSSES = Losses._fields


class RunRecord:
    """The files of a run."""

    def __init__(
        self,
        trainer: Trainer,
        *,
        out: Path,
        fingerprints: dict[str, str],
        photos: Sequence[Tensor],
        aside: list[str],
        validations: list[float],
        seconds: float,
        board: Board | None,
    ) -> None:
        """Keep the record of a trainer.

        Args:
            trainer: what is trained.
            out: the run's folder, made when the record is opened, if it is missing.
            fingerprints: what the run learns from, for its checkpoints.
            photos: what previews show, float 1×3×H×W in [0, 1] of one height.
            aside: names of the photos kept aside, for its checkpoints, too.
            validations: total losses on the photos kept aside, extended by `validated`.
            seconds: time trained before.
            board: where TensorBoard looks, if it is used.
        """
        self.trainer = trainer
        self.out = out
        self.fingerprints = fingerprints
        self.photos = photos
        self.aside = aside
        self.validations = validations
        self.started = time.monotonic() - seconds
        self.board = board
        self.files = ExitStack()
        self.log: TextIO
        self.validation_log: TextIO

    def __enter__(self) -> RunRecord:
        self.rewind()
        return self

    def __exit__(self, *_: object) -> None:
        self.files.close()
        if self.board is not None:
            self.board.close()

    def rewind(self) -> None:
        """Forget what the logs say of steps that the trainer has not done.

        Raises:
            TrainingError: they cannot be written.
        """
        self.files.close()
        self.log = self._open(LOG, columns=("step", *LOSSES, "learning_rate", "seconds"))
        self.validation_log = self._open(VALIDATION, columns=("step", *LOSSES))

    def _open(self, name: str, *, columns: Sequence[str]) -> TextIO:
        log = open_log(self.out / name, columns=columns, step=self.trainer.step)
        return self.files.enter_context(log)

    @property
    def seconds(self) -> float:
        """Time trained so far, earlier parts of the run included."""
        return time.monotonic() - self.started

    def read(self, reading: Reading) -> None:
        """Write a row of the log.

        Raises:
            TrainingError: it cannot be written.
        """
        rate = learning_rate(self.trainer.plan, step=reading.step - 1)
        write_row(self.log, reading.step, [*reading[1:], rate, self.seconds])
        if self.board is not None:
            self.board.losses("training", step=reading.step, values=reading[1:])

    def validated(self, losses: Losses) -> None:
        """Note the losses on the photos kept aside.

        Raises:
            TrainingError: the log cannot be written.
        """
        values = [float(term) for term in losses]
        self.validations.append(values[-1])
        write_row(self.validation_log, self.trainer.step, values)
        if self.board is not None:
            self.board.losses("validation", step=self.trainer.step, values=values)

    def save(self, *, lowest: float) -> None:
        """Write the checkpoint.

        Args:
            lowest: the lowest total loss read so far.

        Raises:
            CheckpointError: the file cannot be written.
        """
        checkpoint = self.trainer.checkpoint(
            fingerprints=self.fingerprints,
            validations=self.validations,
            lowest=lowest,
            seconds=self.seconds,
            aside=self.aside,
        )
        save_checkpoint(checkpoint, self.out / CHECKPOINT)

    def preview(self) -> None:
        """Draw the photos above their stylized versions.

        Raises:
            TrainingError: the picture cannot be written.
        """
        if not self.photos:
            return
        stylized = [self.trainer.stylize(photo) for photo in self.photos]
        rows = [torch.cat([photo[0] for photo in row], 2) for row in (self.photos, stylized)]
        sheet = (torch.cat(rows, 1) * 255).round().byte().permute(1, 2, 0).numpy()  # 2H×W×3
        path = self.out / PREVIEWS / _name(self.trainer.step)
        with writing(path), whole_file(path) as temporary:
            Image.fromarray(sheet).save(temporary, "PNG")
        if self.board is not None:
            self.board.picture(sheet, step=self.trainer.step)

    def summarize(self) -> None:
        """Draw the previews over time and the loss curves, of all steps so far.

        Raises:
            TrainingError: a picture cannot be written.
        """
        sheet = _preview_sheet(self.out / PREVIEWS, until=self.trainer.step)
        path = self.out / PREVIEW_SHEET
        if sheet is not None:
            with writing(path), whole_file(path) as temporary:
                sheet.save(temporary, "PNG")
        with writing(self.out / CURVES):
            draw_curves(self.out / LOG, self.out / VALIDATION, self.out / CURVES)


def _preview_sheet(folder: Path, *, until: int) -> Image.Image | None:
    """Stack the photos and their stylized versions at a few moments, damaged ones left out."""
    names = [NAME.fullmatch(path.name) for path in folder.glob("step_*.png")]
    steps = sorted(step for name in names if name and (step := int(name[1])) <= until)
    if not steps:
        return None
    moments = np.unique(np.linspace(0, len(steps) - 1, MOMENTS).round().astype(int))
    rows: list[list[Image.Image]] = []
    labels: list[str] = []
    for step in (steps[index] for index in moments):
        try:
            photos, stylized = _halves(open_colors(folder / _name(step)))
        except ImageError:
            continue
        if not rows:
            rows.append([photos])
            labels.append("photos")
        rows.append([stylized])
        labels.append(f"step {step}")
    return contact_sheet(rows, column_labels=[""], row_labels=labels) if rows else None


def _name(step: int) -> str:
    return f"step_{step:06d}.png"


def _halves(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    width, height = picture.size
    top, bottom = (0, 0, width, height // 2), (0, height // 2, width, height)
    return picture.crop(top), picture.crop(bottom)
