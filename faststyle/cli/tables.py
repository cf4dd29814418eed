"""What is printed for people: tables, names to begin their rows with, and any text safely."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def name_files(paths: Iterable[Path]) -> dict[str, Path]:
    """Name each file once, with as many folders as it takes to tell it from the others."""
    files = list(dict.fromkeys(path.absolute() for path in paths))
    return {_name(path, among=files): path for path in files}


def printable(text: str) -> str:
    """Escape what would break a line or steer a terminal, as names of files may hold anything."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )


def print_table(rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
    """Print rows of cells in columns: see `table_lines`."""
    print(*table_lines(rows, left=left), sep="\n")


def table_lines(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Put rows of cells into columns, the first `left` of them to the left, others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:<{width}}" if place < left else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _name(path: Path, *, among: Sequence[Path]) -> str:
    for count in range(1, len(path.parts)):
        name, *all_names = ((*each.parts[-count:-1], each.stem) for each in (path, *among))
        if all_names.count(name) == 1:
            return "/".join(name)
    return str(path)
