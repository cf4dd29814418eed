"""Ink wash: wet greys and dry brush with one red, mountains in mist behind a plum branch."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .canvas import Generator, Plane, Points, coordinates, noise, palette, smoothstep, to_image
from .shapes import bent, blob, depth, disc, leaf, mask, ribbon, ridge
from .water import Sheet

PAPER, INK, BLUE_INK, RED = palette("#efe6d3", "#20242b", "#39485a", "#c8321f")


def draw(size: int, seed: int = 0) -> Image.Image:
    """Paint mountains with ink and water."""
    generator = np.random.default_rng(seed)
    sheet = Sheet(size, PAPER, generator)
    mist = noise(size, generator, scale=0.5, octaves=5, stretch=(2.5, 1))
    sheet.wash(smoothstep(mist, 0.4, 0.75), BLUE_INK, strength=0.28, soft=0.05, blooms=9)
    sheet.wash(mask(size, [disc(0.70, 0.19, 0.085)]), RED, strength=0.9, ragged=0.003, edge=0.5)
    _mountains(sheet, generator)
    _pines(sheet, generator)
    _water(sheet, generator)
    _branch(sheet, generator)
    return to_image(sheet.result())


def _mountains(sheet: Sheet, generator: Generator) -> None:
    size = sheet.size
    for level, rise, fade, strength in (
        (0.30, 0.16, 0.20, 0.30),
        (0.38, 0.19, 0.22, 0.42),
        (0.52, 0.15, 0.20, 0.60),
        (0.66, 0.10, 0.16, 0.85),
    ):
        outline = ridge(generator, level=level, rise=rise, scale=0.5, octaves=6)
        below = depth(outline, size)
        hill = mask(size, [outline])
        body = hill * smoothstep(below, fade, 0.0)
        sheet.wash(body, BLUE_INK, strength=strength, ragged=0.004, soft=0.012, blooms=5)
        cracks = noise(size, generator, scale=0.1, octaves=5, stretch=(0.5, 2.2))
        creases = smoothstep(np.abs(cracks - 0.5), 0.045, 0.01) * smoothstep(below, 0.9 * fade, 0)
        sheet.wash(hill * creases, INK, strength=1.1 * strength, ragged=0.006, granulation=2.0)
        crest = hill * smoothstep(below + 0.05 * (cracks - 0.5), 0.018, 0.004)
        sheet.wash(crest, INK, strength=strength, ragged=0.005, granulation=2.2)


def _pines(sheet: Sheet, generator: Generator) -> None:
    for at_x, foot, count, tall in (
        (0.2, 0.62, 9, 0.10),
        (0.86, 0.70, 8, 0.13),
        (0.5, 0.74, 6, 0.07),
    ):
        needles = []
        for _ in range(count):
            x = at_x + float(generator.normal(0, 0.07))
            high = tall * float(generator.uniform(0.6, 1.2))
            base = foot + float(generator.normal(0, 0.012))
            needles.append(ribbon(bent(x, base, high, angle=-1.57, bend=0.1), high * 0.05))
            for tier in np.linspace(0.25, 1, 7):
                for side in (0.35, np.pi - 0.35):
                    reach = high * (1.15 - tier) * float(generator.uniform(0.25, 0.5))
                    needles.append(leaf(x, base - high * tier, reach, angle=side, width=0.4))
        sheet.wash(
            mask(sheet.size, needles), INK, strength=1.2, soft=0.004, ragged=0.006, granulation=1.6
        )


def _water(sheet: Sheet, generator: Generator) -> None:
    size = sheet.size
    _, y = coordinates(size)
    ripples = noise(size, generator, scale=0.15, octaves=4, stretch=(6, 0.4))
    below = smoothstep(y, 0.74, 0.82)
    sheet.wash(below * smoothstep(ripples, 0.5, 0.6), BLUE_INK, strength=0.5, blooms=4)
    sheet.wash(below * smoothstep(ripples, 0.63, 0.66), INK, strength=0.7, granulation=2.2)
    hull = np.array([[0.40, 0.83], [0.56, 0.83], [0.53, 0.853], [0.43, 0.853]], np.float32)
    cover = disc(0.475, 0.83, 0.032, squash=0.75)
    pole = ribbon(bent(0.535, 0.85, 0.13, angle=-1.3, bend=0.0), 0.004)
    sheet.wash(mask(size, [hull, pole]), INK, strength=1.6, ragged=0.002)
    sheet.wash(mask(size, [cover]), INK, strength=0.8, ragged=0.002)


def _branch(sheet: Sheet, generator: Generator) -> None:
    size = sheet.size
    wood: list[Points] = []
    tips: list[tuple[float, float]] = []
    for x, y, long, angle, bend, width in (
        (1.04, 0.56, 0.50, 3.45, 0.5, 0.030),
        (-0.04, 0.97, 0.66, -0.8, 0.75, 0.036),
    ):
        _grow(wood, tips, generator, (x, y, long, angle, bend, width))
    sheet.wash(_dry(mask(size, wood), generator), INK, strength=1.9, ragged=0.002)
    blossoms, hearts, buds = [], [], []
    for x, y in tips:
        if generator.random() < 0.25:
            continue
        radius = float(generator.uniform(0.010, 0.021))
        turn = float(generator.uniform(0, 6))
        for petal in range(5):
            angle = turn + 2 * np.pi * petal / 5
            away = radius * 0.62
            centre = (x + away * np.cos(angle), y + away * np.sin(angle))
            blossoms.append(blob(*centre, radius * 0.55, generator, wobble=0.1))
        hearts.append(disc(x, y, radius * 0.22))
        near = generator.normal(0, 0.022, 2)
        buds.append(disc(x + near[0], y + near[1], radius * 0.42))
    sheet.wash(
        mask(size, blossoms), RED, strength=0.75, ragged=0.003, edge=1.2, pools=1.0, reserve=0.92
    )
    sheet.wash(mask(size, buds), RED, strength=1.0, ragged=0.003, reserve=0.9)
    sheet.wash(mask(size, hearts), INK, strength=1.2, ragged=0.003)


def _grow(
    wood: list[Points],
    tips: list[tuple[float, float]],
    generator: Generator,
    limb: tuple[float, float, float, float, float, float],
) -> None:
    """Grow a limb (place, length, angle, bend and width) and its twigs, with blossom sites."""
    x, y, long, angle, bend, width = limb
    path = bent(x, y, long, angle=angle, bend=bend)
    path = path + (generator.normal(0, 0.08, path.shape) * width).astype(np.float32)
    wood.append(ribbon(path, width, taper=0.5))
    tips.append((float(path[-1, 0]), float(path[-1, 1])))
    if width < 0.008:
        return
    for number in generator.choice(np.arange(4, 23), 4, replace=False):
        at = path[number]
        side = float(generator.choice([-1.0, 1.0]))
        turn = angle + bend * number / 23 + side * float(generator.uniform(0.5, 1.0))
        reach = long * float(generator.uniform(0.3, 0.6))
        twig = (float(at[0]), float(at[1]), reach, turn, -side * 0.5, width * 0.5)
        _grow(wood, tips, generator, twig)


def _dry(shape: Plane, generator: Generator) -> Plane:
    """Let paper show through where the brush ran dry."""
    streaks = noise(shape.shape[0], generator, scale=0.02, octaves=3, stretch=(3, 1))
    return np.asarray(shape * (0.45 + 0.55 * smoothstep(streaks, 0.2, 0.4)), np.float32)
