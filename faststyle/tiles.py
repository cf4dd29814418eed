"""Repainting a picture tile by tile, the result taking the place of the picture.

A picture of 100 megapixels is 400 MB in Pillow's hands; a second one need not fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.uint8]
"""uint8 H×W×3, RGB."""

PATCH = 384
"""Side of the patches that a picture is measured by, in pixels, at most."""

PATCHES = 8
"""Most of them beside one another, and below one another, in a picture that is painted in tiles."""

Finish = Callable[[Pixels, Pixels, int], Pixels]
"""Makes rows of the result out of rows of the picture, those painted, and the first's number."""


class Place(NamedTuple):
    """Where a part of a picture begins."""

    left: int
    top: int


@dataclass(frozen=True)
class Brush:
    """Repaints parts of one picture so that they fit together."""

    paint: Callable[[Pixels, Place], Pixels]
    """Repaints a part of its place, with whatever it knows of the whole."""
    halo: int
    """Pixels around a part that are repainted with it, and thrown away."""
    feather: int
    """Pixels by which neighbouring parts overlap to be blended; 0 where they agree anyway."""
    multiple: int
    """Parts begin at multiples of this many pixels; halo and feather are multiples of it, too."""
    sides: tuple[int, int] | None = None
    """Height and width of the largest parts it can paint; None where any will do."""


class Span(NamedTuple):
    """Rows or columns: those a tile gives, and those it is painted from."""

    start: int
    stop: int
    first: int
    last: int


def spans(length: int, *, side: int, brush: Brush) -> list[Span]:
    """Cut rows or columns into tiles that overlap by the feather.

    Args:
        length: how many there are.
        side: of a tile with its feather and halos, at most.
        brush: what paints the tiles.
    """
    core = (side - 2 * brush.halo - brush.feather) // brush.multiple * brush.multiple
    core = max(core, brush.feather, brush.multiple)
    found = []
    for start in range(0, length, core):
        stop = min(length, start + core + brush.feather)
        first, last = max(0, start - brush.halo), min(length, stop + brush.halo)
        found.append(Span(start, stop, first, last))
        if stop == length:
            break
    return found


def repaint(
    picture: Image.Image, brush: Brush, *, side: int, finish: Finish, threads: Executor
) -> None:
    """Put the result of a picture in its place, band by band.

    Args:
        picture: RGB; becomes the result.
        brush: repaints its parts.
        side: of the tiles that are painted, in pixels, at most, where the brush takes any.
        finish: makes the result out of the picture and what is painted.
        threads: paints tiles of a band at the same time.
    """
    width, height = picture.size
    tile_height, tile_width = brush.sides or (side, side)
    columns = spans(width, side=tile_width, brush=brush)
    above = np.empty((0, width, 3), np.uint8)  # rows of the picture that are overwritten already
    overlap = above  # rows painted with the band before
    for rows in spans(height, side=tile_height, brush=brush):
        here = np.asarray(picture.crop((0, rows.start, width, rows.last)))
        band = np.concatenate([above[len(above) - (rows.start - rows.first) :], here])
        painted = _paint_band(band, brush, top=rows.first, columns=columns, threads=threads)
        painted = painted[rows.start - rows.first : rows.stop - rows.first]
        if len(overlap):
            _blend(painted[: brush.feather], overlap, axis=0)
        done = rows.stop if rows.stop == height else rows.stop - brush.feather
        count = done - rows.start
        result = finish(here[:count], painted[:count], rows.start)
        picture.paste(Image.fromarray(result), (0, rows.start))
        overlap = painted[count:]
        kept = done - rows.first
        above = band[max(0, kept - brush.halo) : kept].copy()


def _paint_band(
    band: Pixels, brush: Brush, *, top: int, columns: list[Span], threads: Executor
) -> Pixels:
    """Repaint all of some rows, tile by tile."""
    painted = np.empty_like(band)
    tiles = threads.map(
        lambda span: brush.paint(_part(band, span), Place(span.first, top)), columns
    )
    for index, (span, tile) in enumerate(zip(columns, tiles, strict=True)):
        tile = tile[:, span.start - span.first : span.stop - span.first].copy()
        if index and brush.feather:
            overlap = painted[:, span.start : span.start + brush.feather]
            _blend(tile[:, : brush.feather], overlap, axis=1)
        painted[:, span.start : span.stop] = tile
    return painted


def _part(band: Pixels, span: Span) -> Pixels:
    return np.ascontiguousarray(band[:, span.first : span.last])


def _blend(after: Pixels, before: Pixels, *, axis: int) -> None:
    """Go evenly from what was painted before to what was painted after, in the latter's place."""
    count = after.shape[axis]
    shape = [1, 1, 1]
    shape[axis] = count
    weights = ((np.arange(count, dtype=np.float32) + 0.5) / count).reshape(shape)
    mixed = before + weights * (after.astype(np.float32) - before)
    after[...] = np.rint(mixed)


def mosaic(picture: Image.Image, *, height: int, width: int, patch: int) -> Pixels:
    """Put together patches from all over an RGB picture, unscaled, in a fixed order.

    Args:
        picture: of any size.
        height: of the mosaic.
        width: of the mosaic.
        patch: side of the patches, in pixels, where the picture is not smaller.
    """
    canvas = Image.new("RGB", (width, height))
    across_each, down_each = (min(patch, side) for side in picture.size)
    places = [(x, y) for y in range(0, height, down_each) for x in range(0, width, across_each)]
    for place, (across, down) in zip(places, _scattered(len(places)), strict=True):
        left = round(across * (picture.width - across_each))
        top = round(down * (picture.height - down_each))
        canvas.paste(picture.crop((left, top, left + across_each, top + down_each)), place)
    return np.asarray(canvas)


class Patch(NamedTuple):
    """A part of a picture, and the area of it that stands for the picture."""

    pixels: Pixels
    rows: slice
    """Of the area, in pixels, from the top of the part."""
    columns: slice

    def inner(self, features: NDArray[Any], *, step: int) -> NDArray[Any]:
        """Return the features of the area.

        Args:
            features: of the whole part, C×h×w.
            step: pixels from one of their positions to the next.
        """
        rows, columns = (
            slice(area.start // step, area.stop and area.stop // step)
            for area in (self.rows, self.columns)
        )
        return features[:, rows, columns]


def patches(picture: Image.Image, *, halo: int, step: int, most: int) -> Iterator[Patch]:
    """Cut patches out of an RGB picture that cover it, or lie at even distances in a large one.

    Their areas do not overlap. What lies outside of them is seen otherwise in a patch than in the
    picture, but for the borders of the picture itself.

    Args:
        picture: of any size.
        halo: pixels around an area that its features depend on.
        step: where patches and areas begin is divisible by this.
        most: of them beside one another, and below one another; at least 2.
    """
    halo = math.ceil(halo / step) * step
    for top, bottom, rows in _stretches(picture.height, halo=halo, step=step, most=most):
        for left, right, columns in _stretches(picture.width, halo=halo, step=step, most=most):
            yield Patch(np.asarray(picture.crop((left, top, right, bottom))), rows, columns)


def _stretches(length: int, *, halo: int, step: int, most: int) -> Iterator[tuple[int, int, slice]]:
    """Yield where patches begin and end along one axis, and the areas in them."""
    side = max(PATCH, 4 * halo)
    if length < side + step:
        yield 0, length, slice(0, None)
        return
    needed = math.ceil((length - 2 * halo) / (side - 2 * halo))
    count = min(most, needed)
    if count == needed:  # as wide as it takes to cover all
        overlaps = (count - 1) * (2 * halo + step)
        side = min(side, math.ceil((length + overlaps) / count / step) * step)
    starts = [place * (length - side) // (count - 1) // step * step for place in range(count)]
    done = 0
    for start in starts[:-1]:
        first, done = max(done, start + halo if start else 0), start + side - halo
        yield start, start + side, slice(first - start, done - start)
    yield starts[-1], length, slice(max(done, starts[-1] + halo) - starts[-1], None)


def _scattered(count: int) -> Iterator[tuple[float, float]]:
    """Yield points in the unit square that cover it evenly (Roberts's R2 sequence)."""
    plastic = 1.32471795724474602596
    for index in range(1, count + 1):
        yield (0.5 + index / plastic) % 1, (0.5 + index / plastic**2) % 1
