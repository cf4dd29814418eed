from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from faststyle.training.layers import Affine, Enlarge, InstanceNorm, SampledNorm

BEND = torch.tensor([[1.0, -2, 1], [0, 0, 0], [-1, 2, -1]])
"""A kernel that answers nothing to a flat or evenly rising input."""


@pytest.fixture(params=[2, 3, 4])
def enlarge(request: pytest.FixtureRequest) -> Enlarge:
    """One whose kernels have nothing in common."""
    torch.manual_seed(0)
    layer = Enlarge(5, 3, factor=request.param)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


def _bends(pixels: Tensor) -> Tensor:
    """Return the second differences along, across and over both, one after another."""
    along, across = (pixels.diff(n=2, dim=axis).flatten() for axis in (-1, -2))
    return torch.cat([along, across, pixels.diff(dim=-1).diff(dim=-2).flatten()])


def test_what_is_flat_or_rises_evenly_shows_no_grid(enlarge: Enlarge) -> None:
    down, across = torch.meshgrid(torch.arange(9.0), torch.arange(8.0), indexing="ij")
    level, per_row, per_column = torch.randn(3, 5, 1, 1)
    rising = (level + per_row * down + per_column * across)[None]
    edge = enlarge.factor  # beyond the features are zeros, which is not even
    enlarged = enlarge(rising)[..., edge:-edge, edge:-edge]
    assert _bends(enlarged).abs().max() < 1e-4
    assert enlarged.diff(dim=-1).abs().max() > 0.1
    flat = enlarge(level.expand(1, -1, 9, 8))[..., edge:-edge, edge:-edge]
    assert torch.allclose(flat, flat[..., :1, :1], atol=1e-4)


def test_kernels_that_draw_no_grid_stay_as_they_are(enlarge: Enlarge) -> None:
    good = enlarge.kernels().detach()
    assert not torch.allclose(good.flatten(0, 1), enlarge.weight, atol=0.1)
    with torch.no_grad():
        enlarge.weight.copy_(good.flatten(0, 1))
    assert torch.allclose(enlarge.kernels(), good, atol=1e-5)


def test_each_pixel_of_a_block_has_a_texture_of_its_own(enlarge: Enlarge) -> None:
    features = torch.randn(1, 5, 8, 9)
    before = enlarge(features)
    with torch.no_grad():
        enlarge.weight.view(3, enlarge.factor, enlarge.factor, 5, 3, 3)[1, 0, 1, 2] += BEND
    changed = enlarge(features) - before
    expected = torch.zeros_like(changed)
    response = functional.conv2d(features[:, 2:3], BEND[None, None])
    expected[:, 1, :: enlarge.factor, 1 :: enlarge.factor] = response[:, 0]
    assert torch.allclose(changed, expected, atol=1e-4)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_first_weights_interpolate_smoothly(factor: int) -> None:
    """A point becomes a quadratic B-spline in every colour, stronger or weaker."""
    torch.manual_seed(0)
    layer = Enlarge(5, 3, factor=factor)
    features = torch.zeros(1, 5, 7, 7)
    features[0, 3, 3, 3] = 1
    distances = ((torch.arange(5 * factor) + 0.5) / factor - 2.5).abs()
    near, far = 0.75 - distances**2, (1.5 - distances).clamp(min=0) ** 2 / 2
    spline = torch.where(distances < 0.5, near, far)
    enlarged = layer(features)
    strengths = enlarged.sum((2, 3), keepdim=True) / factor**2
    assert torch.allclose(enlarged, strengths * spline * spline[:, None], atol=1e-5)
    assert strengths.abs().min() > 1e-3
    assert strengths.diff(dim=1).abs().min() > 1e-3


def test_all_of_the_picture_makes_it_instance_normalization() -> None:
    torch.manual_seed(0)
    layer, reference = SampledNorm(4), nn.InstanceNorm2d(4, eps=1e-3, affine=True)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    with torch.no_grad():
        reference.weight.copy_(layer.weight.flatten())
        reference.bias.copy_(layer.bias.flatten())
    features = 3 * torch.randn(2, 4, 6, 5) + 7
    assert torch.allclose(layer.measure(features)(features), reference(features), atol=1e-5)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_statistics_are_not_taken_in_half_precision(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    features = (300 * torch.randn(1, 2, 16, 16)).to(kind)  # whose squares are beyond float16
    affine = SampledNorm(2).measure(features)
    normalized = affine(features)
    assert (affine.scale.dtype, normalized.dtype) == (torch.float32, kind)
    expected = functional.instance_norm(features.float())
    assert torch.allclose(normalized.float(), expected, atol=0.05)


def test_one_affine_serves_a_whole_batch() -> None:
    scale = torch.tensor([2.0, -1.0]).reshape(1, 2, 1, 1)
    shift = torch.tensor([0.5, 3.0]).reshape(1, 2, 1, 1)
    features = torch.randn(3, 2, 4, 5)
    scaled = Affine(scale, shift)(features)
    assert torch.allclose(scaled[:, 0], 2 * features[:, 0] + 0.5)
    assert torch.allclose(scaled[:, 1], 3 - features[:, 1])


def test_instance_normalization_is_the_same_in_either_layout() -> None:
    torch.manual_seed(0)
    norm = InstanceNorm(3, affine=True)
    nn.init.normal_(norm.weight)
    pictures = torch.rand(4, 3, 6, 5)
    expected = functional.instance_norm(pictures, weight=norm.weight, bias=norm.bias)
    for layout in (torch.contiguous_format, torch.channels_last):
        images = pictures.clone().to(memory_format=layout).requires_grad_(True)
        normalized = norm(images)
        assert torch.allclose(normalized, expected, atol=1e-5)
        assert normalized.is_contiguous(memory_format=layout)
