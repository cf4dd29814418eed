from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from faststyle.training.conventions import CONVENTIONS, GATYS, JOHNSON
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


def _numpy_gram(features: np.ndarray) -> np.ndarray:
    flat = features.reshape(len(features), features.shape[1], -1)
    gram: np.ndarray = np.einsum("nip,njp->nij", flat, flat)
    return gram


def test_gram_matrix_by_elements_against_numpy(features: Tensor) -> None:
    exact = features.double()
    gram = gram_matrix(exact, normalization="elements")
    assert gram.dtype == torch.float64
    assert np.allclose(gram, _numpy_gram(exact.numpy()) / (5 * 42), rtol=1e-12)


def test_gatys_losses_by_hand() -> None:
    """Two maps over two positions, [[1, 2], [0, 1]] against [[0, 1], [1, 1]]."""
    found = {"a": torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]])}
    target = {"a": torch.tensor([[[[0.0, 1.0]], [[1.0, 1.0]]]])}
    # Differences 1, 1, -1, 0; Gram matrices [[5, 2], [2, 1]] and [[1, 1], [1, 2]].
    assert ContentLoss(["a"], convention=GATYS)(found, target).item() == 1.5
    style = StyleLoss(target, layers=["a"], weights=[0.5], convention=GATYS)
    assert style(found).item() == pytest.approx(0.5 * (16 + 1 + 1 + 1) / (4 * 2**2 * 2**2))


def test_johnsons_losses_by_hand() -> None:
    found = {"a": torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]])}
    target = {"a": torch.tensor([[[[0.0, 1.0]], [[1.0, 1.0]]]])}
    assert ContentLoss(["a"], convention=JOHNSON)(found, target).item() == 3 / 4
    style = StyleLoss(target, layers=["a"], weights=[5], convention=JOHNSON)
    assert style(found).item() == pytest.approx(5 * (16 + 1 + 1 + 1) / 4**2 / 4)
    stripes = torch.tensor([0.0, 1.0]).repeat(2).expand(1, 3, 2, 4)
    total_variation = TotalVariationLoss(convention=JOHNSON)
    assert total_variation(stripes).item() == 255**2 / 2 * 3 * 2 * 3


@pytest.mark.parametrize("name", CONVENTIONS)
def test_published_losses_against_numpy(name: str) -> None:
    """The formulas as published, in float64, for a style picture of another size."""
    draw = np.random.default_rng(0)
    shapes = {"a": (3, 8, 6), "b": (5, 4, 3)}
    f, p = ({key: draw.random((1, *shape)) for key, shape in shapes.items()} for _ in range(2))
    s = {key: draw.random((1, c, h - 1, w + 2)) for key, (c, h, w) in shapes.items()}
    weights = {"a": 0.2, "b": 0.6}
    content, style = 0.0, 0.0
    for key, (c, h, w) in shapes.items():
        gram = _numpy_gram(f[key]) / (h * w)
        reference = _numpy_gram(s[key]) / ((h - 1) * (w + 2))
        features_apart = ((f[key] - p[key]) ** 2).sum()
        grams_apart = ((gram - reference) ** 2).sum()
        if name == "relative":
            content += features_apart / (p[key] ** 2).sum() / 2
            style += weights[key] / 0.8 * grams_apart / (reference**2).sum()
        elif name == "gatys":
            content += features_apart / 2 / 2
            style += weights[key] * grams_apart / (4 * c**2)
        else:
            content += features_apart / (c * h * w) / 2
            style += weights[key] * grams_apart / c**2 / c**2
    convention = CONVENTIONS[name]
    found, photo, target = (
        {key: torch.from_numpy(value) for key, value in each.items()} for each in (f, p, s)
    )
    content_loss = ContentLoss(list(shapes), convention=convention)
    style_loss = StyleLoss(
        target, layers=list(shapes), weights=list(weights.values()), convention=convention
    ).double()
    assert content_loss(found, photo).item() == pytest.approx(content, rel=1e-9)
    assert style_loss(found).item() == pytest.approx(style, rel=1e-6)  # weights are float32


@pytest.mark.parametrize("name", CONVENTIONS)
def test_gradients_are_finite_differences(name: str, vgg_weights: Path) -> None:
    convention = CONVENTIONS[name]
    layers = ("relu1_1", "relu2_1")
    network = load_vgg(
        loss_network="vgg19", layers=layers, weights=vgg_weights, pooling="average"
    ).double()
    draw = torch.Generator().manual_seed(0)
    style, photo, image = (
        torch.rand(1, 3, 8, 8, generator=draw, dtype=torch.float64) for _ in range(3)
    )
    objective = PerceptualLoss(
        network,
        style,
        content_layers=layers[1:],
        style_layers=layers,
        style_layer_weights=(1, 1),
        content_weight=convention.content_weight,
        style_weight=convention.style_weight,
        total_variation_weight=1e-3,
        convention=convention,
        wrap=True,
    )
    image.requires_grad_()
    total = objective(image, photo).total
    (gradient,) = torch.autograd.grad(total, image)
    direction = torch.randn(image.shape, generator=draw, dtype=torch.float64)
    with torch.no_grad():
        ahead, behind = (objective(image + step * direction, photo).total for step in (1e-6, -1e-6))
    slope = (ahead - behind) / 2e-6
    assert slope.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-4)


def test_wrapped_total_variation_takes_opposite_borders_for_neighbours() -> None:
    ramp = torch.linspace(0, 1, 5).expand(1, 3, 5, 5)
    assert TotalVariationLoss()(ramp).item() == pytest.approx(1 / 16)
    assert TotalVariationLoss(wrap=True)(ramp).item() == pytest.approx((4 / 16 + 1) / 5)
    images = torch.rand(1, 3, 6, 7)
    wrapped = TotalVariationLoss(wrap=True)
    assert wrapped(images).item() == pytest.approx(wrapped(images.roll((2, 3), (2, 3))).item())
