"""The colours of a painting in the large, apart from its strokes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.tiles import Pixels

WASH = 8
"""Colours across a wash."""

WEAKEST = 0.5
"""Share of a painting's strokes that is kept at least."""


def with_wash(painting: Pixels, *, of: Pixels) -> Pixels:
    """Give a painting the colours of another in the large, and keep its strokes.

    What a wash of `WASH` by `WASH` colours shows is taken of the other, and the rest of the
    painting, no stronger than it is there.
    """
    wash, wanted = _wash(painting), _wash(of)
    strokes, there = painting - wash, of - wanted
    spreads = [np.sqrt((each**2).mean((0, 1))) for each in (there, strokes)]
    share = np.minimum(1, spreads[0] / np.maximum(spreads[1], 1e-3)).clip(WEAKEST)
    result: Pixels = np.rint(wanted + share * strokes).clip(0, 255).astype(np.uint8)
    return result


def _wash(pixels: Pixels) -> NDArray[np.float32]:
    picture = Image.fromarray(pixels)
    coarse = picture.resize((WASH, WASH), Image.Resampling.BOX)
    return np.asarray(coarse.resize(picture.size, Image.Resampling.BICUBIC), np.float32)
