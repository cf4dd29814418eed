"""``faststyle texture``."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from faststyle.cli.options import read_size, require_training_packages
from faststyle.cli.synthesis import (
    Option,
    add_options,
    add_settings,
    begin,
    given_settings,
    make,
)
from faststyle.training.synthesis_config import SynthesisOptions, TextureConfig

PICTURE_OPTIONS: tuple[Option, ...] = (
    ("style_side", int, "PIXELS", "shorter side that the style picture is scaled to"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; those left out keep the defaults of `TextureConfig`."""
    parser.add_argument("style", type=Path, help="the style picture")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="picture to write"
    )
    picture = parser.add_argument_group("picture")
    width, height = TextureConfig.size
    picture.add_argument(
        "--size",
        type=read_size,
        default=argparse.SUPPRESS,
        metavar="WIDTHxHEIGHT",
        help=f"size in pixels; one number makes a square (default: {width}x{height})",
    )
    add_settings(picture, PICTURE_OPTIONS, settings=TextureConfig)
    picture.add_argument(
        "--tileable", action="store_true", help="make opposite borders fit together"
    )
    add_options(parser, settings=TextureConfig)


def run(options: argparse.Namespace) -> int:
    """Make a texture, and return 128 plus the signal if one stopped it."""
    require_training_packages()
    given = {**given_settings(options, TextureConfig), "style": str(options.style)}
    config = TextureConfig(**given)
    how = SynthesisOptions(**given_settings(options, SynthesisOptions))
    # Only now, as torch takes seconds to import.
    from faststyle.training.texture import make_texture

    output: Path = options.output
    begun = begin([output], resume=options.resume, overwrite=options.overwrite)
    for resume in begun.values():
        return make(output, partial(make_texture, config, out=output, options=how, resume=resume))
    return 0
