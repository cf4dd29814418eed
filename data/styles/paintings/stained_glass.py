"""Stained glass: lead lines and glowing panes, irises by a lake at sunrise."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .canvas import (
    Generator,
    Labels,
    Picture,
    Plane,
    blur,
    borders,
    cells,
    coordinates,
    distance,
    mix,
    noise,
    palette,
    relief,
    scatter,
    smoothstep,
    to_image,
)
from .shapes import Scene, bent, disc, leaf, rays, ribbon, ridge

INK, COBALT, AZURE, TEAL, EMERALD, LIME, GOLD, AMBER, RUBY, VIOLET, PEARL = palette(
    "#0b0c12",
    "#12309c",
    "#2f86dd",
    "#0f8f9c",
    "#0c7a44",
    "#84b52c",
    "#fccb3c",
    "#ee8416",
    "#c01832",
    "#6a2aa6",
    "#fdeec2",
)
SUN = (0.36, 0.30)
OVERSAMPLE = 2


def draw(size: int, seed: int = 0) -> Image.Image:
    """Glaze a window."""
    generator = np.random.default_rng(seed)
    large = size * OVERSAMPLE
    scene = _scene(large, generator)
    shapes = scene.labels
    panes = _panes(shapes, generator)
    outline = distance(borders(shapes), reach=max(3, large // 90))
    seam = distance(borders(panes), reach=max(3, large // 90))
    lead = np.minimum(outline - large / 230, seam - large / 420)
    glass = _glass(scene.colours[shapes], panes, seam, generator)
    return to_image(_leaded(glass, lead, generator), size=size)


def _panes(shapes: Labels, generator: Generator) -> Labels:
    """Break every shape into panes that can be cut from glass."""
    size = shapes.shape[0]
    spacing = 0.026 + 0.045 * noise(256, generator, scale=0.3, octaves=2)
    facets = cells(size, scatter(256, generator, spacing=spacing), reach=0.11)
    combined = shapes * (facets.max() + 1) + facets
    _, panes, counts = np.unique(combined, return_inverse=True, return_counts=True)
    slivers = counts[panes] < (0.009 * size) ** 2
    whole = np.where(slivers.reshape(shapes.shape), shapes, panes.reshape(shapes.shape) + 1000)
    return whole.astype(np.int32)


def _glass(colours: Picture, panes: Labels, seam: Plane, generator: Generator) -> Picture:
    size = panes.shape[0]
    count = int(panes.max()) + 1
    shade = generator.normal(1, 0.17, count).astype(np.float32)
    tint = generator.normal(0, 0.05, (count, 3)).astype(np.float32)
    streaks = [
        noise(size, generator, scale=0.09, octaves=4, stretch=stretch)
        for stretch in ((4, 0.7), (0.7, 4), (1, 1))
    ]
    kind = (np.arange(count) * 7919 % 3)[panes]
    streak = np.choose(kind, streaks)
    glass = colours * shade[panes][..., None] + tint[panes]
    glass = mix(glass, PEARL, 0.55 * smoothstep(streak, 0.52, 0.9))
    glass = mix(glass, glass * 0.35, smoothstep(streak, 0.48, 0.1))
    ripple = noise(size, generator, scale=0.035, octaves=3)
    glass = glass * (1 + 0.17 * relief(ripple * size / 60, strength=1.0))[..., None]
    x, y = coordinates(size)
    glow = np.exp(-((np.hypot(x - SUN[0], y - SUN[1]) / 0.5) ** 2))
    inner = smoothstep(seam, 0, size / 110)
    return np.asarray(glass * ((0.62 + 0.38 * inner) * (0.85 + 0.4 * glow))[..., None])


def _leaded(glass: Picture, lead: Plane, generator: Generator) -> Picture:
    size = glass.shape[0]
    covered = smoothstep(lead, 1.5, 0)
    came = np.sqrt((-lead).clip(0, size / 150)) * 2.2
    rough = noise(size, generator, scale=0.015, octaves=3)
    metal = INK + (0.10 * rough + 0.20 * relief(came, strength=0.8).clip(0, 1))[..., None]
    picture = mix(glass, metal, covered)
    halo = blur(mix(glass, glass * 0, covered), size / 90)
    return np.asarray(1 - (1 - picture.clip(0, 1)) * (1 - 0.22 * halo.clip(0, 1)))


def _scene(size: int, generator: Generator) -> Scene:
    scene = Scene(size, COBALT)
    for number, wedge in enumerate(rays(*SUN, 0.1, 1.3, count=11, turn=0.12)):
        scene.add(wedge, (AZURE, TEAL, VIOLET, AZURE, COBALT * 1.3)[number % 5])
    for radius, colour in ((0.30, VIOLET), (0.245, RUBY), (0.19, AMBER), (0.135, GOLD)):
        scene.add(disc(*SUN, radius), colour)
        for number, wedge in enumerate(
            rays(*SUN, radius - 0.052, radius, count=9, turn=radius * 9)
        ):
            scene.add(wedge, colour * 0.75 + (PEARL, GOLD)[number % 2] * 0.25)
    scene.add(disc(*SUN, 0.085), PEARL)
    _hills(scene, generator)
    for x, y, long, turn in (
        (0.66, 1.02, 0.62, -1.75),
        (0.80, 1.02, 0.78, -1.6),
        (0.92, 1.02, 0.55, -1.35),
        (0.14, 1.02, 0.46, -1.5),
        (0.30, 1.02, 0.32, -1.3),
    ):
        _iris(scene, x, y, long, turn, generator)
    return scene


def _hills(scene: Scene, generator: Generator) -> None:
    for level, rise, colour, tilt in (
        (0.46, 0.07, VIOLET * 0.8, 0.1),
        (0.52, 0.05, TEAL, -0.08),
        (0.58, 0.04, EMERALD, 0.1),
        (0.62, 0.012, AZURE, 0.0),
        (0.665, 0.014, GOLD * 0.6 + AZURE * 0.4, 0.03),
        (0.70, 0.016, AZURE, -0.03),
        (0.76, 0.018, COBALT * 1.2, 0.03),
        (0.82, 0.03, LIME, -0.06),
        (0.89, 0.03, EMERALD, 0.08),
    ):
        outline = ridge(generator, level=level, rise=rise, scale=0.6, octaves=2, tilt=tilt)
        scene.add(outline, colour)


def _iris(scene: Scene, x: float, y: float, long: float, turn: float, generator: Generator) -> None:
    bend = float(generator.uniform(-0.2, 0.2))
    stem = bent(x, y, long, angle=turn, bend=bend)
    for aside, share in ((-0.045, 0.8), (0.05, 0.65), (0.02, 0.95)):
        blade = leaf(x + aside, y, long * share, angle=turn + aside * 6, width=0.11, bend=aside * 9)
        scene.add(blade, (EMERALD, LIME, TEAL)[int(generator.integers(3))])
    scene.add(ribbon(stem, 0.016, taper=0.0), LIME)
    top_x, top_y = float(stem[-1, 0]), float(stem[-1, 1])
    wide = 0.11 + 0.16 * long
    main, other = ((VIOLET, RUBY), (RUBY, AMBER), (VIOLET * 1.2, AZURE))[int(generator.integers(3))]
    petals = [(-2.6, 0.8, other), (-0.5, 0.8, other), (-2.0, 0.95, main), (-1.1, 0.95, main)]
    petals += [(-1.57, 1.0, main * 1.25), (2.5, 0.9, main), (0.6, 0.9, main), (1.55, 0.75, other)]
    for angle, share, colour in petals:
        petal = leaf(top_x, top_y, wide * share, angle=angle, width=0.55, fullest=0.62)
        scene.add(petal, colour)
        flame = leaf(top_x, top_y, wide * share * 0.55, angle=angle, width=0.3)
        scene.add(flame, GOLD if angle > 0 else colour * 0.6 + PEARL * 0.4)
