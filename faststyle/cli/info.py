"""``faststyle info``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import fields

from faststyle.cli.names import find_model
from faststyle.cli.options import readable_size
from faststyle.cli.tables import printable
from faststyle.contract import ModelCard
from faststyle.port import Port, describe_port
from faststyle.session import describe_value, open_model
from faststyle.stylizer import read_card

CONTEXTS = {
    "inside": "measured on the picture itself",
    "input": "measured on a second picture, `context`",
}
"""In words: where what a model normalizes by comes from."""

MEASURES = {"mean": "on average", "percentile_99": "at the 99th percentile", "largest": "at most"}
"""In words: what is measured of a difference."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", help="an ONNX file, or the name of a bundled style")


def run(options: argparse.Namespace) -> int:
    """Print what the model says of itself, or what can be found out of other people's."""
    path = find_model(options.model)
    model = open_model(path, device="cpu", threads=1)
    _line("file", f"{path} ({readable_size(path.stat().st_size)})")
    for kind, entries in (
        ("input", model.session.get_inputs()),
        ("output", model.session.get_outputs()),
    ):
        for entry in entries:
            _line(kind, describe_value(entry))
    card = read_card(model, path=path)
    if card is not None:
        _print_card(card)
        return 0
    _line("made by", "another program: it says nothing of itself that faststyle knows")
    for key, value in describe_port(Port(model, path=path, ours=False)).items():
        _line(key, value)
    for key, value in model.session.get_modelmeta().custom_metadata_map.items():
        _line(key, value)
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
            print(f"  {printable(key.replace('_', ' ')):<24} {printable(text) or '-'}")


def _describe_difference(difference: Mapping[str, float]) -> str:
    return ", ".join(
        f"{difference[name]:g}/255 {words}"
        for name, words in MEASURES.items()
        if name in difference
    )


def _line(key: str, value: str) -> None:
    print(f"{printable(key):<17} {printable(value)}")
