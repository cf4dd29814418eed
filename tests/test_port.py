"""Files of other makers, built by hand from a few ONNX nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from faststyle.errors import ImageError, ModelError
from faststyle.ranges import Range
from faststyle.stylizer import load
from tests.conftest import FIRST, LAST, Build, Shape, blotches
from tests.theirs import theirs


def _number(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)


def _inverted(build: Build, *, white: float, shape: Shape = FIRST) -> Path:
    return build(
        [helper.make_node("Sub", ["white", "x"], ["y"])], shape=shape, white=_number(white)
    )


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("shape", [FIRST, LAST, (1, 3, None, None), (1, "h", "w", 3)])
@pytest.mark.parametrize("size", [(40, 56), (41, 59), (1, 2)])
def test_layout_and_range_are_found(
    build: Build, white: float, shape: Shape, size: tuple[int, int]
) -> None:
    photo = blotches(*size)
    assert np.array_equal(load(_inverted(build, white=white, shape=shape))(photo), 255 - photo)


@pytest.mark.parametrize("white", [1, 255])
def test_the_range_of_a_network_that_normalizes_is_found(build: Build, white: float) -> None:
    """Instance normalization, as in pytorch/examples, hides the range of the input."""
    path = build(
        [
            helper.make_node("InstanceNormalization", ["x", "spread", "middle"], ["y"]),
        ],
        spread=np.full(3, white / 4, np.float32),
        middle=np.full(3, white / 2, np.float32),
    )
    stylizer = load(path)
    photo = blotches(64, 64)
    expected = (photo - photo.mean((0, 1))) / photo.std((0, 1)) * 255 / 4 + 255 / 2
    assert np.abs(stylizer(photo) - expected.clip(0, 255)).max() <= 1


def test_overshoot_is_clamped(build: Build) -> None:
    path = build(
        [
            helper.make_node("Sub", ["x", "half"], ["centred"]),
            helper.make_node("Mul", ["centred", "twice"], ["y"]),
        ],
        half=_number(0.5),
        twice=_number(3),
    )
    photo = blotches(20, 20)
    expected = ((photo / 255 - 0.5) * 3 * 255).clip(0, 255)
    assert np.abs(load(path)(photo) - expected).max() <= 1


@pytest.mark.parametrize("side", [32, 45])
def test_a_fixed_size_is_scaled_to_and_back(build: Build, side: int) -> None:
    photo = blotches(70, 101)
    inverted = load(_inverted(build, white=255, shape=(1, 3, side, side)))(photo)
    assert inverted.shape == photo.shape
    assert np.abs(inverted.astype(int) - (255 - photo)).mean() < 3


def test_only_the_height_is_fixed(build: Build) -> None:
    photo = blotches(70, 101)
    inverted = load(_inverted(build, white=1, shape=(1, 3, 64, None)))(photo)
    assert np.abs(inverted.astype(int) - (255 - photo)).mean() < 3


def _halving(build: Build, *, scale: float) -> Path:
    """A network that pools twice and enlarges, as if nothing were lost at the edges."""
    return build(
        [
            helper.make_node("AveragePool", ["x"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node(
                "AveragePool", ["half"], ["quarter"], kernel_shape=[2, 2], strides=[2, 2]
            ),
            helper.make_node("Resize", ["quarter", "", "scales"], ["y"], mode="nearest"),
        ],
        scales=np.array([1, 1, scale, scale], np.float32),
    )


@pytest.mark.parametrize("scale", [4.0, 4.25])
def test_sizes_that_do_not_divide_come_back_whole(build: Build, scale: float) -> None:
    photo = blotches(67, 101)
    painted = load(_halving(build, scale=scale))(photo)
    assert painted.shape == photo.shape
    assert np.abs(painted.astype(int) - photo).mean() < 12


@pytest.mark.parametrize("halvings", [3, 4, 5])
@pytest.mark.parametrize("size", [(100, 98), (96, 131)])
def test_networks_that_halve_often_leave_everything_in_its_place(
    build: Build, halvings: int, size: tuple[int, int]
) -> None:
    """They add what they enlarge to what they had before, whose sizes must be the same."""
    pool: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
    names = ["x", *(f"small_{count}" for count in range(halvings))]
    down = [
        helper.make_node("AveragePool", [each], [smaller], **pool)
        for each, smaller in pairwise(names)
    ]
    scales = np.array([1, 1, *[2**halvings] * 2], np.float32)
    up = [
        helper.make_node("Resize", [names[-1], "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Mul", ["large", "none"], ["nothing"]),
        helper.make_node("Add", ["x", "nothing"], ["y"]),
    ]
    path = build([*down, *up], scales=scales, none=_number(0))
    photo = blotches(*size)
    assert np.abs(load(path)(photo).astype(int) - photo).max() <= 1


def test_half_precision(build: Build) -> None:
    path = build(
        [helper.make_node("Sub", ["white", "x"], ["y"])],
        kind=TensorProto.FLOAT16,
        kind_out=TensorProto.FLOAT16,
        white=np.array(1, np.float16),
    )
    photo = blotches(20, 30)
    assert np.abs(load(path)(photo).astype(int) - (255 - photo)).max() <= 1


@pytest.mark.parametrize("white", [1, 255])
def test_bytes_in_and_floats_out(build: Build, white: float) -> None:
    path = build(
        [
            helper.make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["float", "factor"], ["y"]),
        ],
        kind=TensorProto.UINT8,
        shape=LAST,
        factor=_number(white / 255),
    )
    photo = blotches(20, 30)
    assert np.array_equal(load(path)(photo), photo)


@pytest.mark.parametrize("kind_out", [TensorProto.FLOAT, TensorProto.UINT8])
@pytest.mark.parametrize("shape", [FIRST, (1, 3, 16, 24)])
def test_a_range_of_1_in_and_of_255_out(build: Build, kind_out: int, shape: Shape) -> None:
    path = build(
        [
            helper.make_node("Sub", ["one", "x"], ["less"]),
            helper.make_node("Mul", ["less", "white"], ["scaled"]),
            helper.make_node("Clip", ["scaled", "black", "white"], ["clipped"]),
            helper.make_node("Cast", ["clipped"], ["y"], to=kind_out),
        ],
        shape=shape,
        kind_out=kind_out,
        one=_number(1),
        black=_number(0),
        white=_number(255),
    )
    stylizer = load(path)
    assert (stylizer.port.white, stylizer.port.gives) == (1, Range(0, 255))
    photo = blotches(16, 24)
    assert np.abs(stylizer(photo).astype(int) - (255 - photo)).max() <= 1


def test_a_range_of_255_in_and_of_1_out(build: Build) -> None:
    path = build(
        [
            helper.make_node("Sub", ["white", "x"], ["less"]),
            helper.make_node("Div", ["less", "white"], ["y"]),
        ],
        white=_number(255),
    )
    stylizer = load(path)
    assert (stylizer.port.white, stylizer.port.gives) == (255, Range(0, 1))
    photo = blotches(20, 30)
    assert np.array_equal(stylizer(photo), 255 - photo)


def test_a_network_that_saturates_takes_from_0_to_1(build: Build) -> None:
    """Given values up to 255, it would paint in black and white."""
    path = build(
        [
            helper.make_node("Sub", ["x", "half"], ["centred"]),
            helper.make_node("Sigmoid", ["centred"], ["y"]),
        ],
        half=_number(0.5),
    )
    stylizer = load(path)
    assert (stylizer.port.white, stylizer.port.gives) == (1, Range(0, 1))


@pytest.mark.parametrize("white", [1, 255])
def test_black_is_found_below_0(build: Build, white: float) -> None:
    path = build(
        [
            helper.make_node("Mul", ["x", "factor"], ["double"]),
            helper.make_node("Sub", ["one", "double"], ["y"]),
        ],
        factor=_number(2 / white),
        one=_number(1),
    )
    stylizer = load(path)
    assert (stylizer.port.white, stylizer.port.gives) == (white, Range(-1, 1))
    photo = blotches(20, 30)
    assert np.abs(stylizer(photo).astype(int) - (255 - photo)).max() <= 1


def _with_outputs(path: Path, *names: str) -> Path:
    model = onnx.load(path)
    del model.graph.output[:]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    model.graph.output.extend(values)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("names", [("mean", "y"), ("y", "mean"), ("y", "features")])
def test_the_picture_is_found_among_outputs(build: Build, names: Sequence[str]) -> None:
    path = build(
        [
            helper.make_node("Sub", ["white", "x"], ["y"]),
            helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
            helper.make_node("Concat", ["x", "x"], ["features"], axis=1),
        ],
        white=_number(1),
    )
    photo = blotches(20, 30)
    assert np.array_equal(load(_with_outputs(path, *names))(photo), 255 - photo)


def test_the_picture_is_found_by_its_name(build: Build) -> None:
    path = build(
        [
            helper.make_node("Identity", ["x"], ["content"]),
            helper.make_node("Sub", ["white", "x"], ["stylized"]),
        ],
        white=_number(1),
    )
    photo = blotches(20, 30)
    assert np.array_equal(load(_with_outputs(path, "content", "stylized"))(photo), 255 - photo)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((), "gives nothing"),
        (("y", "z"), "gives y: float n × 3 × h × w, z: float n × 3 × h × w"),
        (("mean", "features"), "gives mean: float n × 3 × 1 × 1, features: "),
        (("mean",), "gives 1×3×1×1 for a picture"),
    ],
)
def test_other_outputs_are_named(build: Build, names: Sequence[str], found: str) -> None:
    path = build(
        [
            helper.make_node("Identity", ["x"], ["y"]),
            helper.make_node("Identity", ["x"], ["z"]),
            helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
            helper.make_node("Concat", ["x", "x"], ["features"], axis=1),
        ]
    )
    with pytest.raises(ModelError, match=f"^{path}: {found}.*; supported is one picture in"):
        load(_with_outputs(path, *names))


@pytest.mark.parametrize(
    ("kind", "found"), [(TensorProto.STRING, "string"), (TensorProto.BFLOAT16, "bfloat16")]
)
def test_an_output_of_another_type_is_named(build: Build, kind: int, found: str) -> None:
    path = build([helper.make_node("Cast", ["x"], ["y"], to=kind)], kind_out=kind)
    with pytest.raises(ModelError, match=f"^{path}: gives y: {found} n × 3 × h × w; supported is"):
        load(path)


@pytest.mark.parametrize("sides", [(2**31, 2**31), (200_000, 10), (9000, "w")])
def test_sides_that_are_too_large_are_refused(build: Build, sides: Shape) -> None:
    path = build([helper.make_node("Identity", ["x"], ["y"])], shape=(1, 3, *sides))
    with pytest.raises(ModelError, match=f"^{path}: takes pictures of one size with a side above"):
        load(path)


def test_our_own_file_gives_the_same_as_with_us(model_path: Path) -> None:
    import faststyle

    photo = blotches(32, 48)
    ours = faststyle.load(model_path, device="cpu")
    assert np.array_equal(load(model_path)(photo), ours(photo))


def test_our_own_file_gets_its_context(fast_models: Mapping[str, Path]) -> None:
    import faststyle

    photo = blotches(260, 280)
    ours = faststyle.load(fast_models["context"], device="cpu")
    assert np.array_equal(load(fast_models["context"])(photo), ours(photo))


@pytest.mark.parametrize(
    ("shape", "kind", "inputs", "found"),
    [
        (FIRST, TensorProto.FLOAT, ("x", "z"), "takes x: float n × 3 × h × w, z: float"),
        (FIRST, TensorProto.INT64, ("x",), "takes x: int64 n × 3 × h × w"),
        ((1, 1, 28, 28), TensorProto.FLOAT, ("x",), "takes x: float 1 × 1 × 28 × 28"),
        ((4, 3, "h", "w"), TensorProto.FLOAT, ("x",), "takes x: float 4 × 3 × h × w"),
        ((3, "h", "w"), TensorProto.FLOAT, ("x",), "takes x: float 3 × h × w"),
        ((0, 3, 0, 0), TensorProto.FLOAT, ("x",), "takes x: float 0 × 3 × 0 × 0"),
        ((1, 3, 0, "w"), TensorProto.FLOAT, ("x",), "takes x: float 1 × 3 × 0 × w"),
    ],
)
def test_other_inputs_are_named(
    build: Build, shape: Shape, kind: int, inputs: Sequence[str], found: str
) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    path = build([node], shape=shape, kind=kind, kind_out=kind, inputs=inputs)
    with pytest.raises(ModelError, match=f"^{path}: {found}.*; supported is one picture in") as it:
        load(path)
    assert "\n" not in str(it.value)


def test_an_output_that_is_no_picture_is_named(build: Build) -> None:
    path = build(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["p"]),
            helper.make_node("Flatten", ["p"], ["y"]),
        ]
    )
    with pytest.raises(ModelError, match="gives 1×3 for a picture; supported is"):
        load(path)


def test_an_output_without_numbers_is_named(build: Build) -> None:
    path = build([helper.make_node("Div", ["x", "zero"], ["y"])], zero=_number(0))
    with pytest.raises(ModelError, match="gives NaN or infinite values"):
        load(path)


def test_a_file_that_fails_is_named(build: Build) -> None:
    """It says that it takes any size, and takes one."""
    path = build([helper.make_node("Add", ["x", "w"], ["y"])], w=np.zeros((1, 3, 50, 50), "f4"))
    with pytest.raises(ModelError, match="could not repaint a picture of 128×128 pixels; try"):
        load(path)


def test_a_picture_that_fails_is_named(build: Build) -> None:
    path = build([helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[9, 9])])
    stylizer = load(path)
    assert stylizer(blotches(20, 20)).shape == (20, 20, 3)
    with pytest.raises(ImageError, match="could not repaint a picture of 4×4 pixels"):
        stylizer(blotches(3, 3))


def test_weights_in_a_file_of_their_own(build: Build) -> None:
    """Torch's newer exporter writes them so."""
    path = _inverted(build, white=255)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="apart.data", size_threshold=0)
    assert (path.parent / "apart.data").exists()
    photo = blotches(20, 20)
    assert np.array_equal(load(path)(photo), 255 - photo)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx: No such file"):
        load(tmp_path / "none.onnx")


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_what_torch_exports(dynamo: bool, free: bool, white: int, tmp_path: Path) -> None:
    """pytorch/examples' network by both of torch's exporters, of one size and of any."""
    network: nn.Module = theirs(4)
    if white == 1:
        network = nn.Sequential(_Scale(255), network, _Scale(1 / 255)).eval()
    path = tmp_path / "theirs.onnx"
    example = (torch.rand(1, 3, 224, 224) * white,)
    if dynamo:
        shapes = ({2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC},) if free else None
        torch.onnx.export(network, example, path, dynamic_shapes=shapes, verbose=False)
    else:
        axes = {"x": {2: "height", 3: "width"}} if free else None
        torch.onnx.export(
            network, example, path, input_names=["x"], dynamic_axes=axes, dynamo=False
        )
    stylizer = load(path, device="cpu")
    assert stylizer.port.taken.sides == (None if free else (224, 224))
    photo = blotches(224, 224)
    with torch.no_grad():
        values = torch.tensor(photo).permute(2, 0, 1)[None] * (white / 255)
        painted = network(values)[0] * (255 / white)
    assert painted.max() > 300
    expected = painted.round().clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.abs(stylizer(photo) - expected).max() <= 1
    assert stylizer(blotches(230, 301)).shape == (230, 301, 3)


class _Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x
