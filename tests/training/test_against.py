from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from faststyle.errors import DataError, TrainingError
from faststyle.training.against import (
    REFERENCE,
    Comparison,
    Forward,
    Iteration,
    PhotoComparison,
    compare,
    draw_comparison,
    write_comparison,
)
from faststyle.training.evaluate import EvaluationSettings, Pixels, evaluate
from faststyle.training.vgg import VggFeatures, load_vgg
from tests.conftest import Paint

SETTINGS = EvaluationSettings(
    content_layers=("relu2_2",),
    style_layers=("relu1_1", "relu3_1"),
    style_side=64,
    photo_side=64,
    content_weight=1,
    style_weight=5,
    total_variation_weight=3,
)


@pytest.fixture(scope="module")
def features(vgg_weights: Path) -> VggFeatures:
    layers = {*SETTINGS.content_layers, *SETTINGS.style_layers}
    return load_vgg(loss_network="vgg19", layers=layers, weights=vgg_weights)


@pytest.fixture
def style(paint: Paint) -> Path:
    return paint("style.png", height=64, width=80, seed=9)


@pytest.fixture
def photos(paint: Paint) -> list[Path]:
    return [paint(f"photos/{seed}.png", height=64, width=72, seed=seed) for seed in range(2)]


def _unchanged(photo: Pixels) -> Pixels:
    return photo


def _inverted(photo: Pixels) -> Pixels:
    return 255 - photo


def _by_hand() -> Comparison:
    """Two photos: one model reached after 1 and 3 iterations, one on one photo, one on none."""
    photos = []
    for name, totals in (("a", (9.0, 4.0, 3.0, 2.0)), ("b", (8.0, 7.0, 5.0, 4.0))):
        curve = tuple(Iteration(total, 2.0 * count) for count, total in enumerate(totals))
        models = {"good": Forward(4.5, 0.5), "better": Forward(2.5, 0.1), "best": Forward(1.0, 0.1)}
        photos.append(PhotoComparison(Path(name), models, curve))
    return Comparison(tuple(photos), (), optimized_on="cuda", painted_on="cpu")


def test_a_forward_pass_is_worth_the_iterations_to_its_loss() -> None:
    comparison = _by_hand()
    assert comparison.match("good") == (2, 2, 8)  # 1 and 3 iterations, 2 and 6 seconds
    assert comparison.match("better") == (1, 3, 60)
    assert comparison.match("best") is None
    assert comparison.mean_curve()[1] == (5.5, 2)
    assert comparison.devices == "L-BFGS on cuda, models on cpu"
    assert comparison.describe("good") == (
        "total 4.500 in 500.0 ms, worth 2 iterations at 8 times the speed "
        "(median of the 2 of 2 photos where optimization came to its loss)"
    )
    assert comparison.describe("best").endswith("100.0 ms, which no optimization reached")


def test_losses_are_those_of_evaluate(
    features: VggFeatures, style: Path, photos: list[Path]
) -> None:
    models = {"inverted": _inverted, "same": _unchanged}
    given = {"style": style, "photos": photos, "features": features, "settings": SETTINGS}
    comparison = compare(models, iterations=6, painted_on="cpu", **given)  # type: ignore[arg-type]
    assert comparison.devices == "both on cpu"
    evaluation = evaluate(models, **given)  # type: ignore[arg-type]
    totals = {(row.model, row.photo): row.losses["total"] for row in evaluation.rows}
    for photo in comparison.photos:
        for model in models:
            expected = totals[model, photo.photo]
            assert photo.models[model].total == pytest.approx(expected, rel=1e-5)
        assert photo.iterations[0].total == pytest.approx(photo.models["same"].total, rel=1e-6)
        assert len(photo.iterations) == 7
        assert photo.iterations[-1].total < 0.8 * photo.iterations[0].total
        seconds = [each.seconds for each in photo.iterations]
        assert seconds == sorted(seconds)


def test_unreadable_photos_are_left_out(
    features: VggFeatures, style: Path, photos: list[Path]
) -> None:
    photos[0].write_bytes(b"no picture")
    torch.manual_seed(0)
    comparison = compare(
        {"same": _unchanged},
        style=style,
        photos=photos,
        features=features,
        settings=SETTINGS,
        iterations=1,
        painted_on="cpu",
    )
    assert comparison.unreadable == (photos[0],)
    assert [each.photo for each in comparison.photos] == [photos[1]]
    with pytest.raises(DataError, match="none of the photos can be read"):
        compare(
            {"same": _unchanged},
            style=style,
            photos=photos[:1],
            features=features,
            settings=SETTINGS,
            iterations=1,
            painted_on="cpu",
        )


def test_the_table_and_the_plot_hold_everything(tmp_path: Path) -> None:
    write_comparison(_by_hand(), tmp_path / "against.csv")
    with open(tmp_path / "against.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (3 + 4)
    assert rows[5] == {
        **{"photo": "a", "method": REFERENCE, "iteration": "2", "total": "3", "seconds": "4"}
    }
    draw_comparison(_by_hand(), tmp_path / "against.png")
    with Image.open(tmp_path / "against.png") as plot:
        assert np.ptp(np.asarray(plot.convert("L"))) == 255


def test_files_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"against\.csv: cannot be written"):
        write_comparison(_by_hand(), tmp_path / "file" / "against.csv")
    with pytest.raises(TrainingError, match=r"against\.png: cannot be written"):
        draw_comparison(_by_hand(), tmp_path / "file" / "against.png")
