"""A sweep as small as it can be."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import faststyle
from faststyle.errors import OptionError, TrainingError
from faststyle.images import open_colors, open_picture
from faststyle.training.checkpoint import load_checkpoint, save_checkpoint
from faststyle.training.config import RunOptions, TrainingConfig
from faststyle.training.meter import Progress
from faststyle.training.run import RunResult, train
from faststyle.training.sweep import Cell, sweep
from tests.conftest import pixels


@pytest.fixture
def grid_config(config: TrainingConfig) -> TrainingConfig:
    return dataclasses.replace(config, style_weight=None, batch_size=1, steps=12)


def _sweep(
    config: TrainingConfig, out: Path, *, stop_after: int | None = None
) -> tuple[list[Cell] | None, list[str], int]:
    names: list[str] = []
    seen: list[Progress] = []
    cells = sweep(
        config,
        intensities=(2, 8),
        stroke_sizes=(1, 2.5),
        out=out,
        options=RunOptions(device="cpu", workers=0),
        on_run=names.append,
        on_progress=seen.append,
        should_stop=lambda: stop_after is not None and len(seen) + 1 >= stop_after,
    )
    return cells, names, len(seen)


def test_a_sweep_trains_each_cell_from_one_network(
    grid_config: TrainingConfig, tmp_path: Path
) -> None:
    cells, names, steps = _sweep(grid_config, tmp_path)
    assert names == ["start", *(cell.folder.name for cell in cells or [])]
    assert names[2] == "intensity_2_stroke_2.5"
    assert steps == 4 + 4 * 2  # a third for the start, the rest in equal parts
    checkpoint = load_checkpoint(tmp_path / names[2] / "checkpoint.pt")
    assert (checkpoint.config.intensity, checkpoint.config.stroke_size) == (2, 2.5)
    assert checkpoint.config.start_from == str(tmp_path / "start" / "checkpoint.pt")
    with open(tmp_path / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["folder"] for row in rows] == names[1:]
    assert all(float(row["total"]) > 0 for row in rows)
    assert float(rows[2]["style_weight"]) > float(rows[0]["style_weight"])
    with Image.open(tmp_path / "sweep.png") as sheet:
        assert sheet.width > 2 * 96
        assert sheet.height > 2 * 80


def test_the_sheet_shows_the_painting_and_all_photos_beside_what_is_made_of_them(
    grid_config: TrainingConfig, tmp_path: Path
) -> None:
    out, photos = tmp_path / "sweep", sorted(Path(grid_config.content).iterdir())[:3]
    sweep(
        grid_config,
        intensities=(2, 8),
        stroke_sizes=(1,),
        out=out,
        options=RunOptions(device="cpu", workers=0, preview=tuple(map(str, photos))),
    )
    shown = pixels(open_picture(out / "sweep.png"))
    for path, times in ((Path(grid_config.style), 1), *((photo, 2) for photo in photos)):
        assert len(_places(shown, pixels(open_colors(path)))) == times, path
    for cell in ("intensity_2_stroke_1", "intensity_8_stroke_1"):
        stylizer = faststyle.load(out / cell / "model.onnx", device="cpu")
        for photo in photos:
            assert len(_places(shown, pixels(stylizer(open_colors(photo))))) == 1


def _places(sheet: NDArray[np.uint8], picture: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Where a picture lies in a sheet: top and left."""
    height, width = picture.shape[:2]
    corners = np.argwhere((sheet == picture[0, 0]).all(2)).tolist()
    return [
        (y, x) for y, x in corners if np.array_equal(sheet[y : y + height, x : x + width], picture)
    ]


def test_a_stopped_sweep_goes_on_where_it_was(grid_config: TrainingConfig, tmp_path: Path) -> None:
    stopped, names, _ = _sweep(grid_config, tmp_path, stop_after=7)
    assert stopped is None
    assert len(names) == 3
    cells, names, steps = _sweep(grid_config, tmp_path)
    assert len(cells or []) == 4
    assert len(names) == 5
    assert steps == 12 - 7


def test_a_damaged_log_of_a_cell_is_named(grid_config: TrainingConfig, tmp_path: Path) -> None:
    cells, _, _ = _sweep(grid_config, tmp_path)
    assert cells is not None
    log = cells[1].folder / "validation.csv"
    message = f"^{log}: missing or damaged; delete {log.parent} and repeat the sweep$"
    for damaged in ("", "step,total\n3", "step,content\n3,many\n", "\0\n\0\n"):
        log.write_text(damaged)
        with pytest.raises(TrainingError, match=message):
            _sweep(grid_config, tmp_path)


def test_a_sweep_is_not_continued_with_other_settings(
    grid_config: TrainingConfig, tmp_path: Path
) -> None:
    _sweep(grid_config, tmp_path, stop_after=2)
    other = dataclasses.replace(grid_config, content_weight=2.0)
    told = r"start: was made with other settings \(--content-weight was 1 and is 2\); repeat"
    with pytest.raises(OptionError, match=told):
        _sweep(other, tmp_path)
    other = dataclasses.replace(grid_config, steps=30, author="Me")
    told = r"\(--author was not given and is Me, a third of --steps was 4 and is 10\)"
    with pytest.raises(OptionError, match=told):
        _sweep(other, tmp_path)


def test_a_sweep_is_not_continued_from_another_network(
    grid_config: TrainingConfig, tmp_path: Path
) -> None:
    _sweep(grid_config, tmp_path, stop_after=2)
    other = dataclasses.replace(grid_config, start_from=str(tmp_path / "other.onnx"))
    with pytest.raises(OptionError, match=r"start: .*--start-from was .* and is .*other.onnx"):
        _sweep(other, tmp_path)


def test_a_sweep_goes_on_in_another_place(grid_config: TrainingConfig, tmp_path: Path) -> None:
    _sweep(grid_config, tmp_path / "here", stop_after=7)
    (tmp_path / "here").rename(tmp_path / "there")
    cells, _, steps = _sweep(grid_config, tmp_path / "there")
    assert len(cells or []) == 4
    assert steps == 12 - 7


def test_a_sweep_among_the_photos_does_not_learn_from_its_own_pictures(
    grid_config: TrainingConfig,
) -> None:
    out = Path(grid_config.content) / "sweep"
    assert _sweep(grid_config, out)[0] is not None
    prints = [load_checkpoint(path).fingerprints["content"] for path in out.rglob("checkpoint.pt")]
    assert len(prints) == 5
    assert len(set(prints)) == 1


def test_a_start_that_became_flat_takes_no_steps_from_the_cells(
    grid_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flat(config: TrainingConfig, *, out: Path, **options: Any) -> RunResult:
        """Train the start for 4 steps, and say that it ended after 1."""
        result = train(config, out=out, **options)
        if out.name == "start":
            made = load_checkpoint(result.checkpoint)
            made = dataclasses.replace(made, plan=dataclasses.replace(made.plan, steps=1), step=1)
            save_checkpoint(made, result.checkpoint)
        return result

    monkeypatch.setattr("faststyle.training.sweep.train", flat)
    cells = _sweep(grid_config, tmp_path)[0] or []
    plans = [load_checkpoint(cell.folder / "checkpoint.pt").plan for cell in cells]
    assert [plan.steps for plan in plans] == [2] * 4


def test_cells_share_the_minutes_that_are_left(
    grid_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = dataclasses.replace(grid_config, steps=None, minutes=1.0)
    clock = iter((0.0, 26.0, 100.0, 100.1))
    seen: list[str] = []

    def quick(config: TrainingConfig, *, out: Path, **options: Any) -> RunResult:
        """Train the start for 8 steps, and say that they took 20 seconds."""
        if config.steps is not None:
            return train(config, out=out, **options)
        result = train(dataclasses.replace(config, steps=8, minutes=None), out=out, **options)
        made = load_checkpoint(result.checkpoint)
        made = dataclasses.replace(made, config=dataclasses.replace(config, start_from="random"))
        save_checkpoint(dataclasses.replace(made, seconds=20.0), result.checkpoint)
        return result

    def steps_of_cells(*, stop_in: int | None) -> list[int]:
        cells = sweep(
            timed,
            intensities=(2, 8),
            stroke_sizes=(1,),
            out=tmp_path,
            options=RunOptions(device="cpu", workers=0),
            on_run=seen.append,
            should_stop=lambda: len(seen) == stop_in,
        )
        return [load_checkpoint(cell.folder / "checkpoint.pt").plan.steps for cell in cells or []]

    monkeypatch.setattr("faststyle.training.sweep.train", quick)
    time = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("faststyle.training.sweep.time", time)
    assert steps_of_cells(stop_in=3) == []
    # Each has half of 34 seconds, less the 6 that the start took beside its steps.
    assert steps_of_cells(stop_in=None) == [4, 4]
