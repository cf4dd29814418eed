"""``faststyle bench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from faststyle.benchmark import (
    ROUNDS,
    SIZES,
    Benchmark,
    Measurement,
    Model,
    Progress,
    benchmark,
    write_csv,
)
from faststyle.cli import INTERRUPTED
from faststyle.cli.names import find_model
from faststyle.cli.options import (
    add_device,
    add_models,
    add_overwrite,
    read_size,
    readable_size,
)
from faststyle.cli.tables import name_files, print_table, printable
from faststyle.errors import FaststyleError, ModelError
from faststyle.files import refuse_existing, try_folder
from faststyle.timing import Size

UNKNOWN = "-"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_models(parser)
    parser.add_argument(
        "--sizes",
        type=read_size,
        nargs="+",
        default=SIZES,
        metavar="WIDTHxHEIGHT",
        help=f"pictures to time, in pixels (default: {' '.join(map(str, SIZES))})",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=ROUNDS,
        metavar="N",
        help=f"how often each model is timed at each size (default: {ROUNDS})",
    )
    add_device(parser)
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the numbers here, too")
    add_overwrite(parser)


def run(options: argparse.Namespace) -> int:
    """Time the models and print tables; 1 if one could not be timed at every size."""
    if options.csv is not None:
        refuse_existing(options.csv, overwrite=options.overwrite)
        try_folder(options.csv.parent)
    paths, unknown = _find(options.models)
    bar: tqdm[Any]
    with tqdm(unit="step", disable=None) as bar:
        result = benchmark(
            name_files(paths),
            sizes=[Size(*sides) for sides in options.sizes],
            device=options.device,
            threads=options.threads,
            rounds=options.rounds,
            on_progress=lambda progress: _show(bar, progress),
        )
    if result.models:
        _print_models(result)
    if result.measurements:
        print()
        _print_measurements(result)
    failures = [*unknown, *result.failures]
    for failure in failures:
        print(f"faststyle: {printable(str(failure))}", file=sys.stderr)
    if options.csv is not None and result.measurements:
        write_csv(result, options.csv)
    if result.interrupted:
        print("faststyle: stopped; sizes that were not done are left out", file=sys.stderr)
        return INTERRUPTED
    return 1 if failures else 0


def _find(named: Sequence[str]) -> tuple[list[Path], list[FaststyleError]]:
    paths: dict[Path, Path] = {}
    unknown: list[FaststyleError] = []
    for name in named:
        try:
            path = find_model(name)
        except ModelError as error:
            unknown.append(error)
            continue
        if paths.setdefault(path.resolve(), path) is not path:
            print(f"faststyle: {printable(name)}: is named twice, and timed once", file=sys.stderr)
    return list(paths.values()), unknown


def _show(bar: tqdm[Any], progress: Progress) -> None:
    bar.total = progress.steps
    bar.set_description(str(progress.size), refresh=False)
    bar.update(progress.done - bar.n)


def _print_models(result: Benchmark) -> None:
    header = ["model", "file", "parameters", "pictures", "device", "threads"]
    threads = "one per core" if result.threads is None else str(result.threads)
    rows = [
        [
            model.name,
            readable_size(model.file_size),
            f"{model.parameters:,}",
            _pictures(model),
            model.device,
            threads,
        ]
        for model in result.models
    ]
    print_table([header, *rows])


def _pictures(model: Model) -> str:
    if model.width is None and model.height is None:
        return "any size"
    if model.height is None:
        return f"{model.width} wide only"
    if model.width is None:
        return f"{model.height} high only"
    return f"{model.width}x{model.height} only"


def _print_measurements(result: Benchmark) -> None:
    spread = ("min", "median", "max")
    times = [f"{unit} {name}" for unit in ("ms", "fps") for name in spread]
    header = ["size", "model", "GFLOP", *times, "memory", "ratio"]
    rows = [header, *map(_cells, result.measurements)]
    alone = len(result.models) == 1
    print_table([row[:-1] for row in rows] if alone else rows, left=2)


def _cells(measured: Measurement) -> list[str]:
    least, middle, most = measured.min_median_max()
    gflop, memory, ratio = measured.gflop, measured.cost.memory, measured.ratio
    return [
        str(measured.size),
        measured.model.name,
        UNKNOWN if gflop is None else f"{gflop:.2f}",
        *(f"{1e3 * seconds:.1f}" for seconds in (least, middle, most)),
        *(f"{1 / seconds:.1f}" for seconds in (most, middle, least)),
        UNKNOWN if memory is None else readable_size(memory),
        UNKNOWN if ratio is None else f"{ratio:.2f}",
    ]
