"""``faststyle styles``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

from tqdm import tqdm

from faststyle.cli.options import add_device, readable_size
from faststyle.cli.tables import table_lines
from faststyle.contract import ModelCard
from faststyle.gallery import int8_name, quality_name, style_names, style_path
from faststyle.stylizer import Stylizer, load_file
from faststyle.tiles import Pixels
from faststyle.timing import Size, draw_photo

SIZE = Size(1280, 720)
"""Of the picture that models are timed on."""

ROUNDS = 3
"""How often each is timed, after one run that is not: ``faststyle bench`` takes more care."""

HEADER = ("name", "licence", "size", "fps", "int8 size", "int8 fps")

UNKNOWN = "-"

OF_QUALITY = "The same style by a larger network, for prints"

INDENT = "    "


class _Model(NamedTuple):
    """What is shown of a model file."""

    card: ModelCard
    size: str
    speed: str
    """Frames per second."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--no-speed", action="store_true", help="list at once, and measure no frames per second"
    )
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Print the bundled styles: a line of figures for each, what it paints like, and its source."""
    styles = style_names()
    names = [name for style in styles for name in (style, quality_name(style)) if name is not None]
    files = [file for name in names for file in (name, int8_name(name)) if file is not None]
    photo = None if options.no_speed else draw_photo(SIZE)
    models = {
        file: _open(file, photo=photo, device=options.device, threads=options.threads)
        for file in tqdm(files, unit="model", leave=False, disable=options.no_speed or None)
    }
    header, *rows = table_lines([HEADER, *(_cells(name, models) for name in names)], left=2)
    print(header)
    for name, row in zip(names, rows, strict=True):
        says = _says(models[name].card) if name in styles else [OF_QUALITY]
        print(row, *(INDENT + line for line in says), sep="\n")
    if photo is not None:
        print(f"fps: pictures of {SIZE} in a second, here and now", file=sys.stderr)
    return 0


def _says(card: ModelCard) -> list[str]:
    """Return what a style paints like, and whose picture it was learnt from."""
    source = ", ".join(filter(None, (card.author, card.source)))
    return [line for line in (card.description, source) if line]


def _cells(name: str, models: Mapping[str, _Model]) -> list[str]:
    model = models[name]
    variant = int8_name(name)
    int8 = (UNKNOWN, UNKNOWN) if variant is None else models[variant][1:]
    return [name, model.card.license, *model[1:], *int8]


def _open(file: str, *, photo: Pixels | None, device: str, threads: int | None) -> _Model:
    path = style_path(file)
    stylizer = load_file(path, device=device, threads=threads)
    speed = UNKNOWN if photo is None else f"{1 / _seconds(stylizer, photo):.1f}"
    return _Model(stylizer.card, readable_size(path.stat().st_size), speed)


def _seconds(stylizer: Stylizer, photo: Pixels) -> float:
    """Return how long a picture takes."""
    stylizer(photo)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        stylizer(photo)
        times.append(time.perf_counter() - start)
    return median(times)
