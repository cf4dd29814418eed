"""Halftone comic: ink outlines and printed dots, a rocket over a city by the sea."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .brush import comb, trace
from .canvas import (
    Generator,
    Labels,
    Picture,
    Plane,
    Points,
    borders,
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
from .shapes import Scene, bent, box, crest, disc, leaf, mask, rays, ribbon, ridge

PAPER, INK, YELLOW, ORANGE, RED, PINK, SKY, BLUE, GREEN = palette(
    "#fbf3df",
    "#17141c",
    "#ffd733",
    "#f7922d",
    "#e5332e",
    "#f59bb0",
    "#7fcbe8",
    "#1f63b5",
    "#3fa66b",
)
PLATES = palette("#12a6dd", "#e8308a", "#ffdf1f")
ANGLES = np.radians([15, 75, 0])
SUN = (0.60, 0.36)


def draw(size: int, seed: int = 0) -> Image.Image:
    """Draw in ink and print in dots."""
    generator = np.random.default_rng(seed)
    large = size * 2
    scene, shadow = _scene(large, generator)
    picture = _printed(scene.picture(), scene.labels, shadow, generator)
    picture = mix(picture, INK, _inked(scene.labels, shadow, generator))
    aged = noise(large, generator, scale=0.4) * 0.12 + 0.03 * paper(large, generator) + 0.94
    return to_image(picture * aged[..., None], size=size)


def _printed(colours: Picture, labels: Labels, shadow: Plane, generator: Generator) -> Picture:
    """Print three plates of dots, a little out of register."""
    size = colours.shape[0]
    x, y = coordinates(size)
    drift = noise(size, generator, scale=0.7, octaves=2) - 0.5
    picture = flat(size, PAPER)
    toned = colours * (1 - 0.3 * shadow[..., None]) + 0.1 * drift[..., None]
    density = (1 - toned / PAPER).clip(0, 1)
    pitches = np.array([0.0125, 0.0092, 0.0165, 0.0105], np.float32)[labels % 4]
    turns = np.array([0.0, 0.5, -0.35, 0.9], np.float32)[labels % 4]
    for plate, angle in enumerate(ANGLES):
        offset = generator.normal(0, 0.0016, 2)
        here = warp(density[..., plate], *(np.full((size, size), o, np.float32) for o in offset))
        turned = angle + turns
        u = (x * np.cos(turned) + y * np.sin(turned)) / pitches
        v = (y * np.cos(turned) - x * np.sin(turned)) / pitches
        far = np.hypot(u - np.round(u), v - np.round(v))
        radius = np.sqrt(here / np.pi) * 1.12
        solid = smoothstep(here, 0.8, 0.95)
        edge = 1.2 / (pitches * size)
        dots = np.maximum(smoothstep(far - radius, edge, -edge), solid)
        dots = np.where(here > 0.04, dots, 0)
        picture = picture * (1 - dots[..., None] * (1 - PLATES[plate]))
    return np.asarray(picture, np.float32)


def _inked(labels: Labels, shadow: Plane, generator: Generator) -> Plane:
    """Ink outlines that swell, and hatching where it is dark."""
    size = labels.shape[0]
    near = distance(borders(labels), reach=max(4, size // 100)) * 768 / size
    swell = 1.2 + 3.4 * noise(size, generator, scale=0.12, octaves=2)
    lines = smoothstep(near - swell, 0.4, -0.4)
    starts = scatter(384, generator, spacing=0.008)
    starts = starts[sample(shadow, starts) > 0.5]
    slope = np.full((64, 64), -0.9, np.float32) + noise(64, generator, scale=0.5, octaves=1)
    paths = comb(trace(slope, starts, length=0.055), spacing=0.0105)
    kept = [path for path in paths if sample(shadow, path).min() > 0.3]
    hatching = mask(size, [ribbon(path, 0.0055) for path in kept], oversample=1)
    return np.maximum(lines, hatching)


def _scene(size: int, generator: Generator) -> tuple[Scene, Plane]:
    scene = Scene(size, YELLOW)
    for wedge in rays(*SUN, 0.0, 1.4, count=15, turn=0.05):
        scene.add(wedge, ORANGE)
    scene.add(_burst(*SUN, 0.36, generator), RED)
    scene.add(_burst(*SUN, 0.29, generator), YELLOW)
    scene.add(disc(*SUN, 0.19), PINK * 0.5 + PAPER * 0.5)
    scene.add(disc(SUN[0] + 0.02, SUN[1] - 0.02, 0.145), PAPER * 0.6 + YELLOW * 0.4)
    shadow = np.zeros((size, size), np.float32)
    for x, y, wide in ((0.14, 0.2, 0.12), (0.9, 0.15, 0.11), (0.88, 0.5, 0.09), (0.1, 0.52, 0.09)):
        shadow = np.maximum(shadow, _cloud(scene, x, y, wide, generator))
    shadow = np.maximum(shadow, _city(scene, generator))
    shadow = np.maximum(shadow, _sea(scene, generator))
    before = scene.labels
    fold = _rocket(scene, generator)
    return scene, np.where(scene.labels == before, shadow, fold)


def _burst(x: float, y: float, radius: float, generator: Generator) -> Points:
    count = 22
    turn = np.linspace(0, 2 * np.pi, 2 * count, endpoint=False)
    reach = np.where(np.arange(2 * count) % 2, 0.72, generator.uniform(0.85, 1.2, 2 * count))
    spikes = np.stack([x + radius * reach * np.cos(turn), y + radius * reach * np.sin(turn)], 1)
    return spikes.astype(np.float32)


def _cloud(scene: Scene, x: float, y: float, wide: float, generator: Generator) -> Plane:
    """Add a cloud as one shape with scalloped edge; return its shadow."""
    puffs = []
    for lobe in range(7):
        right = x + wide * (lobe - 3) * 0.36
        lift = y - wide * 0.32 * np.cos((lobe - 3) * 0.5) + float(generator.normal(0, 0.008))
        puffs.append(disc(right, lift, wide * float(generator.uniform(0.27, 0.38))))
    base = disc(x, y, wide * 1.25, squash=0.32)
    number = scene.add(base, PAPER)
    for puff in puffs:
        scene.add(puff, PAPER)
        scene.merge(number)
    low = np.array([0, 0.03], np.float32) * wide / 0.1
    whole = mask(scene.size, [*puffs, base], oversample=1)
    lit = mask(scene.size, [shape - low for shape in [*puffs, base]], oversample=1)
    return np.asarray(whole * (1 - lit), np.float32)


def _city(scene: Scene, generator: Generator) -> Plane:
    """Add two rows of towers; return their shadow."""
    shadow = np.zeros((scene.size, scene.size), np.float32)
    for row, (foot, low, high) in enumerate(((0.74, 0.10, 0.30), (0.80, 0.06, 0.22))):
        left = -0.03
        while left < 1:
            wide = float(generator.uniform(0.06, 0.12))
            top = foot - float(generator.uniform(low, high))
            colour = (BLUE, PINK, SKY, GREEN, RED, ORANGE)[int(generator.integers(6))]
            tower = box(left, top, left + wide, foot + 0.1)
            if generator.random() < 0.4:
                tower[int(generator.integers(2)), 1] -= 0.04
            scene.add(tower, colour * (0.8 if row == 0 else 1.0))
            side = box(left + 0.78 * wide, top + 0.012, left + wide, foot)
            shadow = np.maximum(shadow * (1 - mask(scene.size, [tower])), mask(scene.size, [side]))
            level = top + 0.03
            while level < foot - 0.01:
                for at in (0.1, 0.34, 0.58):
                    if generator.random() < 0.75:
                        place = left + at * wide
                        pane = box(place, level, place + 0.15 * wide, level + 0.019)
                        scene.add(pane, (YELLOW, PAPER, YELLOW, SKY)[int(generator.integers(4))])
                level += float(generator.uniform(0.034, 0.046))
            left += wide * float(generator.uniform(0.9, 1.1))
    return np.asarray(shadow, np.float32)


def _sea(scene: Scene, generator: Generator) -> Plane:
    """Add waves; return their shadow."""
    shadow = np.zeros((scene.size, scene.size), np.float32)
    for level, colour in ((0.79, BLUE), (0.85, SKY), (0.91, BLUE), (0.965, GREEN)):
        outline = ridge(generator, level=level, rise=0.02, scale=0.3, octaves=2)
        crests = outline.copy()
        crest(crests)[:, 1] -= 0.022 * np.abs(np.sin(crest(outline)[:, 0] * 19 + level * 40))
        scene.add(crests, PAPER)
        scene.add(outline + np.array([0, 0.008], np.float32), colour)
        here = mask(scene.size, [outline + np.array([0, 0.03], np.float32)], oversample=1)
        swell = noise(scene.size, generator, scale=0.2, octaves=2, stretch=(3, 0.6))
        below = mask(scene.size, [crests], oversample=1)
        shadow = np.where(here > 0.5, smoothstep(swell, 0.6, 0.65), shadow * (1 - below))
        for _ in range(5):
            x = float(generator.random())
            y = level + float(generator.uniform(0.02, 0.05))
            glint = ribbon(bent(x, y, 0.07, angle=-0.25, bend=0.5), 0.009)
            scene.add(glint, PAPER)
    return np.asarray(shadow, np.float32)


def _rocket(scene: Scene, generator: Generator) -> Plane:
    """Add a rocket on its flame; return its shadow."""
    angle, nose = -1.0, np.array([0.66, 0.08])
    ahead = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-ahead[1], ahead[0]])

    def at(along: float, across: float) -> tuple[float, float]:
        place = nose - along * ahead + across * aside
        return float(place[0]), float(place[1])

    for turn, reach, colour in ((0.0, 0.34, RED), (0.3, 0.25, RED), (-0.3, 0.25, RED)):
        scene.add(leaf(*at(0.34, 0), reach, angle=angle + np.pi + turn, width=0.35), colour)
    scene.add(leaf(*at(0.34, 0), 0.25, angle=angle + np.pi, width=0.36), YELLOW)
    scene.add(leaf(*at(0.34, 0), 0.14, angle=angle + np.pi, width=0.4), PAPER)
    for number in range(9):
        puff_x, puff_y = at(0.62 + 0.035 * number, float(generator.normal(0, 0.04)))
        reach = 0.03 + 0.006 * number
        colour = (SKY * 0.4 + PAPER * 0.6, PINK, PAPER, ORANGE)[number % 4]
        scene.add(disc(puff_x, puff_y, reach), colour)
    for turn in (0.55, -0.55, 0.0):
        scene.add(leaf(*at(0.22, 0), 0.22, angle=angle + np.pi + turn, width=0.42), BLUE)
    body = leaf(*at(0.38, 0), 0.42, angle=angle, width=0.34, fullest=0.45)
    scene.add(body, PAPER)
    scene.add(leaf(*at(0.10, 0), 0.135, angle=angle, width=0.62, fullest=0.3), RED)
    scene.add(disc(*at(0.17, 0), 0.038), YELLOW)
    scene.add(disc(*at(0.17, 0), 0.026), SKY)
    lit = body + (aside * -0.035).astype(np.float32)
    size = scene.size
    return mask(size, [body], oversample=1) * (1 - mask(size, [lit], oversample=1))
