"""Stylize a photo with onnxruntime and Pillow alone: stylize.py MODEL PHOTO RESULT."""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def read(photo: str) -> np.ndarray:
    """Return a photo upright, uint8 H×W×3."""
    picture = ImageOps.exif_transpose(Image.open(photo))
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would clip to 8
        picture = Image.fromarray((np.asarray(picture) // 256).astype(np.uint8))
    return np.asarray(picture.convert("RGB"))


def stylize(model: str, photo: str, result: str) -> None:
    """Write what a model makes of a photo."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    pixels = read(photo)
    (stylized,) = session.run(["stylized"], {"image": pixels[np.newaxis]})
    Image.fromarray(stylized[0]).save(result)


if len(sys.argv) != 4:
    sys.exit(__doc__)
try:
    stylize(*sys.argv[1:])
except Exception as error:  # onnxruntime's share no other base
    sys.exit(f"stylize: {error}")
