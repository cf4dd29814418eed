"""``faststyle import``."""

from __future__ import annotations

import argparse
from pathlib import Path

from faststyle.cli.options import (
    add_card_options,
    add_overwrite,
    readable_size,
    require_training_packages,
    with_stated,
)
from faststyle.files import refuse_existing


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="FILE",
        help="state dict (.pth or .model) of pytorch/examples' fast_neural_style, of any width",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="ONNX file to write"
    )
    add_card_options(parser, name="the file's", others="none")
    add_overwrite(parser)


def run(options: argparse.Namespace) -> int:
    """Convert the checkpoint."""
    require_training_packages()
    from faststyle.training.export import export_model, network_card
    from faststyle.training.imported import read_checkpoint

    checkpoint, output = options.checkpoint, options.output
    refuse_existing(output, overwrite=options.overwrite)
    network = read_checkpoint(checkpoint)
    card = network_card(network, style=checkpoint.stem)
    export_model(network, output, card=with_stated(card, options))
    size = readable_size(output.stat().st_size)
    print(f"{output}: {size}, {card.preset}; faststyle export gives it other forms")
    return 0
