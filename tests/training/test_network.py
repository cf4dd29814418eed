from __future__ import annotations

import pytest
import torch
from torch import nn

from faststyle.errors import ConfigError
from faststyle.training.network import (
    PRESETS,
    InstanceNorm,
    Residual,
    TransformerNetwork,
    build_network,
    finite,
)


@pytest.fixture(params=PRESETS)
def network(request: pytest.FixtureRequest) -> TransformerNetwork:
    torch.manual_seed(0)
    return build_network(preset=request.param, width=4)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3), (7, 9), (32, 32), (33, 47)])
def test_output_has_exactly_the_input_size(
    network: TransformerNetwork, size: tuple[int, int]
) -> None:
    images = torch.rand(2, 3, *size)
    stylized = network(images)
    assert stylized.shape == images.shape
    assert torch.isfinite(stylized).all()


def test_padding_repeats_the_border(network: TransformerNetwork) -> None:
    images = torch.rand(1, 3, 30, 21)
    padded = nn.functional.pad(images, (0, 3, 0, 2), mode="replicate")
    assert torch.equal(network(images), network(padded)[..., :30, :21])


def test_pictures_of_a_batch_do_not_see_each_other(network: TransformerNetwork) -> None:
    images = torch.rand(2, 3, 24, 24)
    apart = torch.cat([network(images[:1]), network(images[1:])])
    assert torch.allclose(network(images), apart, atol=1e-5)


def test_johnson_is_the_network_of_pytorch_examples() -> None:
    # Theirs counts 1,679,235; biases before an instance normalization have no effect, so
    # ours has none there: 2·(32+64+128) - 128 + 10·128 of them.
    reference = 1_679_235 - (32 + 64 + 128 + 10 * 128 + 64 + 32)
    network = build_network(preset="johnson", width=32)
    assert sum(parameter.numel() for parameter in network.parameters()) == reference


def test_halo_is_how_far_a_pixel_reaches(network: TransformerNetwork) -> None:
    """Without statistics of the whole picture, a change must fade exactly at the halo."""
    layers = _without_normalization(network.layers)
    plain = TransformerNetwork(layers, preset="plain", width=4, normalization="none")
    for parameter in plain.parameters():  # positive, so that no path can cancel another
        nn.init.uniform_(parameter, 0.01, 0.1)
    plain = plain.double()
    side = 2 * network.halo + 4 * network.multiple
    base = torch.rand(1, 3, side, side, dtype=torch.float64)
    before, reach = plain(base), 0
    for place in range(side // 2, side // 2 + network.multiple):
        changed = base.clone()
        changed[..., place, place] += 1
        rows = (plain(changed) != before).any(1).any(2)[0].nonzero()[:, 0]
        reach = max(reach, place - int(rows.min()), int(rows.max()) - place)
    assert network.halo == plain.halo == reach


def _without_normalization(layers: nn.Sequential) -> list[nn.Module]:
    return [
        Residual(*_without_normalization(layer)) if isinstance(layer, Residual) else layer
        for layer in layers
        if not isinstance(layer, nn.InstanceNorm2d)
    ]


def test_build_network_names_the_presets_it_has() -> None:
    with pytest.raises(ConfigError, match="'jonson': choose from johnson"):
        build_network(preset="jonson", width=8)
    with pytest.raises(ConfigError, match="--width 0"):
        build_network(preset="johnson", width=0)


def test_finite_finds_a_bad_weight(network: TransformerNetwork) -> None:
    assert finite(network)
    with torch.no_grad():
        next(network.parameters())[0, 0, 0, 0] = float("nan")
    assert not finite(network)


def test_instance_normalization_is_the_same_in_either_layout() -> None:
    torch.manual_seed(0)
    norm = InstanceNorm(3, affine=True)
    torch.nn.init.normal_(norm.weight)
    pictures = torch.rand(4, 3, 6, 5)
    expected = torch.nn.functional.instance_norm(pictures, weight=norm.weight, bias=norm.bias)
    for layout in (torch.contiguous_format, torch.channels_last):
        images = pictures.clone().to(memory_format=layout).requires_grad_(True)
        normalized = norm(images)
        assert torch.allclose(normalized, expected, atol=1e-5)
        assert normalized.is_contiguous(memory_format=layout)
