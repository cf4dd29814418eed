"""Impasto: thick oil in ridges, evening sun over lavender and wheat."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .brush import Paint, swirls, trace
from .canvas import (
    Generator,
    Picture,
    Plane,
    blur,
    coarseness,
    coordinates,
    flat,
    mix,
    noise,
    palette,
    relief,
    sample,
    scatter,
    smoothstep,
    to_image,
)
from .shapes import flower, leaf, mask, ridge

NIGHT, ULTRAMARINE, COBALT, TURQUOISE, CREAM, SUN, ORANGE, CRIMSON, VIOLET, GREEN = palette(
    "#191640",
    "#22348c",
    "#2f6ec4",
    "#63c1bd",
    "#fbeeb9",
    "#f8c12c",
    "#ea7426",
    "#b0263c",
    "#6b4aa5",
    "#3d7a45",
)
SUN_X, SUN_Y, HORIZON = 0.64, 0.25, 0.52

LAYERS = [  # spacing, width, length and bristles of the strokes, coarse to fine
    (0.021, 0.038, 0.15, 15),
    (0.0125, 0.021, 0.085, 9),
    (0.008, 0.0105, 0.05, 5),
]


def draw(size: int, seed: int = 0) -> Image.Image:
    """Paint an evening landscape with a loaded brush."""
    generator = np.random.default_rng(seed)
    scene, directions = _underpainting(size, generator)
    detail = np.abs(scene - blur(scene, size / 60)).sum(axis=2)
    paint = Paint(mix(scene, NIGHT, 0.35))
    coarse = coarseness(size)
    for number, (spacing, width, length, bristles) in enumerate(LAYERS):
        starts = scatter(size, generator, spacing=spacing * coarse)
        if number == len(LAYERS) - 1:
            busy = sample(detail, starts) > generator.uniform(0.02, 0.3, len(starts))
            starts = starts[busy]
        lengths = coarse * length * generator.uniform(0.5, 1.25, len(starts))
        paths = trace(directions, starts, length=lengths.astype(np.float32), steps=9)
        colours = _broken(sample(scene, starts), generator)
        for path, colour in zip(paths, colours, strict=True):
            paint.brush(path, colour, width=width * coarse, bristles=bristles, generator=generator)
    _poppies(paint, generator)
    picture, height = paint.result()
    return to_image(_lit(picture, height, generator))


def _underpainting(size: int, generator: Generator) -> tuple[Picture, Plane]:
    x, y = coordinates(size)
    far = np.hypot(x - SUN_X, (y - SUN_Y) * 1.1)
    clouds = noise(size, generator, scale=0.35, octaves=4, stretch=(2.5, 1))
    sky = mix(flat(size, ULTRAMARINE), COBALT, smoothstep(y + 0.3 * clouds, 0.0, 0.4))
    sky = mix(sky, TURQUOISE, smoothstep(y + 0.4 * clouds, 0.3, 0.62))
    sky = mix(sky, CREAM, 0.9 * smoothstep(clouds + 0.35 * y, 0.60, 0.75))
    sky = mix(sky, ORANGE, smoothstep(y + 0.25 * clouds, 0.46, 0.62))
    sky = mix(sky, ORANGE, 0.75 * smoothstep(np.sin(far * 52) - 9 * far, -3.2, -1.2))
    sky = mix(sky, SUN, smoothstep(far, 0.17, 0.1))
    sky = mix(sky, CREAM, smoothstep(far, 0.075, 0.06))
    wander = np.float32(4) * (noise(size, generator, scale=0.5, octaves=3) - 0.5)
    directions = swirls(
        size,
        [
            (SUN_X, SUN_Y, 0.28, 1),
            (0.2, 0.16, 0.15, -1),
            (0.95, 0.08, 0.14, -1),
            (0.3, 0.4, 0.1, 1),
        ],
        0.25 * wander,
    )
    for level, colour, other in ((0.44, VIOLET, COBALT), (0.5, ULTRAMARINE, VIOLET)):
        hill = mask(size, [ridge(generator, level=level, rise=0.06, scale=0.5)])
        sky = mix(sky, mix(flat(size, colour), other, clouds), hill)
        directions = np.where(hill > 0.5, 0.7 * np.sin(14 * x + 30 * level) * 0.6, directions)
    return _trees(*_fields(sky, directions, generator), generator)


def _fields(scene: Picture, directions: Plane, generator: Generator) -> tuple[Picture, Plane]:
    size = scene.shape[0]
    x, y = coordinates(size)
    down = y - HORIZON + 0.02 * np.sin(7 * x)
    bearing = np.arctan2(y - HORIZON + 0.08, x - 0.4) + 0.04 * np.sin(9 * y)
    rows = [VIOLET, SUN, GREEN, VIOLET * 1.25, SUN, COBALT, VIOLET, TURQUOISE, ORANGE, GREEN, SUN]
    strip = (bearing / np.pi * len(rows) * 1.35).astype(int) % len(rows)
    fields = np.array(rows, np.float32)[strip]
    furrow = np.sin(bearing * 95) * smoothstep(down, 0.02, 0.12)
    fields = mix(fields, NIGHT, 0.55 * smoothstep(furrow, 0.3, 0.9))
    fields = mix(fields, CREAM, 0.45 * smoothstep(furrow, -0.6, -0.95))
    fields = mix(fields, SUN, 0.7 * smoothstep(down, 0.05, 0.0))
    blotches = noise(size, generator, scale=0.1)
    fields = mix(fields, NIGHT, 0.5 * smoothstep(blotches, 0.62, 0.85))
    ground = smoothstep(down, -0.002, 0.002)
    return mix(scene, fields, ground), np.where(down > 0, bearing, directions)


def _trees(scene: Picture, directions: Plane, generator: Generator) -> tuple[Picture, Plane]:
    size = scene.shape[0]
    x, y = coordinates(size)
    flicker = noise(size, generator, scale=0.06, octaves=3, stretch=(1, 3))
    for at, foot, tall in (
        (0.13, 0.86, 0.74),
        (0.235, 0.74, 0.42),
        (0.86, 0.62, 0.26),
        (0.92, 0.66, 0.36),
        (0.79, 0.6, 0.17),
    ):
        outline = leaf(at, foot, tall, angle=-np.pi / 2 + 0.04, width=0.2, bend=-0.07, fullest=0.36)
        tree = mask(size, [outline])
        leaves = mix(flat(size, NIGHT), GREEN, smoothstep(flicker, 0.38, 0.62))
        leaves = mix(leaves, SUN, 0.65 * smoothstep(flicker + (x - at) * 1.5, 0.66, 0.8))
        scene = mix(scene, leaves, tree)
        flame = -np.pi / 2 + 0.5 * np.sin(26 * y + 9 * x)
        directions = np.where(tree > 0.5, flame, directions)
    return scene, directions.astype(np.float32)


def _broken(colours: Picture, generator: Generator) -> Picture:
    """Vary colours from stroke to stroke, as paint mixed on the knife does."""
    count = len(colours)
    lightness = generator.normal(0, 0.055, (count, 1))
    tint = generator.normal(0, 0.035, (count, 3))
    others = np.array([TURQUOISE, SUN, CRIMSON, CREAM, VIOLET])[generator.integers(0, 5, count)]
    share = np.where(generator.random((count, 1)) < 0.1, 0.33, 0.0)
    varied = colours + lightness + tint
    return np.asarray(varied + (others - varied) * share, np.float32)


def _poppies(paint: Paint, generator: Generator) -> None:
    for x, y in scatter(96, generator, spacing=0.035):
        depth = (y - HORIZON - 0.12) / 0.36
        if depth < 0 or generator.random() > 0.1 + 0.4 * np.sin(9 * x + 6 * y) ** 2:
            continue
        radius = 0.006 + 0.022 * depth
        for number, petal in enumerate(
            flower(x, y, radius, petals=5, turn=generator.uniform(0, 6), width=0.95)
        ):
            colour = (CRIMSON, ORANGE, CRIMSON * 1.25, ORANGE * 1.1, CRIMSON)[number]
            colour = colour + generator.normal(0, 0.04, 3).astype(np.float32)
            stroke = petal[3:21]
            paint.brush(stroke, colour, width=radius * 0.75, bristles=7, generator=generator)
        heart = leaf(x, y, radius * 0.7, angle=1.2, width=0.6)[:24]
        paint.brush(heart, NIGHT, width=radius * 0.35, bristles=3, generator=generator)


def _lit(picture: Picture, height: Plane, generator: Generator) -> Picture:
    size = picture.shape[0]
    weave = noise(size, generator, scale=4 / size, octaves=1)
    body = blur(height, size / 1400) * 11 + 0.2 * weave
    light = relief(body * (size / 768), strength=0.55)
    shine = smoothstep(light, 0.55, 1.0)
    picture = picture * (1 + 0.38 * light[..., None])
    return mix(picture, CREAM, 0.35 * shine)
