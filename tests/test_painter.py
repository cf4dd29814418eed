from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import faststyle
from faststyle.contract import STATISTICS, ModelCard
from faststyle.controls import Controls
from faststyle.errors import ModelError, OptionError
from faststyle.painter import LARGEST_SIDE, SMALLEST_SIDE, Painter, Weighted
from faststyle.tiles import Brush, Pixels
from tests.conftest import blotches, pixels

PLENTY = 10**9


class Flat:
    """Paints everything in one grey, darker from part to part."""

    card = ModelCard(style="flat")

    def __init__(self, level: int, *, bytes_per_pixel: int = 100, shares: bool = False) -> None:
        self.level = level
        self.shares = shares
        self.bytes_per_pixel = bytes_per_pixel
        self.bytes_per_tile_pixel = 2 * bytes_per_pixel
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, image: Pixels) -> Pixels:
        self.seen.append(image.shape)
        return np.full_like(image, self.level)

    def scene(self, frames: Iterable[Image.Image], *, memory: int) -> Flat:
        """Paint as many levels brighter as the frames are wide."""
        assert 0 < memory < 10**5  # of the size of such frames
        found = list(frames)
        assert {each.mode for each in found} <= {"RGB", "RGBA"}
        return Flat(self.level + sum(each.width for each in found))

    def brush(self, picture: Image.Image, *, side: int) -> Brush:
        assert picture.mode == "RGB"
        assert side <= LARGEST_SIDE
        return Brush(lambda part, _: self(part), halo=0, feather=0, multiple=1)


def _painter(*styles: Weighted, controls: Controls | None = None, memory: int = PLENTY) -> Painter:
    return Painter(styles, controls=controls or Controls(), memory=memory)


def _open(path: Path) -> Painter:
    return _painter(Weighted(faststyle.load(path, device="cpu", threads=1), 1))


def test_styles_are_blended_by_their_shares() -> None:
    painter = _painter(Weighted(Flat(100), 3), Weighted(Flat(200), 1))
    for side in (None, 16):
        result = painter(Image.new("RGB", (30, 20)), side=side)
        assert result.getextrema() == ((125, 125),) * 3


def test_a_style_without_a_share_is_not_painted() -> None:
    unused = Flat(7)
    assert _painter(Weighted(Flat(9), 1), Weighted(unused, 0))(Image.new("RGB", (5, 5))).getpixel(
        (0, 0)
    ) == (9, 9, 9)
    assert not unused.seen


@pytest.mark.parametrize("shares", [(0.0,), (1.0, -0.5), (float("nan"),)])
def test_shares_that_make_no_sense_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(OptionError, match="weight"):
        _painter(*(Weighted(Flat(1), share) for share in shares))


def test_transparency_is_kept_and_scaled() -> None:
    photo = Image.fromarray(blotches(20, 40))
    photo.putalpha(Image.linear_gradient("L").resize((40, 20)))
    alpha = pixels(photo.getchannel("A"))
    result = _painter(Weighted(Flat(1), 1))(photo)
    assert result.mode == "RGBA"
    assert np.array_equal(pixels(result.getchannel("A")), alpha)
    small = _painter(Weighted(Flat(1), 1), controls=Controls(max_side=10))(photo)
    assert (small.mode, small.size) == ("RGBA", (10, 5))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_photos_of_every_mode_are_painted(mode: str) -> None:
    photo = Image.new(mode, (9, 7))
    assert _painter(Weighted(Flat(50), 1))(photo).convert("RGB").getpixel((3, 3)) == (50, 50, 50)


@pytest.mark.parametrize("side", [None, 16])
def test_larger_strokes_are_painted_smaller_and_brought_back(side: int | None) -> None:
    style = Flat(80)
    controls = Controls(stroke_scale=2, strength=0.5)
    result = _painter(Weighted(style, 1), controls=controls)(Image.new("RGB", (61, 40)), side=side)
    assert result.size == (61, 40)
    assert result.getextrema() == ((40, 40),) * 3
    assert max(shape[1] for shape in style.seen) <= 30


def test_scaled_strokes_lie_the_same_in_tiles(fast_models: Mapping[str, Path]) -> None:
    style = faststyle.load(fast_models["fp32"], device="cpu", threads=1)
    painter = _painter(Weighted(style, 1), controls=Controls(stroke_scale=1.5))
    photo = Image.fromarray(blotches(300, 290))
    whole, tiled = painter(photo.copy()), painter(photo.copy(), side=160)
    assert np.abs(pixels(whole).astype(int) - pixels(tiled)).mean() < 4
    assert _steps(pixels(tiled), like=pixels(whole)) < 0.5


def test_photos_of_a_scene_are_painted_by_some_of_them() -> None:
    photos = [Image.new("RGBA", (8, 6), "red"), Image.new("L", (12, 6))]
    styles = [Weighted(Flat(100, shares=True), 1), Weighted(Flat(60, shares=True), 1)]
    for controls, wide in ((Controls(), 20), (Controls(max_side=8, stroke_scale=2), 8)):
        painter = _painter(*styles, controls=controls)
        levels = [
            each(Image.new("RGB", (8, 8))).getpixel((0, 0))
            for each in (painter, painter.alike(lambda: photos))
        ]
        assert levels == [(80,) * 3, (80 + wide,) * 3]
    assert painter.shares
    assert not _painter(styles[0], Weighted(Flat(7), 1)).shares


def test_of_photos_of_a_scene_what_is_seen_counts(fast_models: Mapping[str, Path]) -> None:
    painter, photo = _open(fast_models["fp32"]), Image.fromarray(blotches(60, 80))
    hidden = Image.new("RGBA", (80, 60), (255, 0, 0, 0))
    expected = pixels(painter.alike(lambda: [photo])(photo.copy()))
    with_hidden = painter.alike(lambda: [hidden, photo, hidden])
    assert np.array_equal(pixels(with_hidden(photo.copy())), expected)


def test_the_results_of_an_animation_take_room() -> None:
    painter = _painter(Weighted(Flat(1, bytes_per_pixel=1000), 1), memory=10**9)
    for frames, whole in ((1, True), (100, True), (2000, False)):
        with painter.room((500, 500), frames=frames) as side:
            assert (side is None) == whole


def test_what_is_held_beside_the_colors_takes_room() -> None:
    painter = _painter(Weighted(Flat(1, bytes_per_pixel=1), 1), memory=20 * 10**6)
    for beside, whole in ((0, True), (4, False)):
        with painter.room((1000, 1000), beside=beside) as side:
            assert (side is None) == whole
    small = Controls(max_side=100)
    larger = Controls(stroke_scale=0.5)
    for controls, whole in ((small, True), (larger, False)):
        with _painter(painter.styles[0], controls=controls, memory=20 * 10**6).room(
            (1000, 1000)
        ) as side:
            assert (side is None) == whole


def test_a_photo_that_fits_is_painted_whole_and_a_larger_one_in_tiles() -> None:
    painter = _painter(Weighted(Flat(1, bytes_per_pixel=1000), 1), memory=10**9)
    with painter.room((300, 300)) as side:
        assert side is None
    with painter.room((2000, 2000)) as side:
        assert side is not None
        assert side > SMALLEST_SIDE
        assert 10**9 / 2 < 2000 * side**2 < 10**9
    with painter.room((60_000, 60_000)) as side:
        assert side == SMALLEST_SIDE


@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8", "context", "context_int8"])
def test_tiles_that_share_statistics_are_nearly_as_the_whole(
    fast_models: Mapping[str, Path], kind: str
) -> None:
    painter = _open(fast_models[kind])
    photo = Image.fromarray(blotches(450, 511))
    whole, tiled = (pixels(painter(photo.copy(), side=side)) for side in (None, 256))
    assert np.abs(whole.astype(int) - tiled).mean() < 0.5
    assert _steps(tiled, like=whole) < 0.5


def _steps(tiled: Pixels, *, like: Pixels) -> float:
    """Return by how much more a row or column differs from the next than in another picture."""
    found = []
    for axis in (0, 1):
        steps, expected = (
            np.abs(np.diff(each.astype(int), axis=axis)).mean((1 - axis, 2))
            for each in (tiled, like)
        )
        found.append((steps - expected).max())
    return float(max(found))


def test_tiles_of_a_network_with_instance_normalization_show_no_border(model_path: Path) -> None:
    painter = _open(model_path)
    photo = Image.fromarray(blotches(600, 700))
    whole, tiled = (pixels(painter(photo.copy(), side=side)) for side in (None, 320))
    assert np.abs(tiled.astype(int) - whole).mean() < 6
    assert _steps(tiled, like=whole) < 0.5


def test_a_file_too_old_for_tiles_says_so(fast_models: Mapping[str, Path], tmp_path: Path) -> None:
    content = fast_models["fp32"].read_bytes()
    for name in STATISTICS:
        content = content.replace(name.encode(), name.upper().encode())
    (tmp_path / "old.onnx").write_bytes(content)
    painter = _open(tmp_path / "old.onnx")
    photo = Image.fromarray(blotches(300, 300))
    painter(photo.copy())
    with pytest.raises(ModelError, match=r"old\.onnx: too old .*export it again"):
        painter(photo, side=256)
