"""Networks beside per-image optimization, by loss and time (Johnson et al. 2016, figure 5)."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

import torch

from faststyle.errors import DataError, ImageError
from faststyle.files import whole_file
from faststyle.training.data import read_style
from faststyle.training.device import enough_memory
from faststyle.training.evaluate import (
    APPETITE,
    EvaluationSettings,
    Pixels,
    Repaint,
    as_tensor,
    exact,
    read_pixels,
)
from faststyle.training.image_optimizer import ImageOptimizer
from faststyle.training.logs import whole_table, writing
from faststyle.training.losses import PerceptualLoss
from faststyle.training.optimize import against
from faststyle.training.vgg import VggFeatures

REFERENCE = "L-BFGS"

TIMED = 5
"""Times that a model repaints a photo to time it, of which the median counts."""


class Forward(NamedTuple):
    """What one forward pass of a model makes of one photo."""

    total: float
    """Total loss."""
    seconds: float


class Iteration(NamedTuple):
    """The state of an optimization after a number of iterations."""

    total: float
    """Total loss."""
    seconds: float
    """Since it began."""


@dataclass(frozen=True)
class PhotoComparison:
    """One photo repainted by models and by optimization."""

    photo: Path
    models: dict[str, Forward]
    iterations: tuple[Iteration, ...]
    """The first is the photo itself, before any iteration."""


class Match(NamedTuple):
    """What one forward pass is worth; medians over the photos where the loss was reached."""

    reached: int
    """Photos on which optimization came to the model's loss at all."""
    iterations: float
    speed_ratio: float
    """Time of the optimization until there, over that of the forward pass."""


@dataclass(frozen=True)
class Comparison:
    """What came out of `compare`."""

    photos: tuple[PhotoComparison, ...]
    unreadable: tuple[Path, ...]
    optimized_on: str
    """The device of the optimization."""
    painted_on: str
    """The device of the models."""

    @property
    def devices(self) -> str:
        """Where both ran, as times are those of machines, too."""
        if self.optimized_on == self.painted_on:
            return f"both on {self.optimized_on}"
        return f"{REFERENCE} on {self.optimized_on}, models on {self.painted_on}"

    @property
    def models(self) -> list[str]:
        """The names of the models."""
        return list(self.photos[0].models)

    def mean_total(self, model: str) -> float:
        """Average a model's loss over the photos."""
        return fmean(each.models[model].total for each in self.photos)

    def median_seconds(self, model: str) -> float:
        """Return the median time of a model's forward pass."""
        return median(each.models[model].seconds for each in self.photos)

    def mean_curve(self) -> list[Iteration]:
        """Average the optimization over the photos, iteration by iteration."""
        return [
            Iteration(fmean(each.total for each in column), fmean(each.seconds for each in column))
            for column in zip(*(photo.iterations for photo in self.photos), strict=True)
        ]

    def describe(self, model: str) -> str:
        """Say in a line what one forward pass of a model is worth."""
        forward = (
            f"total {self.mean_total(model):.3f} in {1000 * self.median_seconds(model):.1f} ms"
        )
        match = self.match(model)
        if match is None:
            return f"{forward}, which no optimization reached"
        return (
            f"{forward}, worth {match.iterations:g} iterations at {match.speed_ratio:.0f} times "
            f"the speed (median of the {match.reached} of {len(self.photos)} photos where "
            "optimization came to its loss)"
        )

    def match(self, model: str) -> Match | None:
        """Find what one forward pass is worth; None if no optimization came to its loss."""
        found = [
            (count, iteration.seconds / photo.models[model].seconds)
            for photo in self.photos
            for count, iteration in _first_below(photo, photo.models[model].total)
        ]
        if not found:
            return None
        counts, ratios = zip(*found, strict=True)
        return Match(len(found), median(counts), median(ratios))


def compare(
    models: Mapping[str, Repaint],
    *,
    style: Path,
    photos: Sequence[Path],
    features: VggFeatures,
    settings: EvaluationSettings,
    iterations: int,
    painted_on: str,
    on_progress: Callable[[], object] = lambda: None,
) -> Comparison:
    """Repaint photos by models and by L-BFGS on the same loss, which starts from the photo.

    Args:
        models: what to compare, by name.
        style: the style picture.
        photos: picture files; unreadable ones are left out.
        features: loss network that returns all the layers of the settings.
        settings: layers, sizes and weights.
        iterations: of L-BFGS for each photo.
        painted_on: the device that the models run on; L-BFGS runs where the features lie.
        on_progress: called after each photo.

    Raises:
        ImageError: the style cannot be read, or a model cannot repaint a photo.
        DataError: no photo can be read, or the style picture is of no use.
        DivergenceError: the losses are not finite.
    """
    device = features.mean.device
    compared: list[PhotoComparison] = []
    unreadable: list[Path] = []
    with exact(), enough_memory(APPETITE):
        loss = PerceptualLoss(
            features,
            read_style(style, size=settings.style_side).to(device),
            content_layers=settings.content_layers,
            style_layers=settings.style_layers,
            style_layer_weights=(1.0,) * len(settings.style_layers),
            content_weight=settings.content_weight,
            style_weight=settings.style_weight,
            total_variation_weight=settings.total_variation_weight,
        ).to(device)
        for path in photos:
            try:
                photo = read_pixels(path, side=settings.photo_side)
            except ImageError:
                unreadable.append(path)
            else:
                compared.append(_compared(models, photo, path, loss=loss, iterations=iterations))
            on_progress()
    if not compared:
        raise DataError("none of the photos can be read; check the folder given by --content")
    return Comparison(
        tuple(compared), tuple(unreadable), optimized_on=device.type, painted_on=painted_on
    )


def _compared(
    models: Mapping[str, Repaint],
    photo: Pixels,
    path: Path,
    *,
    loss: PerceptualLoss,
    iterations: int,
) -> PhotoComparison:
    device = loss.features.mean.device
    pixels = as_tensor(photo, device=device)
    objective = against(loss, photo=pixels)
    forwards: dict[str, Forward] = {}
    for name, repaint in models.items():
        painted = repaint(photo)  # also whatever takes longer the first time
        seconds = median(_timed(partial(repaint, photo)) for _ in range(TIMED))
        with torch.no_grad():
            total = objective(as_tensor(painted, device=device)).total.item()
        forwards[name] = Forward(total, seconds)
    optimizer = ImageOptimizer(pixels, objective, optimizer="lbfgs", learning_rate=1.0)
    curve = [Iteration(optimizer.losses.total.item(), 0.0)]
    started = time.monotonic()
    for _ in range(iterations):
        total = optimizer.step().total.item()
        curve.append(Iteration(total, time.monotonic() - started))
    return PhotoComparison(path, forwards, tuple(curve))


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _first_below(photo: PhotoComparison, total: float) -> list[tuple[int, Iteration]]:
    """Find the first iteration of a loss no higher, if there is one."""
    return next(
        (
            [(count, iteration)]
            for count, iteration in enumerate(photo.iterations)
            if iteration.total <= total and count
        ),
        [],
    )


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write one line for each photo and model, and one for each photo and iteration.

    Raises:
        TrainingError: the file cannot be written.
    """
    with whole_table(path) as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "method", "iteration", "total", "seconds"])
        for photo in comparison.photos:
            for name, forward in photo.models.items():
                writer.writerow([photo.photo, name, "", *_written(forward)])
            for count, iteration in enumerate(photo.iterations):
                writer.writerow([photo.photo, REFERENCE, count, *_written(iteration)])


def _written(values: Forward | Iteration) -> list[str]:
    return [f"{value:.6g}" for value in values]


def draw_comparison(comparison: Comparison, path: Path) -> None:
    """Draw the loss of L-BFGS by iteration and by time, beside what each model reaches.

    Raises:
        TrainingError: the picture cannot be written.
    """
    from matplotlib.figure import Figure  # only now, as it takes long to import

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    by_iteration, by_time = figure.subplots(1, 2, sharey=True)
    for photo in comparison.photos:
        totals = [each.total for each in photo.iterations]
        by_iteration.plot(totals, color="tab:gray", alpha=0.25, linewidth=0.8)
    curve = comparison.mean_curve()
    mean = [each.total for each in curve]
    label = f"{REFERENCE} from the photo, mean of {len(comparison.photos)}"
    by_iteration.plot(mean, color="black", label=label)
    by_time.plot([each.seconds for each in curve[1:]], mean[1:], color="black", label=label)
    for place, model in enumerate(comparison.models):
        color, total = f"C{place}", comparison.mean_total(model)
        by_iteration.axhline(total, color=color, linestyle="--", label=_legend(comparison, model))
        by_time.axhline(total, color=color, linestyle="--", linewidth=0.8)
        by_time.plot(comparison.median_seconds(model), total, "o", color=color, label=model)
    by_iteration.set_xlabel("iteration")
    by_iteration.set_ylabel("total loss")
    by_time.set_xlabel(f"seconds ({comparison.devices})")
    by_time.set_xscale("log")
    for panel in (by_iteration, by_time):
        panel.set_yscale("log")
        panel.grid(alpha=0.3, which="both")
        panel.legend(fontsize=8)
    with writing(path), whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _legend(comparison: Comparison, model: str) -> str:
    match = comparison.match(model)
    if match is None:
        return f"{model}: not reached"
    return f"{model}: {match.iterations:g} iterations, {match.speed_ratio:.0f} times as fast"
