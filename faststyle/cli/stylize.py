"""``faststyle stylize``."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from faststyle.cli.options import add_device, add_overwrite
from faststyle.errors import ImageError
from faststyle.files import refuse_existing
from faststyle.gallery import style_path
from faststyle.images import picture_format
from faststyle.stylize import Status, plan_folder, stylize_file, stylize_files
from faststyle.stylizer import Stylizer, load_file


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("input", type=Path, help="a photo, or a folder of photos")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="PATH",
        help="file to write, or for a folder the folder to write to",
    )
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--style", metavar="NAME", help="a bundled style: see faststyle styles")
    model.add_argument("--model", type=Path, metavar="FILE", help="an ONNX model of your own")
    add_device(parser)
    add_overwrite(parser)


def run(options: argparse.Namespace) -> int:
    """Stylize what was named; 1 if any file failed."""
    source: Path = options.input
    output = Path(options.output)
    into_folder = output.is_dir() or options.output.endswith(("/", os.sep))
    model: Path = options.model or style_path(options.style)
    if source.is_dir():
        pairs = plan_folder(source, output)
        return _run_folder(
            _open(model, device=options.device, threads=options.threads),
            pairs,
            overwrite=options.overwrite,
        )
    if not source.exists():
        raise ImageError(f"{source}: no such file or folder; check the path")
    destination = output / source.name if into_folder else output
    # Said before the model is loaded, as nothing would come of it.
    picture_format(destination)
    refuse_existing(destination, overwrite=options.overwrite)
    stylizer = _open(model, device=options.device, threads=options.threads)
    stylize_file(stylizer, source, destination, overwrite=options.overwrite)
    return 0


def _open(model: Path, *, device: str, threads: int | None) -> Stylizer:
    stylizer = load_file(model, device=device, threads=threads)
    if device == "auto":
        print(f"running on {stylizer.device}", file=sys.stderr)
    return stylizer


def _run_folder(stylizer: Stylizer, pairs: list[tuple[Path, Path]], *, overwrite: bool) -> int:
    from tqdm import tqdm  # Only folders need a bar, and single photos should start fast.

    counts: Counter[Status] = Counter()
    with tqdm(total=len(pairs), unit="photo", disable=None) as bar:
        for result in stylize_files(stylizer, pairs, overwrite=overwrite):
            counts[result.status] += 1
            bar.update()
            if result.error is not None:
                bar.write(f"faststyle: {result.error}", file=sys.stderr)
    parts = [f"{counts[Status.DONE]} stylized"]
    if counts[Status.SKIPPED]:
        parts.append(f"{counts[Status.SKIPPED]} skipped, as their results exist")
    if counts[Status.FAILED]:
        parts.append(f"{counts[Status.FAILED]} failed")
    print(", ".join(parts), file=sys.stderr)
    return 1 if counts[Status.FAILED] else 0
