"""Watercolour: blooms and granulation, a lake in autumn."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .canvas import Generator, Plane, coordinates, noise, palette, smoothstep, to_image
from .shapes import bent, blob, disc, flower, leaf, mask, ribbon, ridge
from .water import Sheet

PAPER, COBALT, CERULEAN, INDIGO, VIOLET, ROSE, GAMBOGE, SIENNA, SAP = palette(
    "#fbf6ea",
    "#3f66c8",
    "#4fb0d8",
    "#2b3566",
    "#8a62b4",
    "#e2557f",
    "#fbbf2d",
    "#d9662b",
    "#6a9440",
)
SHORE = 0.56


def draw(size: int, seed: int = 0) -> Image.Image:
    """Paint a lake in washes."""
    generator = np.random.default_rng(seed)
    sheet = Sheet(size, PAPER, generator)
    _sky(sheet, generator)
    _mountains(sheet, generator)
    _water(sheet, generator)
    _trees(sheet, generator)
    _bank(sheet, generator)
    _spatter(sheet, generator)
    return to_image(sheet.result())


def _sky(sheet: Sheet, generator: Generator) -> None:
    size = sheet.size
    x, y = coordinates(size)
    clouds = noise(size, generator, scale=0.35, octaves=5, stretch=(1.6, 1))
    sun = np.hypot(x - 0.66, y - 0.2)
    above = smoothstep(y, SHORE, 0.3)
    sheet.wash(smoothstep(sun, 0.42, 0.06), GAMBOGE, strength=0.6, soft=0.04)
    blue = smoothstep(clouds, 0.5, 0.58) * smoothstep(sun, 0.26, 0.42) * above
    sheet.wash(blue, COBALT, strength=0.55, soft=0.008, blooms=7)
    sheet.wash(smoothstep(clouds, 0.44, 0.3) * above, ROSE, strength=0.4, soft=0.02, blooms=4)
    sheet.wash(
        smoothstep(clouds, 0.6, 0.68) * smoothstep(sun, 0.3, 0.42), VIOLET, strength=0.3, blooms=3
    )
    sheet.wash(mask(size, [disc(0.66, 0.2, 0.06)]), SIENNA, strength=0.9, ragged=0.002, reserve=0.8)


def _mountains(sheet: Sheet, generator: Generator) -> None:
    _, y = coordinates(sheet.size)
    dry = smoothstep(y, SHORE + 0.004, SHORE - 0.004)
    for level, rise, pigment, other, strength in (
        (0.34, 0.13, COBALT, VIOLET, 0.4),
        (0.42, 0.09, VIOLET, CERULEAN, 0.5),
        (0.49, 0.06, COBALT, SAP, 0.6),
    ):
        outline = ridge(generator, level=level, rise=rise, scale=0.45, octaves=5)
        hill = mask(sheet.size, [outline]) * dry
        change = noise(sheet.size, generator, scale=0.25)
        for part, colour in ((change, pigment), (1 - change, other)):
            wet = hill * smoothstep(part + 0.35 * (0.5 - y), 0.25, 0.6)
            kept = 0.95 if colour is pigment else 0.0
            sheet.wash(wet, colour, strength=strength, blooms=5, ragged=0.004, reserve=kept)


def _water(sheet: Sheet, generator: Generator) -> None:
    size = sheet.size
    x, y = coordinates(size)
    lake = smoothstep(y, SHORE - 0.003, SHORE + 0.003) * smoothstep(y, 0.98, 0.86)
    sheet.wash(lake, CERULEAN, strength=0.45, blooms=8, reserve=0.8)
    ripples = noise(size, generator, scale=0.11, octaves=3, stretch=(6, 0.5))
    for pigment, at, strength in ((COBALT, 0.57, 0.5), (VIOLET, 0.64, 0.45), (INDIGO, 0.70, 0.5)):
        wet = lake * smoothstep(ripples + 0.12 * np.sin(9 * x + at * 40), at, at + 0.03)
        sheet.wash(wet, pigment, strength=strength, ragged=0.003, edge=1.2)
    path = np.exp(-(((x - 0.66) / (0.03 + 0.12 * (y - SHORE))) ** 2)).astype(np.float32)
    glow = lake * smoothstep(path + 0.9 * np.sin(150 * y + 4 * ripples), 0.9, 1.0)
    sheet.wash(glow, GAMBOGE * 0.6 + SIENNA * 0.4, strength=0.8, ragged=0.003, reserve=0.9)


def _trees(sheet: Sheet, generator: Generator) -> None:
    size = sheet.size
    for x, tall, pigment, other in (
        (0.05, 0.3, SIENNA, GAMBOGE),
        (0.17, 0.22, GAMBOGE, SAP),
        (0.27, 0.16, SAP, INDIGO),
        (0.36, 0.11, SIENNA, ROSE),
        (0.80, 0.13, SAP, GAMBOGE),
        (0.88, 0.2, ROSE, SIENNA),
        (0.97, 0.27, SIENNA, INDIGO),
    ):
        foot = SHORE + 0.012
        crowns = [
            blob(
                x + float(generator.normal(0, 0.24)) * tall * (1.15 - share),
                foot - share * tall,
                float(generator.uniform(0.08, 0.22)) * tall,
                generator,
                lobes=9,
            )
            for share in generator.uniform(0.2, 1.0, 16)
        ]
        crown = mask(size, crowns)
        leaves = noise(size, generator, scale=0.045, octaves=4)
        first = crown * smoothstep(leaves, 0.22, 0.4)
        second = crown * smoothstep(leaves, 0.62, 0.5)
        sheet.wash(first, pigment, strength=0.85, blooms=3, ragged=0.005, reserve=0.9)
        sheet.wash(second, other, strength=0.6, blooms=2, ragged=0.004)
        trunk = ribbon(bent(x, foot, tall * 0.9, angle=-1.55, bend=0.2), 0.03 * tall)
        sheet.wash(mask(size, [trunk]), INDIGO, strength=0.7, ragged=0.002)
        mirrored = _mirrored(first, foot)
        sheet.wash(mirrored, pigment, strength=0.5, ragged=0.012, reserve=0.85)
    strip = mask(size, [ridge(generator, level=SHORE - 0.006, rise=0.008, scale=0.2)])
    strip = strip * mask(size, [np.array([[0, 0], [1, 0], [1, 0.572], [0, 0.572]], np.float32)])
    sheet.wash(strip, SAP, strength=1.0, edge=1.0, ragged=0.003, reserve=0.5)


def _mirrored(shape: Plane, level: float) -> Plane:
    size = shape.shape[0]
    rows = (2 * level * size - np.arange(size)).astype(int)
    flipped: Plane = shape[rows.clip(0, size - 1)].copy()
    flipped[(rows < 0) | (rows > level * size)] = 0
    return flipped


def _bank(sheet: Sheet, generator: Generator) -> None:
    size = sheet.size
    outline = ridge(generator, level=0.87, rise=0.035, scale=0.6, tilt=-0.06)
    bank = mask(size, [outline])
    change = noise(size, generator, scale=0.2)
    sheet.wash(bank, SAP, strength=0.6, blooms=6, reserve=0.85)
    sheet.wash(bank * smoothstep(change, 0.5, 0.65), INDIGO, strength=0.35, blooms=4)
    sheet.wash(bank * smoothstep(change, 0.5, 0.4), GAMBOGE, strength=0.55, blooms=4)
    for pigment in (SAP, INDIGO, SIENNA):
        blades = []
        for x in generator.uniform(0, 1, 34):
            tall = float(generator.uniform(0.06, 0.24))
            lean = -1.57 + float(generator.normal(0, 0.22))
            blades.append(leaf(x, 1.0, tall, angle=lean, width=0.055, bend=lean + 1.57))
        sheet.wash(mask(size, blades), pigment, strength=0.8, ragged=0.002)
    for pigment, heart in ((ROSE, GAMBOGE), (VIOLET, GAMBOGE), (SIENNA, INDIGO)):
        petals, hearts = [], []
        for _ in range(11):
            x, y = float(generator.random()), float(generator.uniform(0.78, 0.98))
            radius = float(generator.uniform(0.02, 0.045))
            petals += flower(x, y, radius, petals=5, turn=float(generator.uniform(0, 6)), width=0.8)
            hearts.append(disc(x, y, radius * 0.3))
        sheet.wash(
            mask(size, petals),
            pigment,
            strength=0.9,
            edge=1.2,
            pools=1.0,
            ragged=0.003,
            reserve=0.92,
        )
        sheet.wash(mask(size, hearts), heart, strength=1.0, ragged=0.002, reserve=0.6)


def _spatter(sheet: Sheet, generator: Generator) -> None:
    for pigment in (COBALT, ROSE, SIENNA, INDIGO):
        drops = [
            disc(float(x), float(y), float(generator.exponential(0.0022)) + 0.0012)
            for x, y in generator.random((14, 2))
        ]
        sheet.wash(mask(sheet.size, drops), pigment, strength=0.8, ragged=0.001, edge=1.3)
