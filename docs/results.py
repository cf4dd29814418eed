"""Draw the pictures of the bundled styles: ``python docs/results.py``.

Writes gallery.jpg, each style on the photo that `PHOTO_OF` names for it, and styles.jpg, each on
all photos of data/photos.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

import faststyle
from faststyle.gallery import style_names
from faststyle.images import open_colors

HERE = Path(__file__).parent
PHOTOS = {path.stem: path for path in sorted((HERE.parent / "data" / "photos").glob("*.jpg"))}

PHOTO_OF = {
    "starry_night": "rocket",
    "wave": "astronaut",
}
"""The photo that the gallery shows a style on."""

COLUMNS = 5
"""Of the gallery."""

PICTURE = (400, 320)
INSET = (100, 80)
GAP = 12
LABEL = 34
HEADS = (0.5, 0.2)
"""What a photo keeps when its sides are cut: what is above."""
PAPER, INK = "white", "black"
QUALITY = 88


def main() -> None:
    """Write both pictures beside this file."""
    photos = {
        name: ImageOps.fit(open_colors(path), PICTURE, Image.Resampling.LANCZOS, centering=HEADS)
        for name, path in PHOTOS.items()
    }
    paintings = {
        style: {name: stylizer(photo) for name, photo in photos.items()}
        for style in style_names()
        for stylizer in [faststyle.load(style, device="cpu")]
    }
    _gallery(photos, paintings).save(HERE / "gallery.jpg", quality=QUALITY, optimize=True)
    _contact_sheet(photos, paintings).save(HERE / "styles.jpg", quality=QUALITY, optimize=True)


Paintings = dict[str, dict[str, Image.Image]]


def _gallery(photos: dict[str, Image.Image], paintings: Paintings) -> Image.Image:
    cells = []
    for style, painted in paintings.items():
        cell = painted[PHOTO_OF[style]].copy()
        small = photos[PHOTO_OF[style]].resize(INSET, Image.Resampling.LANCZOS)
        framed = ImageOps.expand(small, border=3, fill=PAPER)
        cell.paste(framed, (cell.width - framed.width - GAP, cell.height - framed.height - GAP))
        cells.append((cell, style))
    return _table(cells, columns=COLUMNS)


def _contact_sheet(photos: dict[str, Image.Image], paintings: Paintings) -> Image.Image:
    cells = [(photo, name) for name, photo in photos.items()]
    cells += [(painted[name], style) for style, painted in paintings.items() for name in photos]
    return _table(cells, columns=len(photos))


def _table(cells: list[tuple[Image.Image, str]], *, columns: int) -> Image.Image:
    """Put pictures in rows, each above its name."""
    width, height = PICTURE[0] + GAP, PICTURE[1] + LABEL
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20)
    for index, (picture, name) in enumerate(cells):
        left, top = GAP + index % columns * width, GAP + index // columns * height
        sheet.paste(picture, (left, top))
        middle = (left + PICTURE[0] // 2, top + PICTURE[1] + LABEL // 2 - GAP // 2)
        draw.text(middle, name.replace("_", " "), fill=INK, font=font, anchor="mm")
    return sheet


if __name__ == "__main__":
    main()
