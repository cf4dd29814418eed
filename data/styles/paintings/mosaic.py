"""Mosaic: tesserae laid along outlines, two fish in a lively sea."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .canvas import (
    Generator,
    Labels,
    Picture,
    Points,
    blur,
    borders,
    cells,
    coarseness,
    coordinates,
    distance,
    mix,
    noise,
    palette,
    relief,
    sample,
    scatter,
    smoothstep,
    to_image,
)
from .shapes import Scene, bent, disc, leaf, ribbon, ridge

NIGHT, BLUE, TURQUOISE, FOAM, IVORY, GOLD, TERRACOTTA, BRICK, OLIVE, GROUT = palette(
    "#152c63",
    "#1f6fc0",
    "#35b3b5",
    "#a5e0d2",
    "#fcf0d2",
    "#f7b726",
    "#f06b35",
    "#b52a35",
    "#86a336",
    "#4a4038",
)
OVERSAMPLE = 2
ROUNDS = 18


def draw(size: int, seed: int = 0) -> Image.Image:
    """Lay a mosaic."""
    generator = np.random.default_rng(seed)
    large = size * OVERSAMPLE
    scene = _scene(large, generator)
    tiles, centres = _laid(scene.labels, generator)
    return to_image(_set(scene, tiles, centres, generator), size=size)


def _laid(shapes: Labels, generator: Generator) -> tuple[Labels, Points]:
    """Find places for square tiles side by side, turned along the nearest outline."""
    size, coarse = shapes.shape[0], coarseness(shapes.shape[0] // OVERSAMPLE)
    raster = round(640 / coarse)
    at = np.arange(raster) * size // raster
    rough = shapes[at][:, at]
    near = distance(borders(rough), reach=raster // 8)
    down, right = np.gradient(blur(near, raster / 160))
    wander = noise(raster, generator, scale=0.6, octaves=2) * 4
    angles = np.where(near < 0.09 * raster, np.arctan2(down, right), wander).astype(np.float32)
    spacing = coarse * (0.0098 + 0.0075 * smoothstep(near / raster, 0.01, 0.06))
    centres = scatter(raster, generator, spacing=spacing)
    for _ in range(ROUNDS):
        tiles = cells(raster, centres, reach=0.024 * coarse, angles=sample(angles, centres))
        centres = _middles(tiles, len(centres), centres)
    tiles = cells(size, centres, reach=0.024 * coarse, angles=sample(angles, centres))
    return tiles, centres


def _middles(tiles: Labels, count: int, before: Points) -> Points:
    x, y = coordinates(tiles.shape[0])
    pixels = np.bincount(tiles.ravel(), minlength=count)
    sums = [np.bincount(tiles.ravel(), plane.ravel(), count) for plane in (x, y)]
    middles = np.stack(sums, axis=1) / np.maximum(pixels, 1)[:, None]
    return np.where(pixels[:, None] > 0, middles, before).astype(np.float32)


def _set(scene: Scene, tiles: Labels, centres: Points, generator: Generator) -> Picture:
    size, count = tiles.shape[0], len(centres)
    colours = sample(scene.picture(), centres)
    colours = colours * generator.normal(1, 0.13, (count, 1))
    colours = colours + generator.normal(0, 0.03, (count, 3))
    odd = generator.random(count) < 0.035
    colours[odd] = np.array([IVORY, GOLD, FOAM, NIGHT])[generator.integers(0, 4, odd.sum())]
    gap = distance(borders(tiles), reach=max(4, size // 110))
    rough, unit = noise(size, generator, scale=0.01, octaves=2), size / 1536
    face = smoothstep(gap + 2.0 * unit * rough, 2.0 * unit, 3.8 * unit)
    x, y = coordinates(size)
    tilt = generator.normal(0, 1, (2, count)).astype(np.float32)[:, tiles]
    across = np.stack([x, y], axis=-1) - centres[tiles]
    sheen = (tilt[0] * across[..., 0] + tilt[1] * across[..., 1]) * 9
    stone = noise(size, generator, scale=0.012, octaves=3) - 0.5
    height = np.minimum(gap, size / 180) * 0.5 + stone * 3
    light = relief(height, strength=0.9) * 0.24 + sheen + 0.22 * stone
    picture = colours.astype(np.float32)[tiles] * (1 + light)[..., None]
    sand = GROUT * (0.7 + 0.6 * noise(size, generator, scale=0.008, octaves=2))[..., None]
    return mix(sand, picture, face)


def _scene(size: int, generator: Generator) -> Scene:
    scene = Scene(size, FOAM * 0.6 + IVORY * 0.4)
    for level, colour in ((0.02, FOAM), (0.07, TURQUOISE), (0.12, IVORY), (0.17, FOAM)):
        scene.add(ridge(generator, level=level, rise=0.04, scale=0.5, octaves=2), colour)
    for radius, colour in ((0.24, GOLD), (0.205, IVORY), (0.17, GOLD), (0.13, TERRACOTTA)):
        scene.add(disc(0.74, 0.14, radius), colour)
    scene.add(disc(0.74, 0.14, 0.085), GOLD * 1.1)
    for number in range(11):
        level = 0.2 + 0.078 * number
        colour = (TURQUOISE, FOAM, BLUE, TURQUOISE * 0.8, NIGHT, IVORY, BLUE)[number % 7]
        outline = ridge(generator, level=level, rise=0.035, scale=0.42, octaves=2)
        scene.add(outline, colour)
    for x, foot, tall, lean, colour in (
        (0.07, 1.02, 0.42, -1.5, OLIVE),
        (0.16, 1.02, 0.30, -1.2, TERRACOTTA),
        (0.93, 1.02, 0.48, -1.7, OLIVE),
        (0.84, 1.02, 0.3, -1.9, BRICK),
        (0.5, 1.03, 0.2, -1.4, OLIVE),
    ):
        _weed(scene, x, foot, tall, lean, colour)
    _fish(scene, (0.88, 0.50), -0.72, np.pi + 0.12, (TERRACOTTA, GOLD, BRICK))
    _fish(scene, (0.14, 0.85), 0.56, -0.16, (GOLD, IVORY, TERRACOTTA))
    return scene


def _weed(scene: Scene, x: float, foot: float, tall: float, lean: float, colour: Picture) -> None:
    stem = bent(x, foot, tall, angle=lean, bend=0.4)
    scene.add(ribbon(stem, 0.022, taper=0.3), colour * 0.7)
    for number in range(4, 23, 4):
        for side in (-1, 1):
            at_x, at_y = stem[number]
            angle = lean + 0.4 * number / 24 + side * 0.8
            frond = leaf(at_x, at_y, tall * 0.32, angle=angle, width=0.3, bend=-side * 0.5)
            scene.add(frond, colour if side > 0 else colour * 1.2)


def _fish(
    scene: Scene,
    nose: tuple[float, float],
    long: float,
    angle: float,
    colours: tuple[Picture, Picture, Picture],
) -> None:
    """Add a fish that points at its nose; its length is below 0 to turn it over."""
    main, belly, fin = colours
    over = float(np.sign(long))
    long = abs(long)

    def at(along: float, aside: float) -> tuple[float, float]:
        cosine, sine = np.cos(angle), np.sin(angle)
        right, down = along * long, aside * long * over
        return nose[0] + right * cosine - down * sine, nose[1] + right * sine + down * cosine

    edge = NIGHT
    for turn, share in ((0.65, 0.38), (-0.65, 0.38)):
        scene.add(leaf(*at(0.78, 0), long * share * 1.2, angle=angle + turn, width=0.62), edge)
    for turn, share in ((0.65, 0.38), (-0.65, 0.38)):
        scene.add(leaf(*at(0.82, 0), long * share, angle=angle + turn, width=0.5), fin)
    for along, aside, turn, share in (
        (0.28, -0.13, -0.75, 0.3),
        (0.45, -0.13, -0.6, 0.25),
        (0.6, -0.09, -0.5, 0.17),
        (0.5, 0.12, 0.7, 0.2),
    ):
        where = at(along, aside)
        scene.add(leaf(*where, long * share, angle=angle + turn * over, width=0.42), fin)
    scene.add(leaf(*at(-0.04, 0), long * 0.98, angle=angle, width=0.5, fullest=0.4), edge)
    scene.add(leaf(*at(0, 0), long * 0.9, angle=angle, width=0.44, fullest=0.4), main)
    scene.add(leaf(*at(0.03, 0.07), long * 0.8, angle=angle, width=0.22, fullest=0.4), belly)
    for band in (0.42, 0.54, 0.66, 0.76):
        tall = 0.19 * (1.25 - band)
        scene.add(
            leaf(*at(band, -tall), long * tall * 2, angle=angle + 1.57 * over, width=0.2), fin
        )
    scene.add(leaf(*at(0.26, -0.16), long * 0.32, angle=angle + 1.57 * over, width=0.2), IVORY)
    scene.add(leaf(*at(0.36, 0.04), long * 0.2, angle=angle + 0.5 * over, width=0.4), fin)
    scene.add(disc(*at(0.13, -0.045), long * 0.052), IVORY)
    scene.add(disc(*at(0.13, -0.045), long * 0.028), NIGHT)
