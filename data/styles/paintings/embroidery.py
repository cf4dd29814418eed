"""Embroidery: satin stitches in silk, a blue bird among flowers."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .brush import Paint, comb, swirls, trace
from .canvas import (
    Colours,
    Generator,
    Plane,
    Points,
    blur,
    borders,
    coarseness,
    coordinates,
    distance,
    mix,
    noise,
    palette,
    relief,
    resize,
    sample,
    scatter,
    to_image,
)
from .shapes import Scene, bent, disc, leaf, ribbon, ridge

LINEN, NIGHT, BLUE, SKY, CREAM, GOLD, CORAL, ROSE, MOSS, SAGE = palette(
    "#d9c8a5",
    "#27336b",
    "#2f72c8",
    "#7cc4e6",
    "#fdf1d8",
    "#efb23a",
    "#e8623f",
    "#d8557f",
    "#3f6b3e",
    "#8fb06a",
)
THREAD = 0.0052
"""Width of a thread."""


def draw(size: int, seed: int = 0) -> Image.Image:
    """Stitch a bird and flowers."""
    generator = np.random.default_rng(seed)
    scene, directions = _scene(384, generator)
    labels, colours = scene.labels, scene.picture()
    shapes = labels.astype(np.float32)
    inside = distance(borders(labels), reach=24) / len(labels)
    weave = noise(size, generator, scale=0.01, octaves=2, stretch=(1, 3))
    padding = np.stack([resize(colours[..., band], size) for band in range(3)], axis=2) * 0.5
    ground = mix(padding, LINEN * 0.4, 0.35) * (0.7 + 0.5 * weave[..., None])
    paint = Paint(ground.astype(np.float32), oversample=3)
    thread = THREAD * coarseness(size)
    for spacing in (thread * 0.8, thread * 1.1):
        starts = scatter(384, generator, spacing=thread * 0.8)
        lengths = generator.uniform(4, 9, len(starts)).astype(np.float32) * thread
        paths = trace(directions, starts, length=lengths, steps=6)
        for path in comb(paths, spacing=spacing, least=4):
            middle = path[len(path) // 2]
            stitch = path[sample(shapes, path) == sample(shapes, middle)]
            if len(stitch) > 2:
                depth = float(sample(inside, middle))
                silk = _silk(sample(colours, middle), depth, generator)
                _stitch(paint, stitch, silk, width=thread)
    picture, height = paint.result()
    light = relief(blur(height, size / 1000) * (size / 110), strength=0.5)
    return to_image(picture * (1 + 0.22 * light[..., None]))


def _silk(colour: Colours, depth: float, generator: Generator) -> Colours:
    """Shade silk: darker at the heart of a shape, lighter at its rim, no two threads alike."""
    shade = 0.80 + 0.32 * float(np.exp(-depth / 0.012)) + float(generator.normal(0, 0.07))
    tint = generator.normal(0, 0.02, 3)
    return np.asarray(colour * shade + tint, np.float32)


def _stitch(paint: Paint, path: Points, colour: Colours, *, width: float) -> None:
    """Lay a thread: dark sides, a light ridge, and ends that dip into the cloth."""
    for share, light, height in ((1.05, 0.6, 0.35), (0.78, 1.05, 0.7), (0.32, 1.28, 1.0)):
        paint.dab(ribbon(path, width * share, taper=0.5), colour * light, height=height)


def _scene(size: int, generator: Generator) -> tuple[Scene, Plane]:
    x, y = coordinates(size)
    scene = Scene(size, NIGHT)
    flow = 0.4 * np.sin(7 * x + 3 * y) + 2 * (noise(size, generator, scale=0.5, octaves=2) - 0.5)
    sky = swirls(size, [(0.75, 0.2, 0.22, 1), (0.15, 0.15, 0.2, -1), (0.1, 0.6, 0.15, 1)], flow)
    for level, colour in (
        (0.12, BLUE * 0.8),
        (0.22, BLUE),
        (0.31, SKY),
        (0.60, CREAM * 0.7 + SKY * 0.3),
    ):
        scene.add(ridge(generator, level=level, rise=0.07, scale=0.6), colour)
    for radius, colour in ((0.15, CORAL), (0.115, GOLD), (0.07, CREAM)):
        scene.add(disc(0.77, 0.19, radius), colour)
    for level, colour in ((0.78, SAGE), (0.86, MOSS), (0.93, NIGHT * 0.5 + MOSS * 0.5)):
        scene.add(ridge(generator, level=level, rise=0.04, scale=0.5), colour)
    background = scene.labels
    _branches(scene, generator)
    _flowers(scene, generator)
    _bird(scene)
    turned = sky + generator.normal(0, 0.05, sky.shape).astype(np.float32)
    return scene, np.where(scene.labels == background, turned, scene.angles()).astype(np.float32)


def _sprig(scene: Scene, stem: Points, reach: float, colours: list[Colours]) -> None:
    scene.add(ribbon(stem, 0.016, taper=0.3), CORAL * 0.45 + MOSS * 0.3, angle=-1.2)
    direction = np.arctan2(*np.gradient(stem, axis=0).T[::-1])
    for number in range(4, 24, 4):
        for side in (-1, 1):
            angle = float(direction[number]) + side * 0.85
            place = (float(stem[number, 0]), float(stem[number, 1]))
            outline = leaf(*place, reach, angle=angle, width=0.46, bend=-side * 0.3)
            half = outline.copy()
            half[24:] = outline[:24][::-1] * 0.5 + outline[24:] * 0.5
            scene.add(outline, colours[number % len(colours)], angle=angle + side * 0.5)
            scene.add(half, colours[(number + 1) % len(colours)], angle=angle - side * 0.5)


def _branches(scene: Scene, generator: Generator) -> None:
    for x, y, long, angle, bend, reach in (
        (-0.02, 0.66, 0.72, -0.15, 0.25, 0.085),
        (1.02, 0.56, 0.42, 3.4, -0.5, 0.085),
        (0.05, 1.02, 0.4, -1.2, -0.4, 0.08),
        (0.94, 1.02, 0.42, -1.9, 0.5, 0.085),
        (0.1, -0.02, 0.42, 0.9, -0.5, 0.08),
    ):
        stem = bent(x, y, long, angle=angle, bend=bend)
        _sprig(scene, stem, reach * float(generator.uniform(0.9, 1.15)), [MOSS, SAGE, SAGE, GOLD])


def _flowers(scene: Scene, generator: Generator) -> None:
    for x, y, radius, outer, inner in (
        (0.14, 0.80, 0.125, CORAL, GOLD),
        (0.40, 0.88, 0.105, ROSE, CREAM),
        (0.66, 0.82, 0.12, CREAM, GOLD),
        (0.89, 0.74, 0.10, CORAL, ROSE),
        (0.20, 0.36, 0.085, ROSE, CREAM),
        (0.90, 0.44, 0.075, GOLD, CORAL),
        (0.08, 0.52, 0.055, CREAM, ROSE),
        (0.52, 0.97, 0.07, GOLD, CORAL),
        (0.80, 0.95, 0.075, ROSE, GOLD),
        (0.28, 0.13, 0.055, CREAM, GOLD),
    ):
        turn = float(generator.uniform(0, 6))
        for scale, colour, petals in ((1.0, outer, 7), (0.62, outer * 0.55 + inner * 0.45, 7)):
            for petal in range(petals):
                angle = turn + 2 * np.pi * petal / petals + (1 - scale)
                outline = leaf(x, y, radius * scale, angle=angle, width=0.75, fullest=0.68)
                scene.add(outline, colour * (0.88 + 0.24 * (petal % 2)), angle=angle)
        for wedge in range(8):
            angle = turn + np.pi * wedge / 4
            outline = leaf(x, y, radius * 0.28, angle=angle, width=0.9, fullest=0.6)
            scene.add(outline, inner * (0.85 + 0.15 * (wedge % 2)), angle=angle + 1.57)


def _bird(scene: Scene) -> None:
    for number, turn in enumerate((0.55, 0.75, 0.95)):
        tail = leaf(0.37, 0.52, 0.3, angle=2.45 + 0.3 * (turn - 0.75), width=0.17, fullest=0.7)
        scene.add(tail, (NIGHT, BLUE, SKY)[number], angle=2.45 + 0.3 * (turn - 0.75))
    scene.add(leaf(0.30, 0.585, 0.36, angle=-0.62, width=0.56, fullest=0.55), BLUE, angle=-0.5)
    scene.add(leaf(0.36, 0.60, 0.29, angle=-0.55, width=0.42, fullest=0.6), CORAL, angle=-0.8)
    scene.add(leaf(0.40, 0.605, 0.2, angle=-0.45, width=0.3, fullest=0.6), CREAM, angle=-0.8)
    scene.add(leaf(0.40, 0.53, 0.30, angle=-0.75, width=0.56, fullest=0.66), BLUE, angle=-0.75)
    scene.add(disc(0.575, 0.36, 0.078), BLUE, angle=-0.3)
    scene.add(disc(0.598, 0.385, 0.047), CORAL, angle=0.5)
    beak = np.array([[0.64, 0.335], [0.71, 0.36], [0.64, 0.385]], np.float32)
    scene.add(beak, GOLD, angle=0.1)
    scene.add(disc(0.60, 0.345, 0.019), CREAM, angle=1.0)
    scene.add(disc(0.603, 0.345, 0.011), NIGHT, angle=1.0)
    for number in range(6):
        angle = 2.75 - 0.13 * number
        start = (0.545 - 0.012 * number, 0.43 + 0.016 * number)
        feather = leaf(*start, 0.27 - 0.022 * number, angle=angle, width=0.22, fullest=0.7)
        colour = (NIGHT, SKY, BLUE, NIGHT * 0.5 + BLUE * 0.5, SKY, GOLD)[number]
        scene.add(feather, colour, angle=angle + 0.25)
