"""Stylize a photo with OpenCV's DNN module: stylize.py MODEL PHOTO RESULT [WIDTHxHEIGHT].

OpenCV 5 takes a model in the default layout or in that of faststyle export --layout nchw-float, and
photos of any size. OpenCV 4 needs the latter, of a fixed size (--size), which is given here again.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

if len(sys.argv) not in (4, 5):
    sys.exit(__doc__)
model, photo, result, *size = sys.argv[1:]
picture = cv2.imread(photo)  # blue, green, red; turned upright
if picture is None:
    sys.exit(f"{photo}: not a picture that OpenCV can read")
photo_size = picture.shape[1::-1]  # width, height, as OpenCV has it
network_size = tuple(map(int, size[0].split("x"))) if size else photo_size

try:
    # What a model says of itself lies in the file as it is written; OpenCV does not read it.
    in_floats = b"nchw-float" in Path(model).read_bytes()
    network = cv2.dnn.readNetFromONNX(model)
    if in_floats:
        blob = cv2.dnn.blobFromImage(picture, 1 / 255, network_size, swapRB=True)
    else:
        scaled = picture if network_size == photo_size else cv2.resize(picture, network_size)
        blob = np.ascontiguousarray(scaled[np.newaxis, :, :, ::-1])  # 1×H×W×3, red, green, blue
    network.setInput(blob, "image")
    (stylized,) = network.forward()
except OSError as error:
    sys.exit(f"{model}: {error.strerror}")
except cv2.error:
    sys.exit(
        f"{model}: OpenCV {cv2.__version__} cannot run it; export it with --layout nchw-float and, "
        f"for OpenCV 4, with --size WIDTHxHEIGHT, and give that size here"
    )

if in_floats:
    stylized = np.rint(255 * stylized).astype(np.uint8).transpose(1, 2, 0)
painted = np.ascontiguousarray(stylized[:, :, ::-1])
if network_size != photo_size:
    painted = cv2.resize(painted, photo_size, interpolation=cv2.INTER_CUBIC)
try:
    written = cv2.imwrite(result, painted)
except cv2.error:  # of no format that it knows
    written = False
if not written:
    sys.exit(f"{result}: cannot be written; check the path and its ending")
