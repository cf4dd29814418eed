"""What an exported model promises: its input, its output and what it says of itself.

Both sides of the wall read this: export writes it, inference checks it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from faststyle.errors import ModelError

CONTRACT_VERSION = 2
"""Version of the promises below; a reader refuses a newer one."""

NHWC_UINT8 = "nhwc-uint8"
"""Pictures as uint8 N×H×W×3, RGB."""

NCHW_FLOAT = "nchw-float"
"""Pictures as float32 N×3×H×W, RGB in [0, 1]."""

LAYOUTS = (NHWC_UINT8, NCHW_FLOAT)
"""How pictures come in and go out; the first is what files have unless asked otherwise."""

INPUT = "image"
"""Name of the picture's input, in the layout of the file: any H and W from 1 up unless the size is
fixed, and any N, but for int8 and fixed sizes, which take one picture at a time."""

CONTEXT = "context"
"""Name of the second input of some models: a picture to measure in place of the image, in the
layout of the file: what the image is a part of, or another picture of its scene. One for all, or
one for each."""

STRENGTH = "strength"
"""Name of an input of models with controls: float32 without dimensions, from 0, the photo, to 1,
the painting."""

KEEP_COLORS = "keep_colors"
"""Name of another: float32 without dimensions, from 0, the painting's colours, to 1, those of the
photo."""

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in luminance, by ITU-R BT.601."""

STATISTICS = ("mean_", "spread_")
"""How the names begin of what normalizes a layer, inside of models that can share it: float32
N×C×1×1. A number from 0 on follows. Whoever makes these tensors inputs can give all tiles of one
picture the same; what is not of one element for each channel is repeated."""

MEASURED = "measured_"
"""What the name of each of them begins with where it comes out of being measured."""

SAMPLE_STEP = 2
"""Every how many positions of features are measured, down and across."""

OUTPUT = "stylized"
"""Name of the only output: the same type and shape as the input."""

STATED = ("description", "author", "license", "source")
"""Fields of a card that people state, besides the name of the style."""

LARGEST_SIDE = 8192
"""Pixels that a side of files for one size may have: such pictures are never computed in parts."""

LARGEST_MEAN = 2.0
"""Mean difference from the network in float32, in levels of 255, that no picture that a model was
measured on exceeds, unless more was allowed when it was exported."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Everything a model says of itself, stored as ONNX metadata, one string for each field."""

    style: str
    """Name of the style."""
    description: str = ""
    """What paintings in the style look like, in a line."""
    author: str = ""
    """Author of the style picture."""
    license: str = ""
    """Licence of this model."""
    source: str = ""
    """Where the style picture comes from."""
    preset: str = ""
    """Network preset and the settings it was built with, such as ``johnson width 32``."""
    normalization: str = ""
    """What the network normalizes by: ``instance`` is statistics of the whole picture, so tiles of
    a picture computed apart do not agree; ``sampled`` those of a sample, which tiles can share."""
    context: str = ""
    """What a model whose statistics can be shared measures: ``inside``, the picture itself, or
    ``input``, another one that it is given; empty for other models."""
    layout: str = NHWC_UINT8
    """How pictures come in and go out, one of `LAYOUTS`."""
    precision: str = "fp32"
    """What the model computes in: fp32, fp16 or int8."""
    difference: Mapping[str, float] = field(default_factory=dict)
    """Measured difference from the trained network in float32, in levels of 255: ``mean``,
    ``percentile_99`` and ``largest`` over the pixels of some pictures."""
    multiple: int = 1
    """Tiles whose sides are divisible by this, in pixels, need no padding inside."""
    halo: int = 0
    """Pixels around a tile that convolutions reach; a multiple of ``multiple``."""
    trained_steps: int = 0
    """Steps the network was trained for."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """The whole training configuration."""
    faststyle_version: str = ""
    """Version of faststyle that exported the model."""
    contract_version: int = CONTRACT_VERSION
    """Version of the contract the model follows."""

    def to_metadata(self) -> dict[str, str]:
        """Write every field as a string; numbers and mappings as JSON."""
        return {
            key: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> ModelCard:
        """Read what `to_metadata` wrote; unknown keys are left out.

        Raises:
            ValueError: a number or mapping is not valid JSON of that kind, or out of bounds.
            KeyError: ``contract_version`` or ``style`` is missing.
        """
        for name in ("style", "contract_version"):
            metadata[name]
        stated = {each.name: metadata[each.name] for each in fields(cls) if each.name in metadata}
        return cls(**{name: _READERS.get(name, str)(text) for name, text in stated.items()})


def check_version(card: ModelCard, *, path: Path) -> None:
    """Refuse a model of a newer contract.

    Args:
        card: what the model says of itself.
        path: where it lies, for error messages.

    Raises:
        ModelError: this version of faststyle does not know the contract.
    """
    if card.contract_version > CONTRACT_VERSION:
        raise ModelError(
            f"{path}: follows contract {card.contract_version}, and this faststyle knows "
            f"{CONTRACT_VERSION}; update faststyle"
        )


def _integer(text: str, *, least: int = 0, most: float = math.inf) -> int:
    value = _value(text)
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{text!r} is not a whole number from {least} to {most}")
    return value


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _mapping(text: str) -> Mapping[str, Any]:
    value = _value(text)
    if not isinstance(value, dict):
        raise ValueError(f"{text!r} is not a JSON object")
    return value


def _numbers(text: str) -> Mapping[str, float]:
    values = _mapping(text)
    if not all(isinstance(value, (int, float)) for value in values.values()):
        raise ValueError(f"{text!r} holds other things than numbers")
    return values


_READERS: Mapping[str, Callable[[str], Any]] = {
    "contract_version": partial(_integer, least=1),
    "multiple": partial(_integer, least=1, most=LARGEST_SIDE),
    "halo": partial(_integer, most=LARGEST_SIDE),
    "trained_steps": _integer,
    "difference": _numbers,
    "training": _mapping,
}
"""How a card's fields are read that are no text."""
