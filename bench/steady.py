"""Measure how much of a video flickers, frame by frame and as a scene.

python bench/steady.py [PHOTO] [--models wave wave-int8] [--size 1280x720]

A grey square crosses the lower half of a photo that stands still. Told are the levels of 255 by
which the upper half of the painting changes from frame to frame, and the milliseconds for a frame.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from faststyle.cli.options import read_size
from faststyle.cli.tables import print_table
from faststyle.files import evenly_chosen
from faststyle.images import open_colors
from faststyle.scene import measured_frames
from faststyle.stylizer import load
from faststyle.tiles import Pixels

PHOTO = Path(__file__).parent.parent / "data" / "photos" / "coffee.jpg"
FRAMES = 24
GREY = 128


def draw_frames(photo: Image.Image) -> list[Pixels]:
    """Draw the video; the square is as wide as a quarter of the picture is high."""
    side, still = photo.height // 4, photo.height * 5 // 8
    frames = []
    for number in range(FRAMES):
        frame = photo.copy()
        left = number * (photo.width + side) // FRAMES - side
        frame.paste((GREY,) * 3, (left, still, left + side, still + side))
        frames.append(np.asarray(frame))
    return frames


def measure(paint: Callable[[Pixels], Pixels], frames: Sequence[Pixels]) -> list[str]:
    """Return by how much what stands still changes, and how long a frame takes."""
    paint(frames[0])
    start = time.perf_counter()
    paintings = [paint(frame)[: len(frame) // 2].astype(int) for frame in frames]
    seconds = (time.perf_counter() - start) / len(frames)
    changes = np.abs(np.diff(np.stack(paintings), axis=0)).mean()
    return [f"{changes:.3f}", f"{1000 * seconds:.1f}"]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="?", type=Path, default=PHOTO)
    parser.add_argument("--models", nargs="+", default=["wave", "wave-int8", "starry_night"])
    parser.add_argument("--size", type=read_size, default=read_size("1280x720"))
    options = parser.parse_args()
    frames = draw_frames(open_colors(options.photo).resize(options.size))
    some = evenly_chosen(frames, most=measured_frames(FRAMES))
    rows = []
    for model in options.models:
        stylizer = load(model)
        start = time.perf_counter()
        scene = stylizer.scene(some)
        measuring = 1000 * (time.perf_counter() - start)
        rows.append(
            [model, *measure(stylizer, frames), *measure(scene, frames), f"{measuring:.0f}"]
        )
    heads = ["model", "alone: levels", "ms", "as a scene: levels", "ms", "ms to measure it"]
    print_table([heads, *rows])


if __name__ == "__main__":
    main()
