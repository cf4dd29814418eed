"""Style transfer by optimizing the picture itself (Gatys, Ecker & Bethge 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import cast

from PIL import Image, ImageOps
from torch import Tensor

from faststyle.errors import DataError
from faststyle.files import is_picture
from faststyle.images import open_colors
from faststyle.training.config import SMALLEST_CROP
from faststyle.training.data import open_style
from faststyle.training.device import choose_device, enough_memory
from faststyle.training.image_optimizer import Objective
from faststyle.training.losses import Losses, PerceptualLoss
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
    size_of,
    style_size,
    synthesize,
)
from faststyle.training.synthesis_config import OptimizationConfig, SynthesisOptions
from faststyle.training.synthesis_state import fingerprints
from faststyle.training.vgg import Pooling, load_vgg

CONTENT_PREFIX = "content_"
STYLE_PREFIX = "style_"


def find_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Pair each picture ``content_*`` of a folder with each ``style_*``, as tutorials lay them out.

    Raises:
        DataError: one of both is missing.
    """
    pictures = sorted(filter(is_picture, folder.iterdir()))
    contents, styles = (
        [path for path in pictures if path.name.startswith(prefix)]
        for prefix in (CONTENT_PREFIX, STYLE_PREFIX)
    )
    if not contents or not styles:
        raise DataError(
            f"{folder}: needs pictures named {CONTENT_PREFIX}* and {STYLE_PREFIX}*; "
            "rename them, or name a photo and a style picture"
        )
    return [(content, style) for content in contents for style in styles]


def optimize(
    config: OptimizationConfig,
    *,
    out: Path,
    options: SynthesisOptions,
    resume: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SynthesisResult:
    """Repaint one photo in a style by optimizing its pixels.

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
    with enough_memory("--max-side or --style-scale"):
        content, style = open_colors(Path(config.content)), open_style(Path(config.style))
        if config.square:
            content, style = _square(content), _square(style)
        prints = fingerprints(config)
        state = saved_state(out, config, prints=prints) if resume else None
        say_whose_weights(config, on_notice=on_notice)
        features = load_vgg(
            loss_network=config.loss_network,
            layers={*config.chosen_content_layers, *config.chosen_style_layers},
            weights=config.weights_file,
            pooling=cast(Pooling, config.pooling),
            on_notice=on_notice,
        ).to(device)

        def objective(size: Size) -> Objective:
            at = style_size(style, longer_side=max(size) * config.style_scale)
            loss = PerceptualLoss(
                features,
                scaled(style, at).to(device),
                content_layers=config.chosen_content_layers,
                style_layers=config.chosen_style_layers,
                style_layer_weights=config.layer_weights,
                content_weight=_given_or(config.content_weight, config.published.content_weight),
                style_weight=_given_or(config.style_weight, config.published.style_weight),
                total_variation_weight=_given_or(
                    config.total_variation_weight, config.published.total_variation_weight
                ),
                convention=config.published,
            ).to(device)
            return against(loss, photo=scaled(content, size).to(device))

        task = Task(
            sizes=_sizes(content, config),
            objective=objective,
            start=lambda size: _start(config, size, content=content, style=style),
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


def against(loss: PerceptualLoss, *, photo: Tensor) -> Objective:
    """Compare pictures with one photo, float 1×3×H×W in [0, 1], whose features are kept."""
    target = loss.content_target(photo)

    def objective(picture: Tensor) -> Losses:
        return loss.compare(picture, target=target)

    return objective


def _given_or(weight: float | None, published: float) -> float:
    return published if weight is None else weight


def _sizes(content: Image.Image, config: OptimizationConfig) -> tuple[Size, ...]:
    final = size_of(content, longer_side=min(config.max_side, max(content.size)))
    try:
        return coarse_to_fine(final, scales=config.scales)
    except DataError as error:
        if min(content.size) >= SMALLEST_CROP:
            least = math.ceil(SMALLEST_CROP * max(content.size) / min(content.size))
            raise DataError(
                f"{config.content}: --max-side {config.max_side} leaves {final.width}×"
                f"{final.height} pixels, too few to compare pictures by; give at least {least}"
            ) from error
        raise DataError(f"{config.content}: {error}") from error


def _start(
    config: OptimizationConfig, size: Size, *, content: Image.Image, style: Image.Image
) -> Tensor:
    if config.init == "noise":
        return noise(size, seed=config.seed)
    if config.init == "style":
        return scaled(ImageOps.fit(style, (size.width, size.height)), size)
    return scaled(content, size)


def _square(picture: Image.Image) -> Image.Image:
    side = min(picture.size)
    return ImageOps.fit(picture, (side, side))
