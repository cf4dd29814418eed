"""What numbers stand for black and white in pictures of other people's networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROBE_SIDE = 128
"""Side of the picture that a file is tried with, in pixels, where it takes any."""

BRIGHT = 8.0
"""A picture whose absolute values have a larger mean is taken to lie in 0 to 255, and any other in
0 to 1: ordinary pictures have a mean near 128 or near 0.5."""

DARK = -0.5
"""A picture within -1 to 1 is taken to have -1 for black if more than a tenth of its values are
below this."""

RICH = 3.0
"""Entropy, in bits a value, of a picture that has kept what is in it: ordinary ones have 7, and one
that is clamped to a tone or two has 1."""


@dataclass(frozen=True)
class Range:
    """The numbers that stand for black and white in a picture; others lie between."""

    black: float
    white: float

    def levels(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Turn numbers into bytes; those outside of the range are clamped."""
        if values.dtype == np.uint8 and self == BYTES:
            return values
        scale = np.float32(255 / (self.white - self.black))
        scaled = (values.astype(np.float32, copy=False) - np.float32(self.black)) * scale
        levels: NDArray[np.uint8] = np.rint(scaled).clip(0, 255).astype(np.uint8)
        return levels


BYTES, UNIT, SIGNED = Range(0, 255), Range(0, 1), Range(-1, 1)


def draw_probe(height: int, width: int) -> NDArray[np.uint8]:
    """Draw a picture to try a file with, uint8 H×W×3: soft colours from black to white."""
    down, across = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    waves = np.stack([down, across, np.sin(9 * down) * np.cos(7 * across) / 2 + 0.5], axis=-1)
    return (255 * waves).astype(np.uint8)


def range_of(values: NDArray[Any]) -> Range:
    """Tell what range the numbers of an ordinary picture are of."""
    if values.dtype == np.uint8 or np.abs(values).mean() > BRIGHT:
        return BYTES
    signed = np.abs(values).max() <= 1 and (values < DARK).mean() > 0.1
    return SIGNED if signed else UNIT


def bits(levels: NDArray[np.uint8]) -> float:
    """Return the entropy of uint8 levels: 0 for one level alone, and 8 for all of them alike."""
    counts = np.bincount(levels.ravel())
    shares = counts[counts > 0] / levels.size
    return float(-(shares * np.log2(shares)).sum())
