"""One training step after another: network, objective, optimizer and their state."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from faststyle.errors import CheckpointError
from faststyle.training.checkpoint import Checkpoint, load_checkpoint
from faststyle.training.config import TrainingConfig
from faststyle.training.data import read_style
from faststyle.training.device import choose_layout
from faststyle.training.losses import Losses, PerceptualLoss
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.vgg import VggFeatures, load_vgg

WARM_UP = 0.05
"""Share of the steps in which the learning rate rises to its peak."""


class Trainer:
    """A network being trained; the same configuration and batches give the same weights.

    Attributes:
        config: the configuration, with its precision decided.
        network: the transformer network, on the device.
        step: steps done.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        device: torch.device,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Build the network and the objective, anew or from a checkpoint.

        Raises:
            ConfigError: a preset, layer or loss network does not exist.
            ImageError: the style picture cannot be read.
            WeightsError: the VGG weights cannot be had or do not fit.
            CheckpointError: a checkpoint's state does not fit the configuration.
        """
        self.config = config
        self.device = device
        self.precision = getattr(torch, config.precision)
        self.layout = choose_layout(device, width=config.width)
        self.objective = build_objective(config).to(device)
        torch.manual_seed(config.seed)
        self.network = _network(config, checkpoint).to(device)
        for module in (self.objective, self.network):
            module.to(memory_format=self.layout)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)
        self.step = 0
        if checkpoint is not None:
            self.step = checkpoint.step
            try:
                self.optimizer.load_state_dict(checkpoint.optimizer)
                _set_random(checkpoint.random)
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                raise CheckpointError(
                    "the checkpoint's optimizer state does not fit; it was changed or is damaged"
                ) from error

    def train_step(self, crops: Tensor) -> Losses:
        """Take one step of Adam on a batch.

        Args:
            crops: photos, uint8 N×3×S×S on any device.

        Returns:
            The losses before the step, detached, on the device.
        """
        rate = self.config.learning_rate * learning_rate_factor(self.step, steps=self.config.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        photos = crops.to(self.device, non_blocking=True, memory_format=self.layout).float() / 255
        with torch.autocast(
            self.device.type, dtype=self.precision, enabled=self.precision != torch.float32
        ):
            losses: Losses = self.objective(self.network(photos), photos)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1
        return Losses(*(term.detach() for term in losses))

    def stylize(self, photos: Tensor) -> Tensor:
        """Stylize photos, float N×3×H×W in [0, 1] to the same, clamped, on the CPU."""
        with torch.no_grad():
            stylized: Tensor = self.network(photos.to(self.device))
        return stylized.clamp(0, 1).cpu()

    def checkpoint(self, *, fingerprints: dict[str, str], seconds: float) -> Checkpoint:
        """Take the state of the run."""
        return Checkpoint(
            config=self.config,
            step=self.step,
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            fingerprints=fingerprints,
            random=_get_random(),
            seconds=seconds,
        )


def learning_rate_factor(step: int, *, steps: int) -> float:
    """Share of the peak learning rate at a step: a linear warm-up, then half a cosine to 0.

    A pure function, so that a resumed run needs no scheduler state.
    """
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def build_objective(config: TrainingConfig) -> PerceptualLoss:
    """Build the configured loss, with the style picture's targets computed, on the CPU.

    Raises:
        ConfigError: a layer or loss network does not exist.
        ImageError: the style picture cannot be read.
        WeightsError: the VGG weights cannot be had or do not fit.
    """
    style = read_style(Path(config.style), size=config.style_size)
    features = load_vgg(
        loss_network=config.loss_network,
        layers={*config.content_layers, *config.style_layers},
        weights=Path(config.vgg_weights) if config.vgg_weights is not None else None,
    )
    return configured_loss(config, features=features, style=style)


def configured_loss(
    config: TrainingConfig, *, features: VggFeatures, style: Tensor
) -> PerceptualLoss:
    """Build the configured loss on a given loss network and style, float 1×3×H×W in [0, 1]."""
    return PerceptualLoss(
        features,
        style,
        content_layers=config.content_layers,
        style_layers=config.style_layers,
        style_layer_weights=config.layer_weights,
        content_weight=config.content_weight,
        style_weight=config.style_weight,
        total_variation_weight=config.total_variation_weight,
    )


def _network(config: TrainingConfig, checkpoint: Checkpoint | None) -> TransformerNetwork:
    if checkpoint is not None:
        return checkpoint.build()
    if config.start_from is None:
        return build_network(preset=config.preset, width=config.width)
    other = load_checkpoint(Path(config.start_from))
    if (other.config.preset, other.config.width) != (config.preset, config.width):
        raise CheckpointError(
            f"{config.start_from}: is a {other.config.preset} of width {other.config.width}; "
            f"--start-from needs a {config.preset} of width {config.width}"
        )
    return other.build()


def _get_random() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
