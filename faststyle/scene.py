"""Pictures of one scene, such as frames of a video, painted alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.colors import Picture, repainted
from faststyle.contract import ModelCard
from faststyle.tiles import Brush, Pixels

FRAMES = 8
"""Frames that say enough of a scene."""

SHARE = 3
"""One of so many frames is measured, where that is less: measuring takes as long as painting."""

PATCHES_OF_FRAME = 3
"""Patches that a frame is measured by, at most, beside one another and below one another."""


class Scene:
    """Repaints pictures by the statistics of a scene, whatever is in each of them.

    By statistics of its own, every colour of a frame changes as soon as something large moves.
    Made by `faststyle.Stylizer.scene`.

    Attributes:
        card: what the model says of itself.
        bytes_per_pixel: memory that repainting takes, for each pixel.
        bytes_per_tile_pixel: the same of a part of a picture.
        shares: whether several pictures can be painted by the same statistics.
    """

    shares = True

    def __init__(
        self, paint: Callable[[Pixels], Pixels], *, card: ModelCard, bytes_per_pixel: int
    ) -> None:
        """Take what repaints by the statistics of the scene, uint8 H×W×3."""
        self.card = card
        self.bytes_per_pixel = self.bytes_per_tile_pixel = bytes_per_pixel
        self._paint = paint

    @overload
    def __call__(self, image: Image.Image) -> Image.Image: ...

    @overload
    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]: ...

    def __call__(self, image: Picture) -> Picture:
        """Repaint one picture, as `faststyle.Stylizer` does.

        Raises:
            ImageError: it is no picture, or there is not enough memory for it.
        """
        return repainted(image, self._paint)

    def scene(self, frames: Iterable[Image.Image], *, memory: int) -> Scene:  # noqa: ARG002
        """Return itself, as its pictures are painted alike already."""
        return self

    def brush(self, picture: Image.Image, *, side: int) -> Brush:  # noqa: ARG002
        """Return what repaints parts of a picture so that they fit together."""
        return agreeing(self._paint, card=self.card)


def measured_frames(count: int) -> int:
    """Return how many frames of so many are measured."""
    return min(FRAMES, math.ceil(count / SHARE))


def agreeing(paint: Callable[[Pixels], Pixels], *, card: ModelCard) -> Brush:
    """Return a brush of what paints all parts by the same statistics."""
    return Brush(lambda part, _: paint(part), halo=card.halo, feather=0, multiple=card.multiple)
