"""Outlines of things, and scenes that are put together from them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

from .canvas import Colours, Generator, Labels, Mask, Picture, Plane, Points


class Scene:
    """Shapes of one colour each, the later over the earlier.

    Every shape may say which way strokes go in it, as an angle in radians clockwise from
    the right.
    """

    def __init__(self, size: int, colour: ArrayLike, *, angle: float = 0.0) -> None:
        self.size = size
        self._labels = Image.new("I", (size, size), 0)
        self._colours = [np.asarray(colour, np.float32)]
        self._angles = [angle]

    def add(self, outline: Points, colour: ArrayLike, *, angle: float = 0.0) -> int:
        """Lay a shape over the scene and return its number."""
        self._colours.append(np.asarray(colour, np.float32))
        self._angles.append(angle)
        number = len(self._colours) - 1
        ImageDraw.Draw(self._labels).polygon(corners(outline, self.size), fill=number)
        return number

    def put(self, outline: Points, colour: ArrayLike) -> Mask:
        """Lay a shape over the scene and return where it is."""
        number = self.add(outline, colour)
        return np.equal(self.labels, number)

    def merge(self, number: int) -> None:
        """Join the shape added last to an earlier one, so that no border is between them."""
        last = len(self._colours) - 1
        joined = self.labels
        joined[joined == last] = number
        self._labels = Image.fromarray(joined)

    @property
    def labels(self) -> Labels:
        """The number of the shape at every pixel, 0 for the ground."""
        return np.array(self._labels, np.int32)

    @property
    def colours(self) -> Colours:
        """The colour of every shape."""
        return np.stack(self._colours)

    def picture(self) -> Picture:
        """Return the scene in flat colours."""
        return self.colours[self.labels]

    def angles(self) -> Plane:
        """Return the direction of strokes at every pixel."""
        return np.asarray(self._angles, np.float32)[self.labels]


def corners(outline: Points, size: int) -> list[tuple[float, float]]:
    """Turn an outline into what Pillow draws."""
    return [(float(x), float(y)) for x, y in outline * size]


def mask(size: int, outlines: Iterable[Points], *, oversample: int = 2) -> Plane:
    """Fill outlines with 1 on a ground of 0, with smooth edges."""
    large = size * oversample
    image = Image.new("L", (large, large), 0)
    pen = ImageDraw.Draw(image)
    for outline in outlines:
        pen.polygon(corners(outline, large), fill=255)
    image = image.resize((size, size), Image.Resampling.BOX)
    return np.asarray(image, np.float32) / 255


def wave(count: int, generator: Generator, *, scale: float, octaves: int = 4) -> Plane:
    """Draw a wandering line: N heights around 0, mostly within 1."""
    total = np.zeros(count)
    across = np.linspace(0, 1, count)
    for octave in range(octaves):
        for _ in range(2):
            turns = 2**octave / scale * generator.uniform(0.7, 1.3)
            phase = generator.uniform(0, 2 * np.pi)
            total += 0.5**octave * np.sin(2 * np.pi * turns * across + phase) / 2
    return total.astype(np.float32)


def ridge(
    generator: Generator,
    *,
    level: float,
    rise: float,
    scale: float = 0.8,
    octaves: int = 3,
    tilt: float = 0.0,
) -> Points:
    """Outline everything below a wandering skyline.

    Args:
        generator: source of chance.
        level: height of the skyline, as y.
        rise: how far it wanders.
        scale: width of its largest hills.
        octaves: how rough it is.
        tilt: how much lower it ends on the right.
    """
    x = np.linspace(-0.05, 1.05, 240, dtype=np.float32)
    y = level + rise * wave(240, generator, scale=scale, octaves=octaves) + tilt * (x - 0.5)
    foot = np.array([[1.05, 1.1], [-0.05, 1.1]], np.float32)
    return np.concatenate([np.stack([x, y], axis=1).astype(np.float32), foot])


def crest(outline: Points) -> Points:
    """Return the skyline of a ridge, from left to right."""
    return outline[:-2]


def depth(outline: Points, size: int) -> Plane:
    """Measure at every pixel how far it is below the skyline of a ridge."""
    line = (np.arange(size) + 0.5) / size
    skyline = np.interp(line, outline[:-2, 0], outline[:-2, 1])
    return np.asarray(line[:, None] - skyline, np.float32)


def disc(x: float, y: float, radius: float, *, squash: float = 1.0) -> Points:
    """Outline a disc, or an oval less high than wide."""
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    points = np.stack([x + radius * np.cos(turn), y + radius * squash * np.sin(turn)], axis=1)
    return points.astype(np.float32)


def blob(
    x: float, y: float, radius: float, generator: Generator, *, wobble: float = 0.2, lobes: int = 5
) -> Points:
    """Outline something roundish."""
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    reach = np.ones_like(turn)
    for order in range(2, lobes + 2):
        reach += wobble / order**0.5 * np.sin(order * turn + generator.uniform(0, 7)) / 1.5
    points = np.stack([x + radius * reach * np.cos(turn), y + radius * reach * np.sin(turn)], 1)
    return points.astype(np.float32)


def leaf(
    x: float,
    y: float,
    length: float,
    *,
    angle: float,
    width: float = 0.3,
    bend: float = 0.0,
    fullest: float = 0.5,
) -> Points:
    """Outline a leaf or petal that starts at a place.

    Args:
        x: where it starts.
        y: where it starts.
        length: from its start to its tip.
        angle: where it points to.
        width: its width relative to its length.
        bend: how much it turns on its way, in radians.
        fullest: where along its length it is widest.
    """
    along = np.linspace(0, 1, 24)
    spine = bent(x, y, length, angle=angle, bend=bend)
    direction = angle + bend * along
    power = np.log(0.5) / np.log(fullest)
    half = length * width / 2 * np.sin(np.pi * along**power) ** 0.8
    aside = np.stack([-np.sin(direction), np.cos(direction)], axis=1) * half[:, None]
    return np.concatenate([spine + aside, (spine - aside)[::-1]]).astype(np.float32)


def bent(x: float, y: float, length: float, *, angle: float, bend: float) -> Points:
    """Draw a line of 24 points that turns evenly on its way."""
    direction = angle + bend * np.linspace(0, 1, 24)
    steps = np.stack([np.cos(direction), np.sin(direction)], axis=1) * length / 23
    steps[0] = 0
    return (np.array([x, y]) + np.cumsum(steps, axis=0)).astype(np.float32)


def flower(
    x: float, y: float, radius: float, *, petals: int, turn: float = 0.0, width: float = 0.6
) -> list[Points]:
    """Outline the petals of a flower."""
    return [
        leaf(x, y, radius, angle=turn + 2 * np.pi * petal / petals, width=width, fullest=0.65)
        for petal in range(petals)
    ]


def ribbon(path: Points, width: float, *, taper: float = 0.8) -> Points:
    """Outline a stroke along a path N×2, thin at both ends."""
    direction = np.gradient(path, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
    along = np.linspace(0, 1, len(path))
    half = width / 2 * (1 - taper + taper * np.sin(np.pi * along) ** 0.7)
    aside = np.stack([-direction[:, 1], direction[:, 0]], axis=1) * half[:, None]
    return np.concatenate([path + aside, (path - aside)[::-1]]).astype(np.float32)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """Outline a rectangle."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def rays(
    x: float, y: float, inner: float, outer: float, *, count: int, turn: float = 0.0
) -> list[Points]:
    """Outline wedges around a place, as wide as the gaps between them."""
    wedges = []
    for ray in range(count):
        start = turn + 2 * np.pi * ray / count
        end = start + np.pi / count
        wedges.append(
            np.array(
                [
                    [x + inner * np.cos(start), y + inner * np.sin(start)],
                    [x + outer * np.cos(start), y + outer * np.sin(start)],
                    [x + outer * np.cos(end), y + outer * np.sin(end)],
                    [x + inner * np.cos(end), y + inner * np.sin(end)],
                ],
                np.float32,
            )
        )
    return wedges
