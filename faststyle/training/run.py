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

from faststyle.errors import (
    CheckpointError,
    DivergenceError,
    ImageError,
    TrainingError,
    WeightsError,
)
from faststyle.files import whole_file
from faststyle.training.checkpoint import Checkpoint, save_checkpoint
from faststyle.training.config import RunOptions, TrainingConfig
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
    options: RunOptions,
    resume: Checkpoint | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Train a style and export it.

    Writes ``checkpoint.pt``, ``log.csv``, ``previews/`` and at the end ``model.onnx``.

    Args:
        config: what to learn.
        out: folder of the run, made if missing.
        options: how to carry it out.
        resume: state to continue from; its configuration is ``config``'s.
        on_progress: called after every step.
        on_notice: called with a line of text that a person should read.
        should_stop: asked after every step; when it answers yes, the run saves and ends.

    Raises:
        TrainingError: of the kind that says what is wrong.
        ImageError: the style picture cannot be read.
        DeviceError: the device is not available.
    """
    device = choose_device(options.device)
    config = replace(config, precision=_precision_name(config.precision, device=device))
    photos = find_photos(Path(config.content), without=out)
    prints = fingerprints(config, photos=photos)
    if resume is not None:
        _compare_fingerprints(resume.fingerprints, prints, config=config, on_notice=on_notice)
    on_notice(f"training on {device.type} in {config.precision} with {len(photos)} photos")
    unreadable: dict[str, None] = {}
    with _enough_memory():
        trainer = Trainer(config, device=device, checkpoint=resume)
        shown = photos[:: math.ceil(len(photos) / PREVIEW_PHOTOS)]
        previews = read_previews(shown, size=PREVIEW_SIZE)
        seconds = resume.seconds if resume is not None else 0.0
        with _Run(trainer, out=out, fingerprints=prints, seconds=seconds, photos=previews) as run:
            for crops, skipped in _batches(trainer, photos=photos, workers=options.workers):
                unreadable.update(dict.fromkeys(skipped))
                run.take(trainer.train_step(crops))
                last = trainer.step == config.steps
                stopped = should_stop()
                if last or stopped or trainer.step % options.checkpoint_every == 0:
                    run.save()
                if last or trainer.step % options.preview_every == 0:
                    run.preview()
                on_progress(Progress(step=trainer.step, steps=config.steps, reading=run.reading))
                if stopped:
                    break
    finished = trainer.step >= config.steps
    if finished:
        model = trainer.network.cpu().to(memory_format=torch.contiguous_format)
        export_model(model, out / MODEL, config=config, trained_steps=trainer.step)
    return RunResult(
        finished=finished,
        step=trainer.step,
        checkpoint=out / CHECKPOINT,
        model=out / MODEL if finished else None,
        unreadable=tuple(unreadable),
    )


def fingerprints(config: TrainingConfig, *, photos: list[Path]) -> dict[str, str]:
    """Fingerprint what a run learns from: the names of its photos, the style and the weights.

    Raises:
        ImageError: the style picture cannot be read.
        WeightsError: the file of VGG weights cannot be read.
    """
    names = "\n".join(os.fspath(path.relative_to(config.content)) for path in photos)
    prints = {"content": hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()}
    try:
        prints["style"] = _file_digest(config.style)
    except OSError as error:
        raise ImageError(f"{config.style}: {error.strerror}; check the path") from error
    if config.vgg_weights is not None:
        try:
            prints["vgg_weights"] = _file_digest(config.vgg_weights)
        except OSError as error:
            raise WeightsError(
                f"{config.vgg_weights}: {error.strerror}; check the path given to --vgg-weights"
            ) from error
    return prints


def _file_digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _compare_fingerprints(
    old: dict[str, str],
    new: dict[str, str],
    *,
    config: TrainingConfig,
    on_notice: Callable[[str], None],
) -> None:
    if old["content"] != new["content"]:
        on_notice(f"{config.content}: the photos changed since the checkpoint; so does their order")
    for key in ("style", "vgg_weights"):
        if old.get(key) != new.get(key):
            raise CheckpointError(
                f"{getattr(config, key)}: not the {key.replace('_', ' ')} that the run was "
                "started with; name that file, or start another run with --out"
            )


def _batches(
    trainer: Trainer, *, photos: list[Path], workers: int
) -> Iterator[tuple[Tensor, tuple[str, ...]]]:
    config = trainer.config
    return load_batches(
        PhotoCrops(photos, crop_size=config.crop_size, seed=config.seed),
        batch_size=config.batch_size,
        first_step=trainer.step,
        steps=config.steps,
        workers=workers,
    )


class _Run:
    """The files of a run, and the losses not yet read from the device."""

    def __init__(
        self,
        trainer: Trainer,
        *,
        out: Path,
        fingerprints: dict[str, str],
        seconds: float,
        photos: Tensor,
    ) -> None:
        self.trainer = trainer
        self.out = out
        self.fingerprints = fingerprints
        self.photos = photos
        self.reading: Reading | None = None
        self.started = time.monotonic() - seconds
        self.pending: list[Tensor] = []
        self.log: TextIO

    def __enter__(self) -> _Run:
        with _writing(self.out / LOG):
            self.out.mkdir(parents=True, exist_ok=True)
            self.log = _open_log(self.out / LOG, step=self.trainer.step)
        return self

    def __exit__(self, *_: object) -> None:
        with _writing(self.out / LOG):
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
            raise self._diverged(f"a loss (content {content:.3g}, style {style:.3g})")
        rate = self.trainer.config.learning_rate * learning_rate_factor(
            step - 1, steps=self.trainer.config.steps
        )
        self.reading = Reading(step, content, style, variation, total, rate, self.seconds)
        with _writing(self.out / LOG):
            csv.writer(self.log).writerow([step, *(f"{value:.6g}" for value in self.reading[1:])])
            self.log.flush()

    def save(self) -> None:
        self.read()
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
        """Draw photos above their stylized versions."""
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


@contextmanager
def _enough_memory() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # Only CUDA has a type for it; the CPU allocator and MPS say so in words.
        text = str(error).lower()
        if isinstance(error, RuntimeError) and not ("memory" in text and "alloc" in text):
            raise
        raise TrainingError(
            "not enough memory; lower --batch-size, --crop-size, --style-size or --width"
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


def _precision_name(name: str, *, device: torch.device) -> str:
    return str(choose_precision(name, device=device)).removeprefix("torch.")
