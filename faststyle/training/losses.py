"""Content, style and total-variation losses, free of scale or in the scales of the papers.

Johnson et al. 2016 weigh absolute losses, so their weights hold for one VGG, one set of
layers and one size only. By default, content and style losses are relative to the size of what
they compare with here, so that a weight means the same everywhere; the other conventions
of `faststyle.training.conventions` are for weights that were published elsewhere. Every loss is
computed for each picture by itself in float32 (float64 in float64) and then averaged over the
batch, so the mean over shares of a batch equals the loss of the whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from faststyle.training.conventions import RELATIVE, GramNormalization, LossConvention
from faststyle.training.vgg import VggFeatures

EPSILON = 1e-12
"""Keeps a relative loss finite where the reference is all zero."""

LEVELS = 255.0
"""Brightest level of pixels where papers count from 0."""


def gram_matrix(features: Tensor, *, normalization: GramNormalization = "positions") -> Tensor:
    """Compute Gram matrices, G = F Fᵀ (Gatys et al. 2016, eq. 3), normalized.

    Args:
        features: N×C×H×W of any float type, in which the products are computed: bfloat16
            rounds each entry by at most 0.4 %, a relative error of the matrix below 1e-5.
        normalization: divide by the positions H·W alone, which a relative loss leaves as the only
            factor that matters, or by C·H·W (Johnson et al. 2016, eq. 3).

    Returns:
        N×C×C, float32, or float64 in float64.
    """
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)  # N×HW×C; a view in either layout
    positions, channels = flat.shape[1:]
    divisor = positions if normalization == "positions" else positions * channels
    return _precise(flat.transpose(1, 2) @ flat) / divisor


def relative_error(value: Tensor, reference: Tensor) -> Tensor:
    """Compute ‖value - reference‖² / ‖reference‖² for each picture.

    Args:
        value: N×….
        reference: the same shape, or with a leading 1.

    Returns:
        float32 N, or float64 in float64.
    """
    reference = _precise(reference)
    size = reference.flatten(1).square().mean(1)
    return mean_squared_error(value, reference) / (size + EPSILON)


def mean_squared_error(value: Tensor, reference: Tensor) -> Tensor:
    """Compute the mean of (value - reference)² for each picture, shaped as in `relative_error`.

    It is eq. 2 of Johnson et al. 2016 on features, and on Gram matrices eq. 4 over C².
    """
    return (_precise(value) - _precise(reference)).flatten(1).square().mean(1)


def half_squared_error(value: Tensor, reference: Tensor) -> Tensor:
    """Compute ½ ‖value - reference‖² for each picture (Gatys et al. 2016, eq. 1, on features)."""
    return mean_squared_error(value, reference) * (value[0].numel() / 2)


def quarter_mean_squared_error(value: Tensor, reference: Tensor) -> Tensor:
    """Compute a quarter of the mean of (value - reference)² for each picture.

    On Gram matrices over M positions, N×N for each picture, it is E = 1/(4N²M²) Σ (G - A)² of
    Gatys et al. 2016, eq. 4, with each matrix divided by the M of its own picture.
    """
    return mean_squared_error(value, reference) / 4


DISTANCES = {
    "relative": relative_error,
    "mean": mean_squared_error,
    "half_sum": half_squared_error,
    "quarter_mean": quarter_mean_squared_error,
}
"""By the names that conventions call them."""


class ContentLoss(nn.Module):
    """Feature reconstruction loss (Johnson et al. 2016, eq. 2), averaged over layers."""

    def __init__(self, layers: Sequence[str], *, convention: LossConvention = RELATIVE) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.distance = DISTANCES[convention.content]

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of N×C×h×w features against the photo's, as a float32 scalar."""
        losses = [self.distance(features[name], target[name]).mean() for name in self.layers]
        return torch.stack(losses).mean()


class StyleLoss(nn.Module):
    """Style reconstruction loss (Johnson et al. 2016, eq. 4), averaged or summed over layers."""

    weights: Tensor

    def __init__(
        self,
        target: Mapping[str, Tensor],
        *,
        layers: Sequence[str],
        weights: Sequence[float],
        convention: LossConvention = RELATIVE,
    ) -> None:
        """Compute the style's Gram matrices once.

        Args:
            target: 1×C×h×w features of the style picture.
            layers: layers to compare.
            weights: one for each layer; only their ratios count, unless the convention sums.
            convention: how Gram matrices are normalized and compared.
        """
        super().__init__()
        self.layers = tuple(layers)
        self.distance = DISTANCES[convention.style]
        self.normalization = convention.gram
        total = sum(weights) if convention.layers_averaged else 1.0
        self.register_buffer("weights", torch.tensor([weight / total for weight in weights]))
        for name in self.layers:
            self.register_buffer(f"gram_{name}", self._gram(target[name]))

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of N×C×h×w features against the style's, as a float32 scalar."""
        losses = [
            self.distance(self._gram(features[name]), self.get_buffer(f"gram_{name}")).mean()
            for name in self.layers
        ]
        return (torch.stack(losses) * self.weights).sum()

    def _gram(self, features: Tensor) -> Tensor:
        return gram_matrix(features, normalization=self.normalization)


class TotalVariationLoss(nn.Module):
    """Squared differences of neighbouring pixels (Johnson et al. 2016, section 3.2).

    The paper sums where this averages, so that the picture's size does not matter, unless the
    convention is to sum as well.
    """

    def __init__(self, *, convention: LossConvention = RELATIVE, wrap: bool = False) -> None:
        """Choose what is compared and how.

        Args:
            convention: how the differences are summed up.
            wrap: compare the last row with the first and the last column with the first, too.
        """
        super().__init__()
        self.summed = convention.total_variation == "half_sum_of_levels"
        self.wrap = wrap

    def forward(self, images: Tensor) -> Tensor:
        """Return the loss of N×3×H×W pictures in [0, 1], as a float32 scalar."""
        images = _precise(images)
        down, across = (self._differences(images, dim).square() for dim in (2, 3))
        if self.summed:
            return (down.sum() + across.sum()) * (LEVELS**2 / 2 / len(images))
        return down.mean() + across.mean()

    def _differences(self, images: Tensor, dim: int) -> Tensor:
        if self.wrap:
            return images.roll(-1, dim) - images
        return images.diff(dim=dim)


class GridLoss(nn.Module):
    """How unevenly a picture changes along its rows and columns, by place in a block.

    Networks that paint blocks of pixels at once may change their picture from block to block
    more than within them, which shows as a grid. The mean squared difference of neighbouring
    pixels is taken for each place in a block, a measure of compression artifacts too (Wang,
    Bovik & Evan 2000); the loss is the relative variance of these, 0 for most photos.
    """

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period

    def forward(self, images: Tensor) -> Tensor:
        """Return the loss of N×3×H×W pictures in [0, 1], as a float32 scalar."""
        if self.period == 1:
            return images.new_zeros((), dtype=torch.float32)
        images = images.float()
        return self._along_rows(images) + self._along_rows(images.transpose(2, 3))

    def _along_rows(self, images: Tensor) -> Tensor:
        changes = (images[..., 1:] - images[..., :-1]).square().mean((1, 2))
        whole = changes.shape[1] // self.period * self.period
        blocks = changes[:, :whole].reshape(len(images), -1, self.period)
        by_place = blocks.mean(1)
        variance, mean = torch.var_mean(by_place, 1, correction=0)
        relative: Tensor = variance / (mean.square() + EPSILON)
        return relative.mean()


def _precise(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


class Losses(NamedTuple):
    """The four terms before weighting, and their weighted sum; float32 scalars."""

    content: Tensor
    style: Tensor
    total_variation: Tensor
    grid: Tensor
    total: Tensor


class PerceptualLoss(nn.Module):
    """The training objective: a weighted sum of losses (Johnson et al. 2016, eq. 5)."""

    def __init__(
        self,
        features: VggFeatures,
        style: Tensor,
        *,
        content_layers: Sequence[str],
        style_layers: Sequence[str],
        style_layer_weights: Sequence[float],
        content_weight: float,
        style_weight: float,
        total_variation_weight: float,
        grid_weight: float = 0.0,
        convention: LossConvention = RELATIVE,
        wrap: bool = False,
    ) -> None:
        """Compute the style's targets once.

        Args:
            features: loss network that returns all the layers named here.
            style: style picture, float 1×3×H×W in [0, 1].
            content_layers: layers of the content loss.
            style_layers: layers of the style loss.
            style_layer_weights: one for each style layer.
            content_weight: weight of the content loss.
            style_weight: weight of the style loss.
            total_variation_weight: weight of the total-variation loss.
            grid_weight: weight of the grid loss, whose period is 1 until it is set.
            convention: how the losses are scaled.
            wrap: take the borders of pictures for neighbours in the total variation.
        """
        super().__init__()
        self.features = features
        self.content = ContentLoss(content_layers, convention=convention)
        with torch.no_grad():
            target = features(style)
        self.style = StyleLoss(
            target, layers=style_layers, weights=style_layer_weights, convention=convention
        )
        self.total_variation = TotalVariationLoss(convention=convention, wrap=wrap)
        self.deepest_content = [name for name in features.stages if name in content_layers][-1]
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.total_variation_weight = total_variation_weight
        self.grid = GridLoss(1)
        self.grid_weight = grid_weight

    def forward(self, stylized: Tensor, photos: Tensor) -> Losses:
        """Compare stylized pictures with their photos and the style.

        Args:
            stylized: N×3×H×W, RGB in [0, 1].
            photos: the same shape.
        """
        return self.compare(stylized, target=self.content_target(photos))

    def content_target(self, photos: Tensor) -> dict[str, Tensor]:
        """Compute what `compare` needs of photos, N×3×H×W in [0, 1]."""
        with torch.no_grad():
            target: dict[str, Tensor] = self.features(photos, until=self.deepest_content)
        return target

    def compare(self, stylized: Tensor, *, target: Mapping[str, Tensor]) -> Losses:
        """Compare stylized pictures with the `content_target` of their photos and the style.

        Args:
            stylized: N×3×H×W, RGB in [0, 1].
            target: of photos of the same shape.
        """
        features = self.features(stylized)
        with torch.autocast(stylized.device.type, enabled=False):
            content = self.content(features, target)
            style = self.style(features)
            total_variation = self.total_variation(stylized)
            grid = self.grid(stylized)
        total = (
            self.content_weight * content
            + self.style_weight * style
            + self.total_variation_weight * total_variation
            + self.grid_weight * grid
        )
        return Losses(content, style, total_variation, grid, total)
