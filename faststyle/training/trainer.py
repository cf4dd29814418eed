"""One training step after another: network, objective, optimizer and their state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from faststyle.errors import CheckpointError, OptionError
from faststyle.training.checkpoint import Checkpoint
from faststyle.training.config import Plan, TrainingConfig, style_side
from faststyle.training.data import read_style
from faststyle.training.device import choose_layout, enough_memory
from faststyle.training.losses import Losses, PerceptualLoss
from faststyle.training.optimizer import Optimizer
from faststyle.training.processes import Processes
from faststyle.training.schedule import learning_rate
from faststyle.training.start import starting_network
from faststyle.training.vgg import VggFeatures, load_vgg

ALONE = Processes()


class Trainer:
    """A network being trained; the same plan and batches give the same weights.

    Attributes:
        config: what was asked.
        plan: what was decided; may be changed between two steps.
        network: the transformer network, on the device.
        step: steps done.
    """

    def __init__(
        self,
        config: TrainingConfig,
        plan: Plan,
        *,
        objective: PerceptualLoss,
        device: torch.device,
        processes: Processes = ALONE,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Build the network, anew or from a checkpoint.

        Args:
            config: what to learn.
            plan: how.
            objective: loss to train by, as `build_objective` makes it; moved to the device
                and given the plan's style weight.
            device: where to compute.
            processes: those that train the same network together.
            checkpoint: state to continue from.

        Raises:
            OptionError: a preset does not exist, or the batch cannot be shared equally.
            CheckpointError: a checkpoint, or what to start from, does not fit.
        """
        if plan.batch_size % processes.count:
            raise OptionError(
                f"--batch-size {plan.batch_size} cannot be shared equally by {processes.count} "
                f"processes; choose a multiple of {processes.count}"
            )
        self.config = config
        self.plan = plan
        self.device = device
        self.processes = processes
        self.precision = getattr(torch, plan.precision)
        self.objective = objective.to(device)
        self.objective.style_weight = plan.style_weight
        torch.manual_seed(config.seed)
        network = checkpoint.build() if checkpoint is not None else starting_network(config)
        network.load_state_dict(processes.agree(network.state_dict()))
        self.network = network.to(device)
        self.objective.grid.period = network.block
        self.layout = choose_layout(device, channels=network.channels)
        for module in (self.objective, self.network):
            module.to(memory_format=self.layout)
        self.optimizer = Optimizer(self.network)
        self.step = 0
        if checkpoint is not None:
            self._go_on_from(checkpoint)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Return to the state of a checkpoint; the plan stays.

        Raises:
            CheckpointError: the state does not fit.
        """
        self.network.load_state_dict(checkpoint.build().state_dict())
        self._go_on_from(checkpoint)

    def _go_on_from(self, checkpoint: Checkpoint) -> None:
        self.step = checkpoint.step
        try:
            self.optimizer.load_state_dict(checkpoint.optimizer)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                "its optimizer state does not fit; it was changed or is damaged"
            ) from error

    def train_step(self, crops: Tensor) -> Losses:
        """Take one step of the optimizer on a batch.

        Args:
            crops: this process's share of the photos, uint8 N×3×S×S on any device.

        Returns:
            The losses of the share before the step, detached, on the device.
        """
        self.network.train()
        losses = self._losses(crops)
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients(self.network)
        self.optimizer.step(learning_rate=learning_rate(self.plan, step=self.step))
        self.step += 1
        return Losses(*(term.detach() for term in losses))

    def validate(self, crops: Tensor) -> Losses:
        """Measure the losses on photos, uint8 N×3×S×S, without learning from them."""
        self.network.eval()
        with torch.no_grad():
            shares = [self._losses(photo[None]) for photo in crops]
        return Losses(*(torch.stack(terms).mean() for terms in zip(*shares, strict=True)))

    def _losses(self, crops: Tensor) -> Losses:
        photos = crops.to(self.device, non_blocking=True, memory_format=self.layout).float() / 255
        with torch.autocast(
            self.device.type, dtype=self.precision, enabled=self.precision != torch.float32
        ):
            losses: Losses = self.objective(self.network(photos), photos)
        return losses

    def stylize(self, photos: Tensor) -> Tensor:
        """Stylize photos, float N×3×H×W in [0, 1] to the same, clamped, on the CPU."""
        self.network.eval()
        with torch.no_grad():
            stylized: Tensor = self.network(photos.to(self.device))
        return stylized.clamp(0, 1).cpu()

    def checkpoint(
        self,
        *,
        fingerprints: dict[str, str],
        validations: list[float],
        lowest: float,
        seconds: float,
        aside: list[str],
    ) -> Checkpoint:
        """Take the state of the run."""
        return Checkpoint(
            config=self.config,
            plan=self.plan,
            step=self.step,
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            fingerprints=fingerprints,
            validations=validations,
            lowest=lowest,
            seconds=seconds,
            aside=aside,
        )


def build_objective(
    config: TrainingConfig, *, on_notice: Callable[[str], None] = lambda _: None
) -> PerceptualLoss:
    """Build the configured loss, with the style picture's targets computed, on the CPU.

    Without a configured style weight it is 1, until a `Trainer` sets the planned one.

    Args:
        config: what to learn.
        on_notice: as in `faststyle.training.vgg.load_vgg`.

    Raises:
        OptionError: a layer or loss network does not exist.
        ImageError: the style picture cannot be read.
        DataError: it is too small, or of one colour.
        WeightsError: the weights cannot be had or do not fit.
        TrainingError: the style picture takes more memory than there is.
    """
    features = load_vgg(
        loss_network=config.loss_network,
        layers={*config.content_layers, *config.style_layers},
        weights=Path(config.vgg_weights) if config.vgg_weights is not None else None,
        on_notice=on_notice,
    )
    with enough_memory(f"--stroke-size, or crop the style picture {config.style}"):
        style = read_style(Path(config.style), size=style_side(config.stroke_size))
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
        style_weight=1.0 if config.style_weight is None else config.style_weight,
        total_variation_weight=config.total_variation_weight,
        grid_weight=config.grid_weight,
    )
