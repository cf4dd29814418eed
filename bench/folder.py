"""Measure how close a folder of photos comes to the speed of the model alone.

python bench/folder.py [--photos DIR] [--style wave | --model FILE] [--count 64] [--side 512]
    [--rounds 5] [--workers N]

Stylizes the same JPEGs of side×side pixels in three ways that take turns, each with all cores:

- model alone: pictures that lie in memory, one after another, nothing read or written;
- one at a time: read, stylize and write each photo before the next, as a plain script does;
- folder: what ``faststyle stylize FOLDER`` does;

and prints photos per second, medians over the rounds, and the ratios to the model alone. Without
--photos, the photos are soft blotches with some grain.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from faststyle.cli.studio import Machine, Studio
from faststyle.controls import Controls
from faststyle.files import find_pictures
from faststyle.images import open_colors
from faststyle.inputs import Naming, find_places, plan
from faststyle.stylize import FileOptions, stylize_files
from faststyle.stylizer import Stylizer, load

REPLACING = FileOptions(overwrite=True)


def make_photos(folder: Path, *, sources: Sequence[Path], count: int, side: int) -> None:
    """Write JPEGs of side×side pixels."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for index, source in enumerate(islice(cycle(sources or [None]), count)):
        if source is None:
            coarse = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            soft = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
            grain = draw.normal(0, 8, (side, side, 1))
            photo = Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8))
        else:
            photo = ImageOps.fit(open_colors(source), (side, side))
        photo.save(folder / f"{index}.jpg", quality=90)


def model_alone(stylizer: Stylizer, pictures: Sequence[NDArray[np.uint8]]) -> None:
    for picture in pictures:
        stylizer(picture)


def one_at_a_time(stylizer: Stylizer, photos: Path, results: Path) -> None:
    results.mkdir(exist_ok=True)
    for path in find_pictures(photos):
        with Image.open(path) as photo:
            stylized = stylizer(photo)
        stylized.save(results / path.name, quality=95, subsampling="4:4:4")


def folder(studio: Studio, photos: Path, results: Path) -> None:
    painter = studio.open()
    jobs = plan(find_places([str(photos)]), results, naming=Naming())
    for result in stylize_files(painter, jobs, options=REPLACING, workers=studio.workers()):
        assert result.error is None, result.error


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path)
    models = parser.add_mutually_exclusive_group()
    models.add_argument("--style", default="wave")
    models.add_argument("--model", type=Path)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    stylizer = load(options.model or options.style, device="cpu")
    machine = Machine(device="cpu", threads=None, workers=options.workers, memory=None)
    studio = Studio(
        style=None if options.model else options.style,
        model=str(options.model) if options.model else None,
        controls=Controls(),
        machine=machine,
    )
    with tempfile.TemporaryDirectory() as scratch:
        photos, results = Path(scratch) / "photos", Path(scratch) / "results"
        sources = sorted(find_pictures(options.photos)) if options.photos else []
        make_photos(photos, sources=sources, count=options.count, side=options.side)
        pictures = [np.asarray(open_colors(path)) for path in find_pictures(photos)]
        ways: dict[str, Callable[[], None]] = {
            "model alone": lambda: model_alone(stylizer, pictures),
            "one at a time": lambda: one_at_a_time(stylizer, photos, results),
            "folder": lambda: folder(studio, photos, results),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(options.rounds + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                if turn:  # the first round warms up
                    rates[name].append(options.count / (time.perf_counter() - start))
    alone = statistics.median(rates["model alone"])
    print(f"{options.count} JPEGs of {options.side}x{options.side}, {options.workers} workers")
    for name, found in rates.items():
        rate = statistics.median(found)
        spread = f"{min(found):.1f}-{max(found):.1f}"
        print(f"{name:14} {rate:6.1f} photos a second ({spread}), {rate / alone:.2f} of the model")


if __name__ == "__main__":
    main()
