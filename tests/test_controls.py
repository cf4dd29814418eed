from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from faststyle.colors import split_alpha
from faststyle.controls import Controls, with_colors
from faststyle.errors import OptionError
from tests.conftest import blotches, pixels

PHOTO, PAINTING = blotches(30, 40), blotches(30, 40, seed=1)


def _finish(**options: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return Controls(**options).finish(PHOTO, PAINTING, top=0, height=30)


def test_without_controls_the_painting_is_the_result() -> None:
    assert _finish() is PAINTING


def test_strength_blends_photo_and_painting() -> None:
    assert np.array_equal(_finish(strength=0), PHOTO)
    expected = 0.75 * PHOTO.astype(float) + 0.25 * PAINTING
    assert np.abs(_finish(strength=0.25) - expected).max() <= 1


def test_colors_are_kept_and_luminance_painted() -> None:
    photo, painting = Image.fromarray(PHOTO), Image.fromarray(PAINTING)
    result = with_colors(painting, colors=photo).convert("YCbCr")
    luminance, *colors = (pixels(each).astype(int) for each in result.split())
    painted = pixels(painting.convert("YCbCr").getchannel(0)).astype(int)
    assert np.median(np.abs(luminance - painted)) <= 1  # colours out of range change it
    for found, channel in zip(colors, photo.convert("YCbCr").split()[1:], strict=True):
        assert np.median(np.abs(found - pixels(channel))) <= 2
    expected = pixels(with_colors(painting, colors=photo))
    assert np.array_equal(_finish(keep_colors=True), expected)


def test_a_mask_says_where_to_paint() -> None:
    mask = Image.new("L", (4, 2), 0)
    mask.paste(255, (0, 0, 2, 2))
    result = _finish(mask=mask.resize((400, 300), Image.Resampling.NEAREST))
    assert np.array_equal(result[:, :18], PAINTING[:, :18])
    assert np.array_equal(result[:, 22:], PHOTO[:, 22:])


def test_a_mask_lies_the_same_on_rows_and_on_the_whole() -> None:
    controls = Controls(mask=Image.fromarray(blotches(70, 90)[..., 0]))
    whole = controls.finish(PHOTO, PAINTING, top=0, height=30)
    for top in (0, 8, 17, 29):
        rows = slice(top, top + 9)
        part = controls.finish(PHOTO[rows], PAINTING[rows], top=top, height=30)
        assert np.abs(part.astype(int) - whole[rows]).max() <= 1


@pytest.mark.parametrize(
    ("size", "fitted"), [((40, 20), (10, 5)), ((9, 10), (9, 10)), ((1000, 1), (10, 1))]
)
def test_larger_photos_are_scaled_down(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    controls = Controls(max_side=10)
    assert controls.fitted(size) == fitted
    assert controls.fit(Image.new("RGB", size), None)[0].size == fitted


def test_what_is_hidden_does_not_show_at_the_edges_of_what_is_scaled_down() -> None:
    photo = Image.new("RGBA", (40, 40), (0, 0, 9, 0))
    photo.paste((200, 160, 10, 255), (13, 13, 30, 30))
    small, transparency = Controls(max_side=10).fit(*split_alpha(photo))
    assert transparency is not None
    colors, seen = np.asarray(small), np.asarray(transparency)
    assert np.count_nonzero((seen > 0) & (seen < 255)) > 0
    assert np.array_equal(colors[seen > 0], [[200, 160, 10]] * np.count_nonzero(seen))


def test_strokes_grow_as_the_painted_size_shrinks() -> None:
    assert Controls(stroke_scale=2).painted((100, 51)) == (50, 26)
    assert Controls(stroke_scale=0.5).painted((100, 51)) == (200, 102)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": 1.1}, "--strength 1.1"),
        ({"strength": float("nan")}, "--strength nan"),
        ({"max_side": 0}, "--max-side 0"),
        ({"stroke_scale": 0}, "--stroke-scale 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Controls(**options)
