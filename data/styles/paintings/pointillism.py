"""Pointillism: dots of broken colour, sailing boats on a river in the afternoon."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .brush import Paint
from .canvas import (
    Colours,
    Generator,
    Picture,
    Plane,
    Points,
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
from .shapes import blob, mask, ridge

DOTS = palette(
    "#1d2358",
    "#2c4fa3",
    "#4f8fd6",
    "#8fd0dc",
    "#fdf6dc",
    "#fbd75a",
    "#f39a2d",
    "#e2554a",
    "#ee93a6",
    "#7d4f9e",
    "#1f5e4a",
    "#55a04f",
    "#b8d15a",
)
NAVY, BLUE, SKY, AQUA, CREAM, YELLOW, ORANGE, RED, PINK, PURPLE, PINE, GREEN, LIME = DOTS

LAYERS = [(0.0105, 0.0088, 0.55), (0.0078, 0.0062, 0.9), (0.0085, 0.0042, 1.0)]
"""Spacing and radius of the dots, and how pure their colours are, from first to last."""


def draw(size: int, seed: int = 0) -> Image.Image:
    """Paint a river bank in dots."""
    generator = np.random.default_rng(seed)
    scene, directions = _scene(size, generator)
    paint = Paint(mix(scene, CREAM, 0.45))
    for spacing, radius, purity in LAYERS:
        places = scatter(size, generator, spacing=spacing * coarseness(size))
        colours = _divided(sample(scene, places), generator, purity=purity)
        angles = sample(directions, places) + generator.normal(0, 0.3, len(places))
        sizes = coarseness(size) * radius * generator.uniform(0.65, 1.2, len(places))
        for place, colour, angle, wide in zip(places, colours, angles, sizes, strict=True):
            paint.dab(_dot(place, wide, angle), colour, height=generator.uniform(0.3, 1))
    picture, height = paint.result()
    light = relief(blur(height, size / 900) * (size / 128), strength=0.3)
    return to_image(picture * (1 + 0.12 * light[..., None]))


def _dot(place: Points, radius: float, angle: float) -> Points:
    turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    along, across = 1.15 * radius * np.cos(turn), 0.85 * radius * np.sin(turn)
    cosine, sine = np.cos(angle), np.sin(angle)
    shape = np.stack([along * cosine - across * sine, along * sine + across * cosine], axis=1)
    return np.asarray(place + shape, np.float32)


def _divided(colours: Colours, generator: Generator, *, purity: float) -> Colours:
    """Choose pure colours that give the ones asked for when seen from afar."""
    gaps = ((colours[:, None] - DOTS) ** 2 * np.array([1.0, 1.3, 0.8])).sum(axis=2)
    chance = -gaps / 0.05 + generator.gumbel(size=gaps.shape)
    pure = DOTS[chance.argmax(axis=1)]
    pure = pure + generator.normal(0, 0.025, pure.shape)
    return np.asarray(colours + (pure - colours) * purity, np.float32)


def _scene(size: int, generator: Generator) -> tuple[Picture, Plane]:
    x, y = coordinates(size)
    clouds = noise(size, generator, scale=0.3, stretch=(2, 1))
    scene = mix(flat(size, SKY), CREAM, smoothstep(y, 0.05, 0.36))
    scene = mix(scene, PINK, 0.7 * smoothstep(clouds, 0.5, 0.75))
    scene = mix(scene, YELLOW, 0.8 * smoothstep(np.hypot(x - 0.3, y - 0.2), 0.3, 0.05))
    scene = mix(scene, CREAM, smoothstep(np.hypot(x - 0.3, y - 0.2), 0.066, 0.056))
    directions = np.arctan2(y - 0.2, x - 0.3) + np.pi / 2
    for level, colour in ((0.32, PURPLE * 0.6 + SKY * 0.5), (0.35, BLUE * 0.6 + GREEN * 0.4)):
        hill = mask(size, [ridge(generator, level=level, rise=0.035, scale=0.4)])
        scene = mix(scene, colour, hill)
    scene = _river(scene, generator)
    directions = np.where(y > 0.4, 0.15 * np.sin(12 * x), directions)
    scene = _boats(scene)
    bank = mask(size, [ridge(generator, level=0.84, rise=0.03, scale=0.7, tilt=-0.24)])
    grass = mix(flat(size, GREEN), LIME, smoothstep(clouds + 0.4 * (y - 0.8), 0.4, 0.6))
    shade = noise(size, generator, scale=0.25, stretch=(2.5, 1))
    grass = mix(grass, PINE * 0.6 + NAVY * 0.4, smoothstep(shade, 0.5, 0.64))
    scene = mix(scene, grass, bank)
    directions = np.where(bank > 0.5, -1.3 + 0.3 * np.sin(20 * x), directions)
    return _parasols(_trees(scene, generator), generator), directions.astype(np.float32)


def _river(scene: Picture, generator: Generator) -> Picture:
    size = scene.shape[0]
    x, y = coordinates(size)
    ripple = noise(size, generator, scale=0.06, octaves=3, stretch=(5, 0.6))
    water = mix(flat(size, AQUA), BLUE, smoothstep(y + 0.25 * (ripple - 0.5), 0.4, 0.85))
    water = mix(water, NAVY, 0.7 * smoothstep(ripple, 0.58, 0.75))
    path = np.exp(-(((x - 0.3) / (0.05 + 0.25 * (y - 0.4))) ** 2))
    glitter = smoothstep(ripple + 0.35 * path, 0.68, 0.8)
    water = mix(water, CREAM * 0.5 + YELLOW * 0.5, glitter)
    water = mix(water, ORANGE, 0.5 * smoothstep(path * (1 - ripple), 0.45, 0.65))
    shore = smoothstep(y, 0.40, 0.403)
    return mix(scene, water, shore)


def _boats(scene: Picture) -> Picture:
    size = scene.shape[0]
    for x, y, tall, sail, other in (
        (0.55, 0.56, 0.27, CREAM, ORANGE),
        (0.40, 0.46, 0.12, RED, PINK),
        (0.12, 0.52, 0.19, YELLOW, CREAM),
        (0.70, 0.43, 0.07, CREAM, PINK),
    ):
        main = np.array([[0, -1], [0.42, -0.1], [0.0, -0.1]], np.float32)
        jib = np.array([[-0.03, -0.95], [-0.03, -0.1], [-0.34, -0.1]], np.float32)
        hull = np.array([[-0.4, -0.06], [0.46, -0.06], [0.33, 0.08], [-0.3, 0.08]], np.float32)
        here = np.array([x, y], np.float32)
        flip = np.array([1, -0.75], np.float32)
        for part, colour, much in (
            (main * flip, sail, 0.55),
            (jib * flip, other, 0.5),
            (hull * flip, NAVY, 0.7),
            (main, sail, 1.0),
            (jib, other, 1.0),
            (hull, RED * 0.7 + NAVY * 0.3, 1.0),
        ):
            scene = mix(scene, colour, much * mask(size, [here + part * tall]))
    return scene


def _trees(scene: Picture, generator: Generator) -> Picture:
    size = scene.shape[0]
    x, y = coordinates(size)
    leaves = noise(size, generator, scale=0.09, octaves=4)
    trunk = np.array([[0.86, 0.86], [0.87, 0.3], [0.9, 0.3], [0.93, 0.88]], np.float32)
    limb = np.array([[0.87, 0.5], [0.74, 0.26], [0.76, 0.26], [0.9, 0.44]], np.float32)
    scene = mix(scene, PURPLE * 0.5 + NAVY * 0.5, mask(size, [trunk, limb]))
    crowns = [
        blob(at_x, at_y, radius, generator)
        for at_x, at_y, radius in ((0.9, 0.12, 0.2), (0.7, 0.14, 0.12), (0.98, 0.36, 0.11))
    ]
    crown = smoothstep(blur(mask(size, crowns), size / 60) + 0.9 * (leaves - 0.5), 0.45, 0.55)
    light = smoothstep(leaves + 0.9 * (0.82 - x) + 0.5 * (0.15 - y), 0.48, 0.9)
    foliage = mix(flat(size, PINE * 0.5 + NAVY * 0.5), GREEN, smoothstep(leaves, 0.35, 0.55))
    foliage = mix(mix(foliage, LIME, 0.85 * light), YELLOW, 0.6 * smoothstep(light, 0.8, 1))
    scene = mix(scene, foliage, crown)
    shadow = blob(0.72, 0.95, 0.18, generator) * [1, 0.35] + [0, 0.6]
    return mix(scene, PURPLE * 0.5 + NAVY * 0.5, 0.75 * mask(size, [shadow.astype(np.float32)]))


def _parasols(scene: Picture, generator: Generator) -> Picture:
    size = scene.shape[0]
    for x, y, tall, dress, shade in (
        (0.52, 0.95, 0.26, RED, YELLOW),
        (0.64, 0.90, 0.21, PURPLE, PINK),
        (0.33, 0.97, 0.15, ORANGE, CREAM),
    ):
        here = np.array([x, y], np.float32)
        skirt = np.array([[-0.22, 0], [0.2, 0], [0.07, -0.42], [-0.07, -0.42]], np.float32)
        coat = np.array([[-0.09, -0.4], [0.09, -0.4], [0.06, -0.66], [-0.06, -0.66]], np.float32)
        turn = np.linspace(np.pi, 2 * np.pi, 20)
        dome = np.stack([0.3 * np.cos(turn) + 0.07, 0.22 * np.sin(turn) - 0.76], axis=1)
        scene = mix(scene, dress, mask(size, [here + skirt * tall]))
        scene = mix(scene, NAVY, mask(size, [here + coat * tall]))
        scene = mix(scene, PINK, mask(size, [blob(x, y - 0.71 * tall, 0.055 * tall, generator)]))
        scene = mix(scene, shade, mask(size, [(here + dome * tall).astype(np.float32)]))
    return scene
