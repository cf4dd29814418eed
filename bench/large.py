"""Measure what a very large photo takes, and how tiles differ from the picture painted whole.

Needs Linux.

python bench/large.py [--photo FILE] [--models wave FILE ...] [--megapixels 100] [--memory 1GB]
    [--seams 1800x1200] [--side 512]

For each model it prints the peak memory and time of ``faststyle stylize --memory`` on a JPEG of so
many megapixels, and then, at the size of --seams, where the whole can be painted at once: the mean
difference of tiles of side×side pixels from it and its 99th percentile, in levels of 255, and by
how much the step across any row or column between tiles exceeds that of the whole. Without
--photo, the photo is soft blotches with some grain.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.controls import Controls
from faststyle.images import open_colors
from faststyle.painter import Painter, Weighted
from faststyle.stylizer import load

PLENTY = 2**40

RUN = """
import sys
from faststyle.cli import main
status = main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
raise SystemExit(status)
"""
"""Prints the peak memory in kilobytes of 1,024 bytes, as Linux counts it."""


def make_photo(photo: Path | None, *, width: int, height: int) -> Image.Image:
    if photo is not None:
        return open_colors(photo).resize((width, height), Image.Resampling.BICUBIC)
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (12, 18, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = Image.fromarray(draw.integers(0, 256, (512, 512, 3), dtype=np.uint8))
    for top in range(0, height, 512):
        for left in range(0, width, 512):
            box = (left, top, min(width, left + 512), min(height, top + 512))
            patch = grain.crop((0, 0, box[2] - left, box[3] - top))
            picture.paste(Image.blend(picture.crop(box), patch, 0.1), box)
    return picture


def measure_large(model: str, photo: Path, result: Path, *, memory: str) -> str:
    """Stylize a photo in a process of its own; return its peak memory and time."""
    named = ["--model" if model.endswith(".onnx") else "--style", model]
    arguments = ["stylize", str(photo), "-o", str(result), *named, "--memory", memory]
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", RUN, *arguments, "--device", "cpu", "--overwrite"],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - start
    return f"{1024 * int(run.stdout) / 1e6:.0f} MB at most, {seconds:.0f} s"


def measure_seams(model: str, photo: Image.Image, *, side: int) -> str:
    """Compare tiles with the whole."""
    style = load(model, device="cpu")
    painter = Painter([Weighted(style, 1)], controls=Controls(), memory=PLENTY)
    whole, tiled = (
        np.asarray(painter(photo.copy(), side=each)).astype(np.int16) for each in (None, side)
    )
    difference = np.abs(tiled - whole)
    excess = max((_steps(tiled, axis) - _steps(whole, axis)).max() for axis in (0, 1))
    return (
        f"{difference.mean():.3f} levels on average, {np.percentile(difference, 99):.0f} at the "
        f"99th percentile; steps between rows or columns at most {excess:.2f} above the whole's"
    )


def _steps(picture: NDArray[np.int16], axis: int) -> NDArray[np.float64]:
    """Mean difference of each row or column from the next."""
    steps: NDArray[np.float64] = np.abs(np.diff(picture, axis=axis)).mean((1 - axis, 2))
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--models", nargs="+", default=["wave"])
    parser.add_argument("--megapixels", type=float, default=100)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--seams", default="1800x1200")
    parser.add_argument("--side", type=int, default=512)
    options = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None
    height = round((options.megapixels * 1e6 / 1.5) ** 0.5)
    width, rows = map(int, options.seams.split("x"))
    small = make_photo(options.photo, width=width, height=rows)
    with tempfile.TemporaryDirectory() as scratch:
        large, result = Path(scratch) / "large.jpg", Path(scratch) / "result.jpg"
        make_photo(options.photo, width=3 * height // 2, height=height).save(large, quality=92)
        for model in options.models:
            taken = measure_large(model, large, result, memory=options.memory)
            print(f"{model}: {3 * height // 2}x{height} within {options.memory}: {taken}")
            seams = measure_seams(model, small, side=options.side)
            print(f"{model}: tiles of {options.side}: {seams}")


if __name__ == "__main__":
    main()
