from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import faststyle
from faststyle.contract import STATISTICS
from faststyle.errors import ImageError, ModelError
from faststyle.scene import measured_frames
from faststyle.tiles import Pixels, repaint
from tests.conftest import blotches, pixels

STILL = slice(0, 60)
"""Rows of the frames that nothing moves in or near."""


@pytest.fixture(params=["fp32", "fp16", "int8", "context", "context_int8"])
def stylizer(fast_models: Mapping[str, Path], request: pytest.FixtureRequest) -> faststyle.Stylizer:
    return faststyle.load(fast_models[request.param], device="cpu", threads=1)


@pytest.fixture
def frames() -> list[Pixels]:
    """A white square that goes down and across a still picture."""
    found = [blotches(192, 160).copy() for _ in range(4)]
    for number, frame in enumerate(found):
        frame[124:, 40 * number : 40 * (number + 1)] = 255
    return found


def _motion(paintings: Sequence[Pixels]) -> float:
    return float(np.abs(np.diff(np.stack(paintings)[:, STILL].astype(int), axis=0)).max())


def test_what_stands_still_is_painted_the_same(
    stylizer: faststyle.Stylizer, frames: list[Pixels]
) -> None:
    frames[0][124:] = 0  # so that there is less white there
    scene = stylizer.scene(frames)
    assert _motion([scene(frame) for frame in frames]) == 0
    assert _motion([stylizer(frame) for frame in frames]) > 2


def test_a_scene_of_one_picture_is_the_picture(stylizer: faststyle.Stylizer) -> None:
    photo = blotches(120, 150)
    expected = stylizer(photo).astype(int)
    most = 1 if stylizer.card.precision == "fp32" else 4
    assert np.abs(stylizer.scene([photo])(photo) - expected).max() <= most
    other = stylizer.scene([blotches(120, 150, seed=3) // 3])
    assert np.abs(other(photo) - expected).mean() > 5


def test_all_frames_count(stylizer: faststyle.Stylizer) -> None:
    dark, bright = blotches(90, 90) // 4, 255 - blotches(90, 90, seed=2) // 4
    both = stylizer.scene([dark, bright])
    means = [float(both(frame).mean()) for frame in (dark, bright)]
    assert abs(means[0] - means[1]) > 10
    for frame, mean in zip((dark, bright), means, strict=True):
        assert abs(float(stylizer(frame).mean()) - mean) > 3


def test_frames_are_pictures_of_any_kind(stylizer: faststyle.Stylizer) -> None:
    photo = blotches(60, 80)
    picture = Image.fromarray(photo)
    picture.putalpha(Image.linear_gradient("L").resize(picture.size).point(lambda a: max(a, 1)))
    scene = stylizer.scene(iter([picture, Image.new("L", (70, 50), 90)]))
    painted = scene(picture)
    assert painted.mode == "RGBA"
    assert np.array_equal(pixels(painted)[..., :3], scene(photo))
    assert np.array_equal(pixels(painted)[..., 3], pixels(picture)[..., 3])
    floats: Any = photo.astype(np.float32)
    with pytest.raises(ImageError, match="uint8 array"):
        scene(floats)


def test_tiles_are_pieces_of_the_whole(stylizer: faststyle.Stylizer) -> None:
    scene = stylizer.scene([blotches(90, 90, seed=2)])
    picture = Image.fromarray(blotches(300, 330))
    whole = scene(pixels(picture)).astype(int)
    brush = scene.brush(picture, side=200)
    with ThreadPoolExecutor(1) as threads:
        repaint(picture, brush, side=200, finish=lambda _, painting, __: painting, threads=threads)
    most = 1 if stylizer.card.precision == "fp32" else 4
    assert np.abs(pixels(picture) - whole).max() <= most


def test_a_scene_is_not_measured_anew(stylizer: faststyle.Stylizer) -> None:
    scene = stylizer.scene([blotches(40, 40)])
    assert scene.scene([Image.new("RGB", (9, 9))], memory=1) is scene


def test_without_frames_there_is_no_scene(stylizer: faststyle.Stylizer) -> None:
    with pytest.raises(ImageError, match="needs a frame"):
        stylizer.scene([])
    hidden = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    assert stylizer.scene([hidden])(hidden).mode == "RGBA"  # as good as any


def test_networks_that_share_nothing_are_refused(model_path: Path) -> None:
    stylizer = faststyle.load(model_path, device="cpu", threads=1)
    assert not stylizer.shares
    with pytest.raises(ModelError, match=r"\.onnx: cannot paint several pictures alike; use a"):
        stylizer.scene([blotches(20, 20)])


def test_files_whose_statistics_have_no_names_are_refused(
    fast_models: Mapping[str, Path], tmp_path: Path
) -> None:
    content = fast_models["fp32"].read_bytes()
    for name in STATISTICS:
        content = content.replace(name.encode(), b"x" * len(name))
    (tmp_path / "old.onnx").write_bytes(content)
    stylizer = faststyle.load(tmp_path / "old.onnx", device="cpu", threads=1)
    assert not stylizer.shares
    with pytest.raises(ModelError, match=r"old\.onnx: cannot paint several pictures alike"):
        stylizer.scene([blotches(20, 20)])


def test_a_part_of_the_frames_is_measured() -> None:
    counts = [measured_frames(count) for count in (1, 2, 3, 4, 24, 1000)]
    assert counts == [1, 1, 1, 2, 8, 8]
