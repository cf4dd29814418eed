"""``faststyle train``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from faststyle.cli.options import require_training_packages, words
from faststyle.errors import ConfigError, OutputExistsError
from faststyle.training.config import DEVICES, RunOptions, TrainingConfig

if TYPE_CHECKING:
    from faststyle.training.checkpoint import Checkpoint
    from faststyle.training.run import Progress, RunResult

CHANGEABLE = frozenset(
    {
        *("style", "content", "vgg_weights"),
        *("name", "author", "license", "source"),
    }
)
"""Settings that a resumed run may be given anew: where files lie, and what is said of the style."""

REPLANNED = ("steps", "learning_rate")
"""Parts of the plan that a resumed run may be given anew."""

EXCLUSIVE = (("steps", "minutes"), ("style_weight", "intensity"))
"""Settings that decide the same; the first, when given, takes the place of the second."""

STOPPING = b"\nsaving after this step; once more stops at once\n"

FIRST_PROCESS = os.environ.get("RANK", "0") == "0"
"""Whether this is the one that writes, of the processes that torchrun started."""

SIGNAL_STATUS = 128
"""Shells count an end by signal N as exit status 128 + N."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; those left out keep the defaults of `TrainingConfig`."""
    parser.add_argument("style", nargs="?", default=argparse.SUPPRESS, help="the style picture")
    _add_run_options(parser.add_argument_group("run"))
    content = parser.add_argument_group("what to learn from")
    _add(content, "content", str, "DIR", "folder of photos, searched recursively")
    _add(content, "crop_size", int, "PIXELS", "side of the square crops of photos")
    look = parser.add_argument_group("look")
    _add(look, "intensity", float, "X", "strength of the style, 1 mild to 10 strong")
    _add(look, "stroke_size", float, "X", "size of the strokes, 1 fine to 10 bold")
    network = parser.add_argument_group("network")
    _add(network, "preset", str, "NAME", "network design")
    _add(network, "width", int, "N", "channels of its first layer")
    _add(network, "start_from", str, "FILE", "checkpoint of another style to start from")
    losses = parser.add_argument_group("losses")
    _add(losses, "loss_network", str, "NAME", "lite, vgg16 or vgg19")
    _add(losses, "vgg_weights", str, "FILE", "weights of a VGG, in place of torchvision's download")
    _add(losses, "content_layers", words, "NAMES", "layers of the content loss")
    _add(losses, "style_layers", words, "NAMES", "layers of the style loss")
    _add(losses, "style_layer_weights", _numbers, "NUMBERS", "a weight for each, all alike if left")
    _add(losses, "content_weight", float, "X", "weight of the content loss")
    _add(losses, "style_weight", float, "X", "weight of the style loss, in place of --intensity")
    _add(losses, "total_variation_weight", float, "X", "weight of the total-variation loss")
    steps = parser.add_argument_group("steps")
    _add(steps, "minutes", float, "X", "time to train for")
    _add(steps, "steps", int, "N", "steps to train for, in place of --minutes")
    _add(steps, "batch_size", int, "N", "photos in a step, chosen for the time if left")
    _add(steps, "learning_rate", float, "X", "peak learning rate")
    _add(steps, "precision", str, "TYPE", "float32, bfloat16 or auto")
    _add(steps, "seed", int, "N", "seed of weights, data order and augmentation")
    card = parser.add_argument_group("what the model says of itself")
    _add(card, "name", str, "TEXT", "name of the style, the picture's file name if left")
    _add(card, "author", str, "TEXT", "who made the style picture")
    _add(card, "license", str, "TEXT", "licence of the trained model")
    _add(card, "source", str, "TEXT", "where the style picture comes from")


def run(options: argparse.Namespace) -> int:
    """Train, and return 128 plus the signal if one stopped the run."""
    require_training_packages()
    given = _given(options, TrainingConfig)
    for path in given.keys() & {"style", "content", "vgg_weights", "start_from"}:
        given[path] = str(Path(given[path]).absolute())
    return _train(
        given,
        out=options.out,
        resume=options.resume,
        options=RunOptions(**_given(options, RunOptions)),
    )


def _train(given: dict[str, Any], *, out: Path | None, resume: bool, options: RunOptions) -> int:
    # Only now, as torch takes seconds to import.
    from faststyle.training.checkpoint import load_checkpoint
    from faststyle.training.record import CHECKPOINT
    from faststyle.training.run import MODEL, train

    if out is None:
        if "style" not in given:
            raise ConfigError("name a style picture, or the folder of a run with --out")
        out = Path("runs") / Path(given["style"]).stem
    checkpoint = None
    if resume:
        checkpoint = load_checkpoint(out / CHECKPOINT)
        checkpoint = _resumed(checkpoint, given)
    elif FIRST_PROCESS:
        _refuse_run(out / CHECKPOINT, out / MODEL)
    with stop_signals() as received, ProgressBar() as bar:
        result = train(
            checkpoint.config if checkpoint is not None else _fresh(given),
            out=out,
            options=options,
            resume=checkpoint,
            on_progress=bar.show,
            on_notice=bar.say,
            should_stop=lambda: bool(received),
        )
    if FIRST_PROCESS:
        _print_result(result, out=out)
    return 0 if result.finished else SIGNAL_STATUS + received[0]


def _given(
    options: argparse.Namespace, settings: type[TrainingConfig | RunOptions]
) -> dict[str, Any]:
    names = {field.name for field in fields(settings)}
    return {key: value for key, value in vars(options).items() if key in names}


def _refuse_run(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise OutputExistsError(
                f"{path}: a run is here already; continue it with --resume, "
                "or choose another folder with --out"
            )


def _fresh(given: dict[str, Any]) -> TrainingConfig:
    for name, flag in (("style", "a style picture"), ("content", "--content DIR")):
        if name not in given:
            raise ConfigError(f"training needs {flag}; see faststyle train --help")
    settings = dict(given)
    for first, second in EXCLUSIVE:
        if first in given and second in given:
            raise ConfigError(f"give {_flag(first)} or {_flag(second)}, not both")
        if first in given:
            settings[second] = None
    return TrainingConfig(**settings)


def _resumed(checkpoint: Checkpoint, given: dict[str, Any]) -> Checkpoint:
    """Apply the given settings to a checkpoint, where they may still change."""
    config, plan = checkpoint.config, checkpoint.plan
    for key, value in given.items():
        old = getattr(plan if key in vars(plan) else config, key)
        automatic = key == "precision" and value == TrainingConfig.precision
        if key in (*CHANGEABLE, *REPLANNED) or automatic or value == old:
            continue
        raise ConfigError(
            f"{_flag(key)} {_shown(value)}: the run was started with {_shown(old)}; "
            "leave the option out, or start another run with --out"
        )
    plan = replace(plan, **{key: given[key] for key in REPLANNED if key in given})
    if plan.steps < checkpoint.step:
        raise ConfigError(f"--steps {plan.steps}: the run is at step {checkpoint.step} already")
    config = replace(config, **{key: given[key] for key in CHANGEABLE if key in given})
    return replace(checkpoint, config=config, plan=plan)


def _print_result(result: RunResult, *, out: Path) -> None:
    if result.unreadable:
        shown = ", ".join(result.unreadable[:3]) + (", …" if len(result.unreadable) > 3 else "")
        print(f"{len(result.unreadable)} photos could not be read: {shown}", file=sys.stderr)
    if result.finished:
        print(f"{result.model}: trained for {result.step} steps")
    else:
        print(
            f"stopped after step {result.step}, saved in {result.checkpoint}; "
            f"continue with  faststyle train --resume --out {out}",
            file=sys.stderr,
        )


class ProgressBar:
    """Draws the progress of a run with tqdm."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            with suppress(OSError):
                self.bar.close()

    def show(self, progress: Progress) -> None:
        """Draw the bar at a step, with the newest losses beside it."""
        with suppress(OSError):  # a run goes on when nobody looks any more
            if self.bar is None:
                self.bar = tqdm(total=progress.steps, initial=progress.step - 1, unit="step")
            if progress.reading is not None:
                self.bar.set_postfix_str(
                    f"content {progress.reading.content:.3f}, "
                    f"style {progress.reading.style:.4f}, "
                    f"total variation {progress.reading.total_variation:.4f}",
                    refresh=False,
                )
            self.bar.update(progress.step - self.bar.n)

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        with suppress(OSError):
            tqdm.write(text, file=sys.stderr)


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM, so that the run can save first; a second one is obeyed at once.

    Yields:
        The numbers of the signals received so far.
    """
    received: list[int] = []
    previous: dict[signal.Signals, Any] = {}

    def receive(number: int, _: object) -> None:
        received.append(number)
        for each, handler in previous.items():
            signal.signal(each, handler)
        with suppress(OSError):  # Ctrl-C also ends whoever reads our output
            os.write(2, STOPPING)

    for each in (signal.SIGINT, signal.SIGTERM):
        previous[each] = signal.signal(each, receive)
    try:
        yield received
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


def _add_run_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the run (default: runs/STYLE)"
    )
    group.add_argument(
        "--resume", action="store_true", help="continue the run in --out from its checkpoint"
    )
    _add(group, "device", str, "NAME", f"where to train: {', '.join(DEVICES)}")
    _add(group, "workers", int, "N", "processes that decode photos")
    _add(group, "checkpoint_every", int, "N", "steps between two checkpoints")
    _add(group, "preview_every", int, "N", "steps between two previews, of twenty if left")
    group.add_argument(
        "--preview",
        nargs="+",
        metavar="PHOTO",
        default=argparse.SUPPRESS,
        help="photos of yours to preview the style on",
    )
    group.add_argument(
        "--stop-when-flat",
        action="store_true",
        default=argparse.SUPPRESS,
        help="end soon once the losses on photos kept aside no longer fall",
    )
    group.add_argument(
        "--tensorboard",
        action="store_true",
        default=argparse.SUPPRESS,
        help="write the losses and previews for TensorBoard, too",
    )


def _add(
    group: argparse._ArgumentGroup,
    setting: str,
    parse: Callable[[str], Any],
    metavar: str,
    text: str,
) -> None:
    """Add the option of one setting, left out of the namespace where it is not given."""
    default = getattr(TrainingConfig, setting, getattr(RunOptions, setting, None))
    group.add_argument(
        _flag(setting),
        type=parse,
        metavar=metavar,
        default=argparse.SUPPRESS,
        help=text if default in (None, "", ()) else f"{text} (default: {_shown(default)})",
    )


def _flag(setting: str) -> str:
    return "--" + setting.replace("_", "-")


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in words(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers between commas") from error


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
