from __future__ import annotations

import pytest
import torch
from torch import nn

from faststyle.training.layers import Residual, SampledNorm
from faststyle.training.observing import Range, observe, watch
from tests.conftest import vivid_network


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-2.0, 2.0), (-0.1, 9.0), (0.0, 0.0)])
def test_a_range_represents_its_ends_and_zero(low: float, high: float) -> None:
    values = Range(low, high)
    for value in (low, 0.0, high):
        step = round(value / values.scale) + values.zero
        assert -1 <= step <= 256
        assert (step - values.zero) * values.scale == pytest.approx(value, abs=values.scale)


@pytest.mark.parametrize("column", [28, 29])
def test_what_is_in_one_column_alone_is_within_the_range(column: int) -> None:
    """Values at even distances would all be of every other column, or of every third one."""
    network = vivid_network(preset="fast", width=32).requires_grad_(False)
    photo = torch.full((1, 3, 200, 240), 0.5)
    photo[..., 4 * column : 4 * column + 4] = 1
    relu = next(each for each in network.layers if isinstance(each, nn.ReLU))
    seen = watch(network, photo, network.describe(photo))
    largest = next(output for layer, output in seen if layer is relu).max()
    assert observe(network, [photo]).outputs[relu].high > 0.9 * largest


def test_channels_that_are_normalized_to_nothing_have_ranges_too() -> None:
    """Blocks of a grown network add nothing at first."""
    network = vivid_network(preset="fast").requires_grad_(False)
    norm = [each for each in network.modules() if isinstance(each, SampledNorm)][2]
    photos = [torch.rand(1, 3, 40, 50) for _ in range(2)]
    before = observe(network, photos)
    norm.weight[1] = 0
    seen = observe(network, photos)
    known = [0, 2, 3]
    for now, then in ((seen.centres, before.centres), (seen.spreads, before.spreads)):
        assert torch.equal(now[norm][known], then[norm][known])
        assert now[norm][1] == 0
    norm.weight[:] = 0
    assert observe(network, photos).scaled[norm] == Range()


def test_a_block_comes_after_what_is_in_it() -> None:
    network = vivid_network(preset="fast").requires_grad_(False)
    photo = torch.rand(1, 3, 40, 50)
    seen = list(watch(network, photo, network.describe(photo)))
    assert {layer for layer, _ in seen} == set(network.layers.modules()) - {network.layers}
    for place, (layer, output) in enumerate(seen):
        if isinstance(layer, Residual):
            before, inside = seen[place - len(layer) - 1][1], seen[place - 1][1]
            assert torch.allclose(output, before + inside)
    assert torch.equal(seen[-1][1][..., :40, :50], 16 * network(photo))
