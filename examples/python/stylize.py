"""Stylize a photo with onnxruntime and Pillow alone: stylize.py MODEL PHOTO RESULT."""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model, photo, result = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
pixels = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB"))
(stylized,) = session.run(["stylized"], {"image": pixels[np.newaxis]})
Image.fromarray(stylized[0]).save(result)
