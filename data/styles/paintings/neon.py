"""Neon: glowing tubes on a wet night, a city between hills and the sea."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .canvas import (
    Colours,
    Generator,
    Picture,
    Points,
    blur,
    borders,
    coordinates,
    distance,
    flat,
    mix,
    noise,
    palette,
    smoothstep,
    to_image,
)
from .shapes import bent, box, corners, crest, disc, leaf, ridge

NIGHT, INDIGO, MAGENTA, VIOLET, AZURE, CYAN, MINT, AMBER, CORAL = palette(
    "#070618",
    "#1c1146",
    "#ff2fa8",
    "#9a4dff",
    "#2f7bff",
    "#2fe6ff",
    "#3dffb0",
    "#ffc23d",
    "#ff6a4a",
)
TUBES = (MAGENTA, CYAN, VIOLET, AMBER, AZURE, CORAL, MINT)
OVERSAMPLE = 2
SHORE = 0.66


class Sign:
    """Tubes on a dark wall; a shape hides what is behind it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.image = Image.new("RGB", (size * OVERSAMPLE,) * 2)
        self._pen = ImageDraw.Draw(self.image)

    def bend(self, path: Points, colour: Colours, *, width: float = 0.0042) -> None:
        """Add a tube along a path."""
        at = corners(path, self.size * OVERSAMPLE)
        self._pen.line(at, fill=_rgb(colour), width=self._pixels(width), joint="curve")

    def shape(self, outline: Points, colour: Colours, *, width: float = 0.0042) -> None:
        """Add a tube around a shape."""
        self._pen.polygon(corners(outline, self.size * OVERSAMPLE), fill=(0, 0, 0))
        self.bend(np.concatenate([outline, outline[:2]]), colour, width=width)

    def picture(self) -> Picture:
        """Return the tubes as they are, without their glow."""
        small = self.image.resize((self.size, self.size), Image.Resampling.BOX)
        return np.asarray(small, np.float32) / 255

    def _pixels(self, width: float) -> int:
        return max(1, round(width * self.size * OVERSAMPLE))


def draw(size: int, seed: int = 0) -> Image.Image:
    """Light up a city."""
    generator = np.random.default_rng(seed)
    sign = Sign(size)
    sky = _contours(size, generator, scale=0.45, lines=26, stretch=(1.8, 1))
    sign.image.paste(_as_image(sky * 0.62, size * OVERSAMPLE))
    _sun(sign)
    _hills(sign, generator)
    _city(sign, generator)
    sign.image.paste(_as_image(_sea(sign.picture(), generator), size * OVERSAMPLE))
    _palms(sign, generator)
    return to_image(_glowing(sign.picture(), generator))


def _rgb(colour: Colours) -> tuple[int, int, int]:
    red, green, blue = ((colour * 255).clip(0, 255)).astype(int)
    return int(red), int(green), int(blue)


def _as_image(picture: Picture, size: int) -> Image.Image:
    return to_image(picture).resize((size, size), Image.Resampling.BICUBIC)


def _contours(
    size: int, generator: Generator, *, scale: float, lines: int, stretch: tuple[float, float]
) -> Picture:
    """Draw the contour lines of a hilly field, their colours changing from line to line."""
    field = noise(size, generator, scale=scale, octaves=2, stretch=stretch)
    steps = (field * lines).astype(np.int32)
    near = distance(borders(steps), reach=max(3, size // 100)) * 768 / size
    colours = np.array([VIOLET, AZURE, MAGENTA, CYAN])[((field * lines + 0.5) % 4).astype(int)]
    return np.asarray(colours * smoothstep(near, 2.0, 0.5)[..., None], np.float32)


def _sun(sign: Sign) -> None:
    x, y = 0.57, 0.32
    sign.shape(disc(x, y, 0.235), MAGENTA, width=0.006)
    sign.shape(disc(x, y, 0.215), CORAL)
    for number in range(11):
        level = y - 0.185 + 0.037 * number
        half = float(np.sqrt(max(0.0, 0.2**2 - (level - y) ** 2)))
        colour = AMBER + (MAGENTA - AMBER) * (number / 10)
        line = np.array([[x - half, level], [x + half, level]], np.float32)
        sign.bend(line, colour, width=0.010 - 0.0006 * number)


def _hills(sign: Sign, generator: Generator) -> None:
    for level, colour in ((0.45, VIOLET), (0.5, AZURE), (0.545, MAGENTA), (0.59, CYAN)):
        outline = ridge(generator, level=level, rise=0.05, scale=0.5, octaves=3)
        sign.shape(outline, colour)
        for below in range(1, 4):
            lower = outline + np.array([0, 0.014 * below], np.float32)
            sign.bend(crest(lower), colour * (0.75 - 0.17 * below), width=0.0028)


def _city(sign: Sign, generator: Generator) -> None:
    left = -0.02
    while left < 1:
        wide = float(generator.uniform(0.045, 0.11))
        top = SHORE - float(generator.uniform(0.08, 0.34)) * (0.6 + 0.6 * abs(left - 0.5))
        colour = TUBES[int(generator.integers(len(TUBES)))]
        tower = box(left, top, left + wide, SHORE)
        roof = int(generator.integers(4))
        if roof == 0:
            peak = np.array([[left + wide / 2, top - 0.05]], np.float32)
            tower = np.concatenate([tower[:1], peak, tower[1:]])
        if roof == 1:
            tower[1, 1] -= 0.045
        if roof == 2:
            mast = np.array([[left + wide / 2, top], [left + wide / 2, top - 0.07]], np.float32)
            sign.bend(mast, CORAL, width=0.003)
        sign.shape(tower, colour)
        _windows(sign, (left, top, wide), generator)
        left += wide * float(generator.uniform(0.75, 1.15))


def _windows(sign: Sign, tower: tuple[float, float, float], generator: Generator) -> None:
    left, top, wide = tower
    kind, colour = int(generator.integers(4)), TUBES[int(generator.integers(len(TUBES)))]
    level = top + 0.022
    while level < SHORE - 0.01:
        start, end = left + 0.2 * wide, left + 0.8 * wide
        if kind == 0:
            sign.bend(np.array([[start, level], [end, level]], np.float32), colour, width=0.003)
        elif kind == 1:
            zigzag = np.array([[start, level], [left + wide / 2, level + 0.014], [end, level]])
            sign.bend(zigzag.astype(np.float32), colour, width=0.003)
        else:
            for at in np.linspace(start, end, 2 + kind):
                if generator.random() < 0.65:
                    pane = box(at - 0.004, level, at + 0.004, level + 0.009)
                    sign.shape(pane, colour, width=0.0026)
        level += float(generator.uniform(0.018, 0.026))


def _sea(tubes: Picture, generator: Generator) -> Picture:
    """Mirror the shore in the sea and lay waves over it."""
    size = tubes.shape[0]
    x, y = coordinates(size)
    sway = noise(size, generator, scale=0.07, octaves=3, stretch=(5, 0.6)) - 0.5
    row = ((2 * SHORE - y - 0.12 * sway) * size).astype(int).clip(0, size - 1)
    column = ((x + 0.06 * sway * (y > SHORE)) * size).astype(int).clip(0, size - 1)
    mirrored = blur(tubes[row, column], size / 700) * 0.62
    waves = _contours(size, generator, scale=0.2, lines=18, stretch=(4, 0.55))
    sea = np.maximum(mirrored, waves * smoothstep(y, SHORE, 0.85)[..., None])
    shore = np.exp(-(((y - SHORE) / 0.003) ** 2))[..., None] * CYAN
    lit = np.maximum(np.where((y > SHORE)[..., None], sea, tubes), shore)
    return np.asarray(lit, np.float32)


def _palms(sign: Sign, generator: Generator) -> None:
    for x, tall, lean, trunk, fronds in (
        (0.08, 0.62, 0.22, AMBER, MINT),
        (0.93, 0.75, -0.16, CORAL, MINT),
        (0.80, 0.42, -0.2, MAGENTA, CYAN),
    ):
        spine = bent(x, 1.02, tall, angle=-1.57 - lean, bend=2 * lean)
        for aside in (-0.010, 0.010):
            sign.bend(spine + np.array([aside, 0], np.float32), trunk)
        for at in spine[1:-1]:
            ring = np.array([[-0.009, 0.004], [0, -0.004], [0.009, 0.004]], np.float32)
            sign.bend(at + ring, trunk * 0.8, width=0.003)
        top_x, top_y = float(spine[-1, 0]), float(spine[-1, 1])
        for angle in np.linspace(-3.5, 0.4, 9):
            reach = float(generator.uniform(0.13, 0.19)) * (0.6 + tall / 2)
            droop = 1.5 if angle > -1.57 else -1.5
            frond = leaf(top_x, top_y, reach, angle=angle, width=0.28, bend=droop, fullest=0.4)
            sign.shape(frond, fronds)
            rib = bent(top_x, top_y, reach, angle=angle, bend=droop)
            sign.bend(rib, fronds * 0.6, width=0.0026)


def _glowing(tubes: Picture, generator: Generator) -> Picture:
    size = tubes.shape[0]
    _, y = coordinates(size)
    haze = noise(size, generator, scale=0.4, octaves=5)
    wall = mix(flat(size, NIGHT), INDIGO, smoothstep(haze + 0.3 * (0.6 - y), 0.25, 0.8))
    bricks = noise(size, generator, scale=0.015, octaves=3)
    light = sum(
        blur(tubes, radius * size / 768) * strength
        for radius, strength in ((2.2, 0.85), (7, 1.0), (22, 1.0), (60, 0.7))
    )
    light = np.asarray(light) * (0.75 + 0.5 * bricks + 0.35 * (haze - 0.5))[..., None]
    core = smoothstep(tubes.max(axis=2), 0.45, 0.95)
    picture = 1 - (1 - wall) * np.exp(-1.1 * light)
    tint = np.minimum(1, tubes * 1.0 + 0.2 + 0.25 * tubes.max(axis=2, keepdims=True) ** 4)
    return mix(picture, tint, core * 0.95)
