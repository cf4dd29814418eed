"""Paper cut: layers of coloured paper and their shadows, a moonlit glade."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from .canvas import (
    Colours,
    Generator,
    Picture,
    Points,
    blur,
    flat,
    mix,
    noise,
    palette,
    paper,
    relief,
    scatter,
    to_image,
    warp,
)
from .shapes import bent, blob, crest, disc, flower, leaf, mask, ribbon, ridge

MIDNIGHT, NAVY, TEAL, SEA, SAGE, CREAM, HONEY, CORAL, PLUM = palette(
    "#141a3c",
    "#1f3566",
    "#1f6f7a",
    "#56ab9f",
    "#a9c98d",
    "#fff1d2",
    "#f6b84a",
    "#ec6a50",
    "#7a3163",
)
MOON = (0.54, 0.30)


class Pile:
    """Sheets of paper, each casting a shadow on those below."""

    def __init__(self, size: int, colour: ArrayLike, generator: Generator) -> None:
        self.size = size
        self._generator = generator
        self._grain = [paper(size, generator, grain=grain) for grain in (0.8, 1.4, 2.2)]
        self._count = 0
        self.picture = self._sheet(colour)

    def lay(self, outlines: Sequence[Points], colour: ArrayLike, *, lift: float = 1.0) -> None:
        """Lay shapes cut from one sheet, higher above the others the greater the lift."""
        size = self.size
        shape = mask(size, outlines)
        pixels = size / 768
        for radius, strength in ((9 * lift, 0.5), (3 * lift, 0.45)):
            shadow = blur(shape, radius * pixels)
            shift = max(1, round(radius * 0.75 * pixels))
            shadow = warp(
                shadow, *(np.full((size, size), -by / size) for by in (0.6 * shift, shift))
            )
            self.picture = mix(self.picture, self.picture * MIDNIGHT, strength * shadow)
        bevel = relief(blur(shape, 1.1 * pixels) * 3, strength=1.0)
        sheet = self._sheet(colour) * (1 + 0.22 * bevel[..., None])
        self.picture = mix(self.picture, sheet, shape)

    def _sheet(self, colour: ArrayLike) -> Picture:
        self._count += 1
        grain = self._grain[self._count % 3]
        light = relief(grain, strength=0.9)
        fade = noise(self.size, self._generator, scale=0.8, octaves=2) - 0.5
        shade = 1 + 0.08 * light + 0.05 * grain + 0.3 * fade
        return np.asarray(flat(self.size, colour) * shade[..., None], np.float32)


def draw(size: int, seed: int = 0) -> Image.Image:
    """Cut a glade from paper."""
    generator = np.random.default_rng(seed)
    pile = Pile(size, MIDNIGHT, generator)
    _sky(pile, generator)
    _hills(pile, generator)
    _frame(pile, generator)
    return to_image(pile.picture)


def _sky(pile: Pile, generator: Generator) -> None:
    for radius, colour in ((0.56, NAVY), (0.44, TEAL), (0.34, SEA), (0.255, SAGE)):
        pile.lay([blob(*MOON, radius, generator, wobble=0.09, lobes=9)], colour, lift=0.8)
    pile.lay([disc(*MOON, 0.17)], HONEY)
    pile.lay([disc(MOON[0] + 0.012, MOON[1] - 0.01, 0.135)], CREAM, lift=0.6)
    stars = [
        star
        for x, y in generator.uniform([0, 0], [1, 0.5], (40, 2))
        if np.hypot(x - MOON[0], y - MOON[1]) > 0.2
        for star in flower(x, y, float(generator.uniform(0.008, 0.02)), petals=4, width=0.35)
    ]
    pile.lay(stars, HONEY, lift=0.4)
    for y, colour in ((0.17, CORAL), (0.31, PLUM), (0.41, CREAM)):
        clouds = []
        for x in (0.12, 0.45, 0.86):
            clouds += _cloud(x + float(generator.normal(0, 0.08)), y, generator)
        pile.lay(clouds, colour, lift=0.8)


def _cloud(x: float, y: float, generator: Generator) -> list[Points]:
    """Cut a cloud of curls."""
    wide = float(generator.uniform(0.06, 0.11))
    parts = [disc(x, y, wide, squash=0.22)]
    for share in (-0.75, -0.3, 0.2, 0.65):
        radius = wide * float(generator.uniform(0.2, 0.42))
        parts.append(disc(x + share * wide, y - radius * 0.55, radius))
    for side in (-1, 1):
        tail = bent(x + side * 0.5 * wide, y, 1.2 * wide, angle=0.1 if side > 0 else 3.04, bend=0.3)
        parts.append(ribbon(tail, wide * 0.16))
    return parts


def _hills(pile: Pile, generator: Generator) -> None:
    for number, (level, colour) in enumerate(
        ((0.47, PLUM), (0.54, CORAL), (0.61, HONEY), (0.68, SEA), (0.75, TEAL), (0.83, NAVY))
    ):
        outline = ridge(
            generator, level=level, rise=0.045, scale=0.5, octaves=2, tilt=0.08 * (-1) ** number
        )
        shapes = [outline]
        for at in generator.choice(np.arange(10, 230), 9 + number, replace=False):
            x, y = (float(value) for value in outline[at])
            shapes += _tree(x, y + 0.012, 0.05 + 0.018 * number, generator)
        pile.lay(shapes, colour)
        _cuttings(pile, outline, number, generator)
        if number % 2:
            band = outline + np.array([0, 0.03], np.float32)
            lower = crest(outline)[::-1] + np.array([0, 0.042], np.float32)
            pile.lay([np.concatenate([crest(band), lower])], CREAM, lift=0.4)


def _cuttings(pile: Pile, hill: Points, number: int, generator: Generator) -> None:
    """Strew small leaves in two colours over a hill."""
    for colour in ((CORAL, HONEY, CREAM, TEAL, SAGE, SEA)[number], (SAGE, PLUM, CORAL)[number % 3]):
        leaves = []
        for _ in range(30):
            at = hill[int(generator.integers(5, 235))]
            x, y = float(at[0]), float(at[1]) + float(generator.uniform(0.02, 0.13))
            turn = float(generator.uniform(-2.6, -0.5))
            for fan in (-0.55, 0.0, 0.55):
                long = float(generator.uniform(0.012, 0.022)) + 0.002 * number
                leaves.append(leaf(x, y, long, angle=turn + fan, width=0.4))
        pile.lay(leaves, colour, lift=0.35)


def _tree(x: float, y: float, tall: float, generator: Generator) -> list[Points]:
    trunk = ribbon(bent(x, y, tall * 0.7, angle=-1.57, bend=0.1), tall * 0.09, taper=0.1)
    if generator.random() < 0.5:
        crown = leaf(x, y - 0.25 * tall, tall, angle=-1.57, width=0.45, fullest=0.4)
        return [trunk, crown]
    return [trunk, disc(x, y - 0.8 * tall, 0.32 * tall), disc(x, y - 0.6 * tall, 0.4 * tall)]


def _frame(pile: Pile, generator: Generator) -> None:
    """Frame the view with ferns, leaves and flowers."""
    branches = (
        (-0.02, 1.02, 0.75, -1.25, -0.45, SAGE),
        (1.02, 1.02, 0.85, -1.95, 0.5, SEA),
        (0.18, 1.03, 0.42, -1.3, 0.5, CORAL),
        (0.80, 1.03, 0.45, -1.9, -0.5, HONEY),
        (-0.02, -0.02, 0.5, 0.75, -0.6, TEAL),
        (1.02, -0.02, 0.5, 2.4, 0.6, PLUM),
        (0.48, 1.03, 0.3, -1.7, 0.4, SAGE),
    )
    for x, y, long, angle, bend, colour in branches:
        pile.lay(_frond(bent(x, y, long, angle=angle, bend=bend), generator), colour)
    spots = scatter(96, generator, spacing=0.085)
    near = spots[:, 1] > 0.86 - 0.55 * np.abs(spots[:, 0] - 0.5) ** 1.5
    colours = ((CORAL, HONEY), (CREAM, CORAL), (PLUM, HONEY), (HONEY, CREAM))
    for number, (colour, heart) in enumerate(colours):
        _blossoms(pile, spots[near][number :: len(colours)], (colour, heart), generator)


def _frond(stem: Points, generator: Generator) -> list[Points]:
    parts = [ribbon(stem, 0.012, taper=0.5)]
    long = float(np.linalg.norm(np.diff(stem, axis=0), axis=1).sum())
    direction = np.arctan2(*np.gradient(stem, axis=0).T[::-1])
    for number in range(2, 24, 2):
        x, y = (float(value) for value in stem[number])
        for side in (-1, 1):
            reach = (
                long
                * (0.06 + 0.13 * np.sin(np.pi * number / 26))
                * float(generator.uniform(0.85, 1.15))
            )
            angle = float(direction[number]) + side * 0.95
            parts.append(leaf(x, y, reach, angle=angle, width=0.32, bend=-side * 0.5))
    return parts


def _blossoms(
    pile: Pile, places: Points, colours: tuple[Colours, Colours], generator: Generator
) -> None:
    outer: list[Points] = []
    inner: list[Points] = []
    hearts: list[Points] = []
    for x, y in places:
        turn, radius = float(generator.uniform(0, 6)), float(generator.uniform(0.028, 0.058))
        outer += flower(x, y, radius, petals=7, turn=turn, width=0.75)
        inner += flower(x, y, radius * 0.6, petals=7, turn=turn + 0.4, width=0.7)
        hearts.append(disc(x, y, radius * 0.22))
    pile.lay(outer, colours[0], lift=0.7)
    pile.lay(inner, colours[0] * 0.75 + colours[1] * 0.25, lift=0.4)
    pile.lay(hearts, colours[1], lift=0.4)
