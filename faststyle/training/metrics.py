"""Measures of how like a photo a picture is, of packages that may be missing."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec

import torch

from faststyle.errors import WeightsError
from faststyle.training.evaluate import Metric, Pixels

PACKAGES = {"ssim": "skimage", "lpips": "lpips"}
"""What each metric is computed by."""


def missing_package(name: str) -> str | None:
    """Name the package that a metric needs, if it is not installed."""
    package = PACKAGES[name]
    return package if find_spec(package) is None else None


def load_metric(name: str) -> Metric:
    """Load one of `PACKAGES`.

    Raises:
        WeightsError: the weights of LPIPS cannot be downloaded.
    """
    return _load_ssim() if name == "ssim" else _load_lpips()


def _load_ssim() -> Metric:
    """Structural similarity (Wang et al. 2004), 1 for equal pictures."""
    similarity = import_module("skimage.metrics").structural_similarity

    def ssim(picture: Pixels, photo: Pixels) -> float:
        return float(similarity(picture, photo, channel_axis=2))

    return ssim


def _load_lpips() -> Metric:
    """Learned perceptual distance by AlexNet (Zhang et al. 2018), 0 for equal pictures."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks torchvision for weights in an older way
            network = import_module("lpips").LPIPS(net="alex", verbose=False)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            "the AlexNet weights of LPIPS could not be downloaded; leave lpips out of --metrics"
        ) from error

    def distance(picture: Pixels, photo: Pixels) -> float:
        pair = [
            torch.tensor(each).permute(2, 0, 1)[None].float() / 127.5 - 1
            for each in (picture, photo)
        ]
        with torch.no_grad():
            return float(network(*pair))

    return distance
