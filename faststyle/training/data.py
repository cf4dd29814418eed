"""Photos to train on: any folder of pictures, cropped as a pure function of the seed."""

from __future__ import annotations

import math
import signal
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, v2

from faststyle.colors import split_alpha
from faststyle.errors import DataError, ImageError
from faststyle.files import find_pictures
from faststyle.images import open_colors, open_picture

ATTEMPTS = 50
"""Photos tried for one place of a batch before the folder is called unusable."""

GRACE = 15.0
"""Seconds a worker lives on after SIGTERM, so that the step under way can be saved."""

FEWEST_PHOTOS = 8
"""Photos below which a network would learn them by heart."""

KEPT_ASIDE = 10
"""One photo in so many is kept aside for validation …"""

MOST_KEPT_ASIDE = 16
"""… but never more than this, as each costs time."""

SMALLEST_STYLE = 64
"""Shorter side of a style picture, in pixels, below which it has no strokes to learn."""

LEAST_CONTRAST = 8
"""Levels of 255 between the darkest and the brightest pixel of a style picture."""

LONGEST = 4
"""Longer side of a picture that is scaled by its shorter one, in shorter ones; a long strip would
fill the memory."""

CROP_SCALE = (0.25, 1.0)
"""Smallest and largest share of a photo's area in a crop."""


class PhotoCrops(Dataset[tuple[Tensor, tuple[str, ...]]]):
    """An endless sequence of random crops, each a pure function of the seed and its index.

    Every photo appears once in each round of ``len(paths)`` indices. An unreadable photo
    is replaced by a random other one.
    """

    def __init__(self, paths: list[Path], *, crop_size: int, seed: int) -> None:
        self.paths = paths
        self.crop_size = crop_size
        self.seed = seed
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(
                    crop_size, scale=CROP_SCALE, interpolation=InterpolationMode.BICUBIC
                ),
                v2.RandomHorizontalFlip(),
                v2.PILToTensor(),
            ]
        )

    def __getitem__(self, index: int) -> tuple[Tensor, tuple[str, ...]]:
        """Return one crop, uint8 3×S×S, and the unreadable photos met on the way.

        Raises:
            DataError: many photos in a row could not be read.
        """
        draw = np.random.default_rng((self.seed, index))
        turn, place = divmod(index, len(self.paths))
        path = self.paths[_order(len(self.paths), seed=self.seed, turn=turn)[place]]
        unreadable: list[str] = []
        while len(unreadable) < ATTEMPTS:
            try:
                # The smallest crop has half the side of the photo, so this loses nothing.
                photo = open_colors(path, enough=2 * self.crop_size)
            except ImageError:
                unreadable.append(str(path))
                path = self.paths[int(draw.integers(len(self.paths)))]
                continue
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(draw.integers(2**62)))
                return self.transform(photo), tuple(unreadable)
        raise DataError(
            f"{path.parent}: {ATTEMPTS} pictures in a row could not be read; check the folder"
        )


class Photos(NamedTuple):
    """The photos of a content folder."""

    training: list[Path]
    """To train on."""
    validation: list[Path]
    """Kept aside, to measure on."""


def find_photos(
    folder: Path, *, without: Path | None = None, aside: Collection[str] = ()
) -> Photos:
    """List the photos of a folder and its sub-folders, and keep a few aside.

    Args:
        folder: where to look.
        without: a folder to leave out, such as the one that previews are written to.
        aside: names of photos that were kept aside before. Those that are still there are kept
            aside again, and only if none is, others.

    Raises:
        DataError: the folder does not exist or holds too few pictures.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; pass a folder of photos with --content")
    paths = sorted(find_pictures(folder, without=without))
    if not paths:
        raise DataError(
            f"{folder}: no pictures in this folder; pass one with JPEG, PNG or WebP photos, "
            "or fetch some with data/prepare.py"
        )
    if len(paths) < FEWEST_PHOTOS:
        raise DataError(
            f"{folder}: only {len(paths)} pictures; a style needs {FEWEST_PHOTOS} at the least and "
            "learns best from a thousand: add some, or fetch them with data/prepare.py"
        )
    every = max(KEPT_ASIDE, math.ceil(len(paths) / MOST_KEPT_ASIDE))
    known = set(aside)
    validation = [path for path in paths if name_in(folder, path) in known] or paths[::every]
    kept = set(validation)
    training = [path for path in paths if path not in kept]
    if not training:
        raise DataError(
            f"{folder}: holds no photos but those kept aside to measure on; put the others back"
        )
    return Photos(training, validation)


def name_in(folder: Path, photo: Path) -> str:
    """Name a photo by where it lies in the content folder, wherever that lies."""
    return photo.relative_to(folder).as_posix()


def load_batches(
    crops: PhotoCrops,
    *,
    batch_size: int,
    first_step: int,
    steps: int,
    workers: int,
    share: tuple[int, int] = (0, 1),
    pinned: bool = False,
) -> Iterator[tuple[Tensor, tuple[str, ...]]]:
    """Yield the batches of steps ``first_step`` to ``steps``, decoded by worker processes.

    Args:
        crops: where crops come from.
        batch_size: crops in a step, over all shares.
        first_step: steps done before.
        steps: steps to do in all.
        workers: processes that decode photos.
        share: which of how many equal shares of each batch to load.
        pinned: put them where a GPU of NVIDIA fetches them from.

    Yields:
        uint8 N×3×S×S and the unreadable photos met.

    Raises:
        DataError: many photos in a row could not be read, or a worker was killed.
    """
    place, count = share
    mine = batch_size // count
    batches = (
        list(range(step * batch_size + place * mine, step * batch_size + (place + 1) * mine))
        for step in range(first_step, steps)
    )
    loader = DataLoader(
        crops,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_start_worker,
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),  # or it would draw from the global one
        pin_memory=pinned,
    )
    iterator = iter(loader)
    try:
        yield from iterator
    except DataError as error:
        # A worker's error arrives with its traceback, whose last line is "module.Type: message".
        message = str(error).rstrip().splitlines()[-1]
        raise DataError(message.removeprefix(f"{DataError.__module__}.DataError: ")) from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            "a process that decodes photos was killed, probably for want of memory; "
            "lower --workers, and continue with --resume"
        ) from error
    finally:
        # An error's traceback would keep the iterator, and with it the workers, to the very end.
        getattr(iterator, "_shutdown_workers", lambda: None)()


def read_style(path: Path, *, size: int) -> Tensor:
    """Read the style picture with its shorter side scaled to ``size`` pixels.

    Returns:
        float 1×3×H×W in [0, 1].

    Raises:
        ImageError: the file cannot be read.
        DataError: it is too small, or of one colour.
    """
    pixels: Tensor = v2.functional.pil_to_tensor(_scaled(open_style(path), side=size))
    return pixels[None] / 255


def open_style(path: Path) -> Image.Image:
    """Read the style picture at its own size, as sRGB; of a long one, its `middle`.

    Raises:
        ImageError: the file cannot be read.
        DataError: it is too small, wholly transparent, or of one colour.
    """
    picture, alpha = split_alpha(open_picture(path))
    if alpha is not None and alpha.getbbox() is None:
        raise DataError(
            f"{path}: wholly transparent, so there is no style to learn; pass a picture that shows"
        )
    picture = middle(picture)
    if min(picture.size) < SMALLEST_STYLE:
        width, height = picture.size
        raise DataError(
            f"{path}: {width}×{height} pixels are too few to learn strokes from; "
            f"pass a style picture of at least {SMALLEST_STYLE}, better 512, on its shorter side"
        )
    if np.ptp(np.asarray(picture), axis=(0, 1)).max() < LEAST_CONTRAST:
        raise DataError(
            f"{path}: of one colour, so there is no style to learn; pass a picture with strokes"
        )
    return picture


def read_squares(paths: Sequence[Path], *, size: int) -> Tensor:
    """Read photos as square centre crops, skipping unreadable ones.

    Returns:
        uint8 N×3×S×S; N may be 0.
    """
    crops = []
    for path in paths:
        try:
            photo = ImageOps.fit(open_colors(path), (size, size))
        except ImageError:
            continue
        crops.append(v2.functional.pil_to_tensor(photo))
    return torch.stack(crops) if crops else torch.empty(0, 3, size, size, dtype=torch.uint8)


def read_photo(path: Path, *, height: int) -> Tensor:
    """Read a photo scaled to a height in pixels.

    Returns:
        float 1×3×H×W in [0, 1]; of a long photo, its `middle`.

    Raises:
        ImageError: the file cannot be read.
    """
    photo = middle(open_colors(path))
    width = max(1, round(photo.width * height / photo.height))
    scaled = photo.resize((width, height), Image.Resampling.LANCZOS)
    pixels: Tensor = v2.functional.pil_to_tensor(scaled)
    return pixels[None] / 255


def middle(picture: Image.Image) -> Image.Image:
    """Return the middle of a picture longer or higher than `LONGEST` allows, or the picture."""
    width, height = (
        min(side, LONGEST * other) for side, other in (picture.size, picture.size[::-1])
    )
    if picture.size == (width, height):
        return picture
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


@lru_cache(maxsize=2)
def _order(count: int, *, seed: int, turn: int) -> np.ndarray:
    return np.random.default_rng((seed, turn, count)).permutation(count)


def _scaled(picture: Image.Image, *, side: int) -> Image.Image:
    factor = side / min(picture.size)
    width, height = (max(1, round(length * factor)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _collate(
    samples: list[tuple[Tensor, tuple[str, ...]]],
) -> tuple[Tensor, tuple[str, ...]]:
    crops, unreadable = zip(*samples, strict=True)
    return torch.stack(crops), tuple(path for paths in unreadable for path in paths)


def _start_worker(_: int) -> None:
    # Ctrl-C, and often SIGTERM, reach the whole process group. The main process decides when
    # to stop, and needs its workers alive until it has saved.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_soon)
    torch.set_num_threads(1)


def _end_soon(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, GRACE)
