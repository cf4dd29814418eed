"""The loop that makes a picture by optimization, from a small copy to its full size."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from faststyle.errors import CheckpointError, DataError, FaststyleError
from faststyle.formats import picture_format
from faststyle.images import save_picture
from faststyle.training.config import SMALLEST_CROP
from faststyle.training.conventions import RELATIVE
from faststyle.training.image_optimizer import ImageOptimizer, Objective
from faststyle.training.logs import open_log, write_row, writing
from faststyle.training.losses import Losses
from faststyle.training.meter import Progress, Reading
from faststyle.training.synthesis_config import SynthesisConfig, SynthesisOptions
from faststyle.training.synthesis_state import SynthesisState, load_state, require_same, save_state
from faststyle.training.vgg import BLOCKS, LITE

COLUMNS = ("step", *Losses._fields, "seconds", "width", "height")


class Size(NamedTuple):
    """A picture's size in pixels."""

    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """A picture to make, at sizes from small to large."""

    sizes: tuple[Size, ...]
    objective: Callable[[Size], Objective]
    """Builds what to minimize at a size."""
    start: Callable[[Size], Tensor]
    """Makes the picture to start from, float 1×3×H×W in [0, 1]."""
    wrap: bool = False
    """Whether opposite borders of the picture are neighbours."""


@dataclass(frozen=True, kw_only=True)
class SynthesisResult:
    """How an optimization ended."""

    finished: bool
    """False when it was asked to stop before its last step."""
    step: int
    """Steps done at all sizes."""
    losses: Losses
    """Of the picture as it is."""
    seconds: float
    """Time taken, earlier parts included."""


class Files(NamedTuple):
    """What an optimization writes, all named after its result."""

    result: Path
    log: Path
    """CSV of the losses by step."""
    state: Path
    """What a resumed optimization goes on from; removed when the result is there."""
    previews: Path
    """Folder of the picture every so many steps."""


def files_beside(result: Path) -> Files:
    """Name the files of an optimization."""
    log, state, previews = (
        result.with_name(f"{result.stem}{ending}") for ending in (".csv", ".state.pt", "_previews")
    )
    return Files(result, log, state, previews)


def coarse_to_fine(size: Size, *, scales: int) -> tuple[Size, ...]:
    """Halve a size so often that there are so many sizes, as long as enough is left.

    Raises:
        DataError: the size itself is too small for the loss network.
    """
    if min(size) < SMALLEST_CROP:
        raise DataError(
            f"{size.width}×{size.height} pixels are too few to compare pictures by; "
            f"the shorter side must be at least {SMALLEST_CROP}"
        )
    sizes = [
        Size(*(max(1, round(side / 2**halvings)) for side in size)) for halvings in range(scales)
    ]
    return tuple(each for each in reversed(sizes) if min(each) >= SMALLEST_CROP)


def noise(size: Size, *, seed: int) -> Tensor:
    """Draw white noise around grey, float 1×3×H×W in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return (0.5 + 0.25 * torch.randn(1, 3, *size, generator=generator)).clamp(0, 1)


def synthesize(
    task: Task,
    config: SynthesisConfig,
    *,
    out: Path,
    device: torch.device,
    options: SynthesisOptions,
    fingerprints: dict[str, str],
    resume: SynthesisState | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SynthesisResult:
    """Make a picture by optimization, with a log, previews and a state to resume from.

    Args:
        task: what to make.
        config: how.
        out: picture to write, of the format of its ending; the other files lie beside it.
        device: where to compute.
        options: how to carry it out.
        fingerprints: of what it is made from, for the state.
        resume: state to continue from.
        on_progress: called after every step.
        should_stop: asked after every step; if it says yes, the state is saved and the loop ends.

    Raises:
        DivergenceError: the losses are not finite.
        CheckpointError: the state does not fit, or cannot be written.
        TrainingError: a log cannot be written.
        ImageError: a picture cannot be written.
    """
    picture_format(out)  # before minutes are spent
    files = files_beside(out)
    if resume is None:
        with writing(files.state):
            files.state.unlink(missing_ok=True)  # or this could be resumed as an older one
    run = _Run(task, config, device, options, fingerprints, files, resume)
    with open_log(files.log, columns=COLUMNS, step=run.step) as log:
        if not run.step:
            run.note(run.optimizer.losses, log=log)
        while not run.finished:
            run.advance(log)
            on_progress(Progress(step=run.step, steps=run.steps, reading=run.reading))
            if not run.finished and should_stop():
                run.save()
                break
    losses = run.optimizer.losses
    if run.finished:
        run.finish()
    return SynthesisResult(finished=run.finished, step=run.step, losses=losses, seconds=run.seconds)


class _Run:
    """The steps at all sizes, and what is written between them."""

    def __init__(
        self,
        task: Task,
        config: SynthesisConfig,
        device: torch.device,
        options: SynthesisOptions,
        fingerprints: dict[str, str],
        files: Files,
        resume: SynthesisState | None,
    ) -> None:
        self.task = task
        self.config = config
        self.device = device
        self.options = options
        self.fingerprints = fingerprints
        self.files = files
        self.steps = config.steps * len(task.sizes)
        self.step = 0 if resume is None else resume.step
        self.started = time.monotonic() - (0.0 if resume is None else resume.seconds)
        self.reading: Reading | None = None
        # The state of a finished size is of that size, so its last step belongs to it.
        scale = max(self.step - 1, 0) // config.steps
        self.optimizer = self._at(scale, picture=task.start(task.sizes[scale]))
        if resume is not None:
            self.optimizer.load_state_dict(resume.optimizer)

    @property
    def finished(self) -> bool:
        return self.step >= self.steps

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def picture(self) -> Image.Image:
        pixels = (self.optimizer.picture[0] * 255).round().byte().cpu()
        return Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))

    def advance(self, log: TextIO) -> None:
        """Take a step, and write what is due."""
        if self.step and self.step % self.config.steps == 0:
            scale = self.step // self.config.steps
            larger = resized(self.optimizer.picture, self.task.sizes[scale], wrap=self.task.wrap)
            self.optimizer = self._at(scale, picture=larger)
        losses = self.optimizer.step()
        self.step += 1
        self.note(losses, log=log)
        if self.step % self.options.preview_every == 0 and not self.finished:
            name = f"step_{self.step:06d}.png"
            save_picture(self.picture, self.files.previews / name, overwrite=True)
            self.save()

    def note(self, losses: Losses, *, log: TextIO) -> None:
        """Write the losses at this step."""
        values = [float(term) for term in losses]
        self.reading = Reading(self.step, *values)
        height, width = self.optimizer.picture.shape[2:]
        write_row(log, self.step, [*values, self.seconds, width, height])

    def save(self) -> None:
        """Write the state."""
        state = SynthesisState(
            config=self.config.to_dict(),
            fingerprints=self.fingerprints,
            step=self.step,
            optimizer=self.optimizer.state_dict(),
            seconds=self.seconds,
        )
        save_state(state, self.files.state)

    def finish(self) -> None:
        """Write the picture, in place of the state; if that fails, the state."""
        try:
            save_picture(self.picture, self.files.result, overwrite=True)
        except FaststyleError:
            with suppress(CheckpointError):  # of an error that is likely the same
                self.save()
            raise
        with writing(self.files.state):
            self.files.state.unlink(missing_ok=True)

    def _at(self, scale: int, *, picture: Tensor) -> ImageOptimizer:
        return ImageOptimizer(
            picture.to(self.device),
            self.task.objective(self.task.sizes[scale]),
            optimizer=self.config.optimizer,
            learning_rate=self.config.learning_rate,
        )


def resized(picture: Tensor, size: Size, *, wrap: bool = False) -> Tensor:
    """Scale a picture, float 1×3×H×W in [0, 1].

    Args:
        picture: what to scale.
        size: the result's.
        wrap: take opposite borders for neighbours, so that a picture that tiles still does. What
            does not fit together at one size stays so at the next, where nothing smooths it.
    """
    if wrap:
        # The middle one of nine copies: it lies on whole pixels at any two sizes.
        height, width = picture.shape[2:]
        tiled = functional.pad(picture, (width, width, height, height), mode="circular")
        larger = resized(tiled, Size(3 * size.height, 3 * size.width))
        return larger[..., size.height : -size.height, size.width : -size.width]
    return functional.interpolate(picture, size, mode="bicubic", antialias=True).clamp(0, 1)


def scaled(picture: Image.Image, size: Size) -> Tensor:
    """Scale a picture to a size, float 1×3×H×W in [0, 1]."""
    pixels = np.asarray(picture.resize((size.width, size.height), Image.Resampling.LANCZOS))
    return torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255


def size_of(picture: Image.Image, *, longer_side: float) -> Size:
    """Return a picture's size at a longer side, in pixels."""
    factor = longer_side / max(picture.size)
    return Size(*(max(1, round(side * factor)) for side in (picture.height, picture.width)))


def style_size(style: Image.Image, *, longer_side: float) -> Size:
    """Return a style picture's size at a longer side, or what compares pictures at the least.

    Of less, the deepest layers of a loss network are left with one position, or none.
    """
    least = SMALLEST_CROP * max(style.size) / min(style.size)
    return size_of(style, longer_side=max(longer_side, least))


def say_whose_weights(config: SynthesisConfig, *, on_notice: Callable[[str], None]) -> None:
    """Say so where published weights meet another loss network than those they were found for."""
    if config.loss_network == LITE and config.published is not RELATIVE:
        published = " and ".join(name for name in BLOCKS if name != LITE)
        on_notice(
            f"--convention {config.convention}: its weights were published for {published}, and "
            f"mean something else with {LITE}; name one of those with --loss-network"
        )


def saved_state(out: Path, config: SynthesisConfig, *, prints: dict[str, str]) -> SynthesisState:
    """Read the state beside a result, which must be of the same settings and files.

    Raises:
        CheckpointError: there is none, it is damaged, or was made from other files.
        OptionError: it was made with other settings.
    """
    state = load_state(files_beside(out).state)
    require_same(state, config, prints=prints)
    return state
