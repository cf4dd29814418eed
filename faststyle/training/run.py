"""A training run in a folder: batches, log, previews, checkpoints and the final model."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TextIO

import torch
from PIL import Image
from torch import Tensor

from faststyle.errors import ConfigError, DivergenceError, TrainingError
from faststyle.files import whole_file
from faststyle.training.checkpoint import Checkpoint, save_checkpoint
from faststyle.training.config import TrainingConfig
from faststyle.training.data import (
    PhotoCrops,
    find_photos,
    load_batches,
    read_previews,
)
from faststyle.training.device import choose_device, choose_precision
from faststyle.training.export import export_model
from faststyle.training.losses import Losses
from faststyle.training.network import finite
from faststyle.training.trainer import Trainer, learning_rate_factor

CHECKPOINT = "checkpoint.pt"
MODEL = "model.onnx"
LOG = "log.csv"
PREVIEWS = "previews"

PREVIEW_PHOTOS = 4
PREVIEW_SIZE = 384
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


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a run reports after every step."""

    step: int
    """Steps done."""
    steps: int
    """Steps to do in all."""
    reading: Reading | None
    """The newest losses, None before the first reading."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended."""

    finished: bool
    """False when it was asked to stop before its last step."""
    step: int
    """Steps done."""
    checkpoint: Path
    model: Path | None
    """The exported model of a finished run."""
    unreadable: tuple[str, ...]
    """Photos that could not be read and were replaced by others."""


def train(
    config: TrainingConfig,
    *,
    out: Path,
    resume: Checkpoint | None = None,
    device: str = "auto",
    workers: int = 2,
    checkpoint_every: int = 250,
    preview_every: int = 250,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Train a style and export it.

    Writes ``checkpoint.pt``, ``log.csv``, ``previews/`` and at the end ``model.onnx``.

    Args:
        config: what to learn.
        out: folder of the run, made if missing.
        resume: state to continue from; its configuration is ``config``'s.
        device: auto, cpu, cuda or mps.
        workers: processes that decode photos; 0 decodes in this one.
        checkpoint_every: steps between two checkpoints.
        preview_every: steps between two preview pictures.
        on_progress: called after every step.
        on_notice: called with a line of text that a person should read.
        should_stop: asked after every step; when it answers yes, the run saves and ends.

    Raises:
        TrainingError: of the kind that says what is wrong.
        ImageError: the style picture cannot be read.
        DeviceError: the device is not available.
    """
    _require_counts(workers=workers, checkpoint_every=checkpoint_every, preview_every=preview_every)
    chosen = choose_device(device)
    config = replace(config, precision=_precision_name(config.precision, device=chosen))
    photos = find_photos(Path(config.content))
    digest = _digest(photos, folder=Path(config.content))
    if resume is not None and resume.photos_digest != digest:
        on_notice(f"{config.content}: the photos changed since the checkpoint; so does their order")
    on_notice(f"training on {chosen.type} in {config.precision} with {len(photos)} photos")
    trainer = Trainer(config, device=chosen, checkpoint=resume)
    run = _Run(
        trainer,
        out=out,
        digest=digest,
        seconds=resume.seconds if resume is not None else 0.0,
        previews=read_previews(
            photos[:: math.ceil(len(photos) / PREVIEW_PHOTOS)], size=PREVIEW_SIZE
        ),
    )
    batches = load_batches(
        PhotoCrops(photos, crop_size=config.crop_size, seed=config.seed),
        batch_size=config.batch_size,
        first_step=trainer.step,
        steps=config.steps,
        workers=workers,
    )
    unreadable: dict[str, None] = {}
    stopped = False
    with _named_failures(out), run:
        for crops, skipped in batches:
            unreadable.update(dict.fromkeys(skipped))
            run.take(trainer.train_step(crops))
            last = trainer.step == config.steps
            stopped = should_stop()
            if last or stopped or trainer.step % checkpoint_every == 0:
                run.save()
            if last or trainer.step % preview_every == 0:
                run.preview()
            on_progress(Progress(step=trainer.step, steps=config.steps, reading=run.reading))
            if stopped:
                break
    finished = trainer.step >= config.steps
    if finished:
        export_model(trainer.network.cpu(), out / MODEL, config=config)
    return RunResult(
        finished=finished,
        step=trainer.step,
        checkpoint=out / CHECKPOINT,
        model=out / MODEL if finished else None,
        unreadable=tuple(unreadable),
    )


class _Run:
    """The files of a run, and the losses not yet read from the device."""

    def __init__(
        self, trainer: Trainer, *, out: Path, digest: str, seconds: float, previews: Tensor
    ) -> None:
        self.trainer = trainer
        self.out = out
        self.digest = digest
        self.photos = previews
        self.reading: Reading | None = None
        self.started = time.monotonic() - seconds
        self.pending: list[Tensor] = []
        self.log: TextIO

    def __enter__(self) -> _Run:
        self.out.mkdir(parents=True, exist_ok=True)
        self.log = _open_log(self.out / LOG, step=self.trainer.step)
        return self

    def __exit__(self, *_: object) -> None:
        self.log.close()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def take(self, losses: Losses) -> None:
        self.pending.append(torch.stack(losses))
        if self.trainer.step == 1 or self.trainer.step % READ_EVERY == 0:
            self.read()

    def read(self) -> None:
        """Average the pending losses into a row of the log."""
        if not self.pending:
            return
        content, style, variation, total = torch.stack(self.pending).mean(0).tolist()
        self.pending.clear()
        step = self.trainer.step
        if not math.isfinite(total):
            raise DivergenceError(
                f"a loss became NaN or infinite by step {step} (content {content:.3g}, "
                f"style {style:.3g}); the last good checkpoint is kept, so resume with a "
                "lower --learning-rate"
            )
        rate = self.trainer.config.learning_rate * learning_rate_factor(
            step - 1, steps=self.trainer.config.steps
        )
        self.reading = Reading(step, content, style, variation, total, rate, self.seconds)
        csv.writer(self.log).writerow([step, *(f"{value:.6g}" for value in self.reading[1:])])
        self.log.flush()

    def save(self) -> None:
        self.read()
        if not finite(self.trainer.network):
            raise DivergenceError(
                f"a weight became NaN or infinite by step {self.trainer.step}; the last good "
                "checkpoint is kept, so resume with a lower --learning-rate"
            )
        save_checkpoint(
            self.trainer.checkpoint(photos_digest=self.digest, seconds=self.seconds),
            self.out / CHECKPOINT,
        )

    def preview(self) -> None:
        """Draw photos above their stylized versions."""
        if not len(self.photos):
            return
        rows = torch.stack([self.photos, self.trainer.stylize(self.photos)])  # 2×N×3×S×S
        sheet = rows.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)  # 2S × NS × 3
        picture = Image.fromarray((sheet * 255).round().byte().numpy())
        with whole_file(self.out / PREVIEWS / f"step_{self.trainer.step:06d}.png") as temporary:
            picture.save(temporary, "PNG")


@contextmanager
def _named_failures(out: Path) -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise TrainingError(
            "the device ran out of memory; lower --batch-size, --crop-size or --width"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise TrainingError(f"{out}: cannot be written ({reason}); check the disk") from error


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


def _digest(photos: list[Path], *, folder: Path) -> str:
    names = "\n".join(os.fspath(path.relative_to(folder)) for path in photos)
    return hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()


def _precision_name(name: str, *, device: torch.device) -> str:
    return str(choose_precision(name, device=device)).removeprefix("torch.")


def _require_counts(*, workers: int, checkpoint_every: int, preview_every: int) -> None:
    if workers < 0:
        raise ConfigError(f"--workers {workers}: must be 0 or more")
    if checkpoint_every < 1 or preview_every < 1:
        raise ConfigError("--checkpoint-every and --preview-every must be at least 1")
