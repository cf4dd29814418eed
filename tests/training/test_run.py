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
from faststyle.errors import CheckpointError, DivergenceError, TrainingError
from faststyle.training.checkpoint import load_checkpoint
from faststyle.training.config import RunOptions, TrainingConfig
from faststyle.training.run import Progress, RunResult, train
from faststyle.training.trainer import learning_rate_factor
from tests.conftest import Paint, blotches

PLAIN = RunOptions(device="cpu", workers=0)


@pytest.fixture
def config(paint: Paint, vgg_weights: Path) -> TrainingConfig:
    for seed in range(4):
        photo = paint(f"photos/{seed}.jpg", height=80, width=96, seed=seed)
    return TrainingConfig(
        style=str(paint("stripes.png", height=64, width=64, seed=9)),
        content=str(photo.parent),
        width=2,
        vgg_weights=str(vgg_weights),
        style_size=64,
        crop_size=64,
        batch_size=2,
        steps=6,
        precision="float32",
    )


def _train(
    config: TrainingConfig, out: Path, *, stop_after: int | None = None, resume: bool = False
) -> tuple[RunResult, list[Progress]]:
    seen: list[Progress] = []
    result = train(
        config,
        out=out,
        resume=load_checkpoint(out / "checkpoint.pt") if resume else None,
        options=RunOptions(device="cpu", workers=0, checkpoint_every=4, preview_every=3),
        on_progress=seen.append,
        should_stop=lambda: stop_after is not None and len(seen) + 1 >= stop_after,
    )
    return result, seen


def _rows(out: Path) -> list[dict[str, str]]:
    with open(out / "log.csv", newline="") as file:
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
        "model.onnx",
        "previews/step_000003.png",
        "previews/step_000006.png",
    ]
    assert [row["step"] for row in _rows(out)] == ["1", "4", "6"]
    with Image.open(out / "previews" / "step_000006.png") as preview:
        assert preview.size == (4 * 384, 2 * 384)
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


def test_a_finished_run_resumed_writes_its_model_again(
    config: TrainingConfig, tmp_path: Path
) -> None:
    _train(config, tmp_path)
    (tmp_path / "model.onnx").unlink()
    result, seen = _train(config, tmp_path, resume=True)
    assert result.finished
    assert seen == []
    assert (tmp_path / "model.onnx").exists()


def test_divergence_stops_and_keeps_the_last_good_checkpoint(
    config: TrainingConfig, tmp_path: Path
) -> None:
    _train(config, tmp_path, stop_after=2)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    checkpoint = load_checkpoint(tmp_path / "checkpoint.pt")
    next(iter(checkpoint.network.values()))[0] = float("nan")
    with pytest.raises(
        DivergenceError, match=r"NaN or infinite.*checkpoint is kept.*--learning-rate"
    ):
        train(config, out=tmp_path, resume=checkpoint, options=PLAIN)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good


def test_divergence_before_the_first_checkpoint_promises_none(
    config: TrainingConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(config, content_weight=3e38, style_weight=3e38)
    with pytest.raises(DivergenceError, match=r"start again with a lower --learning-rate$"):
        _train(config, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


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
    with pytest.raises(CheckpointError, match=r"is a johnson of width 2; .* of width 3$"):
        _train(dataclasses.replace(config, width=3), tmp_path / "third")


def test_a_damaged_optimizer_state_is_one_line(config: TrainingConfig, tmp_path: Path) -> None:
    _train(config, tmp_path, stop_after=1)
    checkpoint = load_checkpoint(tmp_path / "checkpoint.pt")
    checkpoint.optimizer.clear()
    with pytest.raises(CheckpointError, match="optimizer state does not fit"):
        train(checkpoint.config, out=tmp_path, options=PLAIN, resume=checkpoint)


def test_too_little_memory_is_one_line(config: TrainingConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(config, width=10**9)
    with pytest.raises(TrainingError, match="not enough memory; lower --batch-size"):
        _train(config, tmp_path)


def test_previews_among_the_photos_are_not_trained_on(config: TrainingConfig) -> None:
    out = Path(config.content) / "run"
    _train(config, out, stop_after=4)
    notices: list[str] = []
    checkpoint = load_checkpoint(out / "checkpoint.pt")
    train(config, out=out, options=PLAIN, resume=checkpoint, on_notice=notices.append)
    assert not any("changed" in notice for notice in notices)


def test_a_folder_that_cannot_be_made_is_named(config: TrainingConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        TrainingError, match=r"file/run/log\.csv: cannot be written \(Not a directory\)"
    ):
        _train(config, tmp_path / "file" / "run")


def test_a_full_disk_is_named_and_leaves_no_half_file(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(TrainingError, match="No space left on device"):
        _train(config, tmp_path / "run")
    assert not list((tmp_path / "run" / "previews").iterdir())


def test_unreadable_photos_are_counted(config: TrainingConfig, tmp_path: Path) -> None:
    bad = Path(config.content) / "0.jpg"
    bad.write_text("not a picture")
    result, _ = _train(config, tmp_path / "run")
    assert result.unreadable == (str(bad),)


def test_changed_photos_are_noticed(config: TrainingConfig, tmp_path: Path) -> None:
    _train(config, tmp_path / "run", stop_after=2)
    (Path(config.content) / "0.jpg").unlink()
    notices: list[str] = []
    train(
        config,
        out=tmp_path / "run",
        resume=load_checkpoint(tmp_path / "run" / "checkpoint.pt"),
        options=PLAIN,
        on_notice=notices.append,
    )
    assert any("the photos changed" in notice for notice in notices)


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    factors = [learning_rate_factor(step, steps=100) for step in range(100)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert factors[-1] < 0.001
