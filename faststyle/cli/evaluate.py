"""``faststyle evaluate``."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from faststyle.cli.names import find_model
from faststyle.cli.options import add_models, add_overwrite, require_training_packages, words
from faststyle.cli.settings import VGG_WEIGHTS
from faststyle.cli.tables import name_files, print_table, printable
from faststyle.errors import DataError, OptionError
from faststyle.files import evenly_chosen, find_pictures, refuse_existing
from faststyle.images import save_picture
from faststyle.stylizer import Stylizer, load_file
from faststyle.training.config import (
    DEVICES,
    SMALLEST_CROP,
    RunOptions,
    TrainingConfig,
    flag,
    style_side,
)

if TYPE_CHECKING:
    from faststyle.training.evaluate import Evaluation, EvaluationSettings, Metric, Repaint
    from faststyle.training.vgg import VggFeatures

OUT = Path("evaluation")
TABLE = "evaluation.csv"
SHEET = "evaluation.png"
COMPARISON_TABLE = "against.csv"
COMPARISON_PLOT = "against.png"

PHOTO_SIDE = 256
STYLE_WEIGHT = 10.0
"""The same for all models, so that their totals can be compared."""

JUDGED_AS_TRAINED = ("stroke_size", "style_weight")
"""Settings by which a model had better be judged as it was trained."""

AS_SHOWN = 1e-3
"""Relative difference of two numbers that are shown alike."""

MODEL_DEVICE = "cpu"
"""Where models run: what they paint differs a little between devices."""

ITERATIONS = 100

METRICS = ("ssim", "lpips")

NAMED = 3
"""Unreadable photos that are named."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_models(parser)
    parser.add_argument("--style", type=Path, required=True, metavar="FILE", help="style picture")
    parser.add_argument(
        "--content", type=Path, required=True, metavar="DIR", help="folder of photos to repaint"
    )
    parser.add_argument(
        "--max-photos", type=int, metavar="N", help="take N of them, spread over the folder"
    )
    parser.add_argument(
        "--size",
        type=int,
        default=PHOTO_SIDE,
        metavar="PIXELS",
        help=f"shorter side that photos are scaled to (default: {PHOTO_SIDE})",
    )
    parser.add_argument(
        "--out", type=Path, default=OUT, metavar="DIR", help=f"folder to write (default: {OUT})"
    )
    parser.add_argument(
        "--metrics",
        type=words,
        default=(),
        metavar="NAMES",
        help="measure the likeness to the photo, too: ssim, lpips or both, "
        "which need  pip install '.[metrics]'",
    )
    parser.add_argument(
        "--against",
        choices=("optimize",),
        help="compare with L-BFGS on the same loss, for each photo, and draw a plot",
    )
    parser.add_argument(
        "--iterations",
        type=int,
        default=ITERATIONS,
        metavar="N",
        help=f"of L-BFGS, with --against (default: {ITERATIONS})",
    )
    add_overwrite(parser)
    _add_loss_options(parser.add_argument_group("losses"))


def _add_loss_options(group: argparse._ArgumentGroup) -> None:
    known = TrainingConfig
    for option, parse, default, metavar, text in (
        ("loss-network", str, known.loss_network, "NAME", "lite, vgg16 or vgg19"),
        ("vgg-weights", Path, None, "FILE", VGG_WEIGHTS),
        ("content-layers", words, known.content_layers, "NAMES", "layers of the content loss"),
        ("style-layers", words, known.style_layers, "NAMES", "layers of the style loss"),
        (
            *("stroke-size", float, known.stroke_size, "S"),
            "that of the models' training, from 1 to 10 (see faststyle info)",
        ),
        (
            *("style-weight", float, STYLE_WEIGHT, "X"),
            "weight of the style loss in the total, such as that of the models' training",
        ),
        ("device", str, RunOptions.device, "NAME", f"where to compute them: {', '.join(DEVICES)}"),
    ):
        shown = ",".join(default) if isinstance(default, tuple) else default
        group.add_argument(
            f"--{option}",
            type=parse,
            default=default,
            metavar=metavar,
            help=text if default is None else f"{text} (default: {shown})",
        )


def run(options: argparse.Namespace) -> int:
    """Judge the models, print a table, and write it with a contact sheet."""
    require_training_packages()
    _check(options)
    table, sheet = options.out / TABLE, options.out / SHEET
    comparison = [options.out / name for name in (COMPARISON_TABLE, COMPARISON_PLOT)]
    for path in (table, sheet, *(comparison if options.against else ())):
        refuse_existing(path, overwrite=options.overwrite)
    photos = _choose_photos(options.content, without=options.out, most=options.max_photos)
    models = _open_models(options.models)
    options.out.mkdir(parents=True, exist_ok=True)  # before minutes are spent
    # Only now, as torch takes seconds to import.
    from faststyle.training.device import choose_device
    from faststyle.training.evaluate import EvaluationSettings, draw_sheet, evaluate, write_csv
    from faststyle.training.vgg import load_vgg

    features = load_vgg(
        loss_network=options.loss_network,
        layers={*options.content_layers, *options.style_layers},
        weights=options.vgg_weights,
        on_notice=lambda text: print(text, file=sys.stderr),
    ).to(choose_device(options.device))
    settings = EvaluationSettings(
        content_layers=options.content_layers,
        style_layers=options.style_layers,
        style_side=style_side(options.stroke_size),
        photo_side=options.size,
        content_weight=TrainingConfig.content_weight,
        style_weight=options.style_weight,
        total_variation_weight=TrainingConfig.total_variation_weight,
    )
    metrics = _load_metrics(options.metrics)
    _say_what_differs(models, options)
    with tqdm(total=len(photos), unit="photo", disable=None) as bar:
        evaluation = evaluate(
            models,
            style=options.style,
            photos=photos,
            features=features,
            settings=settings,
            metrics=metrics,
            on_progress=bar.update,
        )
    write_csv(evaluation, table)
    save_picture(draw_sheet(evaluation, style=options.style), sheet, overwrite=options.overwrite)
    _print_table(evaluation)
    print(f"\n{len(photos) - len(evaluation.unreadable)} photos: {table}, {sheet}")
    _print_unreadable(evaluation.unreadable)
    if options.against:
        readable = [photo for photo in photos if photo not in evaluation.unreadable]
        _compare(
            models,
            style=options.style,
            photos=readable,
            features=features,
            settings=settings,
            iterations=options.iterations,
            files=comparison,
        )
    return 0


def _load_metrics(names: Sequence[str]) -> dict[str, Metric]:
    """Load those whose packages are installed, and say which are left out."""
    from faststyle.training.metrics import load_metric, missing_package

    metrics = {}
    for name in names:
        package = missing_package(name)
        if package is None:
            metrics[name] = load_metric(name)
        else:
            print(
                f"{name} is left out, as {package} is not installed; "
                "in the faststyle checkout, run  pip install '.[metrics]'",
                file=sys.stderr,
            )
    return metrics


def _say_what_differs(models: dict[str, Stylizer], options: argparse.Namespace) -> None:
    """Say which models of ours were trained with other settings than they are judged by."""
    for name, model in models.items():
        trained = {key: model.card.training.get(key) for key in JUDGED_AS_TRAINED}
        differing = {
            key: value
            for key, value in trained.items()
            if isinstance(value, (int, float))
            and not math.isclose(value, getattr(options, key), rel_tol=AS_SHOWN)
        }
        if differing:
            learnt = " ".join(f"{flag(key)} {value:.4g}" for key, value in differing.items())
            judged = " ".join(f"{flag(key)} {getattr(options, key):.4g}" for key in differing)
            print(
                printable(
                    f"{name}: trained with {learnt}, judged with {judged}; "
                    "give the former to judge it by what it learnt"
                ),
                file=sys.stderr,
            )


def _compare(
    models: Mapping[str, Repaint],
    *,
    style: Path,
    photos: Sequence[Path],
    features: VggFeatures,
    settings: EvaluationSettings,
    iterations: int,
    files: Sequence[Path],
) -> None:
    """Compare the models with optimization, and write a table and a plot."""
    from faststyle.training.against import compare, draw_comparison, write_comparison

    with tqdm(total=len(photos), unit="photo", disable=None) as bar:
        comparison = compare(
            models,
            style=style,
            photos=photos,
            features=features,
            settings=settings,
            iterations=iterations,
            painted_on=MODEL_DEVICE,
            on_progress=bar.update,
        )
    table, plot = files
    write_comparison(comparison, table)
    draw_comparison(comparison, plot)
    print(
        f"\nagainst {iterations} iterations of L-BFGS from the photo, "
        f"{comparison.devices}: {table}, {plot}"
    )
    for model in comparison.models:
        print(f"{model}: {comparison.describe(model)}")


def _check(options: argparse.Namespace) -> None:
    """Refuse values that make no sense, those of losses as training does."""
    TrainingConfig(
        style=str(options.style),
        content=str(options.content),
        loss_network=options.loss_network,
        vgg_weights=options.vgg_weights,
        content_layers=options.content_layers,
        style_layers=options.style_layers,
        stroke_size=options.stroke_size,
        style_weight=options.style_weight,
    )
    if options.size < SMALLEST_CROP:
        raise OptionError(f"--size must be at least {SMALLEST_CROP}")
    if options.iterations < 1:
        raise OptionError("--iterations must be at least 1")
    for name in options.metrics:
        if name not in METRICS:
            raise OptionError(f"no metric is called {name!r}: choose from {', '.join(METRICS)}")
    if options.max_photos is not None and options.max_photos < 1:
        raise OptionError("--max-photos must be at least 1")


def _choose_photos(folder: Path, *, without: Path, most: int | None) -> list[Path]:
    paths = sorted(find_pictures(folder, without=without))
    if not paths:
        raise DataError(f"{folder}: no folder with pictures; pass one of photos with --content")
    return evenly_chosen(paths, most=most or len(paths))


def _open_models(named: Sequence[str]) -> dict[str, Stylizer]:
    """Open each model once, by a name of its own."""
    files = name_files(map(find_model, named))
    return {name: load_file(path, device=MODEL_DEVICE) for name, path in files.items()}


def _print_unreadable(paths: Sequence[Path]) -> None:
    if paths:
        named = ", ".join(map(str, paths[:NAMED])) + (", …" if len(paths) > NAMED else "")
        print(f"{len(paths)} photos could not be read: {named}", file=sys.stderr)


def _print_table(evaluation: Evaluation) -> None:
    means = evaluation.means()
    rows = [["model", *evaluation.rows[0].losses]]
    for model, losses in means.items():
        rows.append([model, *(f"{loss:.4f}" for loss in losses.values())])
    print_table(rows)
