"""``faststyle export``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from faststyle.cli.names import find_model
from faststyle.cli.options import (
    add_card_options,
    add_overwrite,
    read_size,
    readable_size,
    require_training_packages,
    with_stated,
)
from faststyle.contract import LARGEST_MEAN, LARGEST_SIDE, LAYOUTS, ModelCard
from faststyle.errors import DataError, OptionError
from faststyle.files import find_pictures, refuse_existing

if TYPE_CHECKING:
    from faststyle.training.network import TransformerNetwork


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "network",
        help="checkpoint.pt of a training run, a model.onnx in fp32 or fp16, or a bundled style",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="ONNX file to write"
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="fp16: half the file size, for devices that compute in it; "
        "int8: for CPUs (default: %(default)s)",
    )
    parser.add_argument(
        "--photos",
        type=Path,
        metavar="DIR",
        help="photos to measure an int8 model on (default: those that the run learnt from)",
    )
    parser.add_argument(
        "--max-difference",
        type=float,
        default=LARGEST_MEAN,
        metavar="LEVELS",
        help="levels of 255 that fp16 and int8 may differ from fp32 by, on average over the pixels "
        "of any picture (default: %(default)g)",
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=LAYOUTS[0],
        help="pictures as bytes, colours together, or as float32 from 0 to 1, colours apart "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=read_size,
        metavar="WIDTHxHEIGHT",
        help="take pictures of this size only, such as 1280x720, for runtimes that want fixed "
        "shapes",
    )
    parser.add_argument(
        "--controls",
        action="store_true",
        help="take the numbers strength and keep_colors as two more inputs, each from 0 to 1",
    )
    parser.add_argument(
        "--context-input",
        action="store_true",
        help="take a second picture, which is measured in place of the first, so that tiles of a "
        "picture or frames of a video can share it",
    )
    parser.add_argument(
        "--half-weights",
        action="store_true",
        help="store weights in float16, which halves a file in fp32, and compute as before",
    )
    add_card_options(parser, name="the network's", others="the network's")
    add_overwrite(parser)


def run(options: argparse.Namespace) -> int:
    """Export the network."""
    require_training_packages()
    _check(options)
    from faststyle.training.device import enough_memory
    from faststyle.training.ends import Form
    from faststyle.training.export import export_model

    output: Path = options.output
    refuse_existing(output, overwrite=options.overwrite)
    network, card, content = _read(options.network)
    photos, int8 = options.photos or content, options.precision == "int8"
    with enough_memory("--size"):
        difference = export_model(
            network,
            output,
            card=with_stated(card, options),
            precision=options.precision,
            form=Form(
                layout=options.layout,
                size=options.size and options.size[::-1],
                controls=options.controls,
                context_input=options.context_input,
                half_weights=options.half_weights,
            ),
            photos=sorted(find_pictures(photos)) if int8 and photos is not None else (),
            largest_mean=options.max_difference,
        )
    size = readable_size(output.stat().st_size)
    print(
        f"{output}: {size}, {options.precision}, {difference.mean:.2f}/255 on average and at most "
        f"{difference.largest:g}/255 from the network in float32"
    )
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse values that make no sense.

    Raises:
        OptionError: names the option.
        DataError: there is no folder where photos should be.
    """
    if not 0 <= options.max_difference < math.inf:
        raise OptionError("--max-difference must be 0 or more, and finite")
    if options.size is not None and max(options.size) > LARGEST_SIDE:
        raise OptionError(f"--size: sides must be at most {LARGEST_SIDE}; lower them")
    if options.photos is None:
        return
    if options.precision != "int8":
        raise OptionError("--photos is for --precision int8 alone; leave it out, or choose that")
    if not options.photos.is_dir():
        raise DataError(f"{options.photos}: no such folder; name one of photos with --photos")


def _read(name: str) -> tuple[TransformerNetwork, ModelCard, Path | None]:
    """Return the network, what is known of it, and the folder of photos it learnt from."""
    from faststyle.training.checkpoint import load_network
    from faststyle.training.export import model_card
    from faststyle.training.exported import read_exported

    if Path(name).suffix not in (".pt", ".pth"):
        return *read_exported(find_model(name)), None
    network, checkpoint = load_network(Path(name))
    card = model_card(
        network,
        config=checkpoint.config,
        plan=checkpoint.plan,
        trained_steps=checkpoint.step,
    )
    return network, card, Path(checkpoint.config.content)
