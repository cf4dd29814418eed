from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageFilter

from faststyle.tiles import PATCH, PATCHES, Brush, Pixels, mosaic, patches, repaint, spans
from tests.conftest import blotches, pixels

HALO = 8


def _blur(part: Pixels) -> Pixels:
    """Paint what depends on pixels up to the halo around it."""
    return pixels(Image.fromarray(part).filter(ImageFilter.BoxBlur(HALO)))


def _same(_: Pixels, painting: Pixels, __: int) -> Pixels:
    return painting


def _repainted(
    photo: Pixels,
    *,
    side: int,
    paint: Callable[[Pixels], Pixels] = _blur,
    feather: int = 0,
    finish: Callable[[Pixels, Pixels, int], Pixels] = _same,
) -> Pixels:
    picture = Image.fromarray(photo)
    brush = Brush(lambda part, _: paint(part), halo=HALO, feather=feather, multiple=4)
    with ThreadPoolExecutor(2) as threads:
        repaint(picture, brush, side=side, finish=finish, threads=threads)
    return pixels(picture)


@pytest.mark.parametrize("length", [1, 3, 44, 45, 100, 101, 1000])
@pytest.mark.parametrize("feather", [0, 12])
def test_spans_cover_everything_and_overlap_by_the_feather(length: int, feather: int) -> None:
    brush = Brush(lambda part, _: _blur(part), halo=HALO, feather=feather, multiple=4)
    found = spans(length, side=60, brush=brush)
    assert (found[0].start, found[-1].stop) == (0, length)
    for before, after in pairwise(found):
        assert before.stop - after.start == feather
    for span in found:
        assert span.first % 4 == 0
        assert span.first in (0, span.start - HALO)
        assert span.last in (length, span.stop + HALO)
        assert span.last - span.first <= 60


@pytest.mark.parametrize("size", [(5, 7), (60, 60), (61, 60), (233, 150), (90, 301)])
@pytest.mark.parametrize("side", [20, 60, 64])
def test_tiles_are_as_the_whole(size: tuple[int, int], side: int) -> None:
    photo = blotches(*size).copy()
    photo[::7, ::5] ^= 0xFF
    assert np.array_equal(_repainted(photo, side=side), _blur(photo))


def test_overlaps_go_evenly_from_one_tile_to_the_next() -> None:
    count = 0

    def by_turns(part: Pixels) -> Pixels:
        nonlocal count
        count += 1
        return np.full_like(part, 200 if count % 2 else 0)

    result = _repainted(np.zeros((40, 200, 3), np.uint8), side=80, paint=by_turns, feather=24)
    steps = np.abs(np.diff(result[20, :, 0].astype(int)))
    assert result.max() == 200
    assert result.min() == 0
    assert steps.max() <= 9  # 200 levels over 24 columns
    assert np.array_equal(result, np.broadcast_to(result[:1], result.shape))


def test_overlaps_of_bands_go_evenly_too() -> None:
    def by_row(part: Pixels) -> Pixels:
        return np.full_like(part, part[0, 0, 0])

    photo = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None, None], (200, 30, 3)).copy()
    result = _repainted(photo, side=80, paint=by_row, feather=24)
    assert np.abs(np.diff(result[:, 10, 0].astype(int))).max() <= 3


def test_the_finish_sees_the_photo_as_it_was() -> None:
    photo = blotches(150, 100)
    seen = []

    def finish(before: Pixels, painting: Pixels, top: int) -> Pixels:
        assert np.array_equal(before, photo[top : top + len(before)])
        seen.append((top, len(before)))
        return 255 - painting

    assert np.array_equal(_repainted(photo, side=60, finish=finish), 255 - _blur(photo))
    assert sum(count for _, count in seen) == 150
    assert len(seen) > 2


def test_a_mosaic_shows_all_of_the_picture() -> None:
    ramp = np.linspace(0, 255, 900).astype(np.uint8)
    photo = np.stack(np.broadcast_arrays(ramp[:, None], ramp, np.uint8(7)), axis=-1)
    patches = mosaic(Image.fromarray(photo), height=256, width=256, patch=32)
    assert patches.shape == (256, 256, 3)
    assert np.abs(patches.mean((0, 1)) - photo.mean((0, 1))).max() < 8
    assert np.abs(patches.std((0, 1)) - photo.std((0, 1))).max() < 8


@pytest.mark.parametrize("size", [(5, 900), (900, 5), (1, 1)])
def test_a_mosaic_of_a_narrow_picture_is_full(size: tuple[int, int]) -> None:
    photo = Image.new("RGB", size, (10, 200, 90))
    assert (mosaic(photo, height=300, width=200, patch=128) == (10, 200, 90)).all()


def test_a_mosaic_of_a_tiny_picture_has_its_size() -> None:
    assert mosaic(Image.new("RGB", (3, 2)), height=64, width=64, patch=32).shape == (64, 64, 3)


@pytest.mark.parametrize("size", [(1, 1), (PATCH, 90), (PATCH - 1, PATCH + 7)])
def test_a_small_picture_is_its_own_patch(size: tuple[int, int]) -> None:
    photo = blotches(*size)
    (patch,) = patches(Image.fromarray(photo), halo=36, step=8, most=PATCHES)
    assert np.array_equal(patch.pixels, photo)
    assert np.array_equal(photo[patch.rows, patch.columns], photo)


COVERED = (PATCH - 80) * PATCHES + 80


@pytest.mark.parametrize(
    "size", [(PATCH + 8, PATCH), (2 * PATCH, 700), (90, 3000), (COVERED, 400), (COVERED + 9, 4000)]
)
def test_areas_of_patches_cover_a_picture_once(size: tuple[int, int]) -> None:
    halo, step = 36, 8
    down, across = np.indices(size)
    photo = np.stack([down % 256, across % 256, down // 256 * 16 + across // 256], axis=-1)
    picture = Image.fromarray(photo.astype(np.uint8))
    times = np.zeros(size, int)
    found = list(patches(picture, halo=halo, step=step, most=PATCHES))
    for patch in found:
        low = patch.pixels[0, 0].astype(int)
        top, left = low[0] + 256 * (low[2] // 16), low[1] + 256 * (low[2] % 16)
        height, width = patch.pixels.shape[:2]
        assert top % step == left % step == 0
        area = np.zeros((height, width), int)
        area[patch.rows, patch.columns] = 1
        times[top : top + height, left : left + width] += area
        for axis, (start, length) in enumerate(((top, height), (left, width))):
            inside = np.flatnonzero(area.any(axis=1 - axis))
            first, last = inside[0], length - 1 - inside[-1]
            assert first == 0 if start == 0 else first >= halo
            assert last == 0 if start + length == size[axis] else last >= halo
    assert len(found) <= PATCHES**2
    assert times.max() == 1
    if max(size) <= COVERED:
        assert times.min() == 1
    else:
        assert times[0, 0] == times[-1, -1] == 1
        assert times.mean() > 0.6


@pytest.mark.parametrize("most", [2, 3])
def test_no_more_patches_are_cut_than_asked_for(most: int) -> None:
    found = list(patches(Image.fromarray(blotches(900, 2000)), halo=36, step=8, most=most))
    assert len(found) == most**2


@pytest.mark.parametrize("halo", [36, 400])
def test_features_of_the_areas_are_those_of_the_picture(halo: int) -> None:
    photo = blotches(1000, 2000)
    features = photo[::8, ::8].transpose(2, 0, 1)
    inner = [
        patch.inner(patch.pixels[::8, ::8].transpose(2, 0, 1), step=8)
        for patch in patches(Image.fromarray(photo), halo=halo, step=8, most=PATCHES)
    ]
    values = np.sort(np.concatenate([each.ravel() for each in inner]))
    assert np.array_equal(values, np.sort(features.ravel()))
