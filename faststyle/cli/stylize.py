"""``faststyle stylize``."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from PIL import Image, ImageChops

from faststyle.cli.batch import Batch, reporting, run_batches, show_jobs
from faststyle.cli.options import add_device, add_overwrite
from faststyle.cli.studio import Machine, Studio
from faststyle.colors import split_alpha
from faststyle.controls import Controls
from faststyle.errors import InputError, OptionError
from faststyle.files import PICTURE_FORMATS, refuse_existing
from faststyle.formats import picture_format
from faststyle.gallery import style_names
from faststyle.images import MAX_PIXELS, allow_pixels, encode, open_picture, save_result
from faststyle.inputs import Job, Naming, Place, find_places, named, plan
from faststyle.memory import SHARE
from faststyle.stylize import FileOptions, stylize_photo, try_stylize_file

STREAM = "-"
"""Stands for standard input or output."""

ALL = "all"
"""Stands for every bundled style."""

ONE_PHOTO = "of several photos alone; frames of one animation are painted alike anyway"
"""Why one photo cannot be steady."""

STREAM_ENDING = ".png"
"""Format of standard output where none is asked for."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="photos, folders, patterns such as 'trip/**/*.jpg', or - for standard input",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="PATH",
        help="file to write; a folder for several photos; - for standard output",
    )
    models = parser.add_mutually_exclusive_group(required=True)
    models.add_argument(
        "--style",
        metavar="NAME",
        help="a bundled style (see faststyle styles), a blend such as wave:0.7,starry_night:0.3, "
        f"or {ALL} for one after another, each to a folder of its name",
    )
    models.add_argument(
        "--model",
        metavar="FILE",
        help="an ONNX model of your own, or a blend such as mine.onnx:0.7,wave:0.3",
    )
    _configure_controls(parser.add_argument_group("what to paint"))
    _configure_files(parser.add_argument_group("files"))
    _configure_machine(parser.add_argument_group("machine"))


def _configure_controls(group: argparse._ArgumentGroup) -> None:
    defaults = Controls()
    group.add_argument(
        "--strength",
        type=float,
        default=defaults.strength,
        metavar="0..1",
        help=f"0 is the photo, 1 the painting, between is a blend (default: {defaults.strength:g})",
    )
    group.add_argument(
        "--keep-colors", action="store_true", help="the style's luminance, the photo's colours"
    )
    group.add_argument(
        "--max-side", type=int, metavar="N", help="scale larger photos down to this longer side"
    )
    group.add_argument(
        "--stroke-scale",
        type=float,
        default=defaults.stroke_scale,
        metavar="N",
        help=f"paint strokes so many times larger (default: {defaults.stroke_scale:g})",
    )
    group.add_argument(
        "--mask", type=Path, metavar="FILE", help="paint only where this picture is white"
    )
    group.add_argument(
        "--steady",
        action="store_true",
        help="the photos are frames of one video: paint all alike, so that nothing flickers",
    )


def _configure_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--format",
        choices=sorted(ending.removeprefix(".") for ending in PICTURE_FORMATS),
        help="format of the results (default: each photo's own)",
    )
    group.add_argument(
        "--quality", type=int, metavar="1..100", help="quality of JPEG, WebP, AVIF and HEIC"
    )
    group.add_argument(
        "--suffix", default="", metavar="TEXT", help="add this to the names of results"
    )
    add_overwrite(group)
    group.add_argument(
        "--report", type=Path, metavar="FILE", help="write what failed, and why, to a CSV file"
    )
    group.add_argument("--dry-run", action="store_true", help="only say what would be written")
    group.add_argument(
        "--max-megapixels",
        type=float,
        default=MAX_PIXELS / 1e6,
        metavar="N",
        help="refuse larger photos: a small file may claim to be huge "
        f"(default: {MAX_PIXELS / 1e6:g})",
    )


def _configure_machine(group: argparse._ArgumentGroup) -> None:
    add_device(group)
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="photos to work on at the same time (default: one for each core)",
    )
    group.add_argument(
        "--memory",
        metavar="SIZE",
        help="memory to keep to, such as 1GB; what does not fit is painted in tiles "
        f"(default: {100 * SHARE:.0f} %% of what is free)",
    )


def run(options: argparse.Namespace) -> int:
    """Stylize what was named; 1 if any file failed."""
    _refuse_pointless(options)
    files = FileOptions(
        overwrite=options.overwrite,
        quality=_checked_quality(options.quality),
        max_pixels=_checked_pixels(options.max_megapixels),
    )
    controls = Controls(
        strength=options.strength,
        keep_colors=options.keep_colors,
        max_side=options.max_side,
        stroke_scale=options.stroke_scale,
        mask=_read_mask(options.mask, max_pixels=files.max_pixels),
    )
    machine = Machine(
        device=options.device,
        threads=options.threads,
        workers=options.workers,
        memory=options.memory,
    )
    studio = Studio(style=options.style, model=options.model, controls=controls, machine=machine)
    if options.style != ALL:
        studio.files()  # before anything else is done, as nothing would come of a wrong name
    ending = f".{options.format}" if options.format is not None else ""
    naming = Naming(ending=ending, suffix=_checked_suffix(options.suffix))
    if STREAM in (*options.inputs, options.output):
        return _run_stream(
            studio,
            options.inputs,
            options.output,
            ending=ending,
            files=files,
            dry_run=options.dry_run,
        )
    if not options.output:
        raise InputError("an empty name: name a file or a folder for results")
    places = find_places(options.inputs)
    single = places[0].picture if len(places) == 1 else None
    if single is not None and options.steady:
        raise InputError(f"--steady: {ONE_PHOTO}")
    if single is not None and options.style != ALL:
        job = _single_job(single, output=options.output, naming=naming)
        if options.dry_run:
            return show_jobs([job], overwrite=files.overwrite)
        return _run_single(studio, job, files=files, report=options.report)
    batches = _batches(
        studio, places, output=Path(options.output), naming=naming, steady=options.steady
    )
    if options.dry_run:
        jobs = chain.from_iterable(batch.find_jobs() for batch in batches)
        return show_jobs(jobs, overwrite=files.overwrite)
    return run_batches(batches, named=", ".join(options.inputs), files=files, report=options.report)


def _refuse_pointless(options: argparse.Namespace) -> None:
    """Refuse options that others leave nothing to do.

    Raises:
        InputError: names them.
    """
    if options.report is not None and options.dry_run:
        raise InputError("--report: nothing fails in a --dry-run; leave out one of both")
    if STREAM in (*options.inputs, options.output):
        if options.report is not None:
            raise InputError("--report: of files alone, not of standard input or output")
        if options.suffix:
            raise InputError("--suffix: of files alone, not of standard input or output")
        if options.steady:
            raise InputError(f"--steady: {ONE_PHOTO}")


def _batches(
    studio: Studio, places: Sequence[Place], *, output: Path, naming: Naming, steady: bool
) -> list[Batch]:
    find_jobs = partial(plan, places, output, naming=naming)
    if studio.style != ALL:
        return [Batch(studio, find_jobs, steady=steady)]
    if len(places) == 1 and places[0].picture is not None:
        studio = replace(studio, machine=replace(studio.machine, workers=1))
    return [
        Batch(
            replace(studio, style=style, silent=index > 0),
            partial(find_jobs, below=style),
            steady=steady,
        )
        for index, style in enumerate(style_names())
    ]


def _read_mask(path: Path | None, *, max_pixels: int) -> Image.Image | None:
    """Read where to paint; what is transparent there is not painted."""
    if path is None:
        return None
    colors, alpha = split_alpha(open_picture(path, max_pixels=max_pixels))
    mask = colors.convert("L")
    return mask if alpha is None else ImageChops.multiply(mask, alpha)


def _checked_quality(quality: int | None) -> int | None:
    if quality is not None and not 1 <= quality <= 100:
        raise OptionError(f"--quality {quality}: must be from 1 to 100")
    return quality


def _checked_pixels(megapixels: float) -> int:
    if not 0 < megapixels < 1e6:
        raise OptionError(f"--max-megapixels {megapixels:g}: must be above 0 and below a million")
    pixels = round(megapixels * 1e6)
    allow_pixels(pixels)
    return pixels


def _checked_suffix(suffix: str) -> str:
    if "/" in suffix or os.sep in suffix:
        raise OptionError(f"--suffix {suffix}: must be a part of a name, not a path")
    return suffix


def _single_job(source: Path, *, output: str, naming: Naming) -> Job:
    destination = Path(output)
    if destination.is_dir() or output.endswith(("/", os.sep)):
        destination /= naming.name(source, named=named([source]))
    elif naming.suffix:
        raise OptionError(
            f"--suffix {naming.suffix}: {destination} is the result's whole name; name a folder "
            "with -o, or leave the suffix out"
        )
    _format(destination, ending=naming.ending)
    return Job(source, destination)


def _format(destination: Path, *, ending: str) -> str:
    """Return Pillow's name of the format to write, which the ending asked for must be of, too."""
    encoder = picture_format(destination)
    if ending and encoder != PICTURE_FORMATS[ending]:
        raise OptionError(f"--format: {destination} is named otherwise; change one of both")
    return encoder


def _run_single(studio: Studio, job: Job, *, files: FileOptions, report: Path | None) -> int:
    # Said before the model is loaded, as nothing would come of it.
    refuse_existing(job.destination, overwrite=files.overwrite)
    painter = studio.open(pictures=1)
    with reporting(report) as record:
        result = try_stylize_file(painter, job, options=files)
        if result.error is not None:
            record(result)
            raise result.error
    return 0


def _run_stream(
    studio: Studio,
    inputs: list[str],
    output: str,
    *,
    ending: str,
    files: FileOptions,
    dry_run: bool,
) -> int:
    """Stylize one picture that comes by standard input, or goes to standard output."""
    if studio.style == ALL:
        raise InputError(f"--style {ALL}: writes many pictures; name photos and a folder for them")
    if len(inputs) > 1:
        raise InputError("standard input and output are for one photo; name no more with them")
    name = inputs[0]
    if name != STREAM and Path(name).is_dir():
        raise InputError(
            f"{name}: is a folder, and standard output takes one photo; name a folder with -o"
        )
    destination = Path(f"standard output{ending or STREAM_ENDING}" if output == STREAM else output)
    encoder = _format(destination, ending=ending)
    if dry_run:
        return show_jobs([Job(Path(name), Path(output))], overwrite=files.overwrite)
    if output != STREAM:
        refuse_existing(destination, overwrite=files.overwrite)
    elif sys.stdout is None:
        raise InputError("standard output is closed; name a file")
    source = _standard_input() if name == STREAM else Path(name)
    painter = studio.open(pictures=1)
    result = stylize_photo(painter, source, name=name, encoder=encoder, options=files)
    if output != STREAM:
        save_result(result, destination, overwrite=files.overwrite, quality=files.quality)
    else:
        sys.stdout.buffer.write(
            encode(result, encoder=encoder, quality=files.quality, name=destination.stem)
        )
    return 0


def _standard_input() -> io.BytesIO:
    if sys.stdin is None:
        raise InputError("standard input is closed; name a photo")
    return io.BytesIO(sys.stdin.buffer.read())
