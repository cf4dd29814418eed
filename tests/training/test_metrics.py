from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from torch import Tensor

from faststyle.errors import WeightsError
from faststyle.training import metrics
from tests.conftest import blotches


def test_ssim_of_equal_and_unequal_pictures() -> None:
    pytest.importorskip("skimage")
    ssim = metrics.load_metric("ssim")
    photo = blotches(40, 50)
    assert ssim(photo, photo) == pytest.approx(1)
    assert ssim(255 - photo, photo) < 0.5


def test_lpips_is_given_pictures_from_minus_one_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def network(picture: Tensor, photo: Tensor) -> Tensor:
        assert picture.shape == photo.shape == (1, 3, 40, 50)
        assert -1 <= picture.min() < -0.5 < 0.5 < picture.max() <= 1
        return (picture - photo).abs().mean()

    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=lambda **_: network))
    distance = metrics.load_metric("lpips")
    photo = blotches(40, 50)
    assert distance(photo, photo) == 0
    assert distance(255 - photo, photo) > 0


def test_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=fail))
    with pytest.raises(WeightsError, match="leave lpips out of --metrics"):
        metrics.load_metric("lpips")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "find_spec", lambda _: None)
    assert metrics.missing_package("ssim") == "skimage"
    monkeypatch.setattr(metrics, "find_spec", lambda _: object())
    assert metrics.missing_package("ssim") is None
