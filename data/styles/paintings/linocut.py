"""Linocut: gouge marks in three blocks, a lighthouse above breaking waves."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .brush import comb, swirls, trace
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
    flat,
    mix,
    noise,
    palette,
    paper,
    sample,
    scatter,
    smoothstep,
    to_image,
    warp,
)
from .shapes import Scene, bent, box, corners, crest, depth, disc, leaf, rays, ribbon, ridge

PAPER, OCHRE, VERMILION, TEAL, INK = palette("#f5e8cd", "#efb03f", "#dd4a2a", "#3c9a94", "#1b2140")
SUN = (0.30, 0.27)


class Block:
    """A drawing on lino: what is what colour, which way grooves go, how light it shall be."""

    def __init__(self, size: int, colour: Colours, *, directions: Plane, tone: Plane) -> None:
        self.scene = Scene(size, colour)
        self.directions, self.tone = directions, tone

    def cut(
        self,
        outline: Points,
        colour: Colours,
        *,
        directions: Plane | float | None = None,
        tone: Plane | float | None = None,
    ) -> None:
        """Lay a shape over the drawing; what is not given stays as it is there."""
        here = self.scene.put(outline, colour)
        if directions is not None:
            self.directions = np.where(here, directions, self.directions)
        if tone is not None:
            self.tone = np.where(here, tone, self.tone)


def draw(size: int, seed: int = 0) -> Image.Image:
    """Cut and print three blocks, the darkest last."""
    generator = np.random.default_rng(seed)
    block = _scene(size, generator)
    scene, directions, tone = block.scene, block.directions, block.tone
    grain = paper(size, generator)
    picture = flat(size, PAPER) * (1 + 0.05 * grain[..., None])
    colours = scene.picture()
    for ink, shift in ((OCHRE, 0.003), (TEAL, -0.0025), (VERMILION, -0.002)):
        plate = (np.abs(colours - ink).sum(axis=2) < 0.02).astype(np.float32)
        offset = np.full((size, size), shift, np.float32)
        plate = blur(warp(plate, offset, -offset), size / 1500)
        plate = plate * (1 - _gouged(directions, tone * 0.45 + 0.12, generator, spacing=0.0135))
        picture = mix(picture, ink, plate * _inked(size, generator))
    outline = distance(borders(scene.labels), reach=max(3, size // 100)) * 768 / size
    swell = 3.2 * noise(size, generator, scale=0.08, octaves=2)
    key = 1 - _gouged(directions, tone, generator, spacing=0.0094)
    key = key * (1 - smoothstep(tone, 0.90, 0.97) * smoothstep(outline, 2, 4))
    key = np.maximum(key, smoothstep(outline - swell, 1.2, -0.2))
    return to_image(mix(picture, INK, key * _inked(size, generator)))


def _gouged(directions: Plane, tone: Plane, generator: Generator, *, spacing: float) -> Plane:
    """Cut tapered grooves side by side, wider where it shall be light: 1 where cut."""
    size = directions.shape[0]
    spacing *= coarseness(size)
    starts = scatter(384, generator, spacing=spacing * 0.6)
    starts = starts[np.argsort(-sample(tone, starts) + generator.normal(0, 0.2, len(starts)))]
    lengths = generator.uniform(4, 13, len(starts)).astype(np.float32) * spacing
    image = Image.new("L", (2 * size, 2 * size), 0)
    pen = ImageDraw.Draw(image)
    for path in comb(trace(directions, starts, length=lengths), spacing=spacing):
        light = float(sample(tone, path).mean()) + generator.normal(0, 0.06)
        if light > 0.1:
            width = spacing * min(1.25, 0.22 + 1.05 * light)
            pen.polygon(corners(ribbon(path, width, taper=0.85), 2 * size), fill=255)
    small = image.resize((size, size), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def _inked(size: int, generator: Generator) -> Plane:
    """How well ink was taken: specks of paper show through."""
    specks = noise(size, generator, scale=0.008, octaves=3)
    pressure = noise(size, generator, scale=0.25, octaves=3)
    return np.asarray(0.97 * smoothstep(specks + 0.2 * pressure, 0.12, 0.24))


def _scene(size: int, generator: Generator) -> Block:
    x, y = coordinates(size)
    far = np.hypot(x - SUN[0], y - SUN[1])
    away = np.arctan2(y - SUN[1], x - SUN[0])
    tone = 0.62 * smoothstep(far, 0.95, 0.16) + 0.08
    block = Block(size, TEAL, directions=away, tone=tone)
    for wedge in rays(*SUN, 0.15, 1.4, count=13, turn=0.1):
        block.cut(wedge, OCHRE)
    around = away + np.pi / 2
    block.cut(disc(*SUN, 0.15), PAPER, directions=around, tone=0.89)
    block.cut(disc(*SUN, 0.118), VERMILION, directions=around, tone=0.5)
    _clouds(block, generator)
    _coast(block, generator)
    _lighthouse(block)
    _sea(block, generator)
    return block


def _clouds(block: Block, generator: Generator) -> None:
    x, y = coordinates(block.scene.size)
    for at_x, at_y, wide in (
        (0.58, 0.1, 0.09),
        (0.05, 0.11, 0.11),
        (0.1, 0.47, 0.09),
        (0.97, 0.27, 0.07),
    ):
        for lobe in range(6):
            right = at_x + wide * (0.5 * lobe - 1.2)
            lift = at_y + wide * float(generator.uniform(-0.3, 0.25))
            radius = wide * float(generator.uniform(0.42, 0.68))
            far = np.hypot(x - right, (y - lift) / 0.75)
            shade = smoothstep(far / radius + 1.4 * (y - lift) / radius, 0.7, 2.0)
            block.cut(
                disc(right, lift, radius, squash=0.75),
                PAPER,
                directions=np.arctan2(y - lift, x - right) + np.pi / 2 + 0.3,
                tone=0.89 - 0.75 * shade,
            )


def _coast(block: Block, generator: Generator) -> None:
    x, _ = coordinates(block.scene.size)
    cliff = np.array(
        [
            *([0.55, 0.8], [0.59, 0.62], [0.63, 0.6], [0.66, 0.52], [0.74, 0.5], [0.8, 0.47]),
            *([1.1, 0.42], [1.1, 1.1], [0.5, 1.1]),
        ],
        np.float32,
    )
    grass = (cliff * [1, 0.3] + [0, 0.355]).astype(np.float32)
    strata = noise(block.scene.size, generator, scale=0.12, octaves=3, stretch=(1, 3))
    light = 0.15 + 0.75 * smoothstep(strata + 0.9 * (0.72 - x), 0.3, 0.7)
    for outline, colour, slope in ((cliff, OCHRE, 1.25), (grass, TEAL, -1.2)):
        block.cut(outline, colour, directions=slope + 2.4 * (strata - 0.5), tone=light)


def _lighthouse(block: Block) -> None:
    x, _ = coordinates(block.scene.size)
    left, right, top, foot = 0.755, 0.865, 0.17, 0.48
    for band in range(5):
        high, low = (top + (foot - top) * share / 5 for share in (band, band + 1))
        above, below = (0.028 * (1 - share / 5) for share in (band, band + 1))
        tower = np.array(
            [
                *([left + above, high], [right - above, high]),
                *([right - below, low], [left + below, low]),
            ],
            np.float32,
        )
        block.cut(
            tower,
            (VERMILION, PAPER)[band % 2],
            directions=0.25 * np.sin(40 * x),
            tone=smoothstep(x, right + 0.01, left + 0.05),
        )
    roof = np.array([[0.775, 0.105], [0.845, 0.105], [0.81, 0.06]], np.float32)
    for outline, colour, light in (
        (box(0.765, 0.155, 0.855, 0.172), INK, 0.0),
        (box(0.785, 0.105, 0.835, 0.155), OCHRE, 0.95),
        (roof, VERMILION, 0.2),
        (box(0.80, 0.30, 0.82, 0.33), INK, 0.0),
        (box(0.80, 0.40, 0.82, 0.48), INK, 0.0),
    ):
        block.cut(outline, colour, tone=light)


def _sea(block: Block, generator: Generator) -> None:
    size = block.scene.size
    x, _ = coordinates(size)
    crests = [(0.13, 0.73, 0.10, 1.0), (0.42, 0.84, 0.13, 1.0), (0.80, 0.88, 0.11, 1.0)]
    for level, rise in ((0.60, 0.012), (0.67, 0.03), (0.76, 0.045), (0.87, 0.05)):
        outline = ridge(generator, level=level, rise=rise, scale=0.45, octaves=2)
        skyline, below = crest(outline), depth(outline, size)
        slope = np.arctan(np.gradient(skyline[:, 1], skyline[:, 0]))
        along = np.interp(x, skyline[:, 0], slope) + 0.3 * np.sin(30 * below)
        foam = noise(size, generator, scale=0.06, octaves=3, stretch=(2, 1))
        light = 0.95 * smoothstep(below, 0.06, 0.0) + 0.95 * smoothstep(foam, 0.4, 0.65)
        block.cut(outline, TEAL, directions=swirls(size, crests, along), tone=light.clip(0, 1))
    _boat(block)
    for x_crest, y_crest, radius, _ in crests:
        _breaker(block, (x_crest, y_crest, radius), generator)


def _breaker(block: Block, place: tuple[float, float, float], generator: Generator) -> None:
    """Cut the foam of a breaking wave clean away."""
    x, y, radius = place
    for turn in range(0, 7, 2):
        path = bent(x - radius, y + 0.04, radius * 2.2, angle=-1.5 + 0.1 * turn, bend=3.4)
        shifted = path + np.array([0.013, 0.012], np.float32) * turn
        block.cut(ribbon(shifted, 0.016), PAPER, tone=0.9)
    for _ in range(9):
        right, down = (float(value) for value in generator.uniform(-1, 1, 2) * radius)
        angle = float(generator.uniform(0, 6))
        drop = leaf(x + right, y - 0.6 * radius + 0.5 * down, 0.02, angle=angle, width=0.7)
        block.cut(drop, PAPER, tone=1.0)


def _boat(block: Block) -> None:
    here = np.array([0.34, 0.70], np.float32)
    for outline, colour, light in (
        ([[0.005, -0.17], [0.10, -0.03], [0.005, -0.02]], VERMILION, 0.8),
        ([[-0.005, -0.15], [-0.005, -0.02], [-0.07, -0.025]], PAPER, 1.0),
        ([[-0.09, -0.012], [0.11, -0.012], [0.075, 0.03], [-0.06, 0.03]], VERMILION, 0.5),
    ):
        block.cut(here + np.array(outline, np.float32), colour, tone=light)
