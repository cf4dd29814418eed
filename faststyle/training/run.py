"""A training run from its first batch to the exported model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from faststyle.errors import TrainingError
from faststyle.training.checkpoint import Checkpoint
from faststyle.training.config import RunOptions, TrainingConfig
from faststyle.training.data import PhotoCrops, find_photos, load_batches, read_previews
from faststyle.training.device import choose_device, choose_precision
from faststyle.training.export import export_model
from faststyle.training.fingerprints import compare_fingerprints, fingerprints
from faststyle.training.record import CHECKPOINT, Reading, RunRecord
from faststyle.training.trainer import Trainer

MODEL = "model.onnx"

PREVIEW_PHOTOS = 4
PREVIEW_SIZE = 384


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
        compare_fingerprints(resume.fingerprints, prints, config=config, on_notice=on_notice)
    on_notice(f"training on {device.type} in {config.precision} with {len(photos)} photos")
    unreadable: dict[str, None] = {}
    with _enough_memory():
        trainer = Trainer(config, device=device, checkpoint=resume)
        shown = photos[:: math.ceil(len(photos) / PREVIEW_PHOTOS)]
        previews = read_previews(shown, size=PREVIEW_SIZE)
        seconds = resume.seconds if resume is not None else 0.0
        with RunRecord(
            trainer, out=out, fingerprints=prints, seconds=seconds, photos=previews
        ) as record:
            for crops, skipped in _batches(trainer, photos=photos, workers=options.workers):
                unreadable.update(dict.fromkeys(skipped))
                record.take(trainer.train_step(crops))
                last = trainer.step == config.steps
                stopped = should_stop()
                if last or stopped or trainer.step % options.checkpoint_every == 0:
                    record.save()
                if last or trainer.step % options.preview_every == 0:
                    record.preview()
                on_progress(Progress(step=trainer.step, steps=config.steps, reading=record.reading))
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


def _precision_name(name: str, *, device: torch.device) -> str:
    return str(choose_precision(name, device=device)).removeprefix("torch.")
