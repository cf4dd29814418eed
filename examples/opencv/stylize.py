"""Stylize a photo with OpenCV's DNN module: stylize.py MODEL PHOTO RESULT [WIDTHxHEIGHT].

The model is one exported with --layout nchw-float. OpenCV 5 takes photos of any size; OpenCV 4
needs a file of a fixed size (faststyle export --size), which is given here again.
"""

import sys

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

network = cv2.dnn.readNetFromONNX(model)
network.setInput(cv2.dnn.blobFromImage(picture, 1 / 255, network_size, swapRB=True), "image")
(stylized,) = network.forward()

levels = np.rint(255 * stylized).astype(np.uint8)  # 3×H×W, red, green, blue
painted = np.ascontiguousarray(levels[::-1].transpose(1, 2, 0))
if network_size != photo_size:
    painted = cv2.resize(painted, photo_size, interpolation=cv2.INTER_CUBIC)
try:
    written = cv2.imwrite(result, painted)
except cv2.error:  # of no format that it knows
    written = False
if not written:
    sys.exit(f"{result}: cannot be written; check the path and its ending")
