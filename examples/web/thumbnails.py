"""Make the small picture of each bundled style that the page shows: a cat painted in it."""

from pathlib import Path

from PIL import Image

import faststyle
from faststyle.gallery import style_names

HERE = Path(__file__).parent
PHOTO = HERE.parent.parent / "data" / "photos" / "chelsea.jpg"
FACE = (90, 0, 390, 300)
SIDE = 160


def main() -> None:
    """Write ``src/thumbnails/<style>.jpg`` for every style."""
    with Image.open(PHOTO) as photo:
        face = photo.convert("RGB").crop(FACE)
    for style in style_names():
        painting = faststyle.load(style, device="cpu")(face)
        small = painting.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        small.save(HERE / "src" / "thumbnails" / f"{style}.jpg", quality=70, optimize=True)


if __name__ == "__main__":
    main()
