"""What the commands share that make a picture by optimization."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from faststyle.cli.options import words
from faststyle.cli.running import SIGNAL_STATUS, ProgressBar, stop_signals
from faststyle.cli.settings import VGG_WEIGHTS, numbers, shown
from faststyle.errors import OutputExistsError
from faststyle.training.config import DEVICES, flag
from faststyle.training.conventions import CONVENTIONS
from faststyle.training.synthesis_config import (
    OPTIMIZERS,
    POOLINGS,
    SynthesisConfig,
    SynthesisOptions,
)

if TYPE_CHECKING:
    from faststyle.training.meter import Progress
    from faststyle.training.synthesis import SynthesisResult

    class Work(Protocol):
        """Makes a picture."""

        def __call__(
            self,
            *,
            on_progress: Callable[[Progress], None],
            on_notice: Callable[[str], None],
            should_stop: Callable[[], bool],
        ) -> SynthesisResult:
            """Report and ask after every step."""
            ...


Option = tuple[str, Callable[[str], Any], str, str]
"""A setting, how it is read, what stands for its value in the help, and what it says."""

LOSS_OPTIONS: tuple[Option, ...] = (
    ("loss_network", str, "NAME", "lite, vgg16 or vgg19"),
    ("vgg_weights", str, "FILE", VGG_WEIGHTS),
    ("pooling", str, "NAME", f"of the loss network: {' or '.join(POOLINGS)}"),
    (
        "convention",
        str,
        "NAME",
        "how losses are scaled, with its published weights, which for all but "
        f"{SynthesisConfig.convention} are meant for vgg16 or vgg19: {', '.join(CONVENTIONS)}",
    ),
    ("style_layers", words, "NAMES", "layers of the style loss"),
    ("style_layer_weights", numbers, "NUMBERS", "a weight for each style layer"),
    ("total_variation_weight", float, "X", "weight of the total-variation loss"),
)
STEP_OPTIONS: tuple[Option, ...] = (
    ("steps", int, "N", "steps at each size"),
    ("scales", int, "N", "sizes that the picture is made at, from small to large"),
    ("optimizer", str, "NAME", " or ".join(OPTIMIZERS)),
    ("learning_rate", float, "X", "learning rate of Adam"),
    ("seed", int, "N", "seed of the noise"),
)
RUN_OPTIONS: tuple[Option, ...] = (
    ("device", str, "NAME", f"where to compute: {', '.join(DEVICES)}"),
    ("preview_every", int, "N", "steps between two previews"),
)


def add_options(
    parser: argparse.ArgumentParser,
    *,
    settings: type[SynthesisConfig],
    losses: Iterable[Option] = (),
) -> None:
    """Add the options of both commands; those left out keep the defaults of the settings."""
    group = parser.add_argument_group("losses")
    add_settings(group, (*LOSS_OPTIONS, *losses), settings=settings)
    add_settings(parser.add_argument_group("steps"), STEP_OPTIONS, settings=settings)
    run = parser.add_argument_group("run")
    add_settings(run, RUN_OPTIONS, settings=SynthesisOptions)
    either = run.add_mutually_exclusive_group()
    either.add_argument(
        "--resume", action="store_true", help="go on where the same command was stopped"
    )
    either.add_argument("--overwrite", action="store_true", help="replace existing files")


def add_settings(
    group: argparse._ActionsContainer,
    options: Iterable[Option],
    *,
    settings: type[SynthesisConfig | SynthesisOptions],
) -> None:
    """Add an option for each setting, left out of the namespace where it is not given."""
    for setting, parse, metavar, text in options:
        default = getattr(settings, setting)
        group.add_argument(
            flag(setting),
            type=parse,
            metavar=metavar,
            default=argparse.SUPPRESS,
            help=text if default is None else f"{text} (default: {shown(default)})",
        )


def given_settings(
    options: argparse.Namespace, settings: type[SynthesisConfig | SynthesisOptions]
) -> dict[str, Any]:
    """Collect the settings that were given."""
    names = {field.name for field in fields(settings)}
    return {key: value for key, value in vars(options).items() if key in names}


def begin(outputs: Sequence[Path], *, resume: bool, overwrite: bool) -> dict[Path, bool]:
    """Choose which results are still to be made, and whether from a saved state.

    Raises:
        OutputExistsError: one exists, or a file of its name that it writes, and neither option
            is given.
    """
    from faststyle.training.synthesis import files_beside

    begun: dict[Path, bool] = {}
    for output in outputs:
        files = files_beside(output)
        if not (resume or overwrite):
            _refuse(files.result, files.state, remedy="go on with --resume")
            _refuse(files.log, files.previews, remedy="choose another name with --output")
        saved = files.state.exists()
        if resume and output.exists() and not saved:
            print(f"{output}: finished already", file=sys.stderr)
        else:
            # Of a folder, those after the one that was stopped have no state.
            begun[output] = resume and (len(outputs) == 1 or saved)
    return begun


def _refuse(*paths: Path, remedy: str) -> None:
    for path in paths:
        if path.exists():
            raise OutputExistsError(
                f"{path}: already exists; {remedy}, or replace it with --overwrite"
            )


def make(out: Path, work: Work) -> int:
    """Make a picture, and return 128 plus the signal if one stopped that."""
    with stop_signals() as received, ProgressBar() as bar:
        bar.begin(out.name)
        result = work(on_progress=bar.show, on_notice=bar.say, should_stop=lambda: bool(received))
    if not result.finished:
        print(
            f"{out}: stopped after step {result.step}; the same command with --resume goes on",
            file=sys.stderr,
        )
        return SIGNAL_STATUS + (received or [signal.SIGTERM])[0]
    content, style, total_variation, _, total = (float(term) for term in result.losses)
    print(
        f"{out}: content {content:.4g}, style {style:.4g}, total variation {total_variation:.4g}, "
        f"total {total:.4g} after {result.step} steps in {result.seconds:.0f} s"
    )
    return 0
