"""What can be chosen after training: how strong, in whose colours, how large, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class Controls:
    """How a photo and what is painted of it make the result."""

    strength: float = 1.0
    """From 0, the photo, to 1, the painting; between them a blend."""
    keep_colors: bool = False
    """Take the painting's luminance and the photo's colours."""
    max_side: int | None = None
    """Longer side of results, in pixels; larger photos are scaled down first."""
    stroke_scale: float = 1.0
    """How many times larger strokes get: the photo is painted so many times smaller, and the
    painting brought back to its size."""
    mask: Image.Image | None = None
    """Where to paint, mode L, scaled to the photo: white is painted, black remains the photo."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            OptionError: names the option.
        """
        if not 0 <= self.strength <= 1:
            raise OptionError(f"--strength {self.strength:g}: must be from 0 to 1")
        if self.max_side is not None and self.max_side < 1:
            raise OptionError(f"--max-side {self.max_side}: must be at least 1")
        if not 1 / 16 <= self.stroke_scale <= 16:
            raise OptionError(f"--stroke-scale {self.stroke_scale:g}: must be from 1/16 to 16")

    @property
    def change_pixels(self) -> bool:
        """Whether results are anything but the painting."""
        return self.strength < 1 or self.keep_colors or self.mask is not None

    def fit(
        self, picture: Image.Image, alpha: Image.Image | None
    ) -> tuple[Image.Image, Image.Image | None]:
        """Return an RGB picture and its transparency, scaled down if larger than results may be.

        What is hidden must have colours of what is seen, as `faststyle.colors.split_alpha` gives.
        """
        size = self.fitted(picture.size)
        if size == picture.size:
            return picture, alpha
        small = picture.resize(size, Image.Resampling.LANCZOS)
        return small, alpha and alpha.resize(size, Image.Resampling.LANCZOS)

    def fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size of the result of a picture, width and height."""
        if self.max_side is None or max(size) <= self.max_side:
            return size
        return _scaled(size, self.max_side / max(size))

    def painted(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size at which a picture of a result's size is painted."""
        return size if self.stroke_scale == 1 else _scaled(size, 1 / self.stroke_scale)

    def finish(
        self, photo: NDArray[np.uint8], painting: NDArray[np.uint8], *, top: int, height: int
    ) -> NDArray[np.uint8]:
        """Make the result out of rows of a photo and of its painting.

        Args:
            photo: uint8 h×W×3.
            painting: the same shape.
            top: row of the photo that these begin with.
            height: rows of the whole photo.

        Returns:
            uint8 h×W×3.
        """
        if not self.change_pixels:
            return painting
        before, after = Image.fromarray(photo), Image.fromarray(painting)
        if self.keep_colors:
            after = with_colors(after, colors=before)
        if self.strength < 1:
            after = Image.blend(before, after, self.strength)
        if self.mask is not None:
            scale = self.mask.height / height
            rows = (0.0, top * scale, float(self.mask.width), (top + len(photo)) * scale)
            there = self.mask.resize(before.size, Image.Resampling.BICUBIC, box=rows)
            after = Image.composite(after, before, there)
        return np.asarray(after)


def with_colors(picture: Image.Image, *, colors: Image.Image) -> Image.Image:
    """Return the luminance of one RGB picture with the colours of another of its size.

    The difference in luma (ITU-R BT.601) is added to all three colours, which leaves colour
    differences as they are; luminance-only transfer (Gatys et al. 2016, "Preserving Color in
    Neural Artistic Style Transfer").
    """
    after, before = (np.asarray(each.convert("L"), np.int16) for each in (picture, colors))
    moved = np.asarray(colors, np.int16) + (after - before)[..., None]
    return Image.fromarray(moved.clip(0, 255).astype(np.uint8))


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    width, height = (max(1, round(factor * side)) for side in size)
    return width, height
