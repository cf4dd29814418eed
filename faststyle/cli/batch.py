"""Stylizing many pictures, with a bar, and saying what became of them."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from PIL import Image

from faststyle.cli.studio import Studio
from faststyle.cli.tables import printable
from faststyle.errors import FaststyleError, ImageError, InputError, OptionError
from faststyle.files import evenly_chosen
from faststyle.images import open_picture
from faststyle.inputs import Job
from faststyle.painter import Painter
from faststyle.scene import FRAMES
from faststyle.stylize import FileOptions, FileResult, Status, stylize_files

LISTED = 20
"""Failures that are listed at the end."""

REPORT_COLUMNS = ("file", "result", "error")

Record = Callable[[FileResult], None]


def show_jobs(jobs: Iterable[Job], *, overwrite: bool) -> int:
    """Print what would be written."""
    for source, destination in jobs:
        exists = destination.exists() and not overwrite
        pair = printable(f"{source} -> {destination}")
        print(f"{pair}{' (exists, skipped)' if exists else ''}")
    return 0


class Batch(NamedTuple):
    """Pictures that are stylized with the same."""

    studio: Studio
    """What to paint with."""
    find_jobs: Callable[[], Iterator[Job]]
    """Lists the pictures, each time anew."""
    steady: bool
    """Paint all alike, as frames of one video."""


def run_batches(
    batches: Sequence[Batch], *, named: str, files: FileOptions, report: Path | None
) -> int:
    """Stylize many pictures, batch after batch; 1 if any of them failed.

    Args:
        batches: what to paint, and with what.
        named: what the pictures were named by, for messages.
        files: how to read and write.
        report: a CSV file for what fails.

    Raises:
        InputError: there are none.
        FaststyleError: a model cannot be loaded, or an option makes no sense.
    """
    if all(next(batch.find_jobs(), None) is None for batch in batches):
        raise InputError(f"{named}: no pictures there; check the path")
    results = chain.from_iterable(_stylize(batch, files=files) for batch in batches)
    with reporting(report) as record:
        counts, failures = _follow(results, batches, record=record)
    if len(failures) > 1:
        print("failed:", *failures, sep="\n  ", file=sys.stderr)
        if counts[Status.FAILED] > len(failures):
            print(f"  and {counts[Status.FAILED] - len(failures)} more", file=sys.stderr)
    parts = [f"{counts[Status.DONE]} stylized"]
    if counts[Status.SKIPPED]:
        parts.append(f"{counts[Status.SKIPPED]} skipped, as their results exist")
    if counts[Status.FAILED]:
        parts.append(f"{counts[Status.FAILED]} failed")
    print(", ".join(parts), file=sys.stderr)
    return 1 if counts[Status.FAILED] else 0


def _stylize(batch: Batch, *, files: FileOptions) -> Iterator[FileResult]:
    studio = batch.studio
    painter = studio.open()
    if batch.steady:
        painter = _steady(painter, batch.find_jobs(), files=files)
    yield from stylize_files(painter, batch.find_jobs(), options=files, workers=studio.workers())


def _steady(painter: Painter, jobs: Iterator[Job], *, files: FileOptions) -> Painter:
    """Return what paints all frames alike, whichever of them there are results of already.

    Raises:
        OptionError: a style cannot do so.
    """
    unable = [style.card.style for style, _ in painter.styles if not style.shares]
    if unable:
        raise OptionError(
            f"--steady: {', '.join(unable)} cannot paint frames alike, as models of the preset "
            "johnson, for one size, of other makers or of old versions cannot; use one of the "
            "presets fast or quality, or leave it out"
        )

    def read(path: Path) -> Image.Image | None:
        try:
            return open_picture(path, max_pixels=files.max_pixels)
        except ImageError:  # whoever stylizes it meets it, too
            return None

    sources = [job.source for job in jobs]
    some = evenly_chosen(sources, most=FRAMES)
    if not any(map(read, some)):
        some = list(islice(filter(read, sources), 1))
    return painter.alike(lambda: filter(None, map(read, some))) if some else painter


def _follow(
    results: Iterator[FileResult], batches: Sequence[Batch], *, record: Record
) -> tuple[Counter[Status], list[str]]:
    """Draw the bar while pictures are stylized; return the counts and the first failures."""
    from tqdm import tqdm  # Only many pictures need a bar, and single ones should start fast.

    counts: Counter[Status] = Counter()
    failures: list[str] = []
    with tqdm(unit="photo", disable=None, smoothing=0.1) as bar:

        def count() -> None:
            with suppress(FaststyleError, OSError):  # whoever stylizes them meets it, too
                bar.total = sum(1 for batch in batches for _ in batch.find_jobs())

        # A million files take some time to count, in which the first are done.
        Thread(target=count, daemon=True).start()
        for result in results:
            counts[result.status] += 1
            bar.update()
            if result.error is not None:
                error = printable(str(result.error))
                bar.write(f"faststyle: {error}", file=sys.stderr)
                record(result)
                failures += [error] if len(failures) < LISTED else []
    return counts, failures


@contextmanager
def reporting(report: Path | None) -> Iterator[Record]:
    """Give what writes a failure to a CSV file at once, so that it is there whatever comes.

    Raises:
        InputError: the file exists, and is no such report.
    """
    if report is None:
        yield lambda _: None
        return
    if not _may_be_replaced(report):
        raise InputError(f"{report}: exists, and is no report; name another file")
    report.parent.mkdir(parents=True, exist_ok=True)
    with open(
        report, "w", newline="", buffering=1, encoding="utf-8", errors="surrogateescape"
    ) as file:
        writer = csv.writer(file)
        writer.writerow(REPORT_COLUMNS)

        def record(result: FileResult) -> None:
            try:
                writer.writerow([*map(str, result.job), str(result.error)])
            except OSError as error:
                raise InputError(
                    f"{report}: cannot be written ({error.strerror}); write it elsewhere"
                ) from error

        yield record


def _may_be_replaced(report: Path) -> bool:
    """Tell whether a path has no file, as one of a pipe has not, or a report of an earlier run."""
    if not report.is_file():
        return True
    head = ",".join(REPORT_COLUMNS).encode()
    with open(report, "rb") as file:
        return file.read(len(head)) in (b"", head)
