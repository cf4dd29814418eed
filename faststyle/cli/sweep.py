"""``faststyle sweep``."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from faststyle.cli.options import require_training_packages
from faststyle.cli.running import SIGNAL_STATUS, ProgressBar, stop_signals
from faststyle.cli.settings import (
    add_run_options,
    add_settings,
    given_config,
    given_run_options,
    new_config,
    numbers,
    shown,
)
from faststyle.errors import OptionError

INTENSITIES = (2.0, 5.0, 8.0)
STROKE_SIZES = (3.0, 5.0, 7.0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("style", help="the style picture")
    run = parser.add_argument_group("sweep")
    run.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the sweep (default: runs/STYLE_sweep)"
    )
    for name, default in (("intensities", INTENSITIES), ("stroke-sizes", STROKE_SIZES)):
        run.add_argument(
            f"--{name}",
            type=numbers,
            default=default,
            metavar="NUMBERS",
            help=f"numbers from 1 to 10 (default: {shown(default)})",
        )
    add_run_options(run)
    add_settings(parser, counted=", all runs together")


def run(options: argparse.Namespace) -> int:
    """Sweep, and return 128 plus the signal if one stopped it."""
    require_training_packages()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise OptionError("a sweep runs in one process; start it without torchrun")
    if not options.intensities or not options.stroke_sizes:
        raise OptionError("--intensities and --stroke-sizes need a number each at the least")
    out: Path = options.out or Path("runs") / f"{Path(options.style).stem}_sweep"
    config = new_config(given_config(options))
    # Only now, as torch takes seconds to import.
    from faststyle.training.outputs import occupied
    from faststyle.training.sweep import COMPARABLE, SHEET, TABLE, sweep

    with occupied(out), stop_signals() as received, ProgressBar() as bar:
        cells = sweep(
            config,
            intensities=options.intensities,
            stroke_sizes=options.stroke_sizes,
            out=out,
            options=given_run_options(options),
            on_run=bar.begin,
            on_progress=bar.show,
            on_notice=bar.say,
            should_stop=lambda: bool(received),
        )
    if cells is None:
        bar.say("stopped and saved; the same command goes on")
        return SIGNAL_STATUS + received[0]
    print(f"{'intensity':>9}  {'stroke size':>11}  {'content':>7}  {'style':>7}  folder")
    for cell in cells:
        print(
            f"{cell.intensity:9g}  {cell.stroke_size:11g}  {cell.losses['content']:7.3f}  "
            f"{cell.losses['style']:7.4f}  {cell.folder}"
        )
    print(f"{COMPARABLE}; of several, the eye judges")
    print(f"{out / SHEET}, {out / TABLE}; continue the cell you like best, for example with")
    print(f"  faststyle train --from-sweep {shlex.quote(str(cells[len(cells) // 2].folder))}")
    return 0
