"""The two training loops that are compared: ours, and a plain one.

The plain one is pytorch/examples' fast_neural_style: absolute losses on VGG-16, everything
in float32 and contiguous, photos decoded in the training process, Adam at a constant rate,
and the losses read from the device at every step. It trains the same transformer network
as ours, and shuffles its photos, which costs nothing and helps on a small folder.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from faststyle.training.calibration import calibrate
from faststyle.training.config import Plan, RunOptions, TrainingConfig
from faststyle.training.data import PhotoCrops, Photos, load_batches, read_squares
from faststyle.training.device import choose_precision
from faststyle.training.losses import PerceptualLoss
from faststyle.training.meter import Meter
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.pace import TRIAL_STEPS, Pace, measure_pace
from faststyle.training.plan import make_plan
from faststyle.training.trainer import Trainer
from faststyle.training.vgg import VggFeatures, convolution_keys

PLAIN_STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
PLAIN_CONTENT_LAYER = "relu2_2"
PLAIN_LEARNING_RATE = 1e-3


class Loop(NamedTuple):
    """A way to train: each `next` of the steps takes one."""

    network: TransformerNetwork
    steps: Iterator[None]


@dataclass(frozen=True)
class Setting:
    """What both loops share."""

    config: TrainingConfig
    """Network, size and seed; the losses of it are ours alone."""
    photos: Photos
    style: Tensor
    """float 1×3×H×W in [0, 1]."""
    device: torch.device


def our_loop(setting: Setting, config: TrainingConfig, *, objective: PerceptualLoss) -> Loop:
    """Set our loop up as ``faststyle train`` does.

    Args:
        setting: photos and device.
        config: what to plan by.
        objective: its loss.
    """
    plan = _plan(setting, config, objective=objective)
    print(
        f"ours with {config.loss_network}: {plan.precision}, {plan.steps} steps of "
        f"{plan.batch_size}, style weight {plan.style_weight:.3g}"
    )
    return _planned(setting, config, plan, objective=objective)


def _plan(setting: Setting, config: TrainingConfig, *, objective: PerceptualLoss) -> Plan:
    started = time.monotonic()
    crops = read_squares(setting.photos.validation, size=config.crop_size)
    assert config.intensity is not None

    def pace(plan: Plan) -> Pace:
        trial = _trainer(setting, config, replace(plan, steps=TRIAL_STEPS), objective=objective)
        photos = _crops(setting, config)
        batches = _batches(trial, photos)
        workers = RunOptions.workers
        return measure_pace(
            trial, batches=batches, crops=photos, workers=workers, look=lambda: None
        )

    return make_plan(
        config,
        style_weight=calibrate(config.intensity, objective=objective, crops=crops),
        precision=choose_precision(config.precision, device=setting.device),
        processes=1,
        pace=pace,
        looks=0,
        elapsed=lambda: time.monotonic() - started,
    )


def _trainer(
    setting: Setting, config: TrainingConfig, plan: Plan, *, objective: PerceptualLoss
) -> Trainer:
    return Trainer(config, plan, objective=objective, device=setting.device)


def _crops(setting: Setting, config: TrainingConfig) -> PhotoCrops:
    return PhotoCrops(setting.photos.training, crop_size=config.crop_size, seed=config.seed)


def _batches(trainer: Trainer, crops: PhotoCrops) -> Iterator[tuple[Tensor, tuple[str, ...]]]:
    return load_batches(
        crops,
        batch_size=trainer.plan.batch_size,
        first_step=0,
        steps=trainer.plan.steps,
        workers=RunOptions.workers,
        pinned=trainer.device.type == "cuda",
    )


def _planned(
    setting: Setting, config: TrainingConfig, plan: Plan, *, objective: PerceptualLoss
) -> Loop:
    trainer = _trainer(setting, config, plan, objective=objective)
    return Loop(trainer.network, _our_steps(trainer, _crops(setting, config)))


def _our_steps(trainer: Trainer, crops: PhotoCrops) -> Iterator[None]:
    meter = Meter(trainer.processes)
    for batch, _ in _batches(trainer, crops):
        meter.take(trainer.train_step(batch), step=trainer.step, read=False)
        yield


def plain_loop(
    setting: Setting,
    features: VggFeatures,
    *,
    batch_size: int,
    content_weight: float,
    style_weight: float,
) -> Loop:
    """Set the plain loop up.

    Args:
        setting: network, photos, style and device.
        features: loss network of `plain_features`.
        batch_size: photos in a step.
        content_weight: weight of the absolute content loss, which suits one VGG only.
        style_weight: weight of the absolute style loss, likewise.
    """
    print(
        f"plain: float32, steps of {batch_size}, content weight {content_weight:g}, "
        f"style weight {style_weight:g}, layers {' '.join(sorted(features.layers))}"
    )
    torch.manual_seed(setting.config.seed)
    network = build_network(preset=setting.config.preset, width=setting.config.width)
    network = network.to(setting.device).train()
    loss = _AbsoluteLoss(
        features.to(setting.device),
        setting.style.to(setting.device),
        content_weight=content_weight,
        style_weight=style_weight,
    )
    crops = _CentreCrops(setting.photos.training, crop_size=setting.config.crop_size)
    # Only whole batches, so that every step is of the same size.
    loader = DataLoader(crops, batch_size=batch_size, shuffle=True, drop_last=True)
    return Loop(network, _plain_steps(network, loss, loader=loader, device=setting.device))


def plain_features(state: Mapping[str, Tensor], *, loss_network: str) -> VggFeatures:
    """Build the plain loop's loss network, with those of its layers that the weights reach."""
    keys = convolution_keys(loss_network)
    layers = [name for name in PLAIN_STYLE_LAYERS if f"{keys[name]}.weight" in state]
    features = VggFeatures(state, loss_network=loss_network, layers=layers)
    for layer in features.stages:
        features.convolution(layer).padding_mode = "zeros"
    return features


def _plain_steps(
    network: TransformerNetwork,
    loss: _AbsoluteLoss,
    *,
    loader: DataLoader[Tensor],
    device: torch.device,
) -> Iterator[None]:
    optimizer = torch.optim.Adam(network.parameters(), lr=PLAIN_LEARNING_RATE)
    while True:
        for batch in loader:
            photos = batch.to(device)
            optimizer.zero_grad()
            content, style = loss(network(photos), photos)
            (content + style).backward()
            optimizer.step()
            content.item()
            style.item()
            yield


class _AbsoluteLoss(nn.Module):
    def __init__(
        self, features: VggFeatures, style: Tensor, *, content_weight: float, style_weight: float
    ) -> None:
        super().__init__()
        self.features = features
        self.content_weight = content_weight
        self.style_weight = style_weight
        with torch.no_grad():
            self.grams = {name: _gram_matrix(target) for name, target in features(style).items()}

    def forward(self, stylized: Tensor, photos: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(stylized)
        # Its content layer alone would do for the photos; the reference computes all, too.
        target = self.features(photos)
        content = functional.mse_loss(features[PLAIN_CONTENT_LAYER], target[PLAIN_CONTENT_LAYER])
        grams = {name: _gram_matrix(each) for name, each in features.items()}
        style = [
            functional.mse_loss(gram, self.grams[name].expand_as(gram))
            for name, gram in grams.items()
        ]
        return self.content_weight * content, self.style_weight * torch.stack(style).sum()


def _gram_matrix(features: Tensor) -> Tensor:
    count, channels, height, width = features.shape
    flat = features.view(count, channels, height * width)
    return flat.bmm(flat.transpose(1, 2)) / (channels * height * width)


class _CentreCrops(Dataset[Tensor]):
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
        crop: Tensor = self.transform(Image.open(self.paths[index]).convert("RGB"))
        return crop


def time_steps(loop: Loop, *, steps: int, device: torch.device) -> float:
    """Take some steps and return the seconds until the device has done them."""
    start = time.monotonic()
    for _ in itertools.islice(loop.steps, steps):
        pass
    wait_for(device)
    return time.monotonic() - start


def wait_for(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()
