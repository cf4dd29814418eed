"""Pictures of one scene, such as frames of a video, painted alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PIL import Image

from faststyle.colors import AnyPicture, repainted
from faststyle.contract import ModelCard
from faststyle.tiles import Brush, Pixels

FRAMES = 8
"""Frames that say enough of a scene; they are measured at even distances."""

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

    def __call__(self, image: AnyPicture) -> AnyPicture:
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


def agreeing(paint: Callable[[Pixels], Pixels], *, card: ModelCard) -> Brush:
    """Return a brush of what paints all parts by the same statistics."""
    return Brush(lambda part, _: paint(part), halo=card.halo, feather=0, multiple=card.multiple)
