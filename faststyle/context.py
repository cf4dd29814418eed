"""The small copy of a picture that models with statistics of the whole picture look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONTEXT_SIDE = 200
"""Largest mean of height and width of a small copy, in pixels, but for what overhangs."""


def copy_steps(height: int, width: int) -> tuple[int, int]:
    """Return how a picture is shrunk: every how many rows, and blocks of how many of those.

    From four times on, a block has two of its rows, which tell as much as all. Its columns are
    as many as the rows that it spans.
    """
    shrink = -(-(height + width) // (2 * CONTEXT_SIDE))
    return (1, shrink) if shrink < 4 else (-(-shrink // 2), 2)


def small_copy(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture to the size that statistics are taken at, as models do themselves.

    Blocks of every stride-th row are averaged (`copy_steps`); what the last blocks lack is
    repeated from the border.

    Args:
        pixels: uint8 H×W×3.

    Returns:
        uint8 h×w×3, rounded.
    """
    height, width = pixels.shape[:2]
    stride, _ = copy_steps(height, width)
    return shrink_rows(pixels[::stride], height=height, width=width).round().astype(np.uint8)


def shrink_rows(sampled: NDArray[np.uint8], *, height: int, width: int) -> NDArray[np.float32]:
    """Make a small copy out of every stride-th row of a picture, uint8 R×W×3, without rounding.

    Args:
        sampled: the rows, as `copy_steps` asks for.
        height: of the picture.
        width: of the picture.

    Returns:
        float32 h×w×3 in [0, 255].
    """
    stride, down = copy_steps(height, width)
    across = stride * down
    lacking = [(0, -len(sampled) % down), (0, -width % across), (0, 0)]
    filled = np.pad(sampled, lacking, mode="edge")
    blocks = filled.reshape(len(filled) // down, down, -1, across, 3)
    means: NDArray[np.float32] = blocks.mean((1, 3), dtype=np.float32)
    return means
