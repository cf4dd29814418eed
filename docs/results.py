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
    "comic": "coffee",
    "composition_vii": "astronaut",
    "ink_wash": "chelsea",
    "linocut": "coffee",
    "mosaic": "chelsea",
    "neon": "rocket",
    "pointillism": "coffee",
    "shipwreck": "rocket",
    "stained_glass": "coffee",
    "starry_night": "rocket",
    "the_scream": "chelsea",
    "wave": "astronaut",
}
"""The photo that the gallery shows a style on."""

PICTURE = (400, 320)
"""What is painted, and how large the gallery shows it."""

SMALL = (280, 224)
"""How large the contact sheet shows it."""

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
    paintings = {style: _paint(style, photos) for style in style_names()}
    header = [(photo, name) for name, photo in photos.items()]
    chosen = [(painted[PHOTO_OF[style]], style) for style, painted in paintings.items()]
    everything = [
        (painting, style) for style, painted in paintings.items() for painting in painted.values()
    ]
    for name, cells, size in (("gallery", chosen, PICTURE), ("styles", everything, SMALL)):
        table = _table([*header, *cells], columns=len(photos), size=size)
        table.save(HERE / f"{name}.jpg", quality=QUALITY, optimize=True)


def _paint(style: str, photos: dict[str, Image.Image]) -> dict[str, Image.Image]:
    stylizer = faststyle.load(style, device="cpu")
    return {name: stylizer(photo) for name, photo in photos.items()}


def _table(
    cells: list[tuple[Image.Image, str]], *, columns: int, size: tuple[int, int]
) -> Image.Image:
    """Put pictures of a size in rows, each above its name."""
    width, height = size[0] + GAP, size[1] + LABEL
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20)
    for index, (picture, name) in enumerate(cells):
        left, top = GAP + index % columns * width, GAP + index // columns * height
        sheet.paste(picture.resize(size, Image.Resampling.LANCZOS), (left, top))
        middle = (left + size[0] // 2, top + size[1] + LABEL // 2 - GAP // 2)
        draw.text(middle, name.replace("_", " "), fill=INK, font=font, anchor="mm")
    return sheet


if __name__ == "__main__":
    main()
