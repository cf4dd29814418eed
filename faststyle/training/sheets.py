"""Contact sheets: pictures side by side in a labelled grid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

MARGIN = 20
GAP = 12
CAPTION_GAP = 4

TEXT_SIZE = 15
LINE_HEIGHT = 19
MOST_LABEL_LINES = 3
ROW_LABEL_WIDTH = 150
"""Widest that the labels of rows become, in pixels."""
COLUMN_LABEL_WIDTH = 100
"""Width that the label of a column may take, however small its pictures are."""

BACKGROUND = (250, 250, 248)
LABEL_COLOR = (25, 25, 25)
CAPTION_COLOR = (95, 95, 95)


class _Cell(NamedTuple):
    picture: Image.Image | None
    lines: list[str]
    color: tuple[int, int, int] = CAPTION_COLOR

    @property
    def width(self) -> int:
        return max(self.picture.width if self.picture else 0, *map(_text_width, self.lines), 0)

    @property
    def text_top(self) -> int:
        return self.picture.height + CAPTION_GAP if self.picture else 0

    @property
    def height(self) -> int:
        picture_height = self.picture.height if self.picture else 0
        return self.text_top + LINE_HEIGHT * len(self.lines) if self.lines else picture_height


def contact_sheet(
    rows: Sequence[Sequence[Image.Image | None]],
    *,
    column_labels: Sequence[str],
    row_labels: Sequence[str],
    captions: Sequence[Sequence[str]] | None = None,
) -> Image.Image:
    """Draw pictures in a grid, with labels above the columns and left of the rows.

    Pictures keep their size and lie at the top left of their cells. Columns are as wide,
    and rows as high, as their largest picture and caption. Labels are wrapped, and end in
    an ellipsis where three lines do not hold them.

    Args:
        rows: the pictures of each row, of any size and mode; None leaves a cell empty.
        column_labels: one for each column.
        row_labels: one for each row.
        captions: the text below each picture, its lines parted by newlines.

    Returns:
        An RGB image.

    Raises:
        ValueError: the pictures of a row, the labels or the captions are not as many as
            they should be.
    """
    if any(len(row) != len(column_labels) for row in rows):
        raise ValueError("each row needs one picture for each column label")
    captions = [[""] * len(row) for row in rows] if captions is None else captions
    cells = [
        [_Cell(picture, text.splitlines()) for picture, text in zip(row, texts, strict=True)]
        for row, texts in zip(rows, captions, strict=True)
    ]
    table = [[_label(name, width=ROW_LABEL_WIDTH)] for name in row_labels]
    for line, row in zip(table, cells, strict=True):
        line += row
    header = [_label("", width=0)]
    for place, name in enumerate(column_labels, start=1):
        width = max(COLUMN_LABEL_WIDTH, *(line[place].width for line in table), 0)
        header.append(_label(name, width=width))
    return _drawn([header, *table])


def _drawn(table: list[list[_Cell]]) -> Image.Image:
    columns = zip(*table, strict=True)
    *lefts, right = _places([max(cell.width for cell in column) for column in columns])
    *tops, bottom = _places([max(cell.height for cell in row) for row in table])
    sheet = Image.new("RGB", (right - GAP + MARGIN, bottom - GAP + MARGIN), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for row, top in zip(table, tops, strict=True):
        for cell, left in zip(row, lefts, strict=True):
            if cell.picture is not None:
                sheet.paste(cell.picture.convert("RGB"), (left, top))
            for number, line in enumerate(cell.lines):
                baseline = top + cell.text_top + LINE_HEIGHT * number + TEXT_SIZE
                draw.text((left, baseline), line, fill=cell.color, font=_font(), anchor="ls")
    return sheet


def _places(lengths: list[int]) -> list[int]:
    """Where each column or row starts, and where one more would; an empty one has no gap."""
    return list(accumulate((length + GAP * bool(length) for length in lengths), initial=MARGIN))


def _label(text: str, *, width: int) -> _Cell:
    """Wrap a text at spaces, or after signs that part file names, or else anywhere."""
    rest = " ".join(text.split())
    lines: list[str] = []
    while rest and len(lines) < MOST_LABEL_LINES:
        end = _fitting(rest, width=width)
        if end < len(rest):
            after_sign = 1 + max(rest.rfind(sign, 0, end) for sign in "-_/.")
            end = max(rest.rfind(" ", 0, end + 1), after_sign) or end
        lines.append(rest[:end])
        rest = rest[end:].lstrip()
    if rest:
        lines[-1] = lines[-1][: _fitting(lines[-1], width=width - _text_width("…"))] + "…"
    return _Cell(None, lines, LABEL_COLOR)


def _fitting(text: str, *, width: int) -> int:
    """Count the first letters that fit into a width, at least one."""
    return next((end for end in range(len(text), 1, -1) if _text_width(text[:end]) <= width), 1)


def _text_width(text: str) -> int:
    return int(_font().getlength(text)) + 1


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=TEXT_SIZE)
