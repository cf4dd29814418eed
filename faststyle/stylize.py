"""Stylizing files: one picture, or any number of them at the same time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Protocol

from PIL import Image

from faststyle.errors import FaststyleError, ImageError, OutputExistsError
from faststyle.files import evenly_chosen, refuse_existing
from faststyle.formats import ANIMATED_FORMATS, picture_format
from faststyle.images import MAX_PIXELS, USUAL_DURATION, Result, open_photo, save_result
from faststyle.inputs import Job
from faststyle.scene import measured_frames

AHEAD = 2
"""Pictures that are begun or wait, for each worker."""


class Paint(Protocol):
    """What photos are stylized with: a `faststyle.painter.Painter`, or a stand-in."""

    def room(
        self, size: tuple[int, int], *, frames: int, beside: int
    ) -> AbstractContextManager[int | None]:
        """Wait until there is memory for a photo; yield the side of tiles, None for no tiles."""

    @property
    def shares(self) -> bool:
        """Whether photos of a scene can be painted alike."""

    def alike(self, frames: Callable[[], Iterable[Image.Image]]) -> Paint:
        """Return what paints photos of a scene alike.

        Args:
            frames: gives some of them, any number of times.
        """

    def __call__(self, photo: Image.Image, *, side: int | None) -> Image.Image:
        """Repaint a photo."""


@dataclass(frozen=True)
class FileOptions:
    """How files are read and written."""

    overwrite: bool = False
    """Replace existing files."""
    quality: int | None = None
    """Quality of formats that lose some; None takes the format's own."""
    max_pixels: int = MAX_PIXELS
    """Pixels of the largest picture that is read."""


class Status(Enum):
    """What became of a file."""

    DONE = "stylized"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class FileResult:
    """What became of one picture."""

    job: Job
    status: Status
    error: FaststyleError | None = None
    """Why it failed."""


def stylize_file(paint: Paint, job: Job, *, options: FileOptions) -> None:
    """Stylize one picture file, upright, keeping its transparency, metadata and frames.

    Raises:
        OutputExistsError: the destination exists and is not to be replaced.
        InputError: the destination is a folder.
        ImageError: a file cannot be read, computed or written, or both are the same.
        ModelError: the model cannot paint the picture in tiles.
    """
    source, destination = job
    if source.is_dir():
        raise ImageError(f"{source}: is a folder that may not be read; check its permissions")
    encoder = picture_format(destination)
    if destination.exists() and source.exists() and destination.samefile(source):
        raise ImageError(f"{destination}: is the photo itself; write to another file")
    refuse_existing(destination, overwrite=options.overwrite)
    result = stylize_photo(paint, source, name=str(source), encoder=encoder, options=options)
    save_result(result, destination, overwrite=options.overwrite, quality=options.quality)


def try_stylize_file(paint: Paint, job: Job, *, options: FileOptions) -> FileResult:
    """Stylize one picture file like `stylize_file`, and return what became of it."""
    try:
        stylize_file(paint, job, options=options)
    except OutputExistsError:
        return FileResult(job, Status.SKIPPED)
    except FaststyleError as error:
        return FileResult(job, Status.FAILED, error)
    except OSError as error:  # a name too long, a folder that may not be entered
        reason = f"{job.source}: {error.strerror}; check the path and its permissions"
        return FileResult(job, Status.FAILED, ImageError(reason))
    except MemoryError:
        reason = f"{job.source}: not enough memory; lower --memory or --workers"
        return FileResult(job, Status.FAILED, ImageError(reason))
    return FileResult(job, Status.DONE)


def stylize_photo(
    paint: Paint, source: Path | io.BytesIO, *, name: str, encoder: str, options: FileOptions
) -> Result:
    """Read a picture, all its frames if the result's format can hold them, and stylize it.

    Raises:
        ImageError: it cannot be read or computed; the message begins with the name.
    """
    with open_photo(source, name=name, max_pixels=options.max_pixels) as photo:
        count = photo.count if encoder in ANIMATED_FORMATS else 1
        frames, durations = [], []
        with paint.room(photo.size, frames=count, beside=photo.bytes_beside) as side:
            if count > 1 and paint.shares:
                paint = _alike(paint, source, name=name, count=count, options=options)
            for frame in islice(photo.frames, count):
                durations.append(float(frame.info.get("duration", USUAL_DURATION)))
                with _named(name):
                    frames.append(paint(frame, side=side))
        return Result(frames, durations, photo.loop, photo.metadata)


def _alike(
    paint: Paint, source: Path | io.BytesIO, *, name: str, count: int, options: FileOptions
) -> Paint:
    """Return what paints the frames of an animation alike.

    The file is opened once more, as not every animation can be wound back.
    """
    copied = source if isinstance(source, Path) else io.BytesIO(source.getvalue())
    wanted = set(evenly_chosen(range(count), most=measured_frames(count)))
    with open_photo(copied, name=name, max_pixels=options.max_pixels) as photo:
        some = [frame for number, frame in enumerate(photo.frames) if number in wanted]
    with _named(name):
        return paint.alike(lambda: some)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Begin messages with the name of the picture."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error


def stylize_files(
    paint: Paint, jobs: Iterable[Job], *, options: FileOptions, workers: int = 1
) -> Iterator[FileResult]:
    """Stylize pictures, some at the same time; a bad one does not stop the rest.

    Args:
        paint: what to stylize with.
        jobs: picture files and the files to write, taken as they are needed.
        options: how to read and write.
        workers: threads, each of which reads, paints and writes.

    Yields:
        What became of each picture, as soon as it is known.
    """
    waiting = iter(jobs)
    running: set[Future[FileResult]] = set()
    threads = ThreadPoolExecutor(workers)
    try:
        while True:
            for job in islice(waiting, AHEAD * workers - len(running)):
                running.add(threads.submit(try_stylize_file, paint, job, options=options))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                yield each.result()
    finally:
        threads.shutdown(cancel_futures=True)
