"""Painting photos of any size within bounded memory, with one style or a blend of several."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from faststyle.colors import split_alpha
from faststyle.contract import ModelCard
from faststyle.controls import Controls
from faststyle.errors import OptionError
from faststyle.memory import Budget
from faststyle.scene import measured_frames
from faststyle.tiles import Brush, Pixels, repaint

PICTURE_BYTES = 4
"""What Pillow holds for a pixel."""

COPIES = 4
"""Pictures of that kind there are at once, while one is painted whole."""

SMALLEST_SIDE = 384
"""Side of the smallest tiles there are, in pixels, halos included."""

LARGEST_SIDE = 2048
"""Side of the largest tiles there are."""


class Style(Protocol):
    """What paints: a `faststyle.Stylizer`, a `faststyle.scene.Scene`, or a stand-in."""

    @property
    def card(self) -> ModelCard:
        """What it says of itself."""

    @property
    def bytes_per_pixel(self) -> int:
        """Memory that repainting takes, for each pixel."""

    @property
    def bytes_per_tile_pixel(self) -> int:
        """Memory that repainting a part takes, for each of its pixels."""

    @property
    def shares(self) -> bool:
        """Whether several pictures can be painted by the same statistics."""

    def __call__(self, image: Pixels) -> Pixels:
        """Repaint uint8 H×W×3."""

    def scene(self, frames: Iterable[Image.Image], *, memory: int) -> Style:
        """Return what repaints pictures of a scene alike, by statistics of some of them."""

    def brush(self, picture: Image.Image, *, side: int) -> Brush:
        """Return what repaints parts of a picture so that they fit together."""


class Weighted(NamedTuple):
    """A style and its share of a blend."""

    style: Style
    weight: float


class Painter:
    """Repaints photos as they are wanted; safe to be called by several threads."""

    def __init__(
        self,
        styles: Sequence[Weighted],
        *,
        controls: Controls,
        memory: int,
        threads: int = 1,
    ) -> None:
        """Prepare to paint.

        Args:
            styles: what to blend; their weights are divided by the sum.
            controls: how photo and painting make the result.
            memory: bytes that all pictures may take together.
            threads: tiles of one picture that are painted at the same time.

        Raises:
            OptionError: the weights make no sense.
        """
        if not all(weight >= 0 and math.isfinite(weight) for _, weight in styles):
            raise OptionError("weights of styles must be 0 or more, such as wave:0.7,mosaic:0.3")
        total = sum(weight for _, weight in styles)
        if not 0 < total < math.inf:
            raise OptionError("the weights of styles must have a sum above 0, and not so large")
        self.styles = [Weighted(style, weight / total) for style, weight in styles if weight]
        self.controls = controls
        self.budget = Budget(memory)
        self.threads = threads
        self.bytes_per_pixel = max(style.bytes_per_pixel for style, _ in self.styles)
        self.bytes_per_tile_pixel = max(style.bytes_per_tile_pixel for style, _ in self.styles)

    @property
    def shares(self) -> bool:
        """Whether all styles can paint several pictures by the same statistics."""
        return all(style.shares for style, _ in self.styles)

    def alike(self, frames: Callable[[], Iterable[Image.Image]]) -> Painter:
        """Return what paints photos of a scene alike; see `shares`.

        Args:
            frames: gives some photos from all over the scene, of any mode, `FRAMES` at most; called
                for each style.

        Raises:
            ImageError: a photo has no colours, or cannot be computed, or there are none.
        """
        painter, kept = copy.copy(self), self._kept(frames)
        painter.styles = [
            Weighted(style.scene(map(self._as_painted, frames()), memory=kept), weight)
            for style, weight in self.styles
        ]
        return painter

    def _kept(self, frames: Callable[[], Iterable[Image.Image]]) -> int:
        """Return the bytes that may be kept of frames: half of what painting one takes.

        That comes later, and there is room for it.
        """
        size = next((each.size for each in frames()), (0, 0))
        painting = (
            math.prod(self.controls.painted(self.controls.fitted(size))) * self.bytes_per_pixel
        )
        return min(painting, self.budget.total) // 2

    def _as_painted(self, photo: Image.Image) -> Image.Image:
        picture, alpha = self.controls.fit(*split_alpha(photo))
        if self.controls.stroke_scale != 1:
            picture = self._scaled(picture)
            alpha = alpha and alpha.resize(picture.size)
        if alpha is not None:
            picture.putalpha(alpha)
        return picture

    @contextmanager
    def room(
        self, size: tuple[int, int], *, frames: int = 1, beside: int = 0
    ) -> Iterator[int | None]:
        """Wait until there is memory for a photo of a width and height, and hold it.

        Args:
            size: of the photo, in pixels.
            frames: painted one after another, of which all results are kept.
            beside: bytes for each of its pixels that are held beside its colours.

        Yields:
            The side of the tiles to paint it in, in pixels; None to paint it whole.
        """
        fitted = self.controls.fitted(size)
        width, height = self.controls.painted(fitted)
        # The photo, those that a scene is measured by, what it is scaled to, results of earlier
        # frames, what has another stroke scale.
        measured = measured_frames(frames) if frames > 1 and self.shares else 0
        pictures = (PICTURE_BYTES * (1 + measured) + beside) * math.prod(size)
        pictures += PICTURE_BYTES * math.prod(fitted) * (frames - 1 + (fitted != size))
        pictures += PICTURE_BYTES * width * height * (fitted != (width, height))
        copies = (COPIES - 1) * PICTURE_BYTES * max(math.prod(size), width * height)
        whole = pictures + copies + width * height * self.bytes_per_pixel
        if whole <= self.budget.total:
            with self.budget.reserve(whole):
                yield None
            return
        with self.budget.reserve(self.budget.total):
            left = max(0, self.budget.total - pictures) // self.threads
            side = math.isqrt(left // (self.bytes_per_tile_pixel + COPIES * PICTURE_BYTES))
            yield min(max(side, SMALLEST_SIDE), LARGEST_SIDE)

    def __call__(self, photo: Image.Image, *, side: int | None = None) -> Image.Image:
        """Repaint a photo.

        Args:
            photo: of any mode; one of mode RGB may become the result.
            side: of the tiles to paint it in, in pixels; None paints it whole.

        Returns:
            RGB, or RGBA with the photo's transparency, of the size that the controls ask for.

        Raises:
            ImageError: the photo has no colours, or cannot be computed.
            ModelError: a model cannot paint tiles.
        """
        photo, alpha = self.controls.fit(*split_alpha(photo))
        if self.controls.stroke_scale == 1:
            self._paint(photo, side=side, controls=self.controls)
        else:
            self._paint_scaled(photo, side=side)
        if alpha is not None:
            photo.putalpha(alpha)
        return photo

    def _paint(self, picture: Image.Image, *, side: int | None, controls: Controls) -> None:
        """Put the result in the place of an RGB picture."""
        if side is None:
            pixels = np.asarray(picture)
            painted = _mixed([(style(pixels), weight) for style, weight in self.styles])
            result = controls.finish(pixels, painted, top=0, height=picture.height)
            picture.paste(Image.fromarray(result))
            return

        def finish(photo: Pixels, painting: Pixels, top: int) -> Pixels:
            return controls.finish(photo, painting, top=top, height=picture.height)

        brush = _blended(
            [(style.brush(picture, side=side), weight) for style, weight in self.styles]
        )
        with ThreadPoolExecutor(self.threads) as threads:
            repaint(picture, brush, side=side, finish=finish, threads=threads)

    def _paint_scaled(self, picture: Image.Image, *, side: int | None) -> None:
        """Paint at another size, and put that, brought back to its own, in the picture's place."""
        small = self._scaled(picture)
        self._paint(small, side=side, controls=Controls())
        rows = picture.height if side is None else side
        width, height = picture.size
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            across, down = small.width, small.height / height
            painting = small.resize(
                (width, bottom - top),
                Image.Resampling.BICUBIC,
                box=(0, top * down, across, bottom * down),
            )
            photo = np.asarray(picture.crop((0, top, width, bottom)))
            result = self.controls.finish(photo, np.asarray(painting), top=top, height=height)
            picture.paste(Image.fromarray(result), (0, top))

    def _scaled(self, picture: Image.Image) -> Image.Image:
        size = self.controls.painted(picture.size)
        return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)


def _blended(brushes: Sequence[tuple[Brush, float]]) -> Brush:
    """Return what paints with all of some brushes, and mixes what they paint."""
    if len(brushes) == 1:
        return brushes[0][0]
    if any(brush.sides for brush, _ in brushes):
        raise OptionError(
            "a model for pictures of one size cannot be blended with others in tiles; allow more "
            "--memory, or scale the photo down with --max-side"
        )
    multiple = math.lcm(*(brush.multiple for brush, _ in brushes))

    def rounded(most: int) -> int:
        return math.ceil(most / multiple) * multiple

    return Brush(
        lambda part, place: _mixed(
            [(brush.paint(part, place), weight) for brush, weight in brushes]
        ),
        halo=rounded(max(brush.halo for brush, _ in brushes)),
        feather=rounded(max(brush.feather for brush, _ in brushes)),
        multiple=multiple,
    )


def _mixed(paintings: Sequence[tuple[Pixels, float]]) -> Pixels:
    if len(paintings) == 1:
        return paintings[0][0]
    total = np.zeros(paintings[0][0].shape, np.float32)
    for painting, weight in paintings:
        total += np.float32(weight) * painting
    return np.rint(total).astype(np.uint8)
