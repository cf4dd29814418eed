"""Wet paper: washes with hard edges, pools, blooms and pigment in the grain."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .canvas import (
    Generator,
    Picture,
    Plane,
    blur,
    coordinates,
    flat,
    mix,
    noise,
    paper,
    smoothstep,
    warp,
)


class Sheet:
    """A sheet of paper that washes are laid on, each darkening what is there."""

    def __init__(self, size: int, tint: ArrayLike, generator: Generator) -> None:
        self.size = size
        self._generator = generator
        self._grain = paper(size, generator, grain=0.9)
        self._tint = np.asarray(tint, np.float32)
        self._picture = flat(size, tint)

    def wash(
        self,
        shape: Plane,
        pigment: ArrayLike,
        *,
        strength: float = 1.0,
        edge: float = 0.8,
        ragged: float = 0.008,
        soft: float = 0.0,
        pools: float = 0.7,
        blooms: int = 0,
        granulation: float = 0.6,
        reserve: float = 0.0,
    ) -> None:
        """Lay a wash.

        Args:
            shape: where it is wet, between 0 and 1.
            pigment: colour of the wash at a strength of 1.
            strength: how much pigment is in the water.
            edge: how dark the rim dries.
            ragged: how far the rim wanders.
            soft: how far it bleeds into wet paper.
            pools: how unevenly the pigment settles.
            blooms: how many drops of water push the pigment aside.
            granulation: how much pigment gathers in the grain.
            reserve: how far earlier washes were kept off the place.
        """
        size, generator = self.size, self._generator
        shifts = [(noise(size, generator, scale=0.07, octaves=5) - 0.5) * 4 for _ in range(2)]
        wet = warp(shape, *(ragged * shift for shift in shifts))
        wet = blur(wet, size / 900)
        if soft:
            bleeding = noise(size, generator, scale=0.2, octaves=3)
            wide = blur(warp(shape, *(3 * soft * shift for shift in shifts)), soft * size)
            wet = wet + (wide - wet) * smoothstep(bleeding, 0.3, 0.55)
        rim = (wet - blur(wet, size / 130)).clip(0, 1) + 0.6 * (wet - blur(wet, size / 400)).clip(
            0, 1
        )
        settled = 1 + pools * 2.2 * (noise(size, generator, scale=0.3, octaves=5) - 0.5)
        density = wet * settled.clip(0.15, 2) * self._backruns(blooms) + edge * rim
        self._picture = mix(self._picture, self._tint, reserve * wet)
        density = density * (1 + granulation * self._grain).clip(0.1, 3)
        absorbed = -np.log(np.asarray(pigment, np.float32).clip(0.02, 0.995))
        self._picture *= np.exp(-strength * density[..., None] * absorbed)

    def _backruns(self, count: int) -> Plane:
        x, y = coordinates(self.size)
        generator = self._generator
        factor = np.ones((self.size, self.size), np.float32)
        fringe = noise(self.size, generator, scale=0.06, octaves=4) - 0.5
        for _ in range(count):
            at_x, at_y = generator.random(2)
            radius = generator.uniform(0.03, 0.1)
            far = np.hypot(x - at_x, y - at_y) / radius + 1.3 * fringe
            factor *= 1 - 0.55 * smoothstep(far, 1.0, 0.75)
            factor *= 1 + 0.8 * np.exp(-(((far - 1.03) / 0.06) ** 2))
        return factor

    def result(self) -> Picture:
        """Return the dry sheet, its grain lit from the side."""
        light = self._grain - np.roll(self._grain, (1, 1), (0, 1))
        return np.asarray(self._picture * (1 + 0.10 * light[..., None]), np.float32)
