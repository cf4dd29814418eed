from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from faststyle.training.synthesis import Size, noise, resized
from faststyle.training.synthesis_config import SynthesisOptions, TextureConfig
from faststyle.training.texture import make_texture, texture_objective
from faststyle.training.vgg import load_vgg
from tests.conftest import Paint

OPTIONS = SynthesisOptions(device="cpu")


@pytest.fixture
def small(paint: Paint, vgg_weights: Path) -> TextureConfig:
    return TextureConfig(
        style=str(paint("style.png", height=96, width=112, seed=9)),
        loss_network="vgg19",
        vgg_weights=str(vgg_weights),
        size=(80, 64),
        style_side=96,
        scales=1,
        steps=25,
    )


def _seam_and_inside(path: Path) -> tuple[float, float]:
    """Mean difference of neighbours across the borders, and of all neighbours inside."""
    pixels = np.asarray(Image.open(path), np.float64)
    seam = np.mean(
        [np.abs(pixels[0] - pixels[-1]).mean(), np.abs(pixels[:, 0] - pixels[:, -1]).mean()]
    )
    inside = np.mean([np.abs(np.diff(pixels, axis=axis)).mean() for axis in (0, 1)])
    return float(seam), float(inside)


def test_a_texture_comes_nearer_to_the_style(small: TextureConfig, tmp_path: Path) -> None:
    result = make_texture(small, out=tmp_path / "out.png", options=OPTIONS)
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (80, 64)
    (tmp_path / "first").mkdir()
    first = make_texture(replace(small, steps=1), out=tmp_path / "first/out.png", options=OPTIONS)
    assert result.losses.style < 0.2 * first.losses.style
    assert result.losses.content == 0
    assert result.losses.total == result.losses.style


def test_the_seam_of_a_tileable_texture_is_like_its_inside(
    small: TextureConfig, tmp_path: Path
) -> None:
    config = replace(small, total_variation_weight=100.0)  # so that neighbours are alike
    make_texture(config, out=tmp_path / "plain.png", options=OPTIONS)
    make_texture(replace(config, tileable=True), out=tmp_path / "tile.png", options=OPTIONS)
    seam, inside = _seam_and_inside(tmp_path / "tile.png")
    assert seam < 1.15 * inside
    seam, inside = _seam_and_inside(tmp_path / "plain.png")
    assert seam > 1.3 * inside


@pytest.mark.parametrize("size", [(128, 128), (131, 145)])
def test_a_tileable_texture_still_tiles_when_it_is_enlarged(
    size: tuple[int, int], small: TextureConfig, tmp_path: Path
) -> None:
    config = replace(small, loss_network="lite", vgg_weights=None, size=size, style_side=128)
    config = replace(config, scales=2, steps=15, tileable=True)
    make_texture(config, out=tmp_path / "tile.png", options=OPTIONS)
    pixels = np.asarray(Image.open(tmp_path / "tile.png"), np.float64)
    for axis in (0, 1):  # neighbours differ more at some lines than at others, as poolings have it
        changes = np.abs(pixels - np.roll(pixels, -1, axis)).mean((1 - axis, 2))
        assert changes[-1] < 1.1 * changes[:-1].max()


def test_wrapped_enlarging_does_not_see_where_a_picture_begins() -> None:
    picture = noise(Size(21, 34), seed=1)
    size = Size(42, 68)
    moved = resized(picture.roll((10, 17), (2, 3)), size, wrap=True)
    assert torch.allclose(moved, resized(picture, size, wrap=True).roll((20, 34), (2, 3)))


def test_the_loss_of_a_tileable_texture_does_not_see_where_it_begins(
    small: TextureConfig, vgg_weights: Path
) -> None:
    layers = ("relu1_1", "relu2_1")
    config = replace(small, tileable=True, style_layers=layers, total_variation_weight=1.0)
    given, made = (
        load_vgg(loss_network="vgg19", layers=layers, weights=vgg_weights, padding=padding)
        for padding in ("reflect", "circular")
    )
    objective = texture_objective(config, torch.rand(1, 3, 64, 64), given=given, made=made)
    picture = noise(Size(64, 96), seed=1)
    plain, moved = objective(picture).total, objective(picture.roll((10, 22), (2, 3))).total
    assert moved.item() == pytest.approx(plain.item(), rel=1e-5)


def test_a_small_copy_of_a_texture_has_a_style_to_compare_with(
    small: TextureConfig, tmp_path: Path
) -> None:
    config = replace(small, size=(256, 256), style_side=64, scales=3, steps=1)
    assert make_texture(config, out=tmp_path / "out.png", options=OPTIONS).finished


def test_another_seed_makes_another_texture(small: TextureConfig, tmp_path: Path) -> None:
    pictures = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / f"{name}.png"
        make_texture(replace(small, seed=seed, steps=2), out=out, options=OPTIONS)
        pictures.append(np.asarray(Image.open(out)))
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
