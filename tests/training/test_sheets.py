from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from PIL import Image

from faststyle.training.sheets import BACKGROUND, MARGIN, contact_sheet
from tests.conftest import blotches, pixels


def _picture(height: int, width: int, *, seed: int = 0) -> Image.Image:
    return Image.fromarray(blotches(height, width, seed=seed))


def _places(sheet: Image.Image, picture: Image.Image) -> list[tuple[int, int]]:
    """Where a picture lies in a sheet: left and top."""
    whole, part = pixels(sheet), pixels(picture.convert("RGB"))
    height, width = part.shape[:2]
    return [
        (x, y)
        for y, x in product(range(len(whole) - height + 1), range(whole.shape[1] - width + 1))
        if (whole[y, x] == part[0, 0]).all()
        and np.array_equal(whole[y : y + height, x : x + width], part)
    ]


def test_pictures_keep_their_pixels_and_share_rows_and_columns() -> None:
    rows = [
        [_picture(20, 30, seed=0), _picture(35, 22, seed=1)],
        [_picture(28, 120, seed=2), _picture(12, 40, seed=3)],
    ]
    sheet = contact_sheet(
        rows,
        column_labels=["photo", "wave"],
        row_labels=["first", "second"],
        captions=[["a\nb", "c"], ["", "d"]],
    )
    places = [_places(sheet, picture) for row in rows for picture in row]
    assert [len(place) for place in places] == [1, 1, 1, 1]
    (left, top), (right, first), (lower_left, bottom), (lower_right, second) = (
        place[0] for place in places
    )
    assert (left, top) == (lower_left, first)
    assert (right, bottom) == (lower_right, second)
    assert right >= left + 120
    assert bottom >= top + 35


@pytest.mark.parametrize("label", ["x" * 300, "several words " * 30, "runs/some_style-7.onnx " * 9])
def test_texts_are_neither_clipped_nor_overlapping(label: str) -> None:
    picture = Image.new("RGB", (40, 40), "red")
    sheet = contact_sheet(
        [[picture] * 3] * 2,
        column_labels=[label] * 3,
        row_labels=[label] * 2,
        captions=[["content 0.123\nstyle 0.045 and much more than a picture's width"] * 3] * 2,
    )
    inked = (pixels(sheet) != BACKGROUND).any(axis=2)
    free = MARGIN - 2  # letters may reach out of their box by a pixel
    for border in (inked[:free], inked[-free:], inked[:, :free], inked[:, -free:]):
        assert not border.any()
    red = (pixels(sheet) == (255, 0, 0)).all(axis=2)
    assert red.sum() == 6 * 40 * 40


def test_any_mode_and_empty_cells() -> None:
    sheet = contact_sheet(
        [[_picture(20, 20).convert("L"), None]], column_labels=["", ""], row_labels=[""]
    )
    assert sheet.mode == "RGB"
    assert sheet.size == (20 + 2 * MARGIN, 20 + 2 * MARGIN)


def test_no_rows() -> None:
    assert contact_sheet([], column_labels=["photo"], row_labels=[]).height > 2 * MARGIN


@pytest.mark.parametrize(
    ("columns", "names", "captions"),
    [
        (["a"], ["b"], None),
        (["a", "a", "a"], ["b"], None),
        (["a", "a"], [], None),
        (["a", "a"], ["b"], [["c"]]),
        (["a", "a"], ["b"], []),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    columns: list[str], names: list[str], captions: list[list[str]] | None
) -> None:
    pictures = [_picture(8, 8), _picture(8, 8)]
    with pytest.raises(ValueError, match=r"argument|one picture"):
        contact_sheet([pictures], column_labels=columns, row_labels=names, captions=captions)
