from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from faststyle.contract import SAMPLE_STEP
from faststyle.errors import ModelError
from faststyle.sharing import Sharing
from faststyle.stylizer import load
from faststyle.tiles import Patch, Pixels
from tests.conftest import blotches

STEP = 4 * SAMPLE_STEP
EVERYTHING = slice(0, None)
PLENTY = 2**40


@pytest.fixture(params=["fp32", "fp16", "int8"])
def path(fast_models: Mapping[str, Path], request: pytest.FixtureRequest) -> Path:
    return fast_models[request.param]


@pytest.fixture
def sharing(path: Path) -> Sharing:
    return Sharing(path, device="cpu", threads=1)


def _measure(sharing: Sharing, photos: Sequence[Pixels]) -> Mapping[str, np.ndarray]:
    parts = [Patch(photo, EVERYTHING, EVERYTHING) for photo in photos]
    return sharing.measure(parts, step=STEP, memory=PLENTY)


@pytest.mark.parametrize("size", [(1, 1), (37, 61), (250, 200)])
def test_a_picture_is_painted_by_its_own_statistics_as_it_is(
    sharing: Sharing, path: Path, size: tuple[int, int]
) -> None:
    photo = blotches(*size)
    statistics = _measure(sharing, [photo])
    assert set(statistics) == sharing.port.taken.extras
    painted = sharing.port.paint(photo, statistics=statistics).astype(int)
    most = 1 if path.stem == "fp32" else 4
    assert np.abs(painted - load(path, device="cpu", threads=1)(photo)).max() <= most
    others = _measure(sharing, [blotches(60, 60, seed=5)])
    assert np.abs(painted - sharing.port.paint(photo, statistics=others)).mean() > 2


def test_statistics_of_parts_are_those_of_the_whole(sharing: Sharing) -> None:
    photos = [blotches(96, 120, seed=seed) // seed for seed in (1, 2, 3)]
    together = _measure(sharing, photos)
    first = [_measure(sharing, [photo]) for photo in photos]
    means, spreads = (np.stack([each[name] for each in first]) for name in ("mean_0", "spread_0"))
    assert np.allclose(together["mean_0"], means.mean(0), atol=1e-5)
    expected = np.sqrt((spreads**2).mean(0) + means.var(0))
    assert np.allclose(together["spread_0"], expected, rtol=1e-3)
    # Those of later layers are of what these make of the parts, not of what each would make.
    last = sorted(together)[-1]
    assert not np.allclose(together[last], np.mean([each[last] for each in first], 0), rtol=1e-2)
    again = _measure(sharing, [photos[0]] * 3)
    for name, values in first[0].items():
        assert np.allclose(again[name], values, rtol=1e-3, atol=1e-4), name


def test_what_lies_outside_of_the_areas_does_not_count(sharing: Sharing) -> None:
    photo = blotches(128, 160)
    area = (slice(STEP, 15 * STEP), slice(2 * STEP, None))
    changed = photo.copy()
    changed[-4:] = changed[:, :4] = 0
    first, second = (
        sharing.measure([Patch(pixels, *area)], step=STEP, memory=PLENTY)["mean_0"]
        for pixels in (photo, changed)
    )
    assert np.allclose(first, second, atol=1e-5)
    assert not np.allclose(first, _measure(sharing, [photo])["mean_0"], atol=1e-3)


def test_a_file_that_measures_in_another_way_is_refused(
    fast_models: Mapping[str, Path], tmp_path: Path
) -> None:
    content = fast_models["fp32"].read_bytes().replace(b"ReduceMean", b"ReduceSums")
    (tmp_path / "other.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.onnx: .*cannot paint in tiles|can be loaded"):
        _measure(Sharing(tmp_path / "other.onnx", device="cpu", threads=1), [blotches(60, 60)])


@pytest.mark.parametrize("level", [0, 40, 255])
def test_parts_that_do_not_vary_have_finite_statistics(sharing: Sharing, level: int) -> None:
    flat = np.full((64, 64, 3), level, np.uint8)
    alone, together = _measure(sharing, [flat]), _measure(sharing, [flat] * 9)
    for name, values in alone.items():
        assert np.allclose(together[name], values, rtol=0.02, atol=1e-4), name


@pytest.mark.parametrize("memory", [0, 2_000_000])
def test_little_memory_changes_nothing(sharing: Sharing, memory: int) -> None:
    parts = [Patch(blotches(120, 160, seed=seed), EVERYTHING, EVERYTHING) for seed in range(3)]
    plenty = sharing.measure(parts, step=STEP, memory=PLENTY)
    for name, values in sharing.measure(parts, step=STEP, memory=memory).items():
        assert np.allclose(values, plenty[name], rtol=1e-3, atol=1e-3), name
