"""Whole runs, as small as they can be, and the files they leave."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import faststyle
from faststyle.errors import CheckpointError, DataError, DivergenceError, ImageError, TrainingError
from faststyle.training.calibration import GROWTH
from faststyle.training.checkpoint import load_checkpoint
from faststyle.training.config import RunOptions, TrainingConfig
from faststyle.training.data import PhotoCrops
from faststyle.training.meter import Progress
from faststyle.training.pace import Pace
from faststyle.training.plan import BATCH_SIZES
from faststyle.training.run import RunResult, train
from tests.conftest import Paint, blotches

PLAIN = RunOptions(device="cpu", workers=0)
OFTEN = dataclasses.replace(PLAIN, checkpoint_every=4, preview_every=3)


def _train(
    config: TrainingConfig,
    out: Path,
    *,
    stop_after: int | None = None,
    resume: bool = False,
    options: RunOptions = OFTEN,
) -> tuple[RunResult, list[Progress]]:
    seen: list[Progress] = []
    result = train(
        config,
        out=out,
        resume=load_checkpoint(out / "checkpoint.pt") if resume else None,
        options=options,
        on_progress=seen.append,
        should_stop=lambda: stop_after is not None and len(seen) + 1 >= stop_after,
    )
    return result, seen


def _rows(out: Path, *, log: str = "log.csv") -> list[dict[str, str]]:
    with open(out / log, newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_a_model_a_checkpoint_a_log_and_previews(
    config: TrainingConfig, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    result, seen = _train(config, out)
    assert result.finished
    assert [progress.step for progress in seen] == [1, 2, 3, 4, 5, 6]
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == [
        "checkpoint.pt",
        "log.csv",
        "losses.png",
        "model.onnx",
        "previews.png",
        "previews/step_000003.png",
        "previews/step_000006.png",
        "validation.csv",
    ]
    assert [row["step"] for row in _rows(out)] == ["1", "4", "6"]
    assert [row["step"] for row in _rows(out, log="validation.csv")] == ["3", "6"]
    with Image.open(out / "previews" / "step_000006.png") as preview:
        assert preview.size == (384, 2 * 320)  # the one photo kept aside has 96×80 pixels
    photo = blotches(33, 45)
    stylized = faststyle.load(out / "model.onnx")(photo)
    with torch.no_grad():
        planes = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255
        expected = load_checkpoint(out / "checkpoint.pt").build()(planes)[0].permute(1, 2, 0)
    assert np.abs(stylized - (expected * 255).clamp(0, 255).numpy()).max() <= 2


def test_training_lowers_the_loss(config: TrainingConfig, tmp_path: Path) -> None:
    _, seen = _train(dataclasses.replace(config, steps=60, learning_rate=1e-2), tmp_path / "run")
    first, last = seen[0].reading, seen[-1].reading
    assert first is not None
    assert last is not None
    assert last.total < 0.6 * first.total


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_a_resumed_run_equals_an_uninterrupted_one(
    config: TrainingConfig, tmp_path: Path, stop_after: int
) -> None:
    _train(config, tmp_path / "whole")
    stopped, _ = _train(config, tmp_path / "parts", stop_after=stop_after)
    assert (stopped.finished, stopped.step, stopped.model) == (False, stop_after, None)
    resumed, seen = _train(config, tmp_path / "parts", resume=True)
    assert resumed.finished
    assert seen[0].step == stop_after + 1
    whole, parts = (
        load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts")
    )
    assert all(torch.equal(whole.network[key], parts.network[key]) for key in whole.network)
    steps = [int(row["step"]) for row in _rows(tmp_path / "parts")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 6


def test_a_damaged_log_does_not_keep_a_run_from_going_on(
    config: TrainingConfig, tmp_path: Path
) -> None:
    _train(config, tmp_path, stop_after=4)
    with open(tmp_path / "log.csv", "ab") as log:
        log.write(b"3,1,\xff\xfe,1,1,1,1,1\n\xb2,1,1,1,1,1,1,1\n\x00\n2,1,1")
    result, _ = _train(config, tmp_path, resume=True)
    assert result.finished
    assert [row["step"] for row in _rows(tmp_path)] == ["1", "4", "6"]


def test_a_finished_run_resumed_writes_its_model_again(
    config: TrainingConfig, tmp_path: Path
) -> None:
    _train(config, tmp_path)
    (tmp_path / "model.onnx").unlink()
    result, seen = _train(config, tmp_path, resume=True)
    assert result.finished
    assert seen == []
    assert (tmp_path / "model.onnx").exists()


def test_a_diverging_run_goes_back_and_goes_on_slower(
    config: TrainingConfig, tmp_path: Path
) -> None:
    _train(config, tmp_path, stop_after=2)
    checkpoint = load_checkpoint(tmp_path / "checkpoint.pt")
    next(iter(checkpoint.network.values()))[0] = float("nan")
    notices: list[str] = []
    result = train(config, out=tmp_path, resume=checkpoint, options=PLAIN, on_notice=notices.append)
    assert result.finished
    assert notices[-1] == (
        "the losses became NaN or infinite by step 6: "
        "back to step 2 with half the learning rate, 0.001"
    )
    last = load_checkpoint(tmp_path / "checkpoint.pt")
    assert last.plan.learning_rate == config.learning_rate / 2
    assert all(bool(torch.isfinite(weight).all()) for weight in last.network.values())
    assert [row["step"] for row in _rows(tmp_path)] == ["1", "2", "6"]


def test_a_run_that_always_diverges_gives_up(config: TrainingConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(config, content_weight=3e38, style_weight=3e38)
    with pytest.raises(DivergenceError, match=r"again after 4 returns .*--learning-rate"):
        _train(config, tmp_path)
    assert load_checkpoint(tmp_path / "checkpoint.pt").step == 0


def test_a_flat_run_ends_early(config: TrainingConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(config, steps=400, learning_rate=1e-9, stop_when_flat=True)
    notices: list[str] = []
    options = dataclasses.replace(PLAIN, preview_every=5)
    result = train(config, out=tmp_path, options=options, on_notice=notices.append)
    assert result.finished
    assert result.step == 27  # five validations, then a tenth of their steps to cool down
    assert "flat at step 25: ends after step 27" in notices
    assert load_checkpoint(tmp_path / "checkpoint.pt").plan.cooling_from == 25


def test_a_run_that_is_flat_at_its_end_just_ends(config: TrainingConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(config, steps=25, learning_rate=1e-9, stop_when_flat=True)
    options = dataclasses.replace(PLAIN, preview_every=5)
    result = train(config, out=tmp_path, options=options)
    assert result.model is not None
    assert result.step == 25


def test_a_timed_run_plans_its_steps_and_keeps_the_plan(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: object, **__: object) -> Pace:
        return Pace(step=1.0, look=0.5)

    monkeypatch.setattr("faststyle.training.run.measure_pace", measured)
    config = dataclasses.replace(config, steps=None, minutes=10, batch_size=None)
    result, seen = _train(config, tmp_path, stop_after=2, options=PLAIN)
    assert not result.finished
    plan = load_checkpoint(tmp_path / "checkpoint.pt").plan
    assert 300 < plan.steps == seen[0].steps < 600
    assert plan.batch_size == BATCH_SIZES[0]
    result, seen = _train(config, tmp_path, resume=True, stop_after=2, options=PLAIN)
    assert result.step > 2
    assert seen[-1].steps == plan.steps
    assert load_checkpoint(tmp_path / "checkpoint.pt").plan == plan


def test_intensity_is_calibrated_to_the_style(config: TrainingConfig, tmp_path: Path) -> None:
    weights = []
    for number, intensity in enumerate((3.0, 8.0)):
        config = dataclasses.replace(config, style_weight=None, intensity=intensity, steps=1)
        _train(config, tmp_path / str(number))
        weights.append(load_checkpoint(tmp_path / str(number) / "checkpoint.pt").plan.style_weight)
    assert weights[1] == pytest.approx(GROWTH**5 * weights[0])


def test_the_default_run_needs_nothing_but_pictures(config: TrainingConfig, tmp_path: Path) -> None:
    config = TrainingConfig(
        style=config.style, content=config.content, crop_size=64, steps=1, batch_size=1
    )
    result = train(config, out=tmp_path, options=PLAIN)
    assert result.model is not None
    card = faststyle.load(result.model).card
    assert card.training["loss_network"] == "lite"
    assert card.training["start_from"] == "wave"


def test_what_a_run_started_from_is_stated(config: TrainingConfig, tmp_path: Path) -> None:
    _train(config, tmp_path)
    card = faststyle.load(tmp_path / "model.onnx").card
    assert card.training["start_from"] == "random"  # no network of width 2 is bundled


def test_photos_to_validate_on_are_needed(config: TrainingConfig, tmp_path: Path) -> None:
    (Path(config.content) / "0.jpg").write_text("not a picture")
    with pytest.raises(DataError, match="none of the photos kept aside can be read"):
        _train(config, tmp_path)


def test_the_users_own_photos_are_previewed(
    config: TrainingConfig, tmp_path: Path, paint: Paint
) -> None:
    own = tuple(str(paint(f"own/{side}.png", height=side, width=90)) for side in (30, 90))
    options = dataclasses.replace(PLAIN, preview=own)
    train(config, out=tmp_path / "run", options=options)
    with Image.open(tmp_path / "run" / "previews" / "step_000001.png") as preview:
        assert preview.size == (960 + 320, 2 * 320)
    missing = dataclasses.replace(PLAIN, preview=("missing.jpg",))
    with pytest.raises(ImageError, match=r"missing\.jpg"):
        train(config, out=tmp_path / "other", options=missing)


def test_tensorboard_is_written_on_request(config: TrainingConfig, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train(config, out=tmp_path, options=dataclasses.replace(PLAIN, tensorboard=True))
    (events,) = (tmp_path / "tensorboard").iterdir()
    content = events.read_bytes()
    assert b"training/style" in content
    assert b"validation/total" in content
    assert b"preview" in content


@pytest.mark.parametrize(("setting", "name"), [("style", "style"), ("vgg_weights", "vgg weights")])
def test_a_run_goes_on_only_with_the_files_it_was_started_with(
    config: TrainingConfig, tmp_path: Path, setting: str, name: str
) -> None:
    _train(config, tmp_path / "run", stop_after=1)
    path = tmp_path / "changed"
    path.write_bytes(Path(getattr(config, setting)).read_bytes() + b"more")
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    changes: dict[str, Any] = {setting: str(path)}
    config = dataclasses.replace(checkpoint.config, **changes)
    with pytest.raises(CheckpointError, match=f"changed: not the {name} that the run was"):
        train(config, out=tmp_path / "run", options=PLAIN, resume=checkpoint)


def test_a_run_can_start_from_another_style(config: TrainingConfig, tmp_path: Path) -> None:
    _train(config, tmp_path / "first")
    first = load_checkpoint(tmp_path / "first" / "checkpoint.pt")
    start_from = str(tmp_path / "first" / "checkpoint.pt")
    config = dataclasses.replace(config, start_from=start_from, learning_rate=1e-12)
    _train(config, tmp_path / "second")
    second = load_checkpoint(tmp_path / "second" / "checkpoint.pt")
    assert all(torch.allclose(first.network[key], second.network[key]) for key in first.network)
    with pytest.raises(CheckpointError, match=r"is a fast width 2; .* fast width 1, or a smaller"):
        _train(dataclasses.replace(config, width=1), tmp_path / "third")


def test_a_damaged_optimizer_state_is_one_line(config: TrainingConfig, tmp_path: Path) -> None:
    _train(config, tmp_path, stop_after=1)
    checkpoint = load_checkpoint(tmp_path / "checkpoint.pt")
    checkpoint.optimizer.clear()
    with pytest.raises(CheckpointError, match=r"/checkpoint\.pt: its optimizer state does"):
        train(checkpoint.config, out=tmp_path, options=PLAIN, resume=checkpoint)


def test_too_little_memory_is_one_line(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "faststyle.training.trainer.starting_network", lambda _: torch.empty(10**16)
    )
    with pytest.raises(TrainingError, match="not enough memory; lower --batch-size"):
        _train(config, tmp_path)
    monkeypatch.setattr(
        "faststyle.training.trainer.read_style", lambda *_, **__: torch.empty(10**16)
    )
    with pytest.raises(TrainingError, match=r"--stroke-size, or crop the style .*stripes\.png$"):
        _train(config, tmp_path)


def test_previews_among_the_photos_are_not_trained_on(config: TrainingConfig) -> None:
    out = Path(config.content) / "run"
    _train(config, out, stop_after=4)
    notices: list[str] = []
    checkpoint = load_checkpoint(out / "checkpoint.pt")
    train(config, out=out, options=PLAIN, resume=checkpoint, on_notice=notices.append)
    assert not any("changed" in notice for notice in notices)


def test_a_folder_that_cannot_be_made_is_named_before_time_is_spent(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("faststyle.training.run.find_photos")
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"run/checkpoint\.pt: cannot be written \(Not a dir"):
        _train(config, tmp_path / "file" / "run")


@pytest.mark.parametrize("name", ["log.csv", "validation.csv", "losses.png", "previews.png"])
def test_a_file_that_cannot_be_written_is_named(
    config: TrainingConfig, tmp_path: Path, name: str
) -> None:
    (tmp_path / name / "full").mkdir(parents=True)
    with pytest.raises(TrainingError, match=rf"{name}: cannot be written"):
        _train(dataclasses.replace(config, steps=1), tmp_path)


def test_a_full_disk_is_named_and_leaves_no_half_file(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(TrainingError, match="No space left on device"):
        _train(config, tmp_path / "run")
    assert not list((tmp_path / "run" / "previews").iterdir())


def test_a_summary_that_cannot_be_drawn_costs_no_model(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("faststyle.training.record.draw_curves", fail)
    with pytest.raises(TrainingError, match="No space left on device"):
        _train(config, tmp_path / "run")
    assert faststyle.load(tmp_path / "run" / "model.onnx").card.trained_steps == 6


def test_the_summary_leaves_out_what_is_no_preview(config: TrainingConfig, tmp_path: Path) -> None:
    _train(config, tmp_path, options=dataclasses.replace(PLAIN, preview_every=2))
    with Image.open(tmp_path / "previews.png") as sheet:
        whole = sheet.height
    previews = tmp_path / "previews"
    (previews / "step_000002 copy.png").write_bytes((previews / "step_000002.png").read_bytes())
    (previews / "step_000004.png").write_bytes(b"damaged")
    assert _train(config, tmp_path, resume=True)[0].finished
    with Image.open(tmp_path / "previews.png") as sheet:
        assert sheet.height < whole  # one row of stylized photos less
    for preview in previews.glob("*.png"):
        preview.write_bytes(b"damaged")
    (tmp_path / "previews.png").unlink()
    assert _train(config, tmp_path, resume=True)[0].finished
    assert not (tmp_path / "previews.png").exists()


def test_unreadable_photos_are_counted(config: TrainingConfig, tmp_path: Path) -> None:
    bad = Path(config.content) / "1.jpg"
    bad.write_text("not a picture")
    result, _ = _train(config, tmp_path / "run")
    assert result.unreadable == (str(bad),)


def test_changed_photos_are_noticed(config: TrainingConfig, tmp_path: Path) -> None:
    _train(config, tmp_path / "run", stop_after=2)
    (Path(config.content) / "0.jpg").rename(Path(config.content) / "9.jpg")
    notices: list[str] = []
    train(
        config,
        out=tmp_path / "run",
        resume=load_checkpoint(tmp_path / "run" / "checkpoint.pt"),
        options=PLAIN,
        on_notice=notices.append,
    )
    assert any("the photos changed" in notice for notice in notices)
    assert any("none of the photos kept aside" in notice for notice in notices)


def test_a_resumed_run_measures_on_the_photos_that_it_kept_aside(
    config: TrainingConfig, tmp_path: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    _train(config, out, stop_after=4)
    before = load_checkpoint(out / "checkpoint.pt")
    assert before.aside == ["0.jpg"]
    paint("photos/0.5.jpg").rename(Path(config.content) / "00 caf\udce9.jpg")  # is the first now
    seen: list[Path] = []

    def spy(paths: list[Path], **how: int) -> PhotoCrops:
        seen.extend(paths)
        return PhotoCrops(paths, **how)

    monkeypatch.setattr("faststyle.training.run.PhotoCrops", spy)
    assert _train(config, out, resume=True)[0].finished
    assert {path.name for path in seen} == {
        "00 caf\udce9.jpg",
        *(f"{number}.jpg" for number in range(1, 8)),
    }
    after = load_checkpoint(out / "checkpoint.pt")
    assert after.aside == ["0.jpg"]
    assert after.validations[: len(before.validations)] == before.validations


def test_losses_on_other_photos_do_not_make_a_run_flat(
    config: TrainingConfig, tmp_path: Path
) -> None:
    _train(config, tmp_path / "run", stop_after=4)
    assert len(load_checkpoint(tmp_path / "run/checkpoint.pt").validations) == 1
    kept = Path(config.content) / "0.jpg"
    kept.rename(kept.with_name("caf\udce9.jpg"))
    _train(config, tmp_path / "run", resume=True, stop_after=1)
    checkpoint = load_checkpoint(tmp_path / "run/checkpoint.pt")
    assert (checkpoint.aside, checkpoint.validations) == (["1.jpg"], [])
