"""The loop that faststyle's is compared with: pytorch/examples' fast_neural_style.

Absolute losses on VGG-16, everything in float32 and contiguous, photos decoded in the
training process, Adam at a constant rate, and the losses read from the device at every
step. The transformer network is ours, to compare the loops alone, and the photos are
shuffled, which costs nothing and helps on a small folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from faststyle.training.network import TransformerNetwork
from faststyle.training.vgg import VggFeatures, convolution_keys

STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
CONTENT_LAYER = "relu2_2"
CONTENT_WEIGHT = 1e5
STYLE_WEIGHT = 1e10
LEARNING_RATE = 1e-3


class CentreCrops(Dataset[Tensor]):
    """The middle of each photo, as float 3×S×S in [0, 1]."""

    def __init__(self, paths: Sequence[Path], *, crop_size: int) -> None:
        self.paths = paths
        self.transform = transforms.Compose(
            [
                transforms.Resize(crop_size),
                transforms.CenterCrop(crop_size),
                transforms.ToTensor(),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """Decode one photo."""
        crop: Tensor = self.transform(Image.open(self.paths[index]).convert("RGB"))
        return crop


class AbsoluteLoss(nn.Module):
    """Content and style losses whose weights hold for one VGG only."""

    def __init__(
        self, features: VggFeatures, style: Tensor, *, content_weight: float, style_weight: float
    ) -> None:
        """Compute the style's Gram matrices, of float 1×3×H×W in [0, 1], once."""
        super().__init__()
        self.features = features
        self.content_weight = content_weight
        self.style_weight = style_weight
        with torch.no_grad():
            self.grams = {name: _gram_matrix(target) for name, target in features(style).items()}

    def forward(self, stylized: Tensor, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted content and style losses."""
        features = self.features(stylized)
        # Only relu2_2 is needed of these, but this is how the reference does it.
        target = self.features(photos)
        content = functional.mse_loss(features[CONTENT_LAYER], target[CONTENT_LAYER])
        style = torch.stack(
            [
                functional.mse_loss(gram, self.grams[name].expand_as(gram))
                for name, gram in ((name, _gram_matrix(each)) for name, each in features.items())
            ]
        ).sum()
        return self.content_weight * content, self.style_weight * style


def plain_features(state: Mapping[str, Tensor], *, loss_network: str) -> VggFeatures:
    """Build the loss network with those of the four style layers that the weights reach."""
    keys = convolution_keys(loss_network)
    layers = [name for name in STYLE_LAYERS if f"{keys[name]}.weight" in state]
    features = VggFeatures(state, loss_network=loss_network, layers=layers)
    for layer in features.stages:
        features.convolution(layer).padding_mode = "zeros"
    return features


def plain_steps(
    network: TransformerNetwork,
    loss: AbsoluteLoss,
    *,
    photos: Sequence[Path],
    crop_size: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[None]:
    """Train without end, one step at a time.

    Args:
        network: what to train, on the device.
        loss: what to train it by, made on the CPU's style; lies on the device.
        photos: picture files, as many as a batch at the least.
        crop_size: side of the crops.
        batch_size: photos in a step.
        device: where to compute.
    """
    loader = DataLoader(
        CentreCrops(photos, crop_size=crop_size),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,  # so that every step is of the same size
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    while True:
        for batch in loader:
            crops = batch.to(device)
            optimizer.zero_grad()
            content, style = loss(network(crops), crops)
            (content + style).backward()
            optimizer.step()
            content.item()
            style.item()
            yield


def _gram_matrix(features: Tensor) -> Tensor:
    count, channels, height, width = features.shape
    flat = features.view(count, channels, height * width)
    return flat.bmm(flat.transpose(1, 2)) / (channels * height * width)
