from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import nn

from faststyle.contract import SAMPLE_STEP
from faststyle.errors import OptionError
from faststyle.training.layers import Residual, SampledNorm
from faststyle.training.network import (
    PRESETS,
    TransformerNetwork,
    build_network,
    choose_width,
    finite,
)
from tests.conftest import blotches, vivid_network


@pytest.fixture(params=PRESETS)
def network(request: pytest.FixtureRequest) -> TransformerNetwork:
    torch.manual_seed(0)
    return build_network(preset=request.param, width=4)


@pytest.fixture
def fast() -> TransformerNetwork:
    return vivid_network(preset="fast").requires_grad_(False)


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
    plain = TransformerNetwork(
        layers,
        preset="plain",
        width=4,
    ).eval()
    for parameter in plain.parameters():  # positive, so that no path can cancel another
        nn.init.uniform_(parameter, 0.01, 0.1)
    plain = plain.double().requires_grad_(False)
    side = 2 * network.halo + 4 * network.multiple
    base = torch.rand(1, 3, side, side, dtype=torch.float64)
    before, reach = plain(base), 0
    for place in range(side // 2, side // 2 + network.multiple):
        changed = base.clone()
        changed[..., place, place] += 1
        rows = (plain(changed) != before).any(1).any(2)[0].nonzero()[:, 0]
        reach = max(reach, place - int(rows.min()), int(rows.max()) - place)
    assert network.halo == plain.halo == reach


def _without_normalization(layers: Iterable[nn.Module]) -> list[nn.Module]:
    return [
        Residual(_without_normalization(layer)) if isinstance(layer, Residual) else layer
        for layer in layers
        if not isinstance(layer, nn.InstanceNorm2d | SampledNorm)
    ]


@pytest.mark.parametrize(("top", "left"), [(0, 0), (64, 96), (128, 160)])
def test_tiles_that_share_a_context_fit_together(
    fast: TransformerNetwork, top: int, left: int
) -> None:
    halo, side = -(-fast.halo // fast.multiple) * fast.multiple, 32
    picture = torch.rand(1, 3, 128 + side, 160 + side)
    context = torch.rand(1, 3, 30, 41)
    whole = fast(picture, context)[..., top : top + side, left : left + side]
    above, before = max(0, top - halo), max(0, left - halo)
    tile = picture[..., above : top + side + halo, before : left + side + halo]
    assert tile.shape[-1] < picture.shape[-1]
    inside = (
        ...,
        slice(top - above, top - above + side),
        slice(left - before, left - before + side),
    )
    assert torch.allclose(fast(tile, context)[inside], whole, atol=1e-4)
    assert not torch.allclose(fast(tile)[inside], whole, atol=1e-2)


@pytest.mark.parametrize("level", [0, 100, 255])
def test_a_flat_picture_stays_flat(network: TransformerNetwork, level: int) -> None:
    """Padding with zeros would draw a frame, as what hardly varies is scaled up."""
    network = vivid_network(preset=network.preset).requires_grad_(False)
    painted = network(torch.full((1, 3, 61, 90), level / 255))
    assert torch.allclose(painted, painted[..., :1, :1], atol=1e-4)


def test_one_context_serves_a_whole_batch(fast: TransformerNetwork) -> None:
    images, contexts = torch.rand(3, 3, 24, 28), torch.rand(2, 3, 20, 30)
    together = fast(images, contexts[:1])
    apart = [fast(image[None], contexts[:1]) for image in images]
    assert torch.allclose(together, torch.cat(apart), atol=1e-4)
    assert not torch.allclose(together, fast(images, contexts[1:]), atol=1e-2)


@pytest.mark.parametrize("size", [(1, 1), (37, 61), (3, 300)])
def test_a_picture_is_its_own_context(fast: TransformerNetwork, size: tuple[int, int]) -> None:
    images, other = torch.rand(2, 3, *size), torch.rand(2, 3, 40, 50)
    assert torch.equal(fast(images), fast(images, images))
    assert not torch.allclose(fast(images), fast(images, other), atol=1e-2)


@pytest.mark.parametrize("size", [(1, 1), (37, 61), (96, 100)])
@pytest.mark.parametrize("preset", ["fast", "quality"])
def test_a_larger_stride_computes_what_is_measured(preset: str, size: tuple[int, int]) -> None:
    network = vivid_network(preset=preset).requires_grad_(False)
    padding, convolution, norm, *_ = network.layers
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, SampledNorm)
    images = torch.rand(1, 3, *size)
    padded = padding(network.filled(images))
    measured = nn.functional.conv2d(padded, convolution.weight, stride=SAMPLE_STEP * 4)
    for one, other in zip(network.describe(images)[0], norm.measure(measured), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_networks_without_a_context_pay_none_heed() -> None:
    johnson = build_network(preset="johnson", width=4)
    images = torch.rand(1, 3, 24, 28)
    assert torch.equal(johnson(images), johnson(images, torch.rand(1, 3, 9, 9)))


def test_training_measures_all_of_a_picture(
    network: TransformerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = vivid_network(preset=network.preset).requires_grad_(False)
    images = torch.rand(2, 3, 61, 72)
    sampled, trained = network(images), network.train()(images)
    assert torch.allclose(sampled, trained, atol=1e-2) != network.takes_context
    monkeypatch.setattr("faststyle.training.network.SAMPLE_STEP", 1)
    assert torch.allclose(network.eval()(images), trained, atol=1e-4)


def test_a_sample_tells_nearly_what_the_whole_tells(
    fast: TransformerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, other = (
        torch.tensor(blotches(256, 256, seed=seed)).permute(2, 0, 1)[None] / 255 for seed in (1, 2)
    )
    sampled, different = fast(images), fast(images, other)
    monkeypatch.setattr("faststyle.training.network.SAMPLE_STEP", 1)
    whole = fast(images)
    assert (whole - sampled).abs().mean() < (whole - different).abs().mean() / 4
    trained = fast.train()(images)  # by some of the margin besides, which is smaller
    assert (trained - sampled).abs().mean() < (trained - different).abs().mean() / 2


@pytest.mark.parametrize("preset", ["fast", "quality"])
def test_a_picture_is_described_as_if_it_went_on_beyond_its_borders(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a tiling of mirrored ones every position has one of the picture's own neighbourhoods."""
    monkeypatch.setattr("faststyle.training.network.SAMPLE_STEP", 1)
    network = vivid_network(preset=preset).requires_grad_(False)
    picture = torch.rand(1, 3, 48, 48)
    rows = torch.cat([picture, picture.flip(2)], dim=2)
    tiling = torch.cat([rows, rows.flip(3)], dim=3)
    alone, tiled = network.describe(picture), network.describe(tiling)
    for one, other in zip(alone, tiled, strict=True):
        assert torch.allclose(one.scale, other.scale, rtol=0.25)


def test_all_weights_are_trained(network: TransformerNetwork) -> None:
    network.train()
    for _ in range(8):
        network.zero_grad()
        network(torch.rand(2, 3, 64, 64)).square().mean().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_build_network_names_the_presets_it_has() -> None:
    with pytest.raises(OptionError, match=f"'jonson': choose from {', '.join(PRESETS)}"):
        build_network(preset="jonson", width=8)
    with pytest.raises(OptionError, match="--width 0"):
        build_network(preset="johnson", width=0)
    with pytest.raises(OptionError, match="--width 4000000: the width must be from 1 to"):
        build_network(preset="fast", width=4_000_000)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_a_width_of_their_own(preset: str) -> None:
    own = choose_width(preset=preset, width=None)
    assert build_network(preset=preset).width == PRESETS[preset].width == own
    assert choose_width(preset=preset, width=own + 1) == own + 1


def test_channels_are_those_of_the_widest_layer() -> None:
    assert build_network(preset="johnson", width=4).channels == 16
    assert build_network(preset="fast", width=4).channels == 4


def test_finite_finds_a_bad_weight(network: TransformerNetwork) -> None:
    assert finite(network)
    with torch.no_grad():
        next(network.parameters())[0, 0, 0, 0] = float("nan")
    assert not finite(network)
