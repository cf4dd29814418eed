from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
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
    name_in,
    read_photo,
    read_squares,
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


def test_workers_end_with_the_error_that_they_met(photos: list[Path]) -> None:
    for path in photos:
        path.write_text("not a picture")
    try:
        _batches(photos, workers=2)
    except DataError:
        assert not multiprocessing.active_children()
    else:
        pytest.fail("no photo could be read")


def test_a_killed_worker_is_one_line(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> Iterator[None]:
        yield from ()
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr("torch.utils.data.DataLoader.__iter__", killed)
    with pytest.raises(DataError, match=r"^a process that decodes photos was killed[^\n]*$"):
        _batches(photos)


def test_find_photos_explains_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no pictures in this folder.*prepare\.py"):
        find_photos(tmp_path)


def test_a_few_photos_are_too_few(paint: Paint, tmp_path: Path) -> None:
    for seed in range(7):
        paint(f"{seed}.png")
    with pytest.raises(DataError, match=r"only 7 pictures; a style needs 8"):
        find_photos(tmp_path)


@pytest.mark.parametrize(("count", "aside"), [(8, 1), (30, 3), (400, 16)])
def test_some_photos_are_kept_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, aside: int
) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(count)]
    monkeypatch.setattr("faststyle.training.data.find_pictures", lambda *_, **__: paths)
    photos = find_photos(tmp_path)
    assert len(photos.validation) == aside
    assert sorted([*photos.training, *photos.validation]) == sorted(paths)


def test_photos_that_were_kept_aside_are_kept_aside_again(paint: Paint, tmp_path: Path) -> None:
    for number in range(30):
        paint(f"{number % 2}/{number:02}.jpg")
    first = find_photos(tmp_path)
    names = [name_in(tmp_path, path) for path in first.validation]
    assert names == ["0/00.jpg", "0/20.jpg", "1/11.jpg"]
    assert find_photos(tmp_path, aside=names) == first
    (tmp_path / names[1]).unlink()
    paint("0/-1.jpg")
    later = find_photos(tmp_path, aside=names)
    assert later.validation == [first.validation[0], first.validation[2]]
    assert set(later.training) == {*first.training, tmp_path / "0/-1.jpg"}
    assert find_photos(tmp_path, aside=["gone.jpg"]) == find_photos(tmp_path)


def test_photos_kept_aside_alone_are_too_few(paint: Paint, tmp_path: Path) -> None:
    names = [paint(f"{seed}.png").name for seed in range(9)]
    with pytest.raises(DataError, match="no photos but those kept aside"):
        find_photos(tmp_path, aside=names)


def test_read_style_scales_the_shorter_side(paint: Paint) -> None:
    style = read_style(paint("style.png", height=70, width=140), size=64)
    assert style.shape == (1, 3, 64, 128)
    assert style.min() >= 0
    assert style.max() <= 1
    with pytest.raises(ImageError):
        read_style(Path("missing.jpg"), size=64)


def test_a_style_of_16_bits_is_not_clipped(tmp_path: Path) -> None:
    grey = Image.fromarray(np.full((64, 64), [0x6000, 0xA000] * 32, np.uint16))
    grey.save(tmp_path / "grey.png")
    assert read_style(tmp_path / "grey.png", size=64).mean().item() == pytest.approx(0.5, abs=0.01)


def test_read_squares_skips_what_it_cannot_read(photos: list[Path]) -> None:
    photos[0].write_text("not a picture")
    assert read_squares(photos, size=32).shape == (4, 3, 32, 32)
    assert read_squares([photos[0]], size=32).shape == (0, 3, 32, 32)


def test_read_photo_keeps_the_shape_of_the_photo(paint: Paint) -> None:
    photo = read_photo(paint("photo.png", height=40, width=60), height=20)
    assert photo.shape == (1, 3, 20, 30)
    assert 0 <= photo.min() < photo.max() <= 1


def test_the_middle_of_a_panorama_is_the_style(paint: Paint) -> None:
    style = read_style(paint("panorama.png", height=64, width=2000), size=80)
    assert style.shape == (1, 3, 80, 4 * 80)


def test_a_wholly_transparent_style_is_refused(tmp_path: Path) -> None:
    hidden = np.random.default_rng(0).integers(0, 256, (64, 64, 4), np.uint8)
    hidden[..., 3] = 0
    Image.fromarray(hidden).save(tmp_path / "nothing.png")
    with pytest.raises(DataError, match=r"nothing\.png: wholly transparent[^\n]*$"):
        read_style(tmp_path / "nothing.png", size=64)
    hidden[:8, :8, 3] = 255
    Image.fromarray(hidden).save(tmp_path / "corner.png")
    assert read_style(tmp_path / "corner.png", size=64).std() > 0.1


def test_read_photo_takes_the_middle_of_a_strip(tmp_path: Path) -> None:
    strip = np.zeros((10, 9000, 3), np.uint8)
    strip[:, 4470:4530] = 255  # somewhat more, as pixels are made of their neighbours, too
    for name, pixels, shape in (
        ("long.png", strip, (1, 3, 20, 80)),
        ("high.png", strip.transpose(1, 0, 2), (1, 3, 20, 5)),
    ):
        Image.fromarray(pixels).save(tmp_path / name)
        photo = read_photo(tmp_path / name, height=20)
        assert photo.shape == shape
        assert photo.min() == 1


@pytest.mark.parametrize(
    ("height", "pixels", "message"),
    [
        (20, [0, 255], r"style\.png: 64×20 pixels are too few .* at least 64"),
        (64, [90, 91], r"style\.png: of one colour"),
    ],
)
def test_a_style_picture_without_a_style_is_one_line(
    tmp_path: Path, height: int, pixels: list[int], message: str
) -> None:
    path = tmp_path / "style.png"
    Image.fromarray(np.full((height, 64), pixels * 32, np.uint8)).save(path)
    with pytest.raises(DataError, match=message):
        read_style(path, size=64)
