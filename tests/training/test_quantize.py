from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from faststyle.errors import ExportError
from faststyle.training.layers import ContextNorm
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.quantize import Range, observe, write_quantized_graph
from tests.conftest import blotches


@pytest.fixture
def network() -> TransformerNetwork:
    """One whose normalizations differ by channel, and turn some of them round."""
    torch.manual_seed(1)
    network = build_network(preset="fast", width=8)
    for layer in network.modules():
        if isinstance(layer, ContextNorm):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.2)
            with torch.no_grad():
                layer.weight[::3].neg_()
    return network


def _photo(height: int, width: int, *, seed: int) -> Tensor:
    return torch.from_numpy(blotches(height, width, seed=seed).copy()).permute(2, 0, 1)[None] / 255


def _run(model: onnx.ModelProto, photo: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    image = (photo * 255).round().byte().permute(0, 2, 3, 1).numpy()
    (stylized,) = session.run(None, {"image": image})
    return np.asarray(stylized, int)


def test_bytes_paint_what_floats_do(network: TransformerNetwork) -> None:
    photos = [_photo(80, 96, seed=seed) for seed in range(4)]
    model = write_quantized_graph(network, seen=observe(network, photos))
    onnx.checker.check_model(model, full_check=True)
    for photo in (_photo(80, 96, seed=9), _photo(131, 67, seed=10)):
        with torch.no_grad():
            expected = (network(photo) * 255).clamp(0, 255).permute(0, 2, 3, 1).numpy()
        assert expected.std() > 5
        assert np.abs(_run(model, photo) - expected).mean() < 2


def test_convolutions_compute_in_bytes(network: TransformerNetwork) -> None:
    model = write_quantized_graph(network, seen=observe(network, [_photo(64, 64, seed=0)]))
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("QLinearConv") == 10  # stem, two in each of four blocks, head
    assert operators.count("Conv") == 8  # for the small copy, up to its last statistics


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-2.0, 2.0), (-0.1, 9.0), (0.0, 0.0)])
def test_a_range_represents_its_ends_and_zero(low: float, high: float) -> None:
    values = Range(low, high)
    for value in (low, 0.0, high):
        step = round(value / values.scale) + values.zero
        assert -1 <= step <= 256
        assert (step - values.zero) * values.scale == pytest.approx(value, abs=values.scale)


def test_a_network_without_a_context_is_refused() -> None:
    network = build_network(preset="johnson", width=2)
    photos = [_photo(32, 32, seed=0)]
    with pytest.raises(ExportError, match=r"johnson.*int8"):
        write_quantized_graph(network, seen=observe(network, photos))
