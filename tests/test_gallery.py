from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import faststyle
from faststyle.contract import LARGEST_MEAN
from faststyle.errors import ModelError, UnknownStyleError
from faststyle.gallery import int8_name, quality_name, resolve, style_names, style_path
from faststyle.images import open_picture
from tests.conftest import REPOSITORY

OF_FEW_COLORS = ("shipwreck", "the_scream")
"""Styles whose paintings have hardly any blue."""

PHOTOS = sorted((REPOSITORY / "data" / "photos").glob("*.jpg"))


def test_the_bundled_styles() -> None:
    assert {"starry_night", "wave"} <= set(style_names())
    with pytest.raises(UnknownStyleError, match=r"'night'.*starry_night.*--model"):
        style_path("night")


def test_a_folder_is_told_from_an_unknown_style(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"^{tmp_path}: is a folder; .*{tmp_path}/model.onnx$"):
        resolve(tmp_path)


def test_a_style_that_is_not_bundled_in_int8_is_told_from_an_unknown_one() -> None:
    style = next(each for each in style_names() if int8_name(each) is None)
    with pytest.raises(UnknownStyleError, match=f"{style} is not bundled in int8.*export"):
        style_path(f"{style}-int8")
    with pytest.raises(UnknownStyleError, match="no bundled style"):
        style_path("night-int8")


def test_a_style_by_the_preset_quality_is_none_of_its_own() -> None:
    assert quality_name("wave") == "wave-quality"
    assert quality_name("mosaic") is None
    assert int8_name("wave-quality") == "wave-quality-int8"
    assert "wave-quality" not in style_names()
    card, quality = (faststyle.load(each, device="cpu").card for each in ("wave", "wave-quality"))
    assert quality.preset == "quality width 64"
    assert (quality.style, quality.description) == (card.style, card.description)


@pytest.mark.parametrize("style", style_names())
def test_a_bundled_style_is_small_and_says_where_it_comes_from(style: str) -> None:
    assert style_path(style).stat().st_size <= 400_000
    card = faststyle.load(style, device="cpu").card
    assert card.style == style
    assert all((card.description, card.author, card.license, card.source, card.training))


@pytest.mark.parametrize(
    "style", [style for style in (*style_names(), "wave-quality") if int8_name(style)]
)
def test_a_bundled_style_in_int8_paints_the_same(style: str) -> None:
    name = int8_name(style) or ""
    painted = faststyle.load(style, device="cpu"), faststyle.load(name, device="cpu")
    fp32, int8 = (stylizer.card for stylizer in painted)
    assert (fp32.precision, int8.precision) == ("fp32", "int8")
    assert int8.difference["mean"] <= LARGEST_MEAN
    alike = replace(
        int8,
        precision="fp32",
        difference=fp32.difference,
        faststyle_version=fp32.faststyle_version,
    )
    assert alike == fp32
    for photo in PHOTOS:
        first, second = (np.asarray(stylizer(open_picture(photo))) for stylizer in painted)
        assert np.abs(first.astype(int) - second).mean() <= LARGEST_MEAN


@pytest.mark.parametrize("style", [*style_names(), "wave-quality"])
@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_a_bundled_style_repaints_without_losing_the_photo(style: str, photo: Path) -> None:
    original = np.asarray(open_picture(photo))
    stylized = faststyle.load(style, device="cpu")(original)
    assert np.abs(stylized.astype(int) - original).mean() > 15
    contrasts = stylized.std(axis=(0, 1))  # of red, green and blue
    assert (max(contrasts) if style in OF_FEW_COLORS else min(contrasts)) > 25  # no grey mush
    assert _correlation(stylized, original) > 0.3


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlate what is light and dark in both, at an eighth of the size."""
    height, width = (side // 8 * 8 for side in first.shape[:2])
    small = [
        picture[:height, :width].mean(2).reshape(height // 8, 8, -1, 8).mean((1, 3)).ravel()
        for picture in (first, second)
    ]
    return float(np.corrcoef(small)[0, 1])


def test_the_wheel_holds_the_styles_and_the_licences(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert wheel.stat().st_size < 8_000_000
    files = {
        f"faststyle/styles/{file.name}"
        for file in (REPOSITORY / "faststyle" / "styles").glob("*.onnx")
    }
    assert files and files <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "faststyle/styles/LICENSE.md" in names
    assert not any(name.startswith(("tests", "data", "docs")) for name in names)
