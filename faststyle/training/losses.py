"""Content, style and total-variation losses, all free of scale.

Johnson et al. 2016 weigh absolute losses, so their weights hold for one VGG, one set of
layers and one size only. Here content and style losses are relative to the size of what
they compare with, so that a weight means the same everywhere. Every loss is computed for
each picture by itself in float32 and then averaged over the batch, so the mean over
shares of a batch equals the loss of the whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from faststyle.training.vgg import VggFeatures

EPSILON = 1e-12
"""Keeps a relative loss finite where the reference is all zero."""


def gram_matrix(features: Tensor) -> Tensor:
    """Compute Gram matrices (Johnson et al. 2016, eq. 3), normalized by positions alone.

    The paper also divides by the channels; a relative loss does not see that factor.

    Args:
        features: N×C×H×W of any float type, in which the products are computed: bfloat16
            rounds each entry by at most 0.4 %, a relative error of the matrix below 1e-5.

    Returns:
        float32 N×C×C.
    """
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)  # N×HW×C; a view in either layout
    return (flat.transpose(1, 2) @ flat).float() / flat.shape[1]


def relative_error(value: Tensor, reference: Tensor) -> Tensor:
    """Compute ‖value - reference‖² / ‖reference‖² for each picture.

    Args:
        value: N×….
        reference: the same shape, or with a leading 1.

    Returns:
        float32 N.
    """
    reference = reference.float()
    difference = (value.float() - reference).flatten(1).square().mean(1)
    return difference / (reference.flatten(1).square().mean(1) + EPSILON)


class ContentLoss(nn.Module):
    """Feature reconstruction loss (Johnson et al. 2016, eq. 2), relative, averaged over layers."""

    def __init__(self, layers: Sequence[str]) -> None:
        super().__init__()
        self.layers = tuple(layers)

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of N×C×h×w features against the photo's, as a float32 scalar."""
        losses = [relative_error(features[name], target[name]).mean() for name in self.layers]
        return torch.stack(losses).mean()


class StyleLoss(nn.Module):
    """Style reconstruction loss (Johnson et al. 2016, eq. 4), relative, averaged over layers."""

    weights: Tensor

    def __init__(
        self, target: Mapping[str, Tensor], *, layers: Sequence[str], weights: Sequence[float]
    ) -> None:
        """Compute the style's Gram matrices once.

        Args:
            target: 1×C×h×w features of the style picture.
            layers: layers to compare.
            weights: one for each layer; only their ratios count.
        """
        super().__init__()
        self.layers = tuple(layers)
        total = sum(weights)
        self.register_buffer("weights", torch.tensor([weight / total for weight in weights]))
        for name in self.layers:
            self.register_buffer(f"gram_{name}", gram_matrix(target[name]))

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of N×C×h×w features against the style's, as a float32 scalar."""
        losses = [
            relative_error(gram_matrix(features[name]), self.get_buffer(f"gram_{name}")).mean()
            for name in self.layers
        ]
        return (torch.stack(losses) * self.weights).sum()


class TotalVariationLoss(nn.Module):
    """Mean squared difference of neighbouring pixels (Johnson et al. 2016, section 3.2).

    The paper sums where this averages, so that the picture's size does not matter.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return the loss of N×3×H×W pictures in [0, 1], as a float32 scalar."""
        images = images.float()
        down = (images[..., 1:, :] - images[..., :-1, :]).square().mean()
        across = (images[..., 1:] - images[..., :-1]).square().mean()
        return down + across


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
        """
        super().__init__()
        self.features = features
        self.content = ContentLoss(content_layers)
        with torch.no_grad():
            target = features(style)
        self.style = StyleLoss(target, layers=style_layers, weights=style_layer_weights)
        self.total_variation = TotalVariationLoss()
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
        with torch.no_grad():
            target = self.features(photos, until=self.deepest_content)
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
