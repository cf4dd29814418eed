"""Short runs over intensity and stroke size on one style, to choose from with the eyes."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

from PIL import Image

import faststyle
from faststyle.errors import ImageError, OptionError, TrainingError
from faststyle.files import whole_file
from faststyle.images import open_colors
from faststyle.training.checkpoint import Checkpoint, load_checkpoint
from faststyle.training.config import RunOptions, TrainingConfig, flag
from faststyle.training.data import find_photos
from faststyle.training.meter import Progress
from faststyle.training.outputs import occupied
from faststyle.training.record import CHECKPOINT, LOSSES, VALIDATION
from faststyle.training.run import MODEL, train
from faststyle.training.sheets import contact_sheet
from faststyle.training.start import decide_start

START = "start"
"""Folder of the network that all cells start from."""

START_SHARE = 1 / 3
"""Share of the time for it: strokes and colours are learnt once, not in every cell."""

SHEET = "sweep.png"
TABLE = "sweep.csv"

SHOWN_PHOTOS = 2
"""Photos on the sheet where none were named to preview; all that were are there."""

SHOWN_SIDE = 320

COMPARABLE = "losses compare within one stroke size only"
"""As each is measured by the style picture at a size of its own."""

STARTING = {
    "intensity": "the mean of --intensities",
    "stroke_size": "the mean of --stroke-sizes",
    "minutes": "a third of --minutes",
    "steps": "a third of --steps",
    "style": "the style picture",
}
"""What settings of the common network follow from, where it is not the option of their name."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One short run."""

    intensity: float
    stroke_size: float
    folder: Path
    style_weight: float
    """What the intensity was calibrated to."""
    losses: dict[str, float]
    """Losses on the photos kept aside, by the names of `LOSSES`."""


def sweep(
    config: TrainingConfig,
    *,
    intensities: Sequence[float],
    stroke_sizes: Sequence[float],
    out: Path,
    options: RunOptions,
    on_run: Callable[[str], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Cell] | None:
    """Train a network in the middle of the grid, and from there one for each cell.

    Writes the folder of a run for each cell, ``sweep.png`` and ``sweep.csv``. Runs that are
    in the folder already are continued, and finished ones are kept.

    Args:
        config: what to learn; its minutes or steps are those of the whole sweep, and its
            intensity and stroke size are not used.
        intensities: rows of the grid.
        stroke_sizes: columns of the grid.
        out: folder to write.
        options: how to carry out each run.
        on_run: called with the name of each run as it begins.
        on_progress: as in `train`.
        on_notice: as in `train`.
        should_stop: as in `train`.

    Returns:
        The cells, row by row; None when it was stopped.

    Raises:
        FaststyleError: as `train` does.
    """

    def carry_out(name: str, settings: TrainingConfig) -> bool:
        on_run(name)
        with occupied(out / name):
            resume = _found(out / name, settings)
            if resume is not None and (out / name / MODEL).exists():
                return True
            return train(
                settings if resume is None else resume.config,
                out=out / name,
                # Looked at once is enough, as each look takes as long as some steps.
                options=replace(options, preview_every=options.preview_every or settings.steps),
                resume=resume,
                without=out,
                on_progress=on_progress,
                on_notice=on_notice,
                should_stop=should_stop,
            ).finished

    grid = [
        replace(config, intensity=intensity, stroke_size=stroke)
        for intensity in intensities
        for stroke in stroke_sizes
    ]
    began = time.monotonic()
    if not carry_out(START, _start(config, intensities=intensities, stroke_sizes=stroke_sizes)):
        return None
    path = (out / START / CHECKPOINT).absolute()
    start = load_checkpoint(path)
    steps = _cell_steps(config, grid, out=out, start=start, seconds=time.monotonic() - began)
    for cell in grid:
        settings = replace(
            cell,
            start_from=str(path),
            steps=steps,
            minutes=None,
            batch_size=start.plan.batch_size,
        )
        if not carry_out(_name(cell), settings):
            return None
    cells = [_read_cell(out, cell) for cell in grid]
    try:
        _write_table(cells, out / TABLE)
        sheet = _draw(
            cells,
            painting=_read(Path(config.style)),
            photos=_shown(config, options, out=out),
            columns=len(stroke_sizes),
        )
        with whole_file(out / SHEET) as temporary:
            sheet.save(temporary, "PNG")
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written ({error.strerror})") from error
    return cells


def _start(
    config: TrainingConfig, *, intensities: Sequence[float], stroke_sizes: Sequence[float]
) -> TrainingConfig:
    """Configure the common network: the middle of the grid, for a share of the time."""
    return replace(
        config,
        intensity=sum(intensities) / len(intensities),
        stroke_size=sum(stroke_sizes) / len(stroke_sizes),
        minutes=None if config.minutes is None else config.minutes * START_SHARE,
        steps=None if config.steps is None else max(1, round(config.steps * START_SHARE)),
    )


def _cell_steps(
    config: TrainingConfig,
    grid: Sequence[TrainingConfig],
    *,
    out: Path,
    start: Checkpoint,
    seconds: float,
) -> int:
    """Share the steps or the time that are left among the cells.

    Args:
        config: what was asked of the whole sweep.
        grid: the cells.
        out: folder of the sweep.
        start: the common network.
        seconds: what it took to make it, if it was made just now.
    """
    if config.steps is not None:
        # Not of the start's plan, which is shorter where that run became flat.
        return max(1, round(config.steps * (1 - START_SHARE) / len(grid)))
    begun = out / _name(grid[0]) / CHECKPOINT
    steps = load_checkpoint(begun).config.steps if begun.exists() else None
    if steps is not None:  # of a sweep that was stopped
        return steps
    assert config.minutes is not None
    left = 60 * config.minutes - max(seconds, start.seconds)
    beside = max(0.0, seconds - start.seconds)  # what a run takes beside its steps
    return max(1, math.floor((left / len(grid) - beside) / start.seconds * start.plan.steps))


def _found(folder: Path, settings: TrainingConfig) -> Checkpoint | None:
    """Return the checkpoint of a run that is there already.

    Raises:
        OptionError: it was made with other settings.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    checkpoint = load_checkpoint(path)
    made = checkpoint.config
    if folder.name != START:  # cells start from there, wherever the sweep lies now
        made = replace(made, start_from=settings.start_from)
    asked = replace(settings, start_from=decide_start(settings))
    if made != asked:
        raise OptionError(
            f"{folder}: was made with other settings ({_differences(made, asked)}); repeat them "
            "to go on, or choose another folder with --out"
        )
    return checkpoint


def _differences(made: TrainingConfig, asked: TrainingConfig) -> str:
    """Name the settings that differ, with both values."""
    pairs = (
        (each.name, getattr(made, each.name), getattr(asked, each.name)) for each in fields(made)
    )
    return ", ".join(
        f"{STARTING.get(name, flag(name))} was {_shown_value(old)} and is {_shown_value(new)}"
        for name, old, new in pairs
        if old != new
    )


def _shown_value(value: object) -> str:
    if value is None or value == "":
        return "not given"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _name(cell: TrainingConfig) -> str:
    return f"intensity_{cell.intensity:g}_stroke_{cell.stroke_size:g}"


def _read_cell(out: Path, cell: TrainingConfig) -> Cell:
    assert cell.intensity is not None
    folder = out / _name(cell)
    path = folder / VALIDATION
    try:
        with open(path, newline="") as file:
            *_, last = csv.DictReader(file)
        losses = {name: float(last[name]) for name in LOSSES}
    except (OSError, csv.Error, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path}: missing or damaged; delete {folder} and repeat the sweep"
        ) from error
    return Cell(
        intensity=cell.intensity,
        stroke_size=cell.stroke_size,
        folder=folder,
        style_weight=load_checkpoint(folder / CHECKPOINT).plan.style_weight,
        losses=losses,
    )


def _write_table(cells: Sequence[Cell], path: Path) -> None:
    with whole_file(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["intensity", "stroke_size", "style_weight", *LOSSES, "folder"])
        for cell in cells:
            losses = [f"{cell.losses[name]:.6g}" for name in LOSSES]
            weight = f"{cell.style_weight:.6g}"
            writer.writerow([cell.intensity, cell.stroke_size, weight, *losses, cell.folder.name])


def _shown(config: TrainingConfig, options: RunOptions, *, out: Path) -> list[Image.Image]:
    paths = [Path(path) for path in options.preview]
    if not paths:
        paths = find_photos(Path(config.content), without=out).validation[:SHOWN_PHOTOS]
    photos = []
    for path in paths:
        with suppress(ImageError):  # the run has refused those it was given and cannot read
            photos.append(_read(path))
    return photos


def _read(path: Path) -> Image.Image:
    picture = open_colors(path)
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    return picture


def _draw(
    cells: Sequence[Cell],
    *,
    painting: Image.Image,
    photos: Sequence[Image.Image],
    columns: int,
) -> Image.Image:
    """Draw the painting, and beside the photos what each cell makes of them, with its losses."""
    pictures, captions = [], []
    for cell in cells:
        stylizer = faststyle.load(cell.folder / MODEL, device="cpu")
        pictures.append(_stacked([stylizer(photo) for photo in photos]))
        captions.append(f"content {cell.losses['content']:.3f}, style {cell.losses['style']:.4f}")
    starts = range(0, len(cells), columns)
    untouched = _stacked(photos)
    return contact_sheet(
        [
            [None if start else painting, untouched, *pictures[start : start + columns]]
            for start in starts
        ],
        column_labels=[
            *("painting", "photos"),
            *(f"stroke size {cell.stroke_size:g}" for cell in cells[:columns]),
        ],
        row_labels=[f"intensity {cell.intensity:g}" for cell in cells[::columns]],
        captions=[
            ["" if start else COMPARABLE, "", *captions[start : start + columns]]
            for start in starts
        ],
    )


def _stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    width = max((picture.width for picture in pictures), default=1)
    sheet = Image.new("RGB", (width, max(1, sum(picture.height for picture in pictures))), "white")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet
