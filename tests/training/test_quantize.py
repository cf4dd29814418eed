from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from faststyle.contract import MEASURED, STATISTICS
from faststyle.cutting import only
from faststyle.errors import ExportError
from faststyle.gallery import int8_name, style_names, style_path
from faststyle.training.ends import Form
from faststyle.training.exported import read_exported
from faststyle.training.layers import SampledNorm
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.observing import observe
from faststyle.training.quantize import rounded, write_quantized_graph
from tests.conftest import blotches

IN_INT8 = [style for style in style_names() if int8_name(style)]


@pytest.fixture
def network() -> TransformerNetwork:
    """One whose normalizations differ by channel, and turn some of them round."""
    torch.manual_seed(1)
    network = build_network(preset="fast", width=8)
    for layer in network.modules():
        if isinstance(layer, SampledNorm):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.2)
            with torch.no_grad():
                layer.weight[::3].neg_()
    return network


def _photo(height: int, width: int, *, seed: int) -> Tensor:
    return torch.from_numpy(blotches(height, width, seed=seed).copy()).permute(2, 0, 1)[None] / 255


def _levels(photo: Tensor) -> np.ndarray:
    return (photo * 255).round().byte().permute(0, 2, 3, 1).numpy()


def _expected(
    network: TransformerNetwork, photo: Tensor, context: Tensor | None = None
) -> np.ndarray:
    pictures = [each if each is None else (each * 255).round() / 255 for each in (photo, context)]
    with torch.no_grad():
        painted = (network(*pictures) * 255).clamp(0, 255)
    return np.asarray(painted.permute(0, 2, 3, 1))


def _run(model: onnx.ModelProto, photo: Tensor, **others: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    inputs = {name: _levels(each) for name, each in {"image": photo, **others}.items()}
    (stylized,) = session.run(None, inputs)
    return np.asarray(stylized, int)


def test_bytes_paint_what_floats_do(network: TransformerNetwork) -> None:
    photos = [_photo(80, 96, seed=seed) for seed in range(4)]
    model = write_quantized_graph(network, seen=observe(network, photos))
    onnx.checker.check_model(model, full_check=True)
    for photo in (_photo(80, 96, seed=9), _photo(131, 67, seed=10)):
        expected = _expected(network, photo)
        assert expected.std() > 5
        assert np.abs(_run(model, photo) - expected).mean() < 2


def _count(network: TransformerNetwork, kind: type[nn.Module]) -> int:
    return sum(isinstance(layer, kind) for layer in network.modules())


def test_convolutions_compute_in_bytes(network: TransformerNetwork) -> None:
    model = write_quantized_graph(network, seen=observe(network, [_photo(64, 64, seed=0)]))
    operators = [node.op_type for node in model.graph.node]
    convolutions, norms = (_count(network, kind) for kind in (nn.Conv2d, SampledNorm))
    # All, the head, the sum of the stem's parts, and those that are normalized for measuring …
    assert operators.count("QLinearConv") == convolutions + 2 + norms - 1
    assert operators.count("Conv") == 1  # … but the stem


def test_another_picture_is_measured_in_bytes(network: TransformerNetwork) -> None:
    photo, context = _photo(80, 96, seed=1), _photo(61, 130, seed=2)
    seen = observe(network, [_photo(80, 96, seed=seed) for seed in range(4)])
    model = write_quantized_graph(network, seen=seen, form=Form(context_input=True))
    onnx.checker.check_model(model, full_check=True)
    operators = [node.op_type for node in model.graph.node]
    convolutions, norms = (_count(network, kind) for kind in (nn.Conv2d, SampledNorm))
    # Those of the picture, and of the context all but the last of them, and for measuring …
    assert operators.count("QLinearConv") == convolutions + 2 + convolutions + norms - 1
    assert operators.count("Conv") == 1  # … but the stem
    painted = _run(model, photo, context=context)
    assert np.abs(painted - _expected(network, photo, context)).mean() < 2
    assert np.abs(painted - _expected(network, photo)).mean() > 4
    inside = write_quantized_graph(network, seen=seen)
    assert np.array_equal(_run(model, photo, context=photo), _run(inside, photo))


@pytest.mark.parametrize("size", [(1, 1), (37, 61), (130, 95), (3, 300)])
def test_bytes_measure_the_positions_that_floats_do(
    network: TransformerNetwork, size: tuple[int, int]
) -> None:
    """The first ones exactly, as they are measured in floats."""
    seen = observe(network, [_photo(80, 96, seed=seed) for seed in range(4)])
    content = write_quantized_graph(network, seen=seen).SerializeToString()
    names = [f"{MEASURED}{name}0" for name in STATISTICS]
    session = onnxruntime.InferenceSession(
        only(content, tensors=names), providers=["CPUExecutionProvider"]
    )
    photo = _photo(*size, seed=9)
    found = session.run(names, {"image": _levels(photo)})
    with torch.no_grad():
        affine = network.describe((photo * 255).round() / 255)[0]
        norm = next(each for each in network.modules() if isinstance(each, SampledNorm))
        expected = (norm.bias - affine.shift) / affine.scale, norm.weight / affine.scale
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(one, other, rtol=0.01, atol=1e-3)


def _rough(seed: int) -> Tensor:
    grain = torch.randn((1, 3, 160, 240), generator=torch.Generator().manual_seed(seed))
    return (_photo(160, 240, seed=seed) + 0.15 * grain.clamp(-2, 2)).clamp(0, 1)


def _half_black(seed: int) -> Tensor:
    """Draw a picture whose left half is black, flat but for a few levels."""
    photo = _rough(seed)
    levels = torch.rand((1, 3, 160, 120), generator=torch.Generator().manual_seed(seed))
    photo[..., :120] = levels * 5 / 255
    return photo


@pytest.mark.parametrize("style", ["starry_night", "wave"])
def test_flat_dark_areas_keep_their_texture(style: str) -> None:
    network, _ = read_exported(style_path(style))
    seen = observe(network, [draw(seed) for seed in range(4) for draw in (_half_black, _rough)])
    model = write_quantized_graph(network, seen=seen)
    photo = _half_black(10)
    assert np.abs(_run(model, photo) - _expected(network, photo)).mean() < 2


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("style", IN_INT8)
def test_a_picture_of_one_colour_is_within_all_ranges(style: str, level: int) -> None:
    """As are frames of a video that fades; scaled like photos, it would be white."""
    photo = torch.full((1, 3, 61, 90), level / 255)
    floats, levels = (onnx.load(style_path(f"{style}{kind}")) for kind in ("", "-int8"))
    assert np.abs(_run(levels, photo) - _run(floats, photo)).mean() < 16


def test_channels_normalized_to_nothing_keep_their_shift(network: TransformerNetwork) -> None:
    norm = next(each for each in network.modules() if isinstance(each, SampledNorm))
    with torch.no_grad():
        norm.weight[0] = norm.bias[1] = 0
        norm.weight[1] = 0
        norm.weight[2] = 1e-9
    photo = _photo(80, 96, seed=0)
    model = write_quantized_graph(network, seen=observe(network, [photo]))
    assert np.abs(_run(model, photo) - _expected(network, photo)).mean() < 2


def test_rounded_kernels_keep_their_sums() -> None:
    kernels = np.random.default_rng(0).uniform(-126, 126, (5, 3, 8, 8))
    steps = rounded(kernels)
    assert np.abs(steps - kernels).max() < 1
    assert np.abs((steps - kernels).sum((2, 3))).max() <= 0.5


def _pairs_fit_16_bits(model: onnx.ModelProto) -> bool:
    """Tell whether two neighbouring products never exceed what processors without VNNI can hold."""
    values = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    kernels = [
        values[node.input[3]].astype(int)
        for node in model.graph.node
        if node.op_type == "QLinearConv"
    ]
    assert kernels
    pairs = [each.transpose(0, 2, 3, 1).reshape(-1, 2) for each in kernels]
    sums = [255 * each.clip(*signs).sum(1) for each in pairs for signs in ((0, None), (None, 0))]
    return all(each.min() >= -(2**15) and each.max() < 2**15 for each in sums)


@pytest.mark.parametrize("spread", [0.01, 1.0])
def test_neighbouring_products_fit_16_bits(network: TransformerNetwork, spread: float) -> None:
    with torch.no_grad():
        for kernel in (each for each in network.parameters() if each.dim() == 4):
            kernel.fill_(1).add_(spread * torch.randn_like(kernel))
            kernel[::2].neg_()
    model = write_quantized_graph(network, seen=observe(network, [_photo(80, 96, seed=0)]))
    assert _pairs_fit_16_bits(model)


@pytest.mark.parametrize("style", IN_INT8)
def test_neighbouring_products_of_bundled_styles_fit_16_bits(style: str) -> None:
    assert _pairs_fit_16_bits(onnx.load(style_path(f"{style}-int8")))


def test_a_network_without_a_context_is_refused() -> None:
    network = build_network(preset="johnson", width=2)
    photos = [_photo(32, 32, seed=0)]
    with pytest.raises(ExportError, match=r"johnson.*int8"):
        write_quantized_graph(network, seen=observe(network, photos))
