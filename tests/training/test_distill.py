from __future__ import annotations

from pathlib import Path

import pytest
import torch

from faststyle.errors import WeightsError
from faststyle.training.distill import (
    BATCH_SIZE,
    Errors,
    Teacher,
    compare,
    distill,
    distort,
    random_state,
)
from faststyle.training.vgg import LITE, LITE_WEIGHTS, VggFeatures, layer_names, load_vgg
from tests.conftest import Paint


def test_features_with_the_same_kernel_have_no_error() -> None:
    features = {"relu1_1": torch.rand(4, 5, 8, 8)}
    rotation = torch.linalg.qr(torch.randn(5, 5))[0]
    rotated = {"relu1_1": torch.einsum("ij,njhw->nihw", rotation, 3 * features["relu1_1"])}
    for same in (features, rotated):
        assert all(float(error) < 1e-5 for error in compare(same, features))
    others = compare({"relu1_1": torch.rand(4, 5, 8, 8)}, features)
    assert all(float(error) > 1e-3 for error in others)


def test_distorted_pictures_stay_in_range() -> None:
    torch.manual_seed(0)
    photos = torch.rand(16, 3, 32, 32)
    distorted = distort(photos)
    assert distorted.shape == photos.shape
    assert 0 <= distorted.min() < distorted.max() <= 1
    changes = (distorted - photos).abs().mean((1, 2, 3))
    assert changes.min() < 0.03 < 0.1 < changes.max()


def test_a_student_comes_closer_to_its_teacher(
    paint: Paint, vgg_weights: Path, tmp_path: Path
) -> None:
    photos = [paint(f"photos/{seed}.png", height=140, width=140, seed=seed) for seed in range(8)]
    seen: list[Errors] = []
    out = tmp_path / "student.pth"
    distill(
        Teacher([vgg_weights]),
        photos=photos,
        steps=12,
        out=out,
        workers=0,
        on_progress=lambda _, errors: seen.append(errors),
    )
    assert len(seen) == 12
    assert sum(seen[-1]) < 0.8 * sum(seen[0])
    weights = torch.load(out, weights_only=True)
    assert {value.dtype for value in weights.values()} == {torch.float16}
    images = torch.rand(BATCH_SIZE, 3, 32, 32)
    features = load_vgg(loss_network="vgg19", layers=["relu5_1"], weights=out)(images)
    assert features["relu5_1"].shape == (BATCH_SIZE, 128, 2, 2)


def test_a_second_teacher_serves_what_the_first_does_not_reach(
    vgg_weights: Path, tmp_path: Path
) -> None:
    whole = torch.load(vgg_weights)
    shallow = {key: value for key, value in whole.items() if int(key.split(".")[1]) < 10}
    torch.save(shallow, tmp_path / "shallow.pth")
    with pytest.raises(WeightsError, match="stop before relu3_1; add a file"):
        Teacher([tmp_path / "shallow.pth"])
    teacher = Teacher([tmp_path / "shallow.pth", vgg_weights])
    features = teacher.features(torch.rand(1, 3, 32, 32))
    assert set(features) == set(layer_names(LITE))
    assert teacher.networks[0].layers == {"relu1_1", "relu1_2", "relu2_1", "relu2_2"}


def test_the_bundled_loss_network_is_small_and_whole() -> None:
    assert LITE_WEIGHTS.stat().st_size < 2_000_000
    features = load_vgg(loss_network=LITE, layers=layer_names(LITE))(torch.rand(1, 3, 64, 64))
    assert set(features) == set(layer_names(LITE))
    assert all(bool(torch.isfinite(feature).all()) for feature in features.values())
    assert all(float(feature.mean()) > 0 for feature in features.values())


def test_a_student_has_the_shape_of_the_bundled_one() -> None:
    student = VggFeatures(random_state(), loss_network=LITE, layers=layer_names(LITE))
    bundled = load_vgg(loss_network=LITE, layers=layer_names(LITE))
    for one, other in zip(student.parameters(), bundled.parameters(), strict=True):
        assert one.shape == other.shape
