"""The configuration of a training run: every default is written here, and only here.

Imports no torch, so that the command line can show the defaults without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from faststyle.contract import STATED
from faststyle.errors import OptionError
from faststyle.training.conventions import RELATIVE

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SMALLEST_CROP = 64
"""The deepest VGG block needs a few positions to compare, at 16 pixels each."""

START_BUNDLED = "bundled"
"""Start from the weights that come with faststyle for networks of one shape, if any do."""

START_RANDOM = "random"
"""Start from random weights."""

DIAL = (1, 10)
"""Smallest and largest setting of the dials for intensity and stroke size."""

SAYINGS = ("name", *STATED)
"""Settings that only say something of the style."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What a person asks of a run; what follows from it is its `Plan`."""

    style: str
    """Path of the style picture."""
    content: str
    """Folder of photos, searched recursively."""
    name: str = ""
    """Name of the style; empty means the style picture's file name."""
    description: str = ""
    """What paintings in the style look like, in a line."""
    author: str = ""
    """Author of the style picture."""
    license: str = ""
    """Licence of the trained model."""
    source: str = ""
    """Where the style picture comes from."""

    intensity: float | None = 5.0
    """Strength of the style from 1, mild, to 10, strong; None leaves it to the style weight."""
    stroke_size: float = 5.0
    """Size of the strokes from 1, fine, to 10, bold: see `style_side`."""

    preset: str = "fast"
    """Network preset."""
    width: int | None = None
    """Width that the preset is built with; None takes its own."""

    start_from: str = START_BUNDLED
    """Network to start from: a checkpoint, a model or bundled style, `START_BUNDLED`
    or `START_RANDOM`."""

    loss_network: str = "lite"
    """Loss network: lite, vgg16 or vgg19."""
    vgg_weights: str | None = None
    """State dict of a VGG in torchvision's layout; None downloads torchvision's own."""
    content_layers: tuple[str, ...] = ("relu3_2",)
    """Layers of the content loss."""
    style_layers: tuple[str, ...] = RELATIVE.style_layers
    """Layers of the style loss."""
    style_layer_weights: tuple[float, ...] | None = None
    """One weight for each style layer; None weighs all alike."""
    content_weight: float = RELATIVE.content_weight
    """Weight of the content loss."""
    style_weight: float | None = None
    """Weight of the style loss; None calibrates it to the intensity."""
    total_variation_weight: float = RELATIVE.total_variation_weight
    """Weight of the total-variation loss."""
    grid_weight: float = 0.1
    """Weight of the grid loss, for networks that paint blocks of pixels at once."""

    crop_size: int = 256
    """Side of the square crops of photos, in pixels."""
    minutes: float | None = 10.0
    """Time to train for, when the steps are not given."""
    steps: int | None = None
    """Steps to train for; None takes those that fit into the minutes on this machine."""
    batch_size: int | None = None
    """Photos in a step, over all processes; None chooses for the time or the steps at hand."""
    stop_when_flat: bool = False
    """End when the losses on photos kept aside no longer fall, looked at with each preview."""
    learning_rate: float = 2e-3
    """Peak learning rate; a short warm-up and a cosine decay follow from it."""
    precision: str = "auto"
    """float32, bfloat16 or auto (bfloat16 where the machine computes with it)."""
    seed: int = 0
    """Seed of the weights, the data order and the augmentation."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            OptionError: names the option.
        """
        require_layers(self.content_layers, option="content_layers")
        require_layers(self.style_layers, option="style_layers")
        require_layer_weights(self.layer_weights, layers=self.style_layers)
        for option in ("content_weight", "style_weight", "total_variation_weight", "grid_weight"):
            require_weight(getattr(self, option), option=option)
        require(
            self.style_weight != 0
            or self.content_weight + self.total_variation_weight + self.grid_weight > 0,
            "the weights of all losses are 0, so there is nothing to learn; "
            "give --style-weight or --content-weight above 0",
        )
        low, high = DIAL
        for option in ("intensity", "stroke_size"):
            dial = getattr(self, option)
            require(
                dial is None or low <= dial <= high, f"{flag(option)} goes from {low} to {high}"
            )
        require(
            self.intensity is not None or self.style_weight is not None,
            "give --intensity or --style-weight",
        )
        require(self.crop_size >= SMALLEST_CROP, f"--crop-size must be at least {SMALLEST_CROP}")
        for option in ("batch_size", "steps", "width"):
            count = getattr(self, option)
            require(count is None or count >= 1, f"{flag(option)} must be at least 1")
        require(self.minutes is None or 0 < self.minutes < math.inf, "--minutes must be above 0")
        require(self.minutes is not None or self.steps is not None, "give --minutes or --steps")
        require_owner(self.vgg_weights, loss_network=self.loss_network)
        require_learning_rate(self.learning_rate)
        require_seed(self.seed)
        require(
            self.precision in ("auto", "float32", "bfloat16"),
            "--precision must be auto, float32 or bfloat16",
        )

    @property
    def layer_weights(self) -> tuple[float, ...]:
        """One weight for each style layer."""
        return self.style_layer_weights or (1.0,) * len(self.style_layers)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON types."""
        return plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Read what `to_dict` wrote.

        Raises:
            OptionError: a key is unknown or missing, or a value makes no sense.
        """
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        require(not unknown, f"unknown settings: {', '.join(unknown)}")
        settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        try:
            return cls(**settings)
        except TypeError as error:
            raise OptionError(f"settings do not fit: {error}") from error


def style_side(stroke_size: float) -> int:
    """Shorter side in pixels that the style picture is scaled to: 512 at 5, double every 3 up.

    The loss network sees strokes of the size they have there, and so paints them.
    """
    return round(512 * 2 ** ((stroke_size - 5) / 3))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was decided for a run at its start, and is kept when it is resumed."""

    steps: int
    """Steps to train for."""
    batch_size: int
    """Photos in a step, over all processes."""
    style_weight: float
    """Weight of the style loss."""
    learning_rate: float
    """Peak learning rate; lowered when the run diverges."""
    precision: str
    """float32 or bfloat16."""
    cooling_from: int | None = None
    """Step from which the learning rate falls to 0 because the losses had become flat."""

    def __post_init__(self) -> None:
        """Refuse a plan that nobody could have made.

        Raises:
            OptionError: what is wrong.
        """
        require(self.steps >= 1, "--steps must be at least 1")
        require(self.batch_size >= 1, "--batch-size must be at least 1")
        require_learning_rate(self.learning_rate)
        require_weight(self.style_weight, option="style_weight")
        require(self.precision in ("float32", "bfloat16"), "--precision is not decided")


DEVICES = ("auto", "cpu", "cuda", "mps")
"""Where training can run; auto is the first of cuda, mps and cpu that works."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is carried out, which changes nothing in what it learns."""

    device: str = "auto"
    """One of `DEVICES`."""
    workers: int = 2
    """Processes that decode photos; 0 decodes in the training process."""
    checkpoint_every: int = 100
    """Steps between two checkpoints."""
    preview_every: int | None = None
    """Steps between two previews and validations; None makes twenty of them."""
    preview: tuple[str, ...] = ()
    """Photos to preview; none takes some of the content folder."""
    tensorboard: bool = False
    """Write the losses and previews for TensorBoard, too."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            OptionError: names the option.
        """
        require(self.device in DEVICES, f"--device must be one of {', '.join(DEVICES)}")
        require(self.workers >= 0, "--workers must be 0 or more")
        for option in ("checkpoint_every", "preview_every"):
            steps = getattr(self, option)
            require(steps is None or steps >= 1, f"{flag(option)} must be at least 1")


def flag(option: str) -> str:
    """Name the command line's option for a setting."""
    return "--" + option.replace("_", "-")


def require_layers(layers: Sequence[str], *, option: str) -> None:
    """Refuse layers of a loss if there are none, or one is named twice.

    Raises:
        OptionError: names the option.
    """
    require(bool(layers), f"{flag(option)} names no layer")
    for layer in layers:
        require(
            layers.count(layer) == 1,
            f"{flag(option)} names {layer} more than once; name it once, with a weight of its own",
        )


def require_layer_weights(weights: Sequence[float], *, layers: Sequence[str]) -> None:
    """Refuse weights of style layers that are not one for each, or weigh nothing.

    Raises:
        OptionError: what is wrong.
    """
    require(
        len(weights) == len(layers),
        f"--style-layer-weights has {len(weights)} numbers "
        f"for {len(layers)} style layers; give one for each",
    )
    require(
        min(weights) >= 0 and 0 < sum(weights) < math.inf,
        "--style-layer-weights: give numbers from 0 up, at least one above 0",
    )


def require_weight(weight: float | None, *, option: str) -> None:
    """Refuse a weight of a loss below 0, or infinite; None is one that is chosen elsewhere.

    Raises:
        OptionError: names the option.
    """
    require(weight is None or 0 <= weight < math.inf, f"{flag(option)} must be 0 or more")


def require_owner(vgg_weights: str | None, *, loss_network: str) -> None:
    """Refuse weights of a VGG for the bundled loss network, which has its own.

    Raises:
        OptionError: they are given for it.
    """
    require(
        loss_network != TrainingConfig.loss_network or vgg_weights is None,
        "--vgg-weights needs --loss-network vgg16 or vgg19, whose weights they are",
    )


def require_learning_rate(rate: float) -> None:
    """Refuse a learning rate that is none.

    Raises:
        OptionError: it is.
    """
    require(0 < rate <= 1, "--learning-rate must be above 0 and at most 1")


def require_seed(seed: int) -> None:
    """Refuse a seed that a random generator does not take.

    Raises:
        OptionError: it is one.
    """
    require(0 <= seed < 2**63, "--seed must be 0 or more, and below 2 to the 63")


def plain(settings: DataclassInstance) -> dict[str, Any]:
    """Return settings as plain JSON types."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(settings).items()
    }


def require(condition: bool, message: str) -> None:
    """Refuse settings of which something does not hold.

    Raises:
        OptionError: with that message.
    """
    if not condition:
        raise OptionError(message)
