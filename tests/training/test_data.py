from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from faststyle.errors import DataError, ImageError
from faststyle.images import open_colors
from faststyle.training.data import (
    PhotoCrops,
    find_photos,
    load_batches,
    read_previews,
    read_style,
)
from tests.conftest import Paint


@pytest.fixture
def photos(paint: Paint) -> list[Path]:
    return [
        paint(f"photos/{seed % 2}/{seed}.png", height=70 + 9 * seed, width=90, seed=seed)
        for seed in range(5)
    ]


def _batches(
    photos: list[Path], *, seed: int = 7, first: int = 0, steps: int = 4, workers: int = 0
) -> list[Tensor]:
    crops = PhotoCrops(photos, crop_size=64, seed=seed)
    batches = load_batches(crops, batch_size=3, first_step=first, steps=steps, workers=workers)
    return [batch for batch, _ in batches]


def test_batches_have_the_promised_shape(photos: list[Path]) -> None:
    batches = _batches(photos)
    assert [(batch.shape, batch.dtype) for batch in batches] == [((3, 3, 64, 64), torch.uint8)] * 4


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_depend_on_seed_step_and_position_alone(photos: list[Path], workers: int) -> None:
    whole = _batches(photos)
    torch.manual_seed(workers)  # must not matter
    resumed = _batches(photos, first=2, workers=workers)
    assert all(torch.equal(*pair) for pair in zip(whole[2:], resumed, strict=True))
    assert not torch.equal(_batches(photos, seed=8)[0], whole[0])


def test_reading_a_crop_leaves_the_global_generator_alone(photos: list[Path]) -> None:
    before = torch.get_rng_state()
    _batches(photos)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_photo_appears_once_in_each_round(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def spy(path: Path, *, enough: int | None = None) -> object:
        read.append(path)
        return open_colors(path, enough=enough)

    monkeypatch.setattr("faststyle.training.data.open_colors", spy)
    crops = PhotoCrops(photos, crop_size=64, seed=1)
    for index in range(15):
        crops[index]
    rounds = [read[start : start + 5] for start in (0, 5, 10)]
    assert all(sorted(each) == sorted(photos) for each in rounds)
    assert rounds[0] != rounds[1] or rounds[1] != rounds[2]


def test_an_unreadable_photo_is_replaced_and_named(photos: list[Path]) -> None:
    photos[2].write_text("not a picture")
    crops = PhotoCrops(photos, crop_size=64, seed=0)
    batches = load_batches(crops, batch_size=5, first_step=0, steps=1, workers=0)
    ((batch, unreadable),) = list(batches)
    assert batch.shape == (5, 3, 64, 64)
    assert set(unreadable) == {str(photos[2])}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_folder_without_a_readable_photo_is_an_error(photos: list[Path], workers: int) -> None:
    for path in photos:
        path.write_text("not a picture")
    with pytest.raises(DataError, match=r"^[^\n]*: 50 pictures in a row could not be read[^\n]*$"):
        _batches(photos, workers=workers)


def test_a_killed_worker_is_one_line(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr("torch.utils.data.DataLoader.__iter__", killed)
    with pytest.raises(DataError, match=r"^a process that decodes photos was killed[^\n]*$"):
        _batches(photos)


def test_find_photos_explains_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no pictures in this folder.*prepare\.py"):
        find_photos(tmp_path)


def test_read_style_scales_the_shorter_side(paint: Paint) -> None:
    style = read_style(paint("style.png", height=50, width=100), size=64)
    assert style.shape == (1, 3, 64, 128)
    assert style.min() >= 0
    assert style.max() <= 1
    with pytest.raises(ImageError):
        read_style(Path("missing.jpg"), size=64)


def test_a_style_of_16_bits_is_not_clipped(tmp_path: Path) -> None:
    grey = Image.fromarray(np.full((64, 64), 0x8000, np.uint16))
    grey.save(tmp_path / "grey.png")
    assert read_style(tmp_path / "grey.png", size=64).mean().item() == pytest.approx(0.5, abs=0.01)


def test_read_previews_skips_what_it_cannot_read(photos: list[Path]) -> None:
    photos[0].write_text("not a picture")
    assert read_previews(photos, size=32).shape == (4, 3, 32, 32)
    assert read_previews([photos[0]], size=32).shape == (0, 3, 32, 32)
