"""Small pictures, weights and models, made on the spot."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from PIL import Image

from faststyle.contract import ModelCard
from faststyle.training.config import Plan, TrainingConfig

if TYPE_CHECKING:
    from faststyle.training.network import TransformerNetwork

# A GPU would make results depend on the machine.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

REPOSITORY = Path(__file__).parent.parent

Paint = Callable[..., Path]
Build = Callable[..., Path]
Shape = Sequence[str | int | None]

FIRST = ("n", 3, "h", "w")
LAST = ("n", "h", "w", 3)

PLAN = Plan(steps=7, batch_size=2, style_weight=10.0, learning_rate=2e-3, precision="float32")
"""A plan for tests that need any."""


def blotches(height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Draw soft coloured blotches: uint8 H×W×3."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def vivid_network(*, preset: str, width: int = 4) -> TransformerNetwork:
    """Build a network that paints from black to white, no weight of which is as layers start."""
    import torch

    from faststyle.training.network import build_network

    torch.manual_seed(3)
    network = build_network(preset=preset, width=width)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
        network.layers[-1].get_parameter("weight").mul_(5)
    return network


def make_card(network: TransformerNetwork) -> ModelCard:
    """Make the card of a network that was trained for a few steps."""
    from faststyle.training.export import model_card

    config = TrainingConfig(
        style="/home/someone/tiny.jpg",
        content="/home/someone/photos",
        description="Cobwebs and dust.",
        author="A. Painter",
        license="CC0",
        source="The attic, 1900",
    )
    return model_card(network, config=config, plan=PLAN, trained_steps=7)


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


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Write an ONNX file whose nodes lead from ``x`` to ``y``, and return its path."""

    def write(
        nodes: Sequence[NodeProto],
        *,
        name: str = "foreign.onnx",
        shape: Shape = FIRST,
        kind: int = TensorProto.FLOAT,
        kind_out: int = TensorProto.FLOAT,
        inputs: Sequence[str] = ("x",),
        **constants: NDArray[np.generic],
    ) -> Path:
        graph = helper.make_graph(
            list(nodes),
            "somebody's",
            [helper.make_tensor_value_info(name, kind, shape) for name in inputs],
            [helper.make_tensor_value_info("y", kind_out, None)],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        path = tmp_path / name
        onnx.save(model, path)
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
    network = build_network(preset="johnson", width=2)
    export_model(network, path, card=make_card(network))
    return path


@pytest.fixture(scope="session")
def fast_models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Model files of one network that tiles can share statistics of, by precision.

    ``context`` and ``context_int8`` take another picture to measure, the others measure the
    picture itself.
    """
    import torch

    from faststyle.training.ends import Form
    from faststyle.training.export import FEWEST_PHOTOS, export_model
    from faststyle.training.network import build_network

    torch.manual_seed(0)
    network = build_network(preset="fast", width=4)
    folder = tmp_path_factory.mktemp("fast")
    photos = [folder / f"{seed}.png" for seed in range(FEWEST_PHOTOS)]
    for seed, path in enumerate(photos):
        Image.fromarray(blotches(64, 96, seed=seed)).save(path)
    precisions = {name: name for name in ("fp32", "fp16", "int8")}
    precisions |= {"context": "fp32", "context_int8": "int8"}
    models = {name: folder / f"{name}.onnx" for name in precisions}
    for name, precision in precisions.items():
        export_model(
            network,
            models[name],
            card=make_card(network),
            precision=precision,
            form=Form(context_input=name.startswith("context")),
            photos=photos,
        )
    return models


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
