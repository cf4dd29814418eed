"""Texture synthesis from noise by Gram matrices alone (Gatys, Ecker & Bethge 2015)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from faststyle.training.data import open_style
from faststyle.training.device import choose_device, enough_memory
from faststyle.training.image_optimizer import Objective
from faststyle.training.losses import Losses, StyleLoss, TotalVariationLoss
from faststyle.training.meter import Progress
from faststyle.training.synthesis import (
    Size,
    SynthesisResult,
    Task,
    coarse_to_fine,
    noise,
    saved_state,
    say_whose_weights,
    scaled,
    style_size,
    synthesize,
)
from faststyle.training.synthesis_config import SynthesisOptions, TextureConfig
from faststyle.training.synthesis_state import fingerprints
from faststyle.training.vgg import Padding, Pooling, VggFeatures, load_vgg


def make_texture(
    config: TextureConfig,
    *,
    out: Path,
    options: SynthesisOptions,
    resume: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SynthesisResult:
    """Make a texture that has the Gram matrices of a style picture.

    Args:
        config: what to make.
        out: picture to write; log, previews and state lie beside it.
        options: how to carry it out.
        resume: go on from the state beside ``out``.
        on_progress: called after every step.
        on_notice: called with a line of text that a person should read.
        should_stop: asked after every step; if it says yes, the state is saved and the loop ends.

    Raises:
        TrainingError: of the kind that says what is wrong.
        ImageError: a picture cannot be read or written.
        DeviceError: the device is not available.
    """
    device = choose_device(options.device)
    with enough_memory("--size or --style-side"):
        style = open_style(Path(config.style))
        prints = fingerprints(config)
        state = saved_state(out, config, prints=prints) if resume else None
        width, height = config.size
        ratio = max(style.size) / min(style.size)
        say_whose_weights(config, on_notice=on_notice)
        given = _features(config, padding="reflect", on_notice=on_notice).to(device)
        made = given
        if config.tileable:
            made = _features(config, padding="circular", on_notice=on_notice).to(device)

        def objective(size: Size) -> Objective:
            # As much smaller as the texture still is.
            side = config.style_side * ratio * size.width / width
            pixels = scaled(style, style_size(style, longer_side=side)).to(device)
            return texture_objective(config, pixels, given=given, made=made)

        task = Task(
            sizes=coarse_to_fine(Size(height, width), scales=config.scales),
            objective=objective,
            start=lambda size: noise(size, seed=config.seed),
            wrap=config.tileable,
        )
        return synthesize(
            task,
            config,
            out=out,
            device=device,
            options=options,
            fingerprints=prints,
            resume=state,
            on_progress=on_progress,
            should_stop=should_stop,
        )


def texture_objective(
    config: TextureConfig, style: Tensor, *, given: VggFeatures, made: VggFeatures
) -> Objective:
    """Build the loss of a texture: the style loss, and total variation where it has a weight.

    Args:
        config: layers and weights.
        style: the style picture, float 1×3×H×W in [0, 1].
        given: loss network for the style picture.
        made: loss network for the texture; for one that tiles, of circular padding.
    """
    with torch.no_grad():
        target = given(style)
    style_loss = StyleLoss(
        target,
        layers=config.chosen_style_layers,
        weights=config.layer_weights,
        convention=config.published,
    ).to(style.device)
    total_variation_loss = TotalVariationLoss(convention=config.published, wrap=config.tileable)
    weight = config.total_variation_weight or 0.0

    def objective(picture: Tensor) -> Losses:
        style, total_variation = style_loss(made(picture)), total_variation_loss(picture)
        nothing = torch.zeros_like(style)
        return Losses(nothing, style, total_variation, nothing, style + weight * total_variation)

    return objective


def _features(
    config: TextureConfig, *, padding: Padding, on_notice: Callable[[str], None]
) -> VggFeatures:
    return load_vgg(
        loss_network=config.loss_network,
        layers=config.chosen_style_layers,
        weights=config.weights_file,
        pooling=cast(Pooling, config.pooling),
        padding=padding,
        on_notice=on_notice,
    )
