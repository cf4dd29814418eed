"""Small pictures, weights and models, made on the spot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from faststyle.training.config import Plan, TrainingConfig

# A GPU would make results depend on the machine.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

REPOSITORY = Path(__file__).parent.parent

Paint = Callable[..., Path]

PLAN = Plan(steps=7, batch_size=2, style_weight=10.0, learning_rate=2e-3, precision="float32")
"""A plan for tests that need any."""


def blotches(height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Draw soft coloured blotches: uint8 H×W×3."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def pixels(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of a PIL image as an array."""
    return np.asarray(picture, np.uint8)


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Write a picture under the test's folder and return its path."""

    def write(name: str, *, height: int = 40, width: int = 56, seed: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blotches(height, width, seed=seed)).save(path)
        return path

    return write


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of a tiny network with random weights."""
    import torch

    from faststyle.training.export import export_model
    from faststyle.training.network import build_network

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    config = TrainingConfig(
        style="/home/someone/tiny.jpg",
        content="/home/someone/photos",
        author="A. Painter",
        license="CC0",
        source="The attic, 1900",
    )
    network = build_network(preset="johnson", width=2)
    export_model(network, path, config=config, plan=PLAN, trained_steps=7)
    return path


@pytest.fixture(scope="session")
def vgg_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thin VGG-19 state dict with random weights, to relu5_1."""
    import torch

    from faststyle.training.vgg import BLOCKS

    generator = torch.Generator().manual_seed(0)
    state, index, channels_in = {}, 0, 3
    for block, convolutions in enumerate(BLOCKS["vgg19"]):
        for _ in range(convolutions if block < 4 else 1):
            channels = 4 + 2 * block
            shape = (channels, channels_in, 3, 3)
            spread = (2 / (9 * channels_in)) ** 0.5
            state[f"features.{index}.weight"] = spread * torch.randn(shape, generator=generator)
            state[f"features.{index}.bias"] = torch.zeros(channels)
            channels_in = channels
            index += 2
        index += 1  # the pooling
    path = tmp_path_factory.mktemp("vgg") / "thin.pth"
    torch.save(state, path)
    return path


@pytest.fixture
def config(paint: Paint, vgg_weights: Path) -> TrainingConfig:
    """A run as small as it can be."""
    for seed in range(8):
        photo = paint(f"photos/{seed}.jpg", height=80, width=96, seed=seed)
    return TrainingConfig(
        style=str(paint("stripes.png", height=64, width=64, seed=9)),
        content=str(photo.parent),
        width=2,
        loss_network="vgg19",
        vgg_weights=str(vgg_weights),
        stroke_size=1,
        crop_size=64,
        batch_size=2,
        style_weight=10.0,
        steps=6,
        precision="float32",
    )
