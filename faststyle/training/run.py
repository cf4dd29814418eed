"""A training run from its first batch to the exported model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from faststyle.errors import DataError, DivergenceError, ImageError
from faststyle.training.calibration import calibrate
from faststyle.training.checkpoint import Checkpoint, load_checkpoint, naming
from faststyle.training.config import Plan, RunOptions, TrainingConfig
from faststyle.training.data import (
    PhotoCrops,
    Photos,
    find_photos,
    load_batches,
    name_in,
    read_photo,
    read_squares,
)
from faststyle.training.device import choose_device, choose_precision, enough_memory
from faststyle.training.export import export_model, model_card
from faststyle.training.fingerprints import compare_fingerprints, fingerprints
from faststyle.training.losses import PerceptualLoss
from faststyle.training.meter import Meter, Progress
from faststyle.training.network import finite
from faststyle.training.outputs import require_writable
from faststyle.training.pace import TRIAL_STEPS, Pace, measure_pace
from faststyle.training.plan import make_plan
from faststyle.training.processes import Processes, join_processes
from faststyle.training.record import CHECKPOINT, RunRecord
from faststyle.training.schedule import cooled_down, is_flat
from faststyle.training.start import decide_start
from faststyle.training.tensorboard import Board
from faststyle.training.trainer import Trainer, build_objective

MODEL = "model.onnx"
TENSORBOARD = "tensorboard"

PREVIEW_PHOTOS = 4
PREVIEW_HEIGHT = 320
PREVIEWS = 20

APPETITE = "--batch-size, --crop-size, --stroke-size or --width"
"""What a run takes less memory with, if lowered."""

RETREATS = 4
"""Times a run goes back to its checkpoint after diverging before it gives up."""


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
    without: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Train a style and export it, together with the processes that torchrun started.

    Writes ``checkpoint.pt``, ``log.csv``, ``validation.csv``, ``previews/`` and at the end
    ``previews.png``, ``losses.png`` and ``model.onnx``.

    Args:
        config: what to learn.
        out: folder of the run, made if missing; `outputs.occupied` keeps other runs out of it.
        options: how to carry it out.
        resume: state to continue from; its configuration is ``config``'s.
        without: a folder whose pictures are no photos to learn from; None leaves out ``out``.
        on_progress: called after every step; by the first process only.
        on_notice: called with a line of text that a person should read; likewise.
        should_stop: asked after every step; when any process's says yes, the run saves and ends.

    Raises:
        TrainingError: of the kind that says what is wrong.
        ImageError: the style picture cannot be read.
        DeviceError: the device is not available.
        MissingPackageError: TensorBoard was asked for and is not installed.
    """
    started = time.monotonic()
    device = choose_device(options.device)
    with (
        join_processes(device) as processes,
        enough_memory(APPETITE),
    ):
        if processes.first:
            require_writable(out / CHECKPOINT)
        notice = on_notice if processes.first else lambda _: None
        aside = resume.aside if resume is not None else []
        photos = _find(config, options, without=without or out, aside=aside)
        prints = fingerprints(config, photos=[*photos.files.training, *photos.files.validation])
        if resume is not None:
            compare_fingerprints(resume.fingerprints, prints, config=config, on_notice=notice)
            resume = _measured_on(photos, resume, on_notice=notice)
        else:
            config = replace(config, start_from=decide_start(config))
        setting = _Setting(config, options, device, processes, photos)
        objective = build_objective(config, on_notice=notice)
        plan = (
            resume.plan
            if resume is not None
            else _decide(setting, objective=objective, started=started)
        )
        notice(_described(setting, plan=plan))
        with naming(out / CHECKPOINT) if resume is not None else nullcontext():
            trainer = setting.trainer(plan, objective=objective, checkpoint=resume)
        with _record(trainer, setting, out=out, prints=prints, resume=resume) as record:
            lowest = resume.lowest if resume is not None else math.inf
            meter = Meter(processes, lowest=lowest)
            run = _Run(trainer, record, meter, setting, on_progress, notice, should_stop)
            # With what is said of the style anew, and the photos that are kept aside from now on.
            if resume is None or run.finished or resume.aside != aside:
                run.save()
            while not run.advance():
                pass
            if record is not None:
                if run.finished:
                    _export(trainer, out / MODEL, config=config)
                record.summarize()  # last, as pictures that cannot be drawn must not cost the model
    return RunResult(
        finished=run.finished,
        step=trainer.step,
        checkpoint=out / CHECKPOINT,
        model=out / MODEL if run.finished else None,
        unreadable=tuple(run.unreadable),
    )


def _export(trainer: Trainer, path: Path, *, config: TrainingConfig) -> None:
    network = trainer.network.cpu().to(memory_format=torch.contiguous_format).eval()
    card = model_card(network, config=config, plan=trainer.plan, trained_steps=trainer.step)
    export_model(network, path, card=card)


class _Photos(NamedTuple):
    """The photos of a run."""

    files: Photos
    validation: Tensor
    """uint8 N×3×S×S."""
    previews: list[Tensor]
    """float 1×3×H×W in [0, 1]."""
    aside: list[str]
    """Names of those kept aside."""


def _find(
    config: TrainingConfig, options: RunOptions, *, without: Path, aside: list[str]
) -> _Photos:
    """Find the photos, and read those that are looked at again and again.

    Raises:
        DataError: there are too few, or none of those kept aside can be read.
        ImageError: one of the user's own previews cannot be read.
    """
    folder = Path(config.content)
    files = find_photos(folder, without=without, aside=aside)
    validation = read_squares(files.validation, size=config.crop_size)
    if not len(validation):
        raise DataError(
            f"{files.validation[0]}: none of the photos kept aside can be read; check the folder"
        )
    previews = [read_photo(Path(path), height=PREVIEW_HEIGHT) for path in options.preview]
    for path in files.validation[:PREVIEW_PHOTOS] if not previews else []:
        with suppress(ImageError):
            previews.append(read_photo(path, height=PREVIEW_HEIGHT))
    names = [name_in(folder, photo) for photo in files.validation]
    return _Photos(files, validation, previews, names)


def _measured_on(
    photos: _Photos, checkpoint: Checkpoint, *, on_notice: Callable[[str], None]
) -> Checkpoint:
    """Forget what was measured on other photos, which is nothing to compare with."""
    if checkpoint.aside == photos.aside:
        return checkpoint
    if checkpoint.aside and not set(checkpoint.aside) & set(photos.aside):
        on_notice(
            "none of the photos kept aside to measure on is left; others take their place, which "
            "the run may have learnt from"
        )
    return replace(checkpoint, aside=photos.aside, validations=[])


@dataclass(frozen=True)
class _Setting:
    """What stays the same all through a run."""

    config: TrainingConfig
    options: RunOptions
    device: torch.device
    processes: Processes
    photos: _Photos

    def trainer(
        self, plan: Plan, *, objective: PerceptualLoss, checkpoint: Checkpoint | None = None
    ) -> Trainer:
        return Trainer(
            self.config,
            plan,
            objective=objective,
            device=self.device,
            processes=self.processes,
            checkpoint=checkpoint,
        )

    @property
    def crops(self) -> PhotoCrops:
        return PhotoCrops(
            self.photos.files.training, crop_size=self.config.crop_size, seed=self.config.seed
        )

    def batches(self, trainer: Trainer) -> Iterator[tuple[Tensor, tuple[str, ...]]]:
        return load_batches(
            self.crops,
            batch_size=trainer.plan.batch_size,
            first_step=trainer.step,
            steps=trainer.plan.steps,
            workers=self.options.workers,
            share=(self.processes.rank, self.processes.count),
            pinned=self.device.type == "cuda",
        )


def _decide(setting: _Setting, *, objective: PerceptualLoss, started: float) -> Plan:
    """Make the plan, which is the first process's for all."""
    config, options = setting.config, setting.options
    style_weight = config.style_weight
    if style_weight is None:
        assert config.intensity is not None
        style_weight = calibrate(
            config.intensity, objective=objective, crops=setting.photos.validation
        )

    def pace(plan: Plan) -> Pace:
        trial = setting.trainer(replace(plan, steps=TRIAL_STEPS), objective=objective)

        def look() -> None:
            trial.validate(setting.photos.validation)
            for photo in setting.photos.previews:
                trial.stylize(photo)

        measured = measure_pace(
            trial,
            batches=setting.batches(trial),
            crops=setting.crops,
            workers=options.workers,
            look=look,
        )
        return setting.processes.agree(measured)

    plan = make_plan(
        config,
        style_weight=style_weight,
        precision=choose_precision(config.precision, device=setting.device),
        processes=setting.processes.count,
        pace=pace,
        looks=PREVIEWS,
        elapsed=lambda: setting.processes.agree(time.monotonic() - started),
    )
    return setting.processes.agree(plan)


def _described(setting: _Setting, *, plan: Plan) -> str:
    together = f", {setting.processes.count} processes" if setting.processes.count > 1 else ""
    return (
        f"training on {setting.device.type} in {plan.precision}{together} with "
        f"{len(setting.photos.files.training)} photos: {plan.steps} steps of {plan.batch_size}, "
        f"style weight {plan.style_weight:.3g}"
    )


def _record(
    trainer: Trainer,
    setting: _Setting,
    *,
    out: Path,
    prints: dict[str, str],
    resume: Checkpoint | None,
) -> AbstractContextManager[RunRecord | None]:
    """Open the record, which only the first process keeps."""
    if not setting.processes.first:
        return nullcontext()
    return RunRecord(
        trainer,
        out=out,
        fingerprints=prints,
        photos=setting.photos.previews,
        aside=setting.photos.aside,
        validations=list(resume.validations) if resume is not None else [],
        seconds=resume.seconds if resume is not None else 0.0,
        board=Board(out / TENSORBOARD, step=trainer.step) if setting.options.tensorboard else None,
    )


class _Run:
    """The loop over the steps, and what is done between them."""

    def __init__(
        self,
        trainer: Trainer,
        record: RunRecord | None,
        meter: Meter,
        setting: _Setting,
        on_progress: Callable[[Progress], None],
        notice: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.trainer = trainer
        self.record = record
        self.setting = setting
        self.on_progress = on_progress
        self.notice = notice
        self.should_stop = should_stop
        self.meter = meter
        self.saved = trainer.plan
        self.unreadable: dict[str, None] = {}
        self.stopped = False
        self.retreats = 0

    @property
    def finished(self) -> bool:
        return self.trainer.step >= self.trainer.plan.steps

    def advance(self) -> bool:
        """Train to the end; False if the run has gone back and must be advanced again."""
        try:
            for crops, skipped in self.setting.batches(self.trainer):
                self.unreadable.update(dict.fromkeys(skipped))
                self._step(crops)
                if self.stopped or self.finished:
                    break
        except DivergenceError as error:
            self._go_back(error)
            return False
        return True

    def _step(self, crops: Tensor) -> None:
        trainer, options = self.trainer, self.setting.options
        losses = trainer.train_step(crops)
        self.stopped = self.setting.processes.any(self.should_stop())
        ends = self.finished or self.stopped
        saves = ends or trainer.step % options.checkpoint_every == 0
        reading = self.meter.take(losses, step=trainer.step, read=saves)
        if reading is not None and self.record is not None:
            self.record.read(reading)
        every = options.preview_every or math.ceil(trainer.plan.steps / PREVIEWS)
        if self.finished or trainer.step % every == 0:
            self._look()
        if saves:
            self.save()
        if self.record is not None:
            self.on_progress(
                Progress(step=trainer.step, steps=trainer.plan.steps, reading=self.meter.reading)
            )

    def save(self) -> None:
        """Write the checkpoint, unless the network has become useless."""
        if not finite(self.trainer.network):
            raise DivergenceError(f"a weight became NaN or infinite by step {self.trainer.step}")
        self.saved = self.trainer.plan
        if self.record is not None:
            self.record.save(lowest=self.meter.lowest)

    def _look(self) -> None:
        """Preview and validate, and end soon if the losses have become flat."""
        flat = False
        if self.record is not None:
            self.record.preview()
            self.record.validated(self.trainer.validate(self.setting.photos.validation))
            flat = is_flat(self.record.validations)
        ending = self.finished or self.trainer.plan.cooling_from is not None
        if self.setting.config.stop_when_flat and not ending and self.setting.processes.agree(flat):
            self.trainer.plan = cooled_down(self.trainer.plan, step=self.trainer.step)
            self.notice(
                f"flat at step {self.trainer.step}: ends after step {self.trainer.plan.steps}"
            )

    def _go_back(self, error: DivergenceError) -> None:
        """Return to the last checkpoint with half the learning rate.

        Raises:
            DivergenceError: that was tried several times already.
        """
        self.retreats += 1
        if self.retreats > RETREATS:
            raise DivergenceError(
                f"{error}, again after {RETREATS} returns to the last good checkpoint; "
                "start again with a lower --learning-rate or --intensity"
            ) from error
        last = None
        if self.record is not None:
            last = load_checkpoint(self.record.out / CHECKPOINT)
        last = self.setting.processes.agree(last)
        assert last is not None
        self.saved = replace(self.saved, learning_rate=self.saved.learning_rate / 2)
        rate = self.saved.learning_rate
        self.trainer.restore(last)
        self.trainer.plan = self.saved
        self.meter = Meter(self.setting.processes, lowest=last.lowest)
        if self.record is not None:
            self.record.rewind()
            self.record.validations[:] = last.validations
        self.notice(f"{error}: back to step {last.step} with half the learning rate, {rate:.2g}")
