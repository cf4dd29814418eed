"""``faststyle train``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faststyle.cli.options import require_training_packages
from faststyle.cli.running import FIRST_PROCESS, SIGNAL_STATUS, ProgressBar, stop_signals
from faststyle.cli.settings import (
    EXCLUSIVE,
    add_run_options,
    add_setting,
    add_settings,
    given_config,
    given_run_options,
    new_config,
    shown,
)
from faststyle.errors import CheckpointError, OptionError, OutputExistsError
from faststyle.training.config import SAYINGS, RunOptions, TrainingConfig, flag

if TYPE_CHECKING:
    from faststyle.training.checkpoint import Checkpoint
    from faststyle.training.run import RunResult

CHANGEABLE = frozenset({"style", "content", "vgg_weights", *SAYINGS})
"""Settings that a resumed run may be given anew: where files lie, and what is said of the style."""

DECIDED = ("precision", "start_from")
"""Settings whose default stands for what was decided when the run was started."""

CELL = "runs/x_sweep/intensity_5_stroke_7"
"""What a cell of a sweep may be called."""

REPLANNED = ("steps", "learning_rate")
"""Parts of the plan that a resumed run may be given anew."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; those left out keep the defaults of `TrainingConfig`."""
    parser.add_argument("style", nargs="?", default=argparse.SUPPRESS, help="the style picture")
    run = parser.add_argument_group("run")
    run.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the run (default: runs/STYLE)"
    )
    run.add_argument(
        "--resume", action="store_true", help="continue the run in --out from its checkpoint"
    )
    run.add_argument(
        "--from-sweep",
        type=Path,
        metavar="DIR",
        help=f"continue this cell of a sweep, such as {CELL}",
    )
    add_run_options(run)
    look = parser.add_argument_group("look")
    add_setting(look, "intensity", float, "X", "strength of the style, 1 mild to 10 strong")
    add_setting(
        look, "style_weight", float, "X", "weight of the style loss, in place of --intensity"
    )
    add_setting(look, "stroke_size", float, "X", "size of the strokes, 1 fine to 10 bold")
    add_settings(parser)


def run(options: argparse.Namespace) -> int:
    """Train, and return 128 plus the signal if one stopped the run."""
    require_training_packages()
    given = given_config(options)
    if options.from_sweep is not None:
        if options.resume:
            raise OptionError("give --from-sweep to start a run and --resume to go on, not both")
        given = _from_sweep(options.from_sweep, given)
    return _train(given, out=options.out, resume=options.resume, options=given_run_options(options))


def _from_sweep(cell: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Complete the given settings with those of a cell, and start from its network."""
    from faststyle.training.checkpoint import load_checkpoint
    from faststyle.training.record import CHECKPOINT

    path = cell / CHECKPOINT
    if not path.exists():
        cells = sorted(each.parent for each in cell.glob(f"intensity_*/{CHECKPOINT}"))
        raise CheckpointError(
            f"--from-sweep {cell}: is no cell of a sweep; name one, such as {[*cells, CELL][0]}"
        )
    config = load_checkpoint(path).config
    budget = {"steps", "minutes", "batch_size"}
    contradicted = {
        other for pair in EXCLUSIVE for one, other in (pair, pair[::-1]) if one in given
    }
    settings = {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if field.name not in budget | contradicted
        and getattr(config, field.name) not in (None, getattr(TrainingConfig, field.name, None))
    }
    return {**settings, "start_from": str(path.absolute()), **given}


def _train(given: dict[str, Any], *, out: Path | None, resume: bool, options: RunOptions) -> int:
    # Only now, as torch takes seconds to import.
    from faststyle.training.checkpoint import load_checkpoint
    from faststyle.training.outputs import occupied
    from faststyle.training.record import CHECKPOINT
    from faststyle.training.run import train

    if out is None:
        if "style" not in given:
            raise OptionError("name a style picture, or the folder of a run with --out")
        out = Path("runs") / Path(given["style"]).stem
    with (
        occupied(out) if FIRST_PROCESS else nullcontext(),
        stop_signals() as received,
        ProgressBar() as bar,
    ):
        checkpoint = None
        if resume:
            if not (out / CHECKPOINT).exists():
                raise CheckpointError(
                    f"{out}: no run is here; check --out, or start one without --resume"
                )
            checkpoint = _resumed(load_checkpoint(out / CHECKPOINT), given)
        elif FIRST_PROCESS:
            _refuse_run(out)
        result = train(
            checkpoint.config if checkpoint is not None else new_config(given),
            out=out,
            options=options,
            resume=checkpoint,
            on_progress=bar.show,
            on_notice=bar.say,
            should_stop=lambda: bool(received),
        )
    if FIRST_PROCESS:
        _print_result(result, out=out)
    if result.finished:
        return 0
    return SIGNAL_STATUS + (received or [signal.SIGTERM])[0]  # where another process got it


def _refuse_run(out: Path) -> None:
    """Refuse a folder with a run, or with anything that one would replace."""
    from faststyle.training.record import CHECKPOINT, RECORDS
    from faststyle.training.run import MODEL

    if (out / CHECKPOINT).exists():
        raise OutputExistsError(
            f"{out / CHECKPOINT}: a run is here already; continue it with --resume, "
            "or choose another folder with --out"
        )
    for name in (MODEL, *RECORDS):
        if (out / name).exists():
            raise OutputExistsError(
                f"{out / name}: already exists; choose another folder with --out"
            )


def _resumed(checkpoint: Checkpoint, given: dict[str, Any]) -> Checkpoint:
    """Apply the given settings to a checkpoint, where they may still change."""
    config, plan = checkpoint.config, checkpoint.plan
    for key, value in given.items():
        old = getattr(plan if key in vars(plan) else config, key)
        automatic = key in DECIDED and value == getattr(TrainingConfig, key)
        if key in (*CHANGEABLE, *REPLANNED) or automatic or value == old:
            continue
        if key == "minutes":
            raise OptionError(
                f"--minutes {shown(value)}: the run has counted {plan.steps} steps since it was "
                "started; give --steps to change them"
            )
        raise OptionError(
            f"{_written(key, value)}: the run was started {_started(old)}; "
            "leave the option out, or start another run with --out"
        )
    validations = checkpoint.validations
    if "steps" in given and plan.cooling_from is not None:
        plan = replace(plan, cooling_from=None, learning_rate=config.learning_rate)
        validations = []  # or it would be as flat as it was
    plan = replace(plan, **{key: given[key] for key in REPLANNED if key in given})
    if plan.steps < checkpoint.step:
        raise OptionError(f"--steps {plan.steps}: the run is at step {checkpoint.step} already")
    config = replace(config, **{key: given[key] for key in CHANGEABLE if key in given})
    return replace(checkpoint, config=config, plan=plan, validations=validations)


def _written(key: str, value: object) -> str:
    """Write an option as it is given."""
    return flag(key) if value is True else f"{flag(key)} {shown(value)}"


def _started(old: object) -> str:
    return "without it" if old is None or old is False else f"with {shown(old)}"


def _print_result(result: RunResult, *, out: Path) -> None:
    from faststyle.training.record import PREVIEW_SHEET

    if result.unreadable:
        shown = ", ".join(result.unreadable[:3]) + (", …" if len(result.unreadable) > 3 else "")
        print(f"{len(result.unreadable)} photos could not be read: {shown}", file=sys.stderr)
    if result.finished:
        print(f"{result.model}: trained for {result.step} steps")
        if (out / PREVIEW_SHEET).exists():
            print(f"{out / PREVIEW_SHEET}: its previews over time")
        model = shlex.quote(str(result.model))
        print(f"repaint a photo with  faststyle stylize photo.jpg -o out.png --model {model}")
    else:
        print(
            f"stopped after step {result.step}, saved in {result.checkpoint}; "
            f"continue with  faststyle train --resume --out {shlex.quote(str(out))}",
            file=sys.stderr,
        )
