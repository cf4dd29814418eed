"""``faststyle distill``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from faststyle.cli.options import add_overwrite, readable_size, require_training_packages
from faststyle.cli.running import SIGNAL_STATUS, stop_signals
from faststyle.errors import OptionError
from faststyle.files import refuse_existing

if TYPE_CHECKING:
    from faststyle.training.distill import Errors

STEPS = 1400


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "weights",
        nargs="+",
        type=Path,
        help="VGG-19 state dict in torchvision's layout; a second one serves the layers "
        "that the first does not reach",
    )
    parser.add_argument(
        "--content", type=Path, required=True, metavar="DIR", help="folder of photos"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="state dict to write"
    )
    parser.add_argument(
        "--start-from", type=Path, metavar="FILE", help="thin state dict to start from"
    )
    parser.add_argument(
        "--steps", type=int, default=STEPS, metavar="N", help=f"steps (default: {STEPS})"
    )
    add_overwrite(parser)


def run(options: argparse.Namespace) -> int:
    """Distill, and return 128 plus the signal if one stopped it."""
    require_training_packages()
    output: Path = options.output
    refuse_existing(output, overwrite=options.overwrite)
    if options.steps < 1:
        raise OptionError("--steps must be at least 1")
    # Only now, as torch takes seconds to import.
    from faststyle.training.data import find_photos
    from faststyle.training.distill import Teacher, distill

    photos = find_photos(options.content)
    teacher = Teacher(options.weights)
    with stop_signals() as received, tqdm(total=options.steps, unit="step") as bar:
        done = distill(
            teacher,
            photos=photos.training,
            steps=options.steps,
            out=output,
            start_from=options.start_from,
            on_progress=lambda step, errors: _show(bar, step, errors),
            should_stop=lambda: bool(received),
        )
    if done < options.steps:
        print(
            f"{output}: stopped after step {done}; "
            f"go on with --start-from {output} and --overwrite",
            file=sys.stderr,
        )
        return SIGNAL_STATUS + received[0]
    print(
        f"{output}: {readable_size(output.stat().st_size)}; train with it by  "
        f"--loss-network vgg19 --vgg-weights {output}"
    )
    return 0


def _show(bar: tqdm[Any], step: int, errors: Errors) -> None:
    kernel, content, style = (float(error) for error in errors)
    bar.set_postfix_str(
        f"kernel {kernel:.4f}, content {content:.3f}, style {style:.3f}", refresh=False
    )
    bar.update(step - bar.n)
