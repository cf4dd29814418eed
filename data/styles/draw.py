"""Draw pictures to learn styles from: ``python data/styles/draw.py mosaic -o pictures``.

Needs numpy and Pillow only. The same style, size and seed give the same picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from paintings import PAINTINGS

SMALLEST, LARGEST = 64, 2048


class DrawError(Exception):
    """The pictures cannot be drawn; the message is one line with the remedy."""


def main(arguments: list[str] | None = None) -> int:
    """Draw pictures and return the exit status."""
    parser = argparse.ArgumentParser(description="Draw pictures to learn styles from.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a style of --list, or all")
    parser.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="where the pictures go")
    parser.add_argument(
        "--size", type=int, default=768, metavar="N", help="side in pixels (default: 768)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="chance to draw with (default: 0)"
    )
    parser.add_argument("--list", action="store_true", help="name the styles and stop")
    options = parser.parse_args(arguments)
    if options.list:
        print(*describe(), sep="\n")
        return 0
    try:
        for name in chosen(options.names):
            print(draw(name, out=options.out, size=options.size, seed=options.seed), flush=True)
    except DrawError as error:
        print(f"draw: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("draw: stopped", file=sys.stderr)
        return 130
    return 0


def describe() -> list[str]:
    """Return a line for each style: its name, and what its picture shows."""
    texts = {name: sys.modules[draw.__module__].__doc__ or "" for name, draw in PAINTINGS.items()}
    width = max(map(len, texts))
    return [f"{name:{width}}  {text.rstrip('.')}" for name, text in texts.items()]


def chosen(names: list[str]) -> list[str]:
    """Return the styles asked for.

    Raises:
        DrawError: there is no such style, or none was named.
    """
    if not names:
        raise DrawError("name a style, or all; --list names them")
    for name in names:
        if name not in (*PAINTINGS, "all"):
            raise DrawError(f"{name}: no such style; choose from {', '.join(PAINTINGS)}")
    return list(PAINTINGS) if "all" in names else names


def draw(name: str, *, out: Path | None, size: int, seed: int) -> Path:
    """Draw one style and save it as PNG.

    Raises:
        DrawError: the size cannot be drawn, or the picture cannot be saved.
    """
    if out is None:
        raise DrawError("say where the pictures go: -o FOLDER")
    if not SMALLEST <= size <= LARGEST:
        raise DrawError(f"--size {size}: choose one between {SMALLEST} and {LARGEST}")
    if seed < 0:
        raise DrawError(f"--seed {seed}: choose one of 0 or more")
    path = out / f"{name}.png"
    try:
        out.mkdir(parents=True, exist_ok=True)
        PAINTINGS[name](size, seed).save(path, optimize=True)
    except OSError as error:
        raise DrawError(f"{path}: cannot be saved ({error.strerror or error})") from error
    return path


if __name__ == "__main__":
    raise SystemExit(main())
