"""Options that stand for the settings of a training run, and keep their defaults if left out."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from faststyle.cli.options import words
from faststyle.errors import OptionError
from faststyle.training.config import DEVICES, RunOptions, TrainingConfig, flag

PATHS = ("style", "content", "vgg_weights")

VGG_WEIGHTS = "file of the VGG's weights (default: torchvision's, which are downloaded)"
"""What the option of that name says in every command."""

EXCLUSIVE = (("steps", "minutes"), ("style_weight", "intensity"))
"""Settings that decide the same; the first, when given, takes the place of the second."""


def add_settings(parser: argparse.ArgumentParser, *, counted: str = "") -> None:
    """Add the options of `TrainingConfig` that every kind of run has.

    Args:
        parser: of the command.
        counted: what to say of the minutes and the steps, if those of one run are not meant.
    """
    content = parser.add_argument_group("what to learn from")
    add_setting(content, "content", str, "DIR", "folder of photos, searched recursively")
    add_setting(content, "crop_size", int, "PIXELS", "side of the square crops of photos")
    network = parser.add_argument_group("network")
    add_setting(network, "preset", str, "NAME", "network design: fast, quality or johnson")
    add_setting(network, "width", int, "N", "channels it is built with", default="the preset's own")
    add_setting(
        *(network, "start_from", str, "FILE"),
        "network to start from: a checkpoint.pt, a model.onnx, a bundled style, or random",
        default="wave for the preset fast, wave-quality for quality, random where neither fits",
    )
    losses = parser.add_argument_group("losses")
    add_setting(losses, "loss_network", str, "NAME", "lite, vgg16 or vgg19")
    add_setting(losses, "vgg_weights", str, "FILE", VGG_WEIGHTS)
    add_setting(losses, "content_layers", words, "NAMES", "layers of the content loss")
    add_setting(losses, "style_layers", words, "NAMES", "layers of the style loss")
    add_setting(losses, "style_layer_weights", numbers, "NUMBERS", "a weight for each style layer")
    add_setting(losses, "content_weight", float, "X", "weight of the content loss")
    add_setting(losses, "total_variation_weight", float, "X", "weight of the total-variation loss")
    add_setting(losses, "grid_weight", float, "X", "weight of the loss that keeps a grid away")
    steps = parser.add_argument_group("steps")
    add_setting(steps, "minutes", float, "X", f"time to train for{counted}")
    add_setting(steps, "steps", int, "N", f"steps to train for{counted}, in place of --minutes")
    add_setting(steps, "batch_size", int, "N", "photos in a step", default="chosen for the time")
    steps.add_argument(
        "--stop-when-flat",
        action="store_true",
        default=argparse.SUPPRESS,
        help="end soon once the losses on photos kept aside no longer fall",
    )
    add_setting(steps, "learning_rate", float, "X", "peak learning rate")
    add_setting(steps, "precision", str, "TYPE", "float32, bfloat16 or auto")
    add_setting(steps, "seed", int, "N", "seed of weights, data order and augmentation")
    card = parser.add_argument_group("what the model says of itself")
    add_setting(card, "name", str, "TEXT", "name of the style", default="the picture's file name")
    add_setting(card, "description", str, "TEXT", "what it paints like, in a line")
    add_setting(card, "author", str, "TEXT", "who made the style picture")
    add_setting(card, "license", str, "TEXT", "licence of the trained model")
    add_setting(card, "source", str, "TEXT", "where the style picture comes from")


def add_run_options(group: argparse._ArgumentGroup) -> None:
    """Add the options of `RunOptions`; those left out keep its defaults."""
    add_setting(group, "device", str, "NAME", f"where to train: {', '.join(DEVICES)}")
    add_setting(group, "workers", int, "N", "processes that decode photos")
    add_setting(group, "checkpoint_every", int, "N", "steps between two checkpoints")
    add_setting(
        group, "preview_every", int, "N", "steps between two previews", default="a twentieth of all"
    )
    group.add_argument(
        "--preview",
        nargs="+",
        metavar="PHOTO",
        default=argparse.SUPPRESS,
        help="photos of yours to preview the style on",
    )
    group.add_argument(
        "--tensorboard",
        action="store_true",
        default=argparse.SUPPRESS,
        help="write the losses and previews for TensorBoard, too",
    )


def add_setting(
    group: argparse._ArgumentGroup,
    setting: str,
    parse: Callable[[str], Any],
    metavar: str,
    text: str,
    *,
    default: str | None = None,
) -> None:
    """Add the option of one setting, left out of the namespace where it is not given.

    Args:
        group: where to add it.
        setting: its name.
        parse: how it is read.
        metavar: what stands for its value in the help.
        text: what the help says.
        default: what is taken where it is not given, in words; None is the value itself.
    """
    value = getattr(TrainingConfig, setting, getattr(RunOptions, setting, None))
    if default is None and value not in (None, "", ()):
        default = shown(value)
    group.add_argument(
        flag(setting),
        type=parse,
        metavar=metavar,
        default=argparse.SUPPRESS,
        help=text if default is None else f"{text} (default: {default})",
    )


def numbers(text: str) -> tuple[float, ...]:
    """Read numbers between commas."""
    try:
        return tuple(float(word) for word in words(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers between commas") from error


def shown(value: object) -> str:
    """Write a value as one gives it on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def given_config(options: argparse.Namespace) -> dict[str, Any]:
    """Collect the settings of `TrainingConfig` that were given, with absolute paths."""
    given = _given(options, TrainingConfig)
    paths = set(PATHS)
    if Path(given.get("start_from", "")).is_file():  # and not a name
        paths.add("start_from")
    for path in given.keys() & paths:
        given[path] = str(Path(given[path]).absolute())
    return given


def given_run_options(options: argparse.Namespace) -> RunOptions:
    """Collect the run options that were given.

    Raises:
        OptionError: one makes no sense.
    """
    return RunOptions(**_given(options, RunOptions))


def _given(
    options: argparse.Namespace, settings: type[TrainingConfig | RunOptions]
) -> dict[str, Any]:
    names = {field.name for field in fields(settings)}
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in vars(options).items()
        if key in names
    }


def new_config(given: dict[str, Any]) -> TrainingConfig:
    """Build a configuration from given settings.

    Raises:
        OptionError: one is missing, makes no sense, or contradicts another.
    """
    for name, what in (("style", "a style picture"), ("content", "--content DIR")):
        if name not in given:
            raise OptionError(f"training needs {what}; see faststyle train --help")
    settings = dict(given)
    for first, second in EXCLUSIVE:
        if first in given and second in given:
            raise OptionError(f"give {flag(first)} or {flag(second)}, not both")
        if first in given:
            settings[second] = None
    return TrainingConfig(**settings)
