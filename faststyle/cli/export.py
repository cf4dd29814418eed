"""``faststyle export``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from faststyle.cli.options import add_overwrite, readable_size, require_training_packages
from faststyle.files import refuse_existing

CARD_OPTIONS = ("name", "author", "license", "source")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("checkpoint", type=Path, help="checkpoint.pt of a training run")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="ONNX file to write"
    )
    parser.add_argument(
        "--half-weights",
        action="store_true",
        help="store the weights as float16: half the file size, same speed",
    )
    for option in CARD_OPTIONS:
        parser.add_argument(
            f"--{option}", metavar="TEXT", help=f"{option} to state, if not that of the run"
        )
    add_overwrite(parser)


def run(options: argparse.Namespace) -> int:
    """Export the checkpoint."""
    require_training_packages()
    from faststyle.training.checkpoint import load_checkpoint
    from faststyle.training.export import export_model

    output: Path = options.output
    refuse_existing(output, overwrite=options.overwrite)
    checkpoint = load_checkpoint(options.checkpoint)
    stated = {option: getattr(options, option) for option in CARD_OPTIONS}
    config = replace(
        checkpoint.config, **{key: value for key, value in stated.items() if value is not None}
    )
    difference = export_model(
        checkpoint.build(),
        output,
        config=config,
        plan=checkpoint.plan,
        trained_steps=checkpoint.step,
        half_weights=options.half_weights,
    )
    size = readable_size(output.stat().st_size)
    print(f"{output}: {size}, at most {difference}/255 from the network in torch")
    return 0
