"""Judging models: the losses of what they paint, on photos that are the same for all."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from faststyle.errors import DataError, ImageError, OptionError
from faststyle.images import open_colors
from faststyle.training.data import middle, read_style
from faststyle.training.device import enough_memory
from faststyle.training.logs import whole_table
from faststyle.training.losses import TotalVariationLoss, gram_matrix, relative_error
from faststyle.training.sheets import contact_sheet
from faststyle.training.vgg import VggFeatures

BASELINE = "unchanged photo"
"""Name of the row that a model must beat: each photo as it is, whose content loss is 0."""

MEAN = "mean"
"""What stands for the photo in a row of means."""

APPETITE = "--size or --stroke-size"
"""What judging takes less memory with, if lowered."""

SHEET_ROWS = 6
SHEET_SIDE = 384
"""Most pixels of a picture's longer side in the contact sheet."""

Pixels = NDArray[np.uint8]
Repaint = Callable[[Pixels], Pixels]
"""What is judged: turns a uint8 H×W×3 picture into one of the same shape."""

Metric = Callable[[Pixels, Pixels], float]
"""Compares a picture with its photo, uint8 H×W×3 of one shape."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What models are judged by."""

    content_layers: tuple[str, ...]
    """Layers of the content loss, all weighed alike."""
    style_layers: tuple[str, ...]
    """Layers of the style loss, all weighed alike."""
    style_side: int
    """Shorter side of the style picture, in pixels."""
    photo_side: int
    """Shorter side that photos are scaled to, in pixels."""
    content_weight: float
    """Weight of the content loss in the total."""
    style_weight: float
    """Weight of the style loss in the total."""
    total_variation_weight: float
    """Weight of the total variation in the total."""


class Row(NamedTuple):
    """The losses of one model on one photo."""

    model: str
    photo: Path
    losses: dict[str, float]
    """By column: content, style, total_variation, total, each layer of both, such as
    ``content relu3_2``, and each metric."""


@dataclass(frozen=True)
class Evaluation:
    """What came out of `evaluate`."""

    rows: tuple[Row, ...]
    """Photo after photo, each with all models in their order, the unchanged photo first."""
    unreadable: tuple[Path, ...]
    """Photos that were left out."""
    pictures: tuple[Pixels, ...]
    """What the models made of the first photos, in the order of the rows."""

    def means(self) -> dict[str, dict[str, float]]:
        """Average the losses of each model over the photos: by model, then by column."""
        losses: dict[str, list[dict[str, float]]] = {}
        for row in self.rows:
            losses.setdefault(row.model, []).append(row.losses)
        return {
            model: {column: fmean(row[column] for row in rows) for column in rows[0]}
            for model, rows in losses.items()
        }


def evaluate(
    models: Mapping[str, Repaint],
    *,
    style: Path,
    photos: Sequence[Path],
    features: VggFeatures,
    settings: EvaluationSettings,
    metrics: Mapping[str, Metric] | None = None,
    on_progress: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Compute the losses of models on photos, and those of the photos themselves.

    Args:
        models: what to judge, by name.
        style: the style picture.
        photos: picture files; unreadable ones are left out.
        features: loss network that returns all the layers of the settings; the losses are
            computed where it lies.
        settings: layers, sizes and weights.
        metrics: further measures of how like the photo a picture is, by name.
        on_progress: called after each photo.

    Raises:
        OptionError: a model has the name of the unchanged photos.
        ImageError: the style cannot be read, or a model cannot repaint a photo.
        DataError: no photo can be read, or the style picture is of no use.
        TrainingError: the memory does not suffice.
    """
    if BASELINE in models:
        raise OptionError(f"{BASELINE!r} is not free as the name of a model; rename the file")
    repaints = {BASELINE: _unchanged, **models}
    rows: list[Row] = []
    unreadable: list[Path] = []
    pictures: list[Pixels] = []
    with torch.no_grad(), exact(), enough_memory(APPETITE):
        judge = _Judge(features, style=style, settings=settings)
        for path in photos:
            try:
                photo = read_pixels(path, side=settings.photo_side)
            except ImageError:
                unreadable.append(path)
            else:
                painted = [_painted(repaint, photo, path=path) for repaint in repaints.values()]
                losses = [
                    {**terms, **_measured(metrics or {}, picture, photo=photo)}
                    for terms, picture in zip(
                        judge.losses(painted, photo=photo), painted, strict=True
                    )
                ]
                rows.extend(map(Row, repaints, [path] * len(repaints), losses))
                if len(pictures) < SHEET_ROWS * len(repaints):
                    pictures.extend(painted)
            on_progress()
    if not rows:
        raise DataError("none of the photos can be read; check the folder given by --content")
    return Evaluation(tuple(rows), tuple(unreadable), tuple(pictures))


class _Judge:
    """The losses against one style, whose Gram matrices are computed once."""

    def __init__(self, features: VggFeatures, *, style: Path, settings: EvaluationSettings) -> None:
        self.features = features
        self.settings = settings
        self.device = features.mean.device
        self.total_variation = TotalVariationLoss()
        target = features(read_style(style, size=settings.style_side).to(self.device))
        self.grams = {name: gram_matrix(target[name]) for name in settings.style_layers}

    def losses(self, painted: Sequence[Pixels], *, photo: Pixels) -> list[dict[str, float]]:
        """Return the losses of some versions of a photo by column."""
        target = self.features(as_tensor(photo, device=self.device))
        return [
            # The features of the unchanged photo are known already.
            self._losses(picture, target if picture is photo else None, target=target)
            for picture in painted
        ]

    def _losses(
        self, picture: Pixels, found: Mapping[str, Tensor] | None, *, target: Mapping[str, Tensor]
    ) -> dict[str, float]:
        image = as_tensor(picture, device=self.device)
        found = self.features(image) if found is None else found
        content = {
            f"content {name}": relative_error(found[name], target[name]).item()
            for name in self.settings.content_layers
        }
        style = {
            f"style {name}": relative_error(gram_matrix(found[name]), gram).item()
            for name, gram in self.grams.items()
        }
        terms = {
            "content": fmean(content.values()),
            "style": fmean(style.values()),
            "total_variation": self.total_variation(image).item(),
        }
        total = sum(getattr(self.settings, f"{name}_weight") * terms[name] for name in terms)
        return {**terms, "total": total, **content, **style}


def as_tensor(picture: Pixels, *, device: torch.device) -> Tensor:
    """Turn uint8 H×W×3 into float 1×3×H×W in [0, 1]."""
    return torch.tensor(picture, device=device).permute(2, 0, 1)[None].float() / 255


def exact() -> AbstractContextManager[None]:
    """Make NVIDIA GPUs convolve in float32, not TensorFloat-32, and each time alike."""
    context: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return context


def _measured(metrics: Mapping[str, Metric], picture: Pixels, *, photo: Pixels) -> dict[str, float]:
    return {name: metric(picture, photo) for name, metric in metrics.items()}


def _unchanged(photo: Pixels) -> Pixels:
    return photo


def read_pixels(path: Path, *, side: int) -> Pixels:
    """Read a photo with its shorter side scaled to so many pixels, uint8 H×W×3.

    Of a long one, its `faststyle.training.data.middle` is taken.

    Raises:
        ImageError: the file cannot be read.
    """
    photo = middle(open_colors(path))
    scaled = ImageOps.scale(photo, side / min(photo.size), Image.Resampling.LANCZOS)
    return np.asarray(scaled, np.uint8)


def _painted(repaint: Repaint, photo: Pixels, *, path: Path) -> Pixels:
    try:
        return repaint(photo)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def write_csv(evaluation: Evaluation, path: Path) -> None:
    """Write one line for each model and photo, and one for the mean of each model.

    Raises:
        TrainingError: the file cannot be written.
    """
    with whole_table(path) as file:
        writer = csv.writer(file)
        writer.writerow(["model", "photo", *evaluation.rows[0].losses])
        for row in evaluation.rows:
            writer.writerow([row.model, row.photo, *_written(row.losses)])
        for model, losses in evaluation.means().items():
            writer.writerow([model, MEAN, *_written(losses)])


def _written(losses: Mapping[str, float]) -> list[str]:
    return [f"{loss:.6g}" for loss in losses.values()]


def draw_sheet(evaluation: Evaluation, *, style: Path) -> Image.Image:
    """Draw the style, and the first photos as they are and as each model repaints them.

    Raises:
        ImageError: the style picture cannot be read.
    """
    models = list(evaluation.means())
    shown = list(zip(evaluation.rows, map(Image.fromarray, evaluation.pictures), strict=False))
    lines = [shown[start : start + len(models)] for start in range(0, len(shown), len(models))]
    styles = [_small(open_colors(style)), *[None] * (len(lines) - 1)]
    return contact_sheet(
        [
            [first, *(_small(picture) for _, picture in line)]
            for first, line in zip(styles, lines, strict=True)
        ],
        column_labels=["style", *models],
        row_labels=[line[0][0].photo.stem for line in lines],
        captions=[["", *(_caption(row) for row, _ in line)] for line in lines],
    )


def _small(picture: Image.Image) -> Image.Image:
    factor = min(1, SHEET_SIDE / max(picture.size))
    return ImageOps.scale(picture, factor, Image.Resampling.LANCZOS)


def _caption(row: Row) -> str:
    return f"content {row.losses['content']:.3f}\nstyle {row.losses['style']:.4f}"
