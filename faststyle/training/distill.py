"""Distilling a thin loss network that measures content and style as a full VGG does.

Both losses depend on features only through their inner products k(x, y) = f(x)·f(y) over
positions x and y: the content loss through those of the same position in two pictures, and
the inner product of two Gram matrices is the mean of k² over all pairs of positions. So the
student need not copy the teacher's channels, of which it has too few: it learns the
teacher's kernel (similarity-preserving distillation, Tung & Mori 2019), and the relative
losses themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from faststyle.errors import WeightsError
from faststyle.training.data import PhotoCrops, load_batches
from faststyle.training.losses import gram_matrix, relative_error
from faststyle.training.outputs import require_writable
from faststyle.training.schedule import learning_rate_factor
from faststyle.training.tensors import save_tensors
from faststyle.training.vgg import (
    LITE,
    VggFeatures,
    convolution_keys,
    layer_names,
    read_weights,
)

WIDTHS = (16, 32, 64, 128, 128)
"""Channels in each block of the student, a quarter of the full network's."""

POSITIONS = 1024
"""Positions of each picture that a step compares, at most; all would take twice the time."""

KERNEL_POSITIONS = 64
"""Those of them whose inner products with all others' are compared."""

CROP_SIZE = 128
BATCH_SIZE = 8
LEARNING_RATE = 5e-4
SMALLEST_LOSS = 1e-4
"""Losses below this are not told apart."""


class Errors(NamedTuple):
    """How far the student is from its teachers, averaged over layers; float32 scalars."""

    kernel: Tensor
    """One minus the alignment of the kernels (Cristianini et al. 2001)."""
    content: Tensor
    """Mean squared difference of the logarithms of the relative content losses."""
    style: Tensor
    """The same for the relative style losses between all pictures of a batch."""


class Teacher:
    """Frozen VGGs, each asked for the layers that those before it do not reach."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Read the weights.

        Args:
            files: VGG-19 state dicts in torchvision's layout, most trusted first.

        Raises:
            WeightsError: one cannot be read, or together they do not reach the last layer.
        """
        self.networks: list[VggFeatures] = []
        wanted = convolution_keys(LITE)
        for file in files:
            state = _read(file)
            layers = [name for name, key in wanted.items() if f"{key}.weight" in state]
            with _named(file):
                self.networks.append(VggFeatures(state, loss_network="vgg19", layers=layers))
            wanted = {name: key for name, key in wanted.items() if name not in layers}
        if wanted:
            raise WeightsError(
                f"{', '.join(map(str, files))}: the weights stop before {next(iter(wanted))}; "
                "add a file that reaches it"
            )

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Return the activations of all layers of float N×3×H×W pictures in [0, 1]."""
        features: dict[str, Tensor] = {}
        with torch.no_grad():
            for network in self.networks:
                features |= network(images)
        return features


def distill(
    teacher: Teacher,
    *,
    photos: list[Path],
    steps: int,
    out: Path,
    start_from: Path | None = None,
    seed: int = 0,
    workers: int = 1,
    on_progress: Callable[[int, Errors], None] = lambda *_: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Train a student and write it in half precision, in torchvision's layout.

    Args:
        teacher: what to imitate.
        photos: pictures to learn on.
        steps: steps of `BATCH_SIZE` photos and as many distorted copies.
        out: file to write.
        start_from: state dict of the student's shape to start from; None starts from noise.
        seed: of weights, data order and distortions.
        workers: processes that decode photos.
        on_progress: called after every step with its number and errors.
        should_stop: asked after every step; if it says yes, the student is written as it is.

    Returns:
        Steps done.

    Raises:
        WeightsError: `start_from` cannot be read or does not fit.
        CheckpointError: `out` cannot be written.
        DataError: many photos in a row could not be read.
    """
    require_writable(out)
    torch.manual_seed(seed)
    state = random_state() if start_from is None else _read(start_from)
    if {key: each.shape for key, each in random_state().items()} != {
        key: getattr(each, "shape", None) for key, each in state.items()
    }:
        raise WeightsError(f"{start_from}: not of the shape of lite; start from such weights")
    student = VggFeatures(state, loss_network=LITE, layers=layer_names(LITE))
    student.requires_grad_(True)
    optimizer = torch.optim.Adam(student.parameters(), lr=LEARNING_RATE)
    batches = load_batches(
        PhotoCrops(photos, crop_size=CROP_SIZE, seed=seed),
        batch_size=BATCH_SIZE,
        first_step=0,
        steps=steps,
        workers=workers,
    )
    for module in (student, *teacher.networks):
        module.to(memory_format=torch.channels_last)
    done = 0
    for done, (crops, _) in enumerate(batches, start=1):
        photos_now = crops.float() / 255
        images = torch.cat([photos_now, distort(photos_now)])
        images = images.to(memory_format=torch.channels_last)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * learning_rate_factor(done - 1, steps=steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            target = teacher.features(images)
            features = student(images)
        errors = compare(features, target)
        optimizer.zero_grad(set_to_none=True)
        sum(errors).backward()  # type: ignore[union-attr]
        optimizer.step()
        on_progress(done, Errors(*(error.detach() for error in errors)))
        if should_stop():
            break
    write_student(student, out)
    return done


def compare(features: dict[str, Tensor], target: dict[str, Tensor]) -> Errors:
    """Compare a student's features with its teacher's.

    Args:
        features: 2N×C×h×w by layer; the second N pictures are distorted copies of the first.
        target: the same layers, with any number of channels.
    """
    kernel, content, style = [], [], []
    for name, wanted in target.items():
        places = torch.randperm(wanted[0, 0].numel())[:POSITIONS]
        ours, theirs = _drawn(features[name], places), _drawn(wanted, places)
        kernel.append(1 - _alignment(_kernel(ours), _kernel(theirs)))
        content.append(_log_error(_content_losses(ours), _content_losses(theirs)))
        style.append(_log_error(_style_losses(ours), _style_losses(theirs)))
    return Errors(*(torch.stack(errors).mean() for errors in (kernel, content, style)))


def _drawn(features: Tensor, places: Tensor) -> Tensor:
    """Take the features at some places: N×C×h×w to float32 N×C×P."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)[:, places].float().transpose(1, 2)


def _kernel(features: Tensor) -> Tensor:
    """Inner products of the features at some places of all pictures."""
    flat = features[..., :KERNEL_POSITIONS].transpose(1, 2).flatten(0, 1)
    return flat @ flat.T


def _alignment(one: Tensor, other: Tensor) -> Tensor:
    return functional.cosine_similarity(one.flatten(), other.flatten(), dim=0)


def _content_losses(features: Tensor) -> Tensor:
    photos, distorted = features.chunk(2)
    return relative_error(distorted, photos)


def _style_losses(features: Tensor) -> Tensor:
    """Relative style losses of each picture (row) against each other one (column)."""
    grams = gram_matrix(features[..., None]).flatten(1)
    products = grams @ grams.T
    size = products.diagonal()
    losses = (size[:, None] + size - 2 * products) / size
    return losses[~torch.eye(len(losses), dtype=torch.bool)]


def _log_error(ours: Tensor, wanted: Tensor) -> Tensor:
    return functional.mse_loss(
        (ours.clamp_min(0) + SMALLEST_LOSS).log(), (wanted.clamp_min(0) + SMALLEST_LOSS).log()
    )


def distort(photos: Tensor) -> Tensor:
    """Draw changes of colour, grain, blur and ghosts, from hardly visible to strong.

    Args:
        photos: float N×3×S×S in [0, 1].

    Returns:
        The same shape and range.
    """
    count = len(photos)

    def strength(*shape: int) -> Tensor:
        return torch.rand(count, *shape, 1, 1) ** 2

    images = torch.lerp(photos, photos.roll(1, 0), 0.7 * strength(1) * _some(count, 0.3))
    coarse = functional.avg_pool2d(images, 4)
    blurred = functional.interpolate(coarse, scale_factor=4, mode="bilinear")
    images = torch.lerp(images, blurred, strength(1) * _some(count, 0.4))
    mixing = torch.eye(3) + 0.6 * strength(1).flatten(1)[..., None] * torch.randn(count, 3, 3)
    images = torch.einsum("nij,njhw->nihw", mixing, images - 0.5) + 0.5
    images = images + 0.3 * strength(1) * torch.randn(count, 3, 1, 1) * _some(count, 0.5)
    grain = torch.randn_like(images)
    soft = 3 * functional.avg_pool2d(grain, 3, stride=1, padding=1)
    grain = torch.where(_some(count, 0.5) > 0, grain, soft)
    return (images + 0.3 * strength(1) * grain * _some(count, 0.7)).clamp(0, 1)


def _some(count: int, share: float) -> Tensor:
    return (torch.rand(count, 1, 1, 1) < share).float()


def random_state() -> dict[str, Tensor]:
    """Draw a student's weights (He et al. 2015), in torchvision's layout."""
    state: dict[str, Tensor] = {}
    channels_in = 3
    for name, key in convolution_keys(LITE).items():
        channels = WIDTHS[int(name[4]) - 1]
        spread = (2 / (9 * channels_in)) ** 0.5
        state[f"{key}.weight"] = spread * torch.randn(channels, channels_in, 3, 3)
        state[f"{key}.bias"] = torch.zeros(channels)
        channels_in = channels
    return state


def write_student(student: VggFeatures, path: Path) -> None:
    """Write the weights as float16.

    Raises:
        CheckpointError: the file cannot be written.
    """
    state = {
        f"{key}.{part}": value.half()
        for name, key in convolution_keys(LITE).items()
        for part, value in student.convolution(name).state_dict().items()
    }
    save_tensors(state, path)


def _read(path: Path) -> Mapping[str, Tensor]:
    with _named(path):
        return read_weights(path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file of weights that are of no use."""
    try:
        yield
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
