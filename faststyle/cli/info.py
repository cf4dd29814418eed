"""``faststyle info``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import fields

from faststyle.cli.options import readable_size
from faststyle.contract import ModelCard
from faststyle.errors import ModelError
from faststyle.gallery import resolve
from faststyle.session import OpenModel, describe_value, open_model
from faststyle.stylizer import read_card

CONTEXTS = {"inside": "small copy made inside", "input": "small copy taken as an input"}
"""In words: where the context of a model comes from."""

MEASURES = {"mean": "on average", "percentile_99": "at the 99th percentile", "largest": "at most"}
"""In words: what is measured of a difference."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", help="an ONNX file, or the name of a bundled style")


def run(options: argparse.Namespace) -> int:
    """Print what the model says of itself; 1 if it is not a faststyle model."""
    path = resolve(options.model)
    model = open_model(path, device="cpu", threads=1)
    _line("file", f"{path} ({readable_size(path.stat().st_size)})")
    for kind, entries in (
        ("input", model.session.get_inputs()),
        ("output", model.session.get_outputs()),
    ):
        for entry in entries:
            _line(kind, describe_value(entry))
    try:
        card = read_card(model, path=path)
    except ModelError:
        _print_foreign(model)
        raise
    _print_card(card)
    return 0


def _print_card(card: ModelCard) -> None:
    readable = {
        "context": CONTEXTS.get(card.context, card.context),
        "difference": _describe_difference(card.difference),
    }
    for field in fields(card):
        value = readable.get(field.name, getattr(card, field.name))
        if field.name != "training":
            _line(field.name.replace("_", " "), str(value) if value != "" else "-")
    if card.training:
        print("training")
        for key, value in card.training.items():
            text = value if isinstance(value, str) else json.dumps(value)
            print(f"  {key.replace('_', ' '):<24} {text or '-'}")


def _describe_difference(difference: Mapping[str, float]) -> str:
    return ", ".join(
        f"{difference[name]:g}/255 {words}"
        for name, words in MEASURES.items()
        if name in difference
    )


def _print_foreign(model: OpenModel) -> None:
    for key, value in model.session.get_modelmeta().custom_metadata_map.items():
        _line(key, value)


def _line(key: str, value: str) -> None:
    print(f"{key:<17} {value}")
