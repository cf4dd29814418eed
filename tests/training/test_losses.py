from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from faststyle.training.losses import (
    ContentLoss,
    GridLoss,
    PerceptualLoss,
    StyleLoss,
    TotalVariationLoss,
    gram_matrix,
    relative_error,
)
from faststyle.training.vgg import load_vgg


@pytest.fixture
def features() -> Tensor:
    return torch.rand(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))


def test_gram_matrix_against_numpy(features: Tensor) -> None:
    flat = features.double().numpy().reshape(2, 5, 42)
    expected = np.einsum("nip,njp->nij", flat, flat) / 42
    assert np.allclose(gram_matrix(features), expected, atol=1e-6)


def test_gram_matrix_does_not_see_size_or_place(features: Tensor) -> None:
    repeated = features.repeat(1, 1, 2, 3)
    assert torch.allclose(gram_matrix(features), gram_matrix(repeated), atol=1e-6)
    assert torch.allclose(gram_matrix(features), gram_matrix(features.flip(-1)), atol=1e-6)


def test_gram_matrix_of_half_precision_is_float32(features: Tensor) -> None:
    assert gram_matrix(features.bfloat16()).dtype == torch.float32


def test_relative_error_by_hand() -> None:
    value, reference = (
        torch.tensor([[3.0, 4.0], [1.0, 1.0]]),
        torch.tensor([[0.0, 5.0], [1.0, 1.0]]),
    )
    assert relative_error(value, reference).tolist() == pytest.approx([10 / 25, 0])


def test_relative_error_of_black_is_finite() -> None:
    black = torch.zeros(1, 4)
    assert torch.isfinite(relative_error(torch.ones(1, 4), black)).all()
    assert relative_error(black, black).item() == 0


@pytest.mark.parametrize("scale", [0.1, 100.0])
def test_losses_do_not_depend_on_the_scale_of_the_loss_network(
    features: Tensor, scale: float
) -> None:
    other = features.flip(1) + 0.1
    content = ContentLoss(["a"])
    assert content({"a": features * scale}, {"a": other * scale}).item() == pytest.approx(
        content({"a": features}, {"a": other}).item(), rel=1e-4
    )
    plain, scaled = (
        StyleLoss({"a": other[:1] * factor}, layers=["a"], weights=[1]) for factor in (1, scale)
    )
    assert scaled({"a": features * scale}).item() == pytest.approx(
        plain({"a": features}).item(), rel=1e-4
    )


def test_style_loss_weighs_layers_by_ratio(features: Tensor) -> None:
    target = {"a": features[:1] + 1, "b": features[:1] * 3}
    both = {"a": features, "b": features}

    def loss(**weights: float) -> float:
        module = StyleLoss(target, layers=list(weights), weights=list(weights.values()))
        return float(module(both))

    assert loss(a=2, b=6) == pytest.approx(0.25 * loss(a=1) + 0.75 * loss(b=1))


def test_grid_loss_of_blocks_by_hand() -> None:
    """Changes at one of four places only: their relative variance is 3, along rows and columns."""
    blocks = torch.rand(2, 3, 6, 6).repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert GridLoss(4)(blocks) == pytest.approx(6, rel=1e-5)
    assert GridLoss(4)(blocks.roll((1, 2), (2, 3))[..., 4:-4, 4:-4]) == pytest.approx(6, rel=1e-5)


def test_grid_loss_is_nothing_where_no_place_differs() -> None:
    ramp = torch.linspace(0, 1, 25).expand(1, 3, 25, 25) + torch.linspace(0, 1, 25)[:, None]
    assert GridLoss(4)(ramp) == pytest.approx(0, abs=1e-6)
    assert GridLoss(4)(torch.zeros(1, 3, 9, 9)) == 0
    assert GridLoss(1)(torch.rand(1, 3, 9, 9)) == 0


def test_total_variation_by_hand() -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(4).expand(1, 3, 8, 8)
    loss = TotalVariationLoss()
    assert loss(stripes).item() == 1
    assert loss(stripes.transpose(2, 3)).item() == 1
    assert loss(torch.full((1, 3, 8, 8), 0.5)).item() == 0


@pytest.fixture
def objective(vgg_weights: Path) -> PerceptualLoss:
    layers = ("relu1_1", "relu2_1", "relu3_2")
    style = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    return PerceptualLoss(
        load_vgg(loss_network="vgg19", layers=layers, weights=vgg_weights),
        style,
        content_layers=("relu3_2",),
        style_layers=("relu1_1", "relu2_1"),
        style_layer_weights=(1, 1),
        content_weight=2,
        style_weight=3,
        total_variation_weight=5,
        grid_weight=7,
    )


def test_total_is_the_weighted_sum(objective: PerceptualLoss) -> None:
    objective.grid.period = 4
    losses = objective(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    assert losses.grid > 0
    expected = 2 * losses.content + 3 * losses.style + 5 * losses.total_variation
    expected += 7 * losses.grid
    assert losses.total.item() == pytest.approx(expected.item())


def test_the_photo_itself_has_no_content_loss(objective: PerceptualLoss) -> None:
    photos = torch.rand(2, 3, 32, 32)
    losses = objective(photos, photos)
    assert losses.content.item() == 0
    assert losses.style.item() > 0.01


def test_the_style_itself_has_no_style_loss(vgg_weights: Path) -> None:
    style = torch.rand(1, 3, 40, 56)
    features = load_vgg(loss_network="vgg19", layers=["relu1_1", "relu4_1"], weights=vgg_weights)
    loss = StyleLoss(features(style), layers=["relu1_1", "relu4_1"], weights=[1, 1])
    assert loss(features(style.repeat(2, 1, 1, 1))).item() == pytest.approx(0, abs=1e-6)


def test_gradient_of_a_batch_is_the_mean_of_its_shares(objective: PerceptualLoss) -> None:
    photos = torch.rand(4, 3, 32, 32)
    stylized = torch.rand(4, 3, 32, 32, requires_grad=True)

    def gradient(part: slice) -> Tensor:
        total = objective(stylized[part], photos[part]).total
        (result,) = torch.autograd.grad(total, stylized)
        return result

    shares = (gradient(slice(0, 2)) + gradient(slice(2, 4))) / 2
    assert torch.allclose(gradient(slice(0, 4)), shares, atol=1e-7, rtol=1e-4)


def test_gradient_leads_downhill(objective: PerceptualLoss) -> None:
    photos = torch.rand(1, 3, 32, 32)
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    optimizer = torch.optim.Adam([image], lr=0.02)
    totals = []
    for _ in range(20):
        loss = objective(image, photos).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals.append(loss.item())
    assert totals[-1] < 0.7 * totals[0]
