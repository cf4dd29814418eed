"""Options that several commands share."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from faststyle.contract import STATED, ModelCard
from faststyle.errors import DeviceError, MissingPackageError

CARD_FIELDS = ("style", *STATED)

TRAINING_PACKAGES = ("torch", "torchvision", "onnx", "matplotlib")


def add_overwrite(parser: argparse._ActionsContainer) -> None:
    """Add ``--overwrite``."""
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add the models that a command compares."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="an ONNX file of faststyle or of others, or the name of a bundled style",
    )


def add_device(parser: argparse._ActionsContainer) -> None:
    """Add ``--device`` and ``--threads``, for onnxruntime."""
    from faststyle.session import devices  # loads onnxruntime, which not every command needs

    known = ("auto", *devices())

    def read_device(text: str) -> str:
        if text not in known:
            raise DeviceError(
                f"--device {text}: the installed onnxruntime has no such device; choose from "
                f"{', '.join(known)}, or install a package of it that has more: see the README"
            )
        return text

    parser.add_argument(
        "--device",
        type=read_device,
        default="auto",
        metavar="NAME",
        help=f"where to compute: {', '.join(known)}; auto takes the first that works "
        "(default: auto)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="CPU threads (default: one for each core)"
    )


def require_training_packages() -> None:
    """Check that the packages of the train extra are installed, without importing them.

    Raises:
        MissingPackageError: one is missing.
    """
    missing = [name for name in TRAINING_PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingPackageError(
            f"this command needs {', '.join(missing)}: "
            "in the faststyle checkout, run  pip install '.[train]'"
        )


def read_size(text: str) -> tuple[int, int]:
    """Read a width and a height in pixels, or the side of a square, each from 1 up."""
    sides = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text, re.ASCII | re.IGNORECASE)
    width, height = (int(sides[1]), int(sides[2] or sides[1])) if sides is not None else (0, 0)
    if not (width and height):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size in pixels: give WIDTHxHEIGHT such as 1280x720, or 512 alone"
        )
    return width, height


def words(text: str) -> tuple[str, ...]:
    """Read words between commas, for options that take several."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def add_card_options(parser: argparse.ArgumentParser, *, name: str, others: str) -> None:
    """Add what a model is to say of itself.

    Args:
        parser: of the command.
        name: in words, the style's name where none is given.
        others: in words, the rest where it is not given.
    """
    parser.add_argument(
        "--name",
        dest="style",
        metavar="TEXT",
        help=f"name of the style to state (default: {name})",
    )
    for field in STATED:
        parser.add_argument(
            f"--{field}", metavar="TEXT", help=f"{field} to state (default: {others})"
        )


def with_stated(card: ModelCard, options: argparse.Namespace) -> ModelCard:
    """Return a card with what was given of it."""
    given: dict[str, Any] = {field: getattr(options, field) for field in CARD_FIELDS}
    return replace(card, **{field: text for field, text in given.items() if text is not None})


def readable_size(count: int) -> str:
    """Write a number of bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
