"""Draw the README's picture: ``python docs/results.py``."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

import faststyle
from faststyle.gallery import style_names
from faststyle.images import open_colors

HEIGHT = 360
PHOTOS = Path(__file__).parent.parent / "data" / "photos"


def main() -> None:
    """Write results.jpg: a row of photos, and a row for each bundled style."""
    photos = [
        ImageOps.fit(open_colors(path), (HEIGHT * 5 // 4, HEIGHT))
        for path in sorted(PHOTOS.glob("*.jpg"))
    ]
    rows = [photos]
    for name in style_names():
        stylizer = faststyle.load(name)
        rows.append([stylizer(photo) for photo in photos])
    width, height = photos[0].size
    sheet = Image.new("RGB", (width * len(photos), height * len(rows)))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture, (x * width, y * height))
    sheet.save(Path(__file__).with_name("results.jpg"), quality=85)


if __name__ == "__main__":
    main()
