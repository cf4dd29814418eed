"""The context of a picture: windows of it that models with statistics of the whole look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW = 80
"""Side of a window, in pixels.

Convolutions do not pad there, and the last normalization of every preset must see something.
"""

WINDOWS = 6
"""Most windows beside one another, and below one another."""


def window_places(length: int) -> NDArray[np.int64]:
    """Tell which rows, or columns, of so many make up the windows, one after another.

    Windows begin at even distances from the first row to the last that leaves room for one, or
    are as few as cover all. A picture smaller than a window is continued as in a mirror.
    """
    count = min(WINDOWS, -(-length // WINDOW))
    starts = np.arange(count) * max(0, length - WINDOW) // max(1, count - 1)
    places: NDArray[np.int64] = (starts[:, None] + np.arange(WINDOW)).ravel()
    last = length - 1
    return last - abs(places % max(1, 2 * last) - last)


def sample(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut windows out of all parts of a picture, as models do themselves.

    Args:
        pixels: uint8 H×W×3.

    Returns:
        uint8 h×w×3: the windows beside and below one another, no side over 480 pixels.
    """
    height, width = pixels.shape[:2]
    return pixels[window_places(height)[:, None], window_places(width)]
