"""Pictures to learn styles from, each drawn by a program of its own."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from . import (
    embroidery,
    halftone,
    impasto,
    ink_wash,
    linocut,
    mosaic,
    neon,
    paper_cut,
    pointillism,
    stained_glass,
    watercolor,
)

PAINTINGS: dict[str, Callable[[int, int], Image.Image]] = {
    module.__name__.rpartition(".")[2]: module.draw
    for module in (
        embroidery,
        halftone,
        impasto,
        ink_wash,
        linocut,
        mosaic,
        neon,
        paper_cut,
        pointillism,
        stained_glass,
        watercolor,
    )
}
"""What draws each style: called with the side in pixels and the seed."""
