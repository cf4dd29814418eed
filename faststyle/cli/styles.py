"""``faststyle styles``."""

from __future__ import annotations

import argparse

from faststyle.cli.options import readable_size
from faststyle.gallery import style_names, style_path
from faststyle.stylizer import load_file


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options: none."""


def run(_: argparse.Namespace) -> int:
    """Print one line for each bundled style."""
    rows = [("name", "size", "licence", "trained on")]
    for name in style_names():
        path = style_path(name)
        card = load_file(path, device="cpu", threads=1).card
        trained_on = ", ".join(filter(None, (card.author, card.source)))
        rows.append((name, readable_size(path.stat().st_size), card.license, trained_on))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    return 0
