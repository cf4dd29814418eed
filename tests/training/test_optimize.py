from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faststyle.errors import CheckpointError, DataError, ImageError, OptionError, WeightsError
from faststyle.training.meter import Progress
from faststyle.training.optimize import find_pairs, optimize
from faststyle.training.synthesis import Size, coarse_to_fine, files_beside, style_size
from faststyle.training.synthesis_config import OptimizationConfig, SynthesisOptions
from tests.conftest import Paint

OPTIONS = SynthesisOptions(device="cpu", preview_every=2)


@pytest.fixture
def small(paint: Paint, vgg_weights: Path) -> OptimizationConfig:
    return OptimizationConfig(
        content=str(paint("photo.png", height=128, width=136)),
        style=str(paint("style.png", height=80, width=72, seed=9)),
        loss_network="vgg19",
        vgg_weights=str(vgg_weights),
        max_side=136,
        scales=2,
        steps=3,
    )


def _rows(out: Path) -> list[dict[str, str]]:
    with open(files_beside(out).log, newline="") as file:
        return list(csv.DictReader(file))


def test_sizes_go_from_coarse_to_fine_and_are_never_too_small() -> None:
    assert coarse_to_fine(Size(300, 401), scales=3) == ((75, 100), (150, 200), (300, 401))
    assert coarse_to_fine(Size(100, 401), scales=3) == ((100, 401),)
    with pytest.raises(DataError, match="80×60 pixels are too few"):
        coarse_to_fine(Size(60, 80), scales=1)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("init", ["content", "noise", "style"])
def test_losses_fall_at_each_size(
    small: OptimizationConfig, tmp_path: Path, init: str, optimizer: str
) -> None:
    out = tmp_path / "made" / "out.png"
    config = replace(small, init=init, optimizer=optimizer, learning_rate=0.01)
    result = optimize(config, out=out, options=OPTIONS)
    rows = _rows(out)
    assert [int(row["step"]) for row in rows] == list(range(7))
    assert [row["width"] for row in rows] == ["68"] * 4 + ["136"] * 3
    totals = [float(row["total"]) for row in rows]
    assert totals[3] < totals[0]
    assert totals[6] < totals[4]
    assert result.finished
    assert float(result.losses.total) == pytest.approx(totals[-1], rel=1e-5)
    with Image.open(out) as picture:
        assert picture.size == (136, 128)
    files = files_beside(out)
    assert not files.state.exists()
    assert sorted(path.name for path in files.previews.iterdir()) == [
        "step_000002.png",
        "step_000004.png",
    ]


def test_starts_are_what_they_are_called(small: OptimizationConfig, tmp_path: Path) -> None:
    """Without a style to follow, the first total tells how far the start is from the photo."""
    config = replace(small, style_weight=0.0, total_variation_weight=0.0, steps=1, scales=1)
    firsts = {}
    for init in ("content", "noise", "style"):
        optimize(replace(config, init=init), out=tmp_path / f"{init}.png", options=OPTIONS)
        firsts[init] = float(_rows(tmp_path / f"{init}.png")[0]["total"])
    assert firsts["content"] == 0
    assert firsts["noise"] != firsts["style"]
    assert min(firsts["noise"], firsts["style"]) > 0.1


@pytest.mark.parametrize("stop_at", [2, 3, 4])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_resumed_picture_is_the_same(
    small: OptimizationConfig, tmp_path: Path, stop_at: int, optimizer: str
) -> None:
    config = replace(small, optimizer=optimizer)
    whole, parts = tmp_path / "whole.png", tmp_path / "parts.png"
    optimize(config, out=whole, options=OPTIONS)
    done: list[Progress] = []
    result = optimize(
        config,
        out=parts,
        options=OPTIONS,
        on_progress=done.append,
        should_stop=lambda: len(done) == stop_at,
    )
    assert (result.finished, result.step) == (False, stop_at)
    assert not parts.exists()
    assert optimize(config, out=parts, options=OPTIONS, resume=True).finished
    assert whole.read_bytes() == parts.read_bytes()
    keys = ("step", "total")
    assert [[row[key] for key in keys] for row in _rows(whole)] == [
        [row[key] for key in keys] for row in _rows(parts)
    ]


def test_a_picture_that_cannot_be_saved_costs_no_steps(
    small: OptimizationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ImageError("out.png: No space left on device")

    out, options = tmp_path / "out.png", replace(OPTIONS, preview_every=100)
    with monkeypatch.context() as patched:
        patched.setattr("faststyle.training.synthesis.save_picture", fail)
        with pytest.raises(ImageError, match="No space left"):
            optimize(small, out=out, options=options)
    seen: list[Progress] = []
    result = optimize(small, out=out, options=options, resume=True, on_progress=seen.append)
    assert (result.finished, result.step, seen) == (True, 6, [])
    assert out.exists()
    assert not files_beside(out).state.exists()


def test_published_weights_are_not_for_the_bundled_loss_network(
    small: OptimizationConfig, tmp_path: Path
) -> None:
    def said(**settings: Any) -> list[str]:
        notices: list[str] = []
        config = replace(small, scales=1, steps=1, **settings)
        optimize(config, out=tmp_path / "out.png", options=OPTIONS, on_notice=notices.append)
        return notices

    lite: dict[str, Any] = {"loss_network": "lite", "vgg_weights": None}
    (notice,) = said(convention="gatys", **lite)
    assert notice.startswith("--convention gatys: its weights were published for vgg16 and vgg19")
    assert notice.endswith("--loss-network")
    assert said(convention="gatys") == said(**lite) == []


def _named(config: OptimizationConfig, setting: str, path: Path) -> OptimizationConfig:
    if setting == "content":
        return replace(config, content=str(path))
    return replace(config, style=str(path))


def _stopped(config: OptimizationConfig, out: Path) -> None:
    optimize(config, out=out, options=OPTIONS, should_stop=lambda: True)


def test_other_settings_cannot_resume(small: OptimizationConfig, tmp_path: Path) -> None:
    _stopped(small, tmp_path / "out.png")
    for changed, message in (
        (replace(small, style_weight=3.0), "--style-weight 3.0: the picture was started with None"),
        (replace(small, steps=9), "--steps 9: the picture was started with 3"),
    ):
        with pytest.raises(OptionError, match=message):
            optimize(changed, out=tmp_path / "out.png", options=OPTIONS, resume=True)


@pytest.mark.parametrize("changed", ["content", "style"])
def test_other_pictures_cannot_resume(
    small: OptimizationConfig, tmp_path: Path, paint: Paint, changed: str
) -> None:
    _stopped(small, tmp_path / "out.png")
    original = Path(small.content if changed == "content" else small.style)
    other = paint("other.png", height=128, width=136, seed=5)
    with pytest.raises(CheckpointError, match=r"other\.png: not the file .* started with"):
        optimize(
            _named(small, changed, other), out=tmp_path / "out.png", options=OPTIONS, resume=True
        )
    moved = _named(small, changed, original.rename(tmp_path / "moved.png"))
    assert optimize(moved, out=tmp_path / "out.png", options=OPTIONS, resume=True).finished


def test_a_new_start_forgets_an_older_one(small: OptimizationConfig, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    _stopped(small, out)

    def fail(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimize(small, out=out, options=OPTIONS, on_progress=fail)
    assert not files_beside(out).state.exists()


@pytest.mark.parametrize("content", [None, b"", b"no state"])
def test_a_state_that_is_none_is_named(
    small: OptimizationConfig, tmp_path: Path, content: bytes | None
) -> None:
    out = tmp_path / "out.png"
    if content is not None:
        files_beside(out).state.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"out\.state\.pt: "):
        optimize(small, out=out, options=OPTIONS, resume=True)


def test_squares_are_cut_from_the_centre(small: OptimizationConfig, tmp_path: Path) -> None:
    config = replace(
        small, init="content", square=True, steps=1, style_weight=0.0, total_variation_weight=0.0
    )
    optimize(config, out=tmp_path / "out.png", options=OPTIONS)
    made = np.asarray(Image.open(tmp_path / "out.png"), np.int16)
    photo = np.asarray(Image.open(small.content), np.int16)[:, 4:-4]
    assert made.shape == photo.shape == (128, 128, 3)
    assert np.abs(made - photo).mean() < 2  # scaled down and up again


@pytest.mark.parametrize(
    ("height", "width", "style_scale"), [(80, 72, 0.1), (64, 500, 1.0), (500, 64, 0.5)]
)
def test_a_style_is_never_scaled_to_less_than_the_losses_need(
    small: OptimizationConfig,
    tmp_path: Path,
    paint: Paint,
    height: int,
    width: int,
    style_scale: float,
) -> None:
    style = str(paint("narrow.png", height=height, width=width, seed=9))
    config = replace(small, style=style, style_scale=style_scale, steps=1)
    assert optimize(config, out=tmp_path / "out.png", options=OPTIONS).finished


def test_the_size_of_a_style_keeps_its_shape() -> None:
    assert style_size(Image.new("RGB", (300, 100)), longer_side=210) == Size(70, 210)
    assert style_size(Image.new("RGB", (300, 100)), longer_side=50) == Size(64, 192)


def test_pairs_of_a_folder(paint: Paint) -> None:
    names = ("content_a.png", "content_b.jpg", "style_x.png", "style_y.png", "other.png")
    for name in names:
        folder = paint(f"set/{name}").parent
    assert [(content.name, style.name) for content, style in find_pairs(folder)] == [
        ("content_a.png", "style_x.png"),
        ("content_a.png", "style_y.png"),
        ("content_b.jpg", "style_x.png"),
        ("content_b.jpg", "style_y.png"),
    ]
    for style in folder.glob("style_*"):
        style.unlink()
    with pytest.raises(DataError, match=r"set: needs pictures named content_\* and style_\*"):
        find_pairs(folder)


def test_a_longer_side_that_makes_a_photo_too_small_is_named(
    small: OptimizationConfig, paint: Paint, tmp_path: Path
) -> None:
    strip = replace(small, content=str(paint("strip.png", height=70, width=105)), steps=1)
    with pytest.raises(
        DataError, match=r"strip\.png: --max-side 95 leaves 95×63 pixels, .* at least 96$"
    ):
        optimize(replace(strip, max_side=95), out=tmp_path / "out.png", options=OPTIONS)
    assert optimize(replace(strip, max_side=96), out=tmp_path / "out.png", options=OPTIONS).finished


def test_what_cannot_be_is_said_before_any_step(small: OptimizationConfig, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    with pytest.raises(ImageError, match=r"none\.jpg"):
        optimize(replace(small, content="none.jpg"), out=out, options=OPTIONS)
    with pytest.raises(WeightsError, match=r"none\.pth"):
        optimize(replace(small, vgg_weights="none.pth"), out=out, options=OPTIONS)
    with pytest.raises(ImageError, match="unknown picture format"):
        optimize(small, out=tmp_path / "out.xyz", options=OPTIONS)
    assert not files_beside(out).log.exists()
