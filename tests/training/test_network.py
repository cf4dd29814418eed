from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from faststyle.errors import ConfigError
from faststyle.gallery import style_path
from faststyle.training.graph import read_weights
from faststyle.training.layers import Residual, SampledNorm
from faststyle.training.network import (
    MARGIN,
    PRESETS,
    SAMPLE_STEP,
    Sampling,
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
        layers, preset="plain", width=4, margin=network.margin
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


@pytest.mark.parametrize("level", [None, 128])
def test_zeros_beyond_the_margin_show_nowhere(level: int | None) -> None:
    """Else there is a frame, above all on pictures that hardly vary, which are scaled up."""
    network = build_network(preset="fast").requires_grad_(False)
    read_weights(network, onnx.load(style_path("wave")).graph)
    pixels = blotches(96, 120) if level is None else np.full((96, 120, 3), level, np.uint8)
    images = torch.tensor(pixels).permute(2, 0, 1)[None] / 255
    context = torch.tensor(blotches(96, 120, seed=1)).permute(2, 0, 1)[None] / 255
    assert network.margin < network.halo
    painted = network(images, context)

    def changed_by(more: int) -> Tensor:
        """Tell by how many levels, with more margin, but the same positions measured."""
        network.margin = MARGIN + more
        return (network(images, context) - painted).abs() * 255

    assert changed_by(48).mean() < 0.1
    assert changed_by(48).max() < 3
    assert changed_by(-24).mean() > 0.2


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


@pytest.mark.parametrize("sides", [(17, 17), (18, 19), (20, 26), (43, 31)])
@pytest.mark.parametrize("margin", [0, 8, 10, 12])
def test_every_second_position_of_the_picture_is_measured(
    margin: int, sides: tuple[int, int]
) -> None:
    """Counted from the first of the margin, as convolutions of a stride count."""
    height, width = (side + 2 * margin for side in sides)
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rows, columns = Sampling(margin)(torch.stack([down, across])[None])[0]
    for found, side in ((rows[:, 0], height), (columns[0], width)):
        expected = [each for each in range(margin, side - margin) if each % SAMPLE_STEP == 0]
        assert found.tolist() == expected
    assert torch.equal(rows, rows[:, :1].expand_as(rows))
    assert torch.equal(columns, columns[:1].expand_as(columns))


@pytest.mark.parametrize("size", [(1, 1), (37, 61), (96, 100)])
@pytest.mark.parametrize("preset", ["fast", "quality"])
def test_a_stride_computes_what_is_measured(preset: str, size: tuple[int, int]) -> None:
    network = vivid_network(preset=preset).requires_grad_(False)
    convolution, norm, *_ = network.layers
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, SampledNorm)
    images, sampling = torch.rand(1, 3, *size), network.sampling(stride=4)
    framed = network.framed(images)
    assert sampling.start % SAMPLE_STEP == 0
    assert 0 <= sampling.start - network.margin // 4 < SAMPLE_STEP
    features = convolution(framed)
    strided = nn.functional.conv2d(
        framed, convolution.weight, stride=SAMPLE_STEP * 4, padding=2
    )
    sampled, first = sampling(features), sampling.start // SAMPLE_STEP
    rows, columns = (slice(first, first + side) for side in sampled.shape[-2:])
    assert torch.allclose(strided[..., rows, columns], sampled, atol=1e-5)
    for one, other in zip(network.describe(images)[0], norm.measure(sampled), strict=True):
        assert torch.equal(one, other)


def test_networks_without_a_context_pay_none_heed() -> None:
    johnson = build_network(preset="johnson", width=4)
    images = torch.rand(1, 3, 24, 28)
    assert torch.equal(johnson(images), johnson(images, torch.rand(1, 3, 9, 9)))


def test_only_training_draws(network: TransformerNetwork) -> None:
    images = torch.rand(1, 3, 64, 64)
    state = torch.get_rng_state()
    assert torch.equal(network(images), network(images))
    assert torch.equal(torch.get_rng_state(), state)
    network.train()
    drawn = [network(images) for _ in range(8)]
    differ = any(not torch.equal(one, drawn[0]) for one in drawn)
    assert differ == network.takes_context
    torch.set_rng_state(state)
    assert all(torch.equal(network(images), one) for one in drawn)


def test_training_moves_the_picture_in_its_margin_and_measures_all_of_it(
    fast: TransformerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it lies as in evaluation, and that measures all of it too, it is painted so."""
    images = torch.rand(2, 3, 64, 72)
    monkeypatch.setattr("faststyle.training.network.TRAINING_MARGIN", fast.margin)
    monkeypatch.setattr("faststyle.training.network.MARGIN_SHIFT", 0)
    sampled = fast(images)
    monkeypatch.setattr("faststyle.training.network.SAMPLE_STEP", 1)
    trained = fast.train()(images)
    assert torch.allclose(trained, fast.eval()(images), atol=1e-4)
    assert not torch.allclose(trained, sampled, atol=1e-2)


def test_a_sample_tells_nearly_what_the_whole_tells(
    fast: TransformerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faststyle.training.network._draw", lambda _: 0)
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
    picture = torch.rand(1, 3, 96, 96)
    rows = torch.cat([picture, picture.flip(2)], dim=2)
    tiling = torch.cat([rows, rows.flip(3)], dim=3)
    alone, tiled = network.describe(picture), network.describe(tiling)
    for one, other in zip(alone, tiled, strict=True):
        assert torch.allclose(one.scale, other.scale, rtol=0.25)


def test_training_moves_the_picture_whatever_the_context(fast: TransformerNetwork) -> None:
    """Else a network could learn where the zeros beyond the margin are."""
    images, context = torch.rand(1, 3, 64, 72), torch.rand(1, 3, 20, 30)
    fast.train()
    drawn = [fast(images, context) for _ in range(4)]
    assert not all(torch.allclose(one, drawn[0], atol=1e-2) for one in drawn)


def test_all_weights_are_trained(network: TransformerNetwork) -> None:
    network.train()
    for _ in range(8):
        network.zero_grad()
        network(torch.rand(2, 3, 64, 64)).square().mean().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_build_network_names_the_presets_it_has() -> None:
    with pytest.raises(ConfigError, match=f"'jonson': choose from {', '.join(PRESETS)}"):
        build_network(preset="jonson", width=8)
    with pytest.raises(ConfigError, match="--width 0"):
        build_network(preset="johnson", width=0)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_a_width_of_their_own(preset: str) -> None:
    own = choose_width(preset=preset, width=None)
    assert build_network(preset=preset).width == PRESETS[preset].width == own
    assert choose_width(preset=preset, width=own + 1) == own + 1


def test_channels_are_those_of_the_widest_layer() -> None:
    assert build_network(preset="johnson", width=4).channels == 16
    assert build_network(preset="fast", width=4).channels == 8


def test_finite_finds_a_bad_weight(network: TransformerNetwork) -> None:
    assert finite(network)
    with torch.no_grad():
        next(network.parameters())[0, 0, 0, 0] = float("nan")
    assert not finite(network)
