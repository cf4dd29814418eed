"""Logs of numbers by step, which a resumed run goes on writing."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from faststyle.errors import TrainingError
from faststyle.files import whole_file
from faststyle.training.outputs import unwritable


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file where writing it fails.

    Raises:
        TrainingError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(unwritable(path, error)) from error


@contextmanager
def whole_table(path: Path) -> Iterator[TextIO]:
    """Open a CSV file to write whole or not at all; names of files may hold any bytes.

    Raises:
        TrainingError: it cannot be written.
    """
    with (
        writing(path),
        whole_file(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        yield file


def write_row(log: TextIO, step: int, values: Sequence[float]) -> None:
    """Write the values of a step, at once.

    Raises:
        TrainingError: they cannot be written.
    """
    with writing(Path(log.name)):
        csv.writer(log).writerow([step, *(f"{value:.6g}" for value in values)])
        log.flush()


def open_log(path: Path, *, columns: Sequence[str], step: int) -> TextIO:
    """Open a log for appending, with only the rows up to a step; damaged ones are left out.

    Raises:
        TrainingError: it cannot be read or written.
    """
    with writing(path):
        rows: list[list[str]] = []
        if step and path.exists():
            with open(path, errors="replace") as file:
                lines = [line.strip().split(",") for line in file]
            rows = [row for row in lines if len(row) == len(columns) and _are_numbers(row)]
        with whole_file(path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(row for row in rows if int(row[0]) <= step)
        return open(path, "a", newline="")


def _are_numbers(row: Sequence[str]) -> bool:
    try:
        int(row[0])
        list(map(float, row))
    except ValueError:
        return False
    return True
