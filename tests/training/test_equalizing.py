from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from faststyle.gallery import style_path
from faststyle.training.equalizing import equalized
from faststyle.training.exported import read_exported
from faststyle.training.layers import Residual, SampledNorm
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.observing import observe, watch
from faststyle.training.quantize import write_quantized_graph
from tests.conftest import blotches


def _photo(seed: int) -> Tensor:
    return torch.from_numpy(blotches(80, 96, seed=seed).copy()).permute(2, 0, 1)[None] / 255


PHOTOS = [_photo(seed) for seed in range(4)]


@pytest.fixture(params=["fast", "quality"])
def network(request: pytest.FixtureRequest) -> TransformerNetwork:
    """One whose channels differ much, some of them turned round or nothing."""
    torch.manual_seed(1)
    network = build_network(preset=request.param, width=8).requires_grad_(False)
    for norm in (each for each in network.modules() if isinstance(each, SampledNorm)):
        nn.init.uniform_(norm.weight, 0.1, 3)
        nn.init.normal_(norm.bias, std=0.2)
        norm.weight[::3].neg_()
    norm.weight[1] = norm.bias[1] = 0
    return network


def _unevenness(network: TransformerNetwork) -> float:
    """Tell how many times as far the channels of the blocks' outputs go as the typical one."""
    found = []
    for layer, output in watch(network, PHOTOS[0], network.describe(PHOTOS[0])):
        if isinstance(layer, (Residual, nn.ReLU)):
            ranges = output.abs().amax((0, 2, 3))
            found.append(float(ranges.max() / ranges.median()))
    return float(np.mean(found))


def test_the_same_is_painted_by_channels_that_are_more_alike(network: TransformerNetwork) -> None:
    before = [each.clone() for each in network.parameters()]
    even = equalized(network, PHOTOS)
    for photo in (_photo(9), torch.full((1, 3, 40, 50), 0.3)):
        assert torch.allclose(even(photo), network(photo), atol=2e-3)
    assert _unevenness(even) < 0.8 * _unevenness(network)
    assert all(map(torch.equal, before, network.parameters()))


def test_bytes_paint_alike_whatever_channels_are_scaled_by() -> None:
    network, _ = read_exported(style_path("wave"))
    block = next(each for each in network.modules() if isinstance(each, Residual))
    norm, reader = block[2], block[4]
    assert isinstance(norm, SampledNorm)
    assert isinstance(reader, nn.Conv2d)
    with torch.no_grad():
        norm.weight[:2] *= 20
        norm.bias[:2] *= 20
        reader.weight[:, :2] /= 20
    plain, even = (_difference(each, PHOTOS) for each in (network, equalized(network, PHOTOS)))
    assert even < 0.7 * plain


def _difference(network: TransformerNetwork, photos: Sequence[Tensor]) -> float:
    """Tell how far int8 is from float32, in levels of 255."""
    model = write_quantized_graph(network, seen=observe(network, photos)).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    differences = []
    for photo in photos:
        levels = (photo * 255).round().byte().permute(0, 2, 3, 1).numpy()
        (painted,) = session.run(None, {"image": levels})
        with torch.no_grad():
            expected = (network(photo) * 255).clamp(0, 255).permute(0, 2, 3, 1).numpy()
        differences.append(np.abs(painted - expected).mean())
    return float(np.mean(differences))
