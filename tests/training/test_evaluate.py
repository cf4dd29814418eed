from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from faststyle.errors import DataError, ImageError, OptionError, TrainingError
from faststyle.training import evaluate as module
from faststyle.training.data import read_style
from faststyle.training.evaluate import (
    BASELINE,
    MEAN,
    Evaluation,
    EvaluationSettings,
    Pixels,
    draw_sheet,
    evaluate,
    read_pixels,
    write_csv,
)
from faststyle.training.losses import PerceptualLoss
from faststyle.training.vgg import VggFeatures, load_vgg
from tests.conftest import Paint

SETTINGS = EvaluationSettings(
    content_layers=("relu2_1", "relu2_2"),
    style_layers=("relu1_1", "relu3_1"),
    style_side=64,
    photo_side=64,
    content_weight=2,
    style_weight=5,
    total_variation_weight=3,
)
COLUMNS = [
    *("content", "style", "total_variation", "total"),
    *("content relu2_1", "content relu2_2", "style relu1_1", "style relu3_1"),
]


@pytest.fixture(scope="module")
def features(vgg_weights: Path) -> VggFeatures:
    layers = {*SETTINGS.content_layers, *SETTINGS.style_layers}
    return load_vgg(loss_network="vgg19", layers=layers, weights=vgg_weights)


@pytest.fixture
def style(paint: Paint) -> Path:
    return paint("style.png", height=64, width=80, seed=9)


@pytest.fixture
def photos(paint: Paint) -> list[Path]:
    return [
        paint(f"photos/{seed}.png", height=128, width=160 + 16 * seed, seed=seed)
        for seed in range(3)
    ]


def _inverted(photo: Pixels) -> Pixels:
    return 255 - photo


def _copied(photo: Pixels) -> Pixels:
    return photo.copy()


@pytest.fixture
def evaluation(features: VggFeatures, style: Path, photos: list[Path]) -> Evaluation:
    models = {"inverted": _inverted, "same": _copied}
    return evaluate(models, style=style, photos=photos, features=features, settings=SETTINGS)


def test_there_is_a_row_for_each_photo_and_model(
    evaluation: Evaluation, photos: list[Path]
) -> None:
    expected = [(model, photo) for photo in photos for model in (BASELINE, "inverted", "same")]
    assert [(row.model, row.photo) for row in evaluation.rows] == expected
    assert all(list(row.losses) == COLUMNS for row in evaluation.rows)
    assert evaluation.unreadable == ()


def test_losses_are_those_of_training(
    evaluation: Evaluation, features: VggFeatures, style: Path, photos: list[Path]
) -> None:
    objective = PerceptualLoss(
        features,
        read_style(style, size=64),
        content_layers=SETTINGS.content_layers,
        style_layers=SETTINGS.style_layers,
        style_layer_weights=(1, 1),
        content_weight=2,
        style_weight=5,
        total_variation_weight=3,
    )
    photo = np.asarray(Image.open(photos[1]).resize((88, 64), Image.Resampling.LANCZOS))
    before, after = (
        torch.tensor(pixels).permute(2, 0, 1)[None] / 255 for pixels in (photo, 255 - photo)
    )
    losses = objective(after, before)
    (row,) = (row for row in evaluation.rows if row[:2] == ("inverted", photos[1]))
    for column in ("content", "style", "total_variation", "total"):
        assert row.losses[column] == pytest.approx(getattr(losses, column).item(), rel=1e-5)
    content = [row.losses[f"content {name}"] for name in SETTINGS.content_layers]
    assert row.losses["content"] == pytest.approx(fmean(content))


def test_the_unchanged_photo_and_a_copy_are_alike(evaluation: Evaluation) -> None:
    means = evaluation.means()
    assert list(means) == [BASELINE, "inverted", "same"]
    assert means[BASELINE]["content"] == 0
    assert means[BASELINE] == means["same"]
    assert means["inverted"]["content"] > 0.1


def test_the_style_itself_has_no_style_loss(features: VggFeatures, style: Path) -> None:
    evaluation = evaluate({}, style=style, photos=[style], features=features, settings=SETTINGS)
    assert evaluation.means()[BASELINE]["style"] == 0


def test_content_features_are_computed_once_for_each_photo(
    features: VggFeatures, style: Path, photos: list[Path]
) -> None:
    calls: list[int] = []
    models = {"inverted": _inverted, "same": _copied}
    with features.register_forward_hook(lambda *_: calls.append(1)):
        evaluate(models, style=style, photos=photos, features=features, settings=SETTINGS)
    assert len(calls) == 1 + len(photos) * (1 + len(models))


def test_unreadable_photos_are_left_out(
    features: VggFeatures, style: Path, photos: list[Path]
) -> None:
    photos[1].write_bytes(b"no picture")
    done: list[int] = []
    evaluation = evaluate(
        {},
        style=style,
        photos=photos,
        features=features,
        settings=SETTINGS,
        on_progress=lambda: done.append(1),
    )
    assert evaluation.unreadable == (photos[1],)
    assert [row.photo for row in evaluation.rows] == [photos[0], photos[2]]
    assert len(done) == 3


def test_no_readable_photo(features: VggFeatures, style: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the photos can be read"):
        evaluate(
            {},
            style=style,
            photos=[tmp_path / "none.jpg"],
            features=features,
            settings=SETTINGS,
        )


def test_a_photo_that_a_model_cannot_repaint_is_named(
    features: VggFeatures, style: Path, photos: list[Path]
) -> None:
    def fail(_: Pixels) -> Pixels:
        raise ImageError("too large")

    with pytest.raises(ImageError, match=r"0\.png: too large"):
        evaluate({"bad": fail}, style=style, photos=photos, features=features, settings=SETTINGS)


def test_no_model_may_pass_for_the_photos(features: VggFeatures, style: Path) -> None:
    with pytest.raises(OptionError, match="rename the file"):
        evaluate(
            {BASELINE: _inverted}, style=style, photos=[], features=features, settings=SETTINGS
        )


def test_csv(evaluation: Evaluation, photos: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "out" / "table.csv"
    write_csv(evaluation, path)
    with open(path, newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["model", "photo", *COLUMNS]
    assert [line[:2] for line in lines[:2]] == [
        [BASELINE, str(photos[0])],
        ["inverted", str(photos[0])],
    ]
    assert [line[:2] for line in lines[-3:]] == [
        [BASELINE, MEAN],
        ["inverted", MEAN],
        ["same", MEAN],
    ]
    styles = [float(line[3]) for line in lines if line[0] == "inverted"]
    assert fmean(styles[:-1]) == pytest.approx(styles[-1], rel=1e-4)


def test_a_csv_that_cannot_be_written_is_named(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"table\.csv: cannot be written"):
        write_csv(evaluation, tmp_path / "file" / "table.csv")


def test_the_sheet_shows_the_first_photos(
    features: VggFeatures,
    style: Path,
    photos: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SHEET_ROWS", 2)
    photos[0].write_bytes(b"no picture")
    evaluation = evaluate(
        {"inverted": _inverted},
        style=style,
        photos=[*photos, photos[1]],
        features=features,
        settings=SETTINGS,
    )
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(
        module, "contact_sheet", lambda rows, **texts: drawn.update(texts, rows=rows)
    )
    draw_sheet(evaluation, style=style)
    assert drawn["column_labels"] == ["style", BASELINE, "inverted"]
    assert drawn["row_labels"] == ["1", "2"]
    first, second = drawn["rows"]
    assert [first[0].size, second[0]] == [(80, 64), None]
    assert np.array_equal(255 - np.asarray(first[1]), np.asarray(first[2]))
    assert drawn["captions"][0][1].startswith("content 0.000\nstyle ")


def test_a_photo_whose_name_is_no_text_is_judged_like_any(
    features: VggFeatures, style: Path, photos: list[Path], tmp_path: Path
) -> None:
    try:
        photo = photos[0].rename(photos[0].with_name("caf\udce9.png"))
    except OSError:
        pytest.skip("this file system takes text alone for names")
    evaluation = evaluate({}, style=style, photos=[photo], features=features, settings=SETTINGS)
    write_csv(evaluation, tmp_path / "losses.csv")
    assert b"caf\xe9.png," in (tmp_path / "losses.csv").read_bytes()
    assert draw_sheet(evaluation, style=style).height > 64


def test_the_middle_of_a_strip_is_judged(paint: Paint) -> None:
    assert read_pixels(paint("strip.png", height=10, width=3000), side=64).shape == (64, 256, 3)


def test_too_little_memory_is_one_line(
    features: VggFeatures, style: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "as_tensor", lambda *_, **__: torch.empty(10**16))
    with pytest.raises(TrainingError, match="not enough memory; lower --size or --stroke-size"):
        evaluate({}, style=style, photos=photos, features=features, settings=SETTINGS)


def test_large_pictures_are_scaled_down_for_the_sheet(evaluation: Evaluation, paint: Paint) -> None:
    sheet = draw_sheet(evaluation, style=paint("large.png", height=1000, width=700))
    assert sheet.height < 1000
    assert sheet.mode == "RGB"
