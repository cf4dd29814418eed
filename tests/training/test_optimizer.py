"""The optimizer: what it changes, and what it is."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from faststyle.training.optimizer import Optimizer

RATE = 1e-2


def _network(layout: torch.memory_format = torch.contiguous_format) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 16, 3), nn.InstanceNorm2d(16, affine=True))
    return network.to(memory_format=layout)


def _learn(network: nn.Module, optimizer: Optimizer, *, steps: int) -> Tensor:
    images = torch.rand(2, 4, 12, 12, generator=torch.Generator().manual_seed(1))
    target = images[:, :1, 1:-1, 1:-1].sqrt()
    for _ in range(steps):
        loss: Tensor = (network(images) - target).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(learning_rate=RATE)
    return loss.detach()


def test_it_learns_kernels_scales_and_biases() -> None:
    network = _network()
    before = {name: each.detach().clone() for name, each in network.named_parameters()}
    first = _learn(network, optimizer := Optimizer(network), steps=1)
    assert _learn(network, optimizer, steps=60) < first / 2
    for name, each in network.named_parameters():
        # The normalization takes the convolution's bias out again.
        assert name == "0.bias" or not torch.allclose(each, before[name], atol=10 * RATE)


def test_a_kernels_update_is_nearly_orthogonal_and_of_the_rates_size() -> None:
    network = _network()
    kernel = network.get_parameter("0.weight")
    before = kernel.detach().clone()
    _learn(network, Optimizer(network), steps=1)
    update = (kernel.detach() - before).flatten(1)
    spectrum = torch.linalg.svdvals(update)
    assert spectrum.max() < 3 * spectrum.min()
    assert update.square().mean().sqrt() == pytest.approx(0.2 * RATE, rel=0.4)


def test_gradients_are_forgotten() -> None:
    network = _network()
    _learn(network, Optimizer(network), steps=1)
    assert all(each.grad is None for each in network.parameters())


def test_a_state_continues_in_another_memory_layout() -> None:
    network = _network()
    optimizer = Optimizer(network)
    _learn(network, optimizer, steps=3)
    weights = {name: each.clone() for name, each in network.state_dict().items()}
    state = copy.deepcopy(optimizer.state_dict())
    expected = _learn(network, optimizer, steps=4)
    other = _network(torch.channels_last)
    resumed = Optimizer(other)
    other.load_state_dict(weights)
    resumed.load_state_dict(state)
    torch.testing.assert_close(_learn(other, resumed, steps=4), expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize("state", [{}, {"kernels": {}, "others": {}}])
def test_a_foreign_state_is_refused(state: dict[str, dict[str, object]]) -> None:
    with pytest.raises((KeyError, ValueError)):
        Optimizer(_network()).load_state_dict(state)
