"""Strokes: paths that follow a field of directions, and brushes that leave bristle marks."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .canvas import Colours, Generator, Picture, Plane, Points, coordinates, sample
from .shapes import corners


def trace(directions: Plane, starts: Points, *, length: float | Plane, steps: int = 12) -> Points:
    """Follow a field of directions both ways from many places at once.

    Args:
        directions: angle in radians at every pixel.
        starts: middle of every path, N×2.
        length: length of the paths, or of each path.
        steps: points of each path on either side of its middle.

    Returns:
        Paths N×(2 steps + 1)×2.
    """
    stride = np.broadcast_to(np.asarray(length, np.float32), len(starts))[:, None] / (2 * steps)
    halves = []
    for sign in (-1, 1):
        places, half = starts, [starts]
        for _ in range(steps):
            angle = sample(directions, places)
            move = np.stack([np.cos(angle), np.sin(angle)], axis=1) * stride * sign
            places = (places + move).astype(np.float32)
            half.append(places)
        halves.append(half)
    return np.stack(halves[0][:0:-1] + halves[1], axis=1)


def swirls(size: int, centres: list[tuple[float, float, float, float]], base: Plane) -> Plane:
    """Bend directions around centres, each x, y, radius and sense (1 or -1)."""
    x, y = coordinates(size)
    east, south = np.cos(base), np.sin(base)
    for at_x, at_y, radius, sense in centres:
        right, down = x - at_x, y - at_y
        far = np.hypot(right, down) + 1e-6
        pull = 2.5 * np.exp(-((far / radius) ** 2))
        east = east - sense * pull * down / far
        south = south + sense * pull * right / far
    return np.arctan2(south, east).astype(np.float32)


class Paint:
    """Wet paint: a picture, and how thick it lies at every pixel."""

    def __init__(self, ground: Picture, *, oversample: int = 2) -> None:
        self.size = ground.shape[0]
        self._large = self.size * oversample
        image = Image.fromarray((ground.clip(0, 1) * 255).astype(np.uint8))
        image = image.resize((self._large, self._large))
        image.putalpha(0)
        self._image = image
        self._pen = ImageDraw.Draw(image)

    def brush(
        self,
        path: Points,
        colour: Colours,
        *,
        width: float,
        bristles: int,
        generator: Generator,
        streaks: float = 0.05,
    ) -> None:
        """Draw one stroke, bristle by bristle.

        Args:
            path: N×2.
            colour: three channels between 0 and 1.
            width: width of the brush.
            bristles: how many lines the stroke is made of.
            generator: source of chance.
            streaks: how much the bristles differ in lightness.
        """
        ahead = np.gradient(path, axis=0)
        aside = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
        aside /= np.linalg.norm(aside, axis=1, keepdims=True) + 1e-9
        thick = max(1, round(1.7 * width * self._large / bristles))
        shades = generator.normal(0, streaks, bristles)
        offsets = np.linspace(-0.5, 0.5, bristles)
        body = generator.uniform(80, 150)
        cut = generator.integers(0, max(1, len(path) // 6) + 1, (bristles, 2))
        for number in generator.permutation(bristles):
            line = path + aside * (offsets[number] * width)
            # Bristles at the sides touch down later and lift off sooner.
            late = round(0.14 * len(path) * (2 * offsets[number]) ** 2)
            line = line[cut[number, 0] + late : len(line) - cut[number, 1] - late]
            rgb = ((colour + shades[number]).clip(0, 1) * 255).astype(int)
            crown = 1 - (2 * offsets[number]) ** 2
            height = int(body + 60 * crown + generator.uniform(-30, 30))
            fill = (int(rgb[0]), int(rgb[1]), int(rgb[2]), height)
            self._pen.line(corners(line, self._large), fill=fill, width=thick, joint="curve")

    def dab(self, outline: Points, colour: Colours, *, height: float) -> None:
        """Lay down a shape of one colour and of a height between 0 and 1."""
        rgb = (colour.clip(0, 1) * 255).astype(int)
        fill = (int(rgb[0]), int(rgb[1]), int(rgb[2]), int(255 * height))
        self._pen.polygon(corners(outline, self._large), fill=fill)

    def result(self) -> tuple[Picture, Plane]:
        """Return the picture and the thickness between 0 and 1."""
        # Resized as four bands at once, Pillow would weigh colours by thickness.
        bands = [
            np.asarray(band.resize((self.size, self.size), Image.Resampling.BOX), np.float32) / 255
            for band in self._image.split()
        ]
        return np.stack(bands[:3], axis=2), bands[3]


def comb(paths: Points, *, spacing: float, least: int = 6) -> list[Points]:
    """Keep strokes side by side: cut paths off where they come too near to earlier ones.

    Args:
        paths: N×P×2, the first to be kept whole.
        spacing: least distance between strokes.
        least: points that a path must keep, else it is dropped.
    """
    raster = int(3 / spacing) + 1
    taken = np.zeros((raster + 6, raster + 6), np.bool_)
    kept = []
    middle = paths.shape[1] // 2
    for path in paths:
        at = (path * raster).astype(np.int32).clip(0, raster - 1) + 3
        blocked = np.flatnonzero(taken[at[:, 1], at[:, 0]])
        before, after = blocked[blocked <= middle], blocked[blocked >= middle]
        start = int(before[-1]) + 1 if len(before) else 0
        end = int(after[0]) if len(after) else len(path)
        if end - start < least:
            continue
        kept.append(path[start:end])
        for column, row in at[start:end]:
            taken[row - 2 : row + 3, column - 1 : column + 2] = True
            taken[row - 1 : row + 2, column - 2 : column + 3] = True
    return kept
