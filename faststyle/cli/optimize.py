"""``faststyle optimize``."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from faststyle.cli.options import require_training_packages, words
from faststyle.cli.synthesis import (
    Option,
    add_options,
    add_settings,
    begin,
    given_settings,
    make,
)
from faststyle.errors import DataError, ImageError, OptionError
from faststyle.training.synthesis_config import STARTS, OptimizationConfig, SynthesisOptions

PICTURE_OPTIONS: tuple[Option, ...] = (
    ("max_side", int, "PIXELS", "longer side of the result, unless the photo is smaller"),
    ("init", str, "NAME", f"picture to start from: {', '.join(STARTS)}"),
    ("style_scale", float, "X", "longer side of the style picture, relative to the result's"),
)
WEIGHT_OPTIONS: tuple[Option, ...] = (
    ("content_layers", words, "NAMES", "layers of the content loss"),
    ("content_weight", float, "X", "weight of the content loss"),
    ("style_weight", float, "X", "weight of the style loss"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; those left out keep the defaults of `OptimizationConfig`."""
    parser.add_argument(
        "content",
        type=Path,
        help="the photo, or a folder of pictures named content_* and style_*, every one of which "
        "is repainted in every style",
    )
    parser.add_argument("style", nargs="?", type=Path, help="the style picture")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="picture to write, or a folder of them",
    )
    picture = parser.add_argument_group("picture")
    add_settings(picture, PICTURE_OPTIONS, settings=OptimizationConfig)
    picture.add_argument(
        "--square",
        action="store_true",
        help="crop the photo and the style picture to squares first, from their centres",
    )
    add_options(parser, settings=OptimizationConfig, losses=WEIGHT_OPTIONS)


def run(options: argparse.Namespace) -> int:
    """Repaint by optimization; return 1 if that failed, 128 plus the signal if one stopped it."""
    require_training_packages()
    given = given_settings(options, OptimizationConfig)
    how = SynthesisOptions(**given_settings(options, SynthesisOptions))
    # Only now, as torch takes seconds to import.
    from faststyle.training.optimize import optimize

    pairs = _pairs(options.content, options.style, output=options.output)
    begun = begin(list(pairs), resume=options.resume, overwrite=options.overwrite)
    failed = False
    for out, resume in begun.items():
        content, style = pairs[out]
        config = OptimizationConfig(**{**given, "content": str(content), "style": str(style)})
        work = partial(optimize, config, out=out, options=how, resume=resume)
        try:
            status = make(out, work)
        except (ImageError, DataError) as error:  # the other pictures of a folder may be sound
            print(f"faststyle: {error}", file=sys.stderr)
            failed = True
            continue
        if status:
            return status
    return 1 if failed else 0


def _pairs(content: Path, style: Path | None, *, output: Path) -> dict[Path, tuple[Path, Path]]:
    """Name the photo and the style picture of each result.

    Raises:
        OptionError: a photo comes without a style picture, or a folder with one, or two results
            would have one name.
        DataError: the folder lacks photos or style pictures.
    """
    from faststyle.training.optimize import CONTENT_PREFIX, STYLE_PREFIX, find_pairs

    if not content.is_dir():
        if style is None:
            raise OptionError(f"{content}: name a style picture after the photo")
        return {output: (content, style)}
    if style is not None:
        raise OptionError(
            f"{content}: a folder has its own {STYLE_PREFIX}* pictures; name no other"
        )
    pairs: dict[Path, tuple[Path, Path]] = {}
    for pair in find_pairs(content):
        photo, painting = pair
        name = (
            f"{photo.stem.removeprefix(CONTENT_PREFIX)}_"
            f"{painting.stem.removeprefix(STYLE_PREFIX)}.png"
        )
        other = pairs.setdefault(output / name, pair)
        if other != pair:
            raise OptionError(
                f"{name}: is what both {_named(other)} and {_named(pair)} would be called; "
                "rename a picture"
            )
    return pairs


def _named(pair: tuple[Path, Path]) -> str:
    return " in the style of ".join(map(str, pair))
