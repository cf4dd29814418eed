"""faststyle: repaint any photo in the style of one picture, in one pass of a small network.

>>> import faststyle
>>> stylizer = faststyle.load("starry_night")
>>> picture = stylizer(photo)  # a PIL image or a uint8 H×W×3 array, RGB
"""

import os
from typing import TYPE_CHECKING, Any

from faststyle.errors import FaststyleError
from faststyle.version import __version__

# onnxruntime would keep an identifier of the machine in the home folder, and report what runs on it
# to its makers. It reads this once, when it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from faststyle.scene import Scene
    from faststyle.stylizer import Stylizer, load

__all__ = ["FaststyleError", "Scene", "Stylizer", "__version__", "load"]


def __getattr__(name: str) -> Any:
    # Loaded when first used: help and training need no onnxruntime to start.
    if name in ("Scene", "Stylizer", "load"):
        from faststyle import stylizer

        return getattr(stylizer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
