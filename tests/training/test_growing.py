from __future__ import annotations

import pytest
import torch

from faststyle.training.growing import can_grow, grow
from faststyle.training.network import build_network
from tests.conftest import vivid_network


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (("fast", 3), ("fast", 3)),
        (("fast", 3), ("fast", 5)),
        (("fast", 3), ("quality", 3)),
        (("fast", 3), ("quality", 5)),
        (("johnson", 2), ("johnson", 3)),
    ],
)
def test_a_grown_network_paints_the_same_pictures(
    small: tuple[str, int], large: tuple[str, int]
) -> None:
    learnt = vivid_network(preset=small[0], width=small[1])
    grown = build_network(preset=large[0], width=large[1])
    assert can_grow(learnt, grown)
    grow(learnt, grown)
    photo = torch.rand(2, 3, 37, 41)
    assert torch.allclose(grown(photo), learnt(photo), atol=1e-5)


def test_all_that_is_new_learns() -> None:
    torch.manual_seed(0)
    grown = build_network(preset="quality", width=5)
    grow(vivid_network(preset="fast", width=3), grown)
    optimizer = torch.optim.SGD(grown.parameters(), lr=0.1)
    photo = torch.rand(1, 3, 37, 41)
    for _ in range(3):  # what is read by 0 learns from the second step on
        optimizer.zero_grad()
        grown(photo).square().mean().backward()
        optimizer.step()
    for parameter in grown.parameters():
        assert parameter.grad is not None
        assert all(channel.any() for channel in parameter.grad)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (("fast", 5), ("fast", 3)),
        (("quality", 3), ("fast", 5)),
        (("johnson", 2), ("fast", 3)),
        (("fast", 3), ("johnson", 5)),
    ],
)
def test_smaller_networks_and_those_of_another_kind_cannot_be_grown_to(
    small: tuple[str, int], large: tuple[str, int]
) -> None:
    networks = [build_network(preset=preset, width=width) for preset, width in (small, large)]
    assert not can_grow(*networks)
