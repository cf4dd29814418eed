"""faststyle: repaint any photo in the style of one picture, in one pass of a small network.

>>> import faststyle
>>> stylizer = faststyle.load("starry_night")
>>> picture = stylizer(photo)  # a PIL image or a uint8 H×W×3 array, RGB
"""

from faststyle.errors import FaststyleError
from faststyle.stylizer import Stylizer, load
from faststyle.version import __version__

__all__ = ["FaststyleError", "Stylizer", "__version__", "load"]
