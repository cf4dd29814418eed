from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from faststyle.training.equalizing import equalized
from faststyle.training.layers import SampledNorm
from faststyle.training.network import TransformerNetwork
from faststyle.training.observing import observe, watch
from faststyle.training.quantize import write_quantized_graph
from tests.conftest import blotches, vivid_network


@pytest.fixture(params=["fast", "quality"])
def network(request: pytest.FixtureRequest) -> TransformerNetwork:
    """One whose channels differ much in how large they are."""
    network = vivid_network(preset=request.param).requires_grad_(False)
    for layer in network.modules():
        if isinstance(layer, SampledNorm):
            layer.weight.mul_(torch.logspace(-1, 1, len(layer.weight)).reshape(-1, 1, 1))
    return network


@pytest.fixture
def photos() -> list[Tensor]:
    pictures = [torch.tensor(blotches(80, 96, seed=seed)) for seed in range(2)]
    return [picture.permute(2, 0, 1)[None] / 255 for picture in pictures]


def _unevenness(network: TransformerNetwork, photo: Tensor) -> Tensor:
    """Return by how much the largest channel of each normalized layer exceeds an ordinary one."""
    found = []
    for layer, output in watch(network, photo):
        if isinstance(layer, SampledNorm):
            sizes = output.abs().amax((0, 2, 3))
            found.append(sizes.amax() / sizes.median())
    return torch.stack(found)


def test_it_paints_the_same_by_channels_that_differ_less(
    network: TransformerNetwork, photos: list[Tensor]
) -> None:
    before = {name: each.clone() for name, each in network.named_parameters()}
    scaled = equalized(network, photos)
    for photo in photos:
        assert torch.allclose(scaled(photo), network(photo), rtol=1e-3, atol=1e-3)
        uneven, less = _unevenness(network, photo), _unevenness(scaled, photo)
        assert (less < uneven).float().mean() > 0.9
        assert less.mean() < 0.7 * uneven.mean()
    assert all(torch.equal(each, before[name]) for name, each in network.named_parameters())


def test_bytes_paint_it_more_exactly(network: TransformerNetwork, photos: list[Tensor]) -> None:
    photo = photos[0]
    levels = (photo * 255).round().byte().permute(0, 2, 3, 1).numpy()
    expected = (network(photo) * 255).clamp(0, 255).permute(0, 2, 3, 1).numpy()

    def difference(scaled: TransformerNetwork) -> float:
        model = write_quantized_graph(scaled, seen=observe(scaled, photos))
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (painted,) = session.run(None, {"image": levels})
        return float(np.abs(painted - expected).mean())

    assert difference(equalized(network, photos)) < 0.8 * difference(network)
