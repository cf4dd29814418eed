from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from faststyle.errors import ImageError, OutputExistsError
from faststyle.images import open_picture
from faststyle.stylize import Status, plan_folder, stylize_file, stylize_files
from tests.conftest import Paint, blotches, pixels


def _invert(photo: Image.Image) -> Image.Image:
    return ImageOps.invert(photo.convert("RGB"))


def _run(source: Path, destination: Path, *, overwrite: bool = False) -> list[Status]:
    pairs = plan_folder(source, destination)
    return [result.status for result in stylize_files(_invert, pairs, overwrite=overwrite)]


def test_a_file_is_stylized_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(blotches(20, 30)).save(tmp_path / "photo.png", exif=exif)
    stylize_file(_invert, tmp_path / "photo.png", tmp_path / "out.png")
    result = open_picture(tmp_path / "out.png")
    assert np.array_equal(pixels(result), 255 - np.rot90(blotches(20, 30)))


def test_a_file_keeps_its_color_profile(tmp_path: Path) -> None:
    Image.fromarray(blotches(8, 8)).save(tmp_path / "photo.png", icc_profile=b"a profile")
    stylize_file(_invert, tmp_path / "photo.png", tmp_path / "out.png")
    assert open_picture(tmp_path / "out.png").info["icc_profile"] == b"a profile"


def test_an_existing_file_is_replaced_only_when_asked(paint: Paint) -> None:
    photo, result = paint("photo.png"), paint("result.png", seed=5)
    before = result.read_bytes()
    with pytest.raises(OutputExistsError, match=r"result\.png: already exists"):
        stylize_file(_invert, photo, result)
    assert result.read_bytes() == before
    stylize_file(_invert, photo, result, overwrite=True)
    assert result.read_bytes() != before


def test_a_photo_is_never_replaced_by_its_own_result(paint: Paint) -> None:
    photo = paint("photo.png")
    before = photo.read_bytes()
    with pytest.raises(ImageError, match="is the photo itself"):
        stylize_file(_invert, photo, photo.parent / "." / "photo.png", overwrite=True)
    with pytest.raises(ImageError, match="is the folder of the photos"):
        plan_folder(photo.parent, photo.parent)
    assert photo.read_bytes() == before


def test_a_folder_keeps_its_layout(paint: Paint, tmp_path: Path) -> None:
    for name in ("in/a.png", "in/a.jpg", "in/sub/a.png", "in/sub dir/ü.webp"):
        paint(name)
    assert _run(tmp_path / "in", tmp_path / "out") == [Status.DONE] * 4
    written = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
    assert written == ["a.jpg", "a.png", "sub dir/ü.webp", "sub/a.png"]


def test_a_second_run_skips_what_is_there(paint: Paint, tmp_path: Path) -> None:
    paint("in/a.png"), paint("in/b.png")
    _run(tmp_path / "in", tmp_path / "out")
    (tmp_path / "out" / "b.png").unlink()
    assert _run(tmp_path / "in", tmp_path / "out") == [Status.SKIPPED, Status.DONE]
    assert _run(tmp_path / "in", tmp_path / "out", overwrite=True) == [Status.DONE] * 2


def test_results_inside_the_folder_are_not_stylized_again(paint: Paint, tmp_path: Path) -> None:
    paint("in/a.png")
    for _ in range(2):
        _run(tmp_path / "in", tmp_path / "in" / "out")
    assert [path.name for path in (tmp_path / "in" / "out").rglob("*")] == ["a.png"]


def test_a_bad_file_does_not_stop_the_rest(paint: Paint, tmp_path: Path) -> None:
    paint("in/a.png"), paint("in/c.png")
    (tmp_path / "in" / "b.jpg").write_text("not a picture")
    results = list(stylize_files(_invert, plan_folder(tmp_path / "in", tmp_path / "out")))
    assert [result.status for result in results] == [Status.DONE, Status.FAILED, Status.DONE]
    assert "b.jpg: not a picture" in str(results[1].error)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_a_failing_stylizer_names_the_file(paint: Paint, tmp_path: Path) -> None:
    def fail(_: Image.Image) -> Image.Image:
        raise ImageError("too large")

    with pytest.raises(ImageError, match=r"photo\.png: too large"):
        stylize_file(fail, paint("photo.png"), tmp_path / "out.png")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda _: None, "no pictures in this folder"),
        (lambda folder: (folder.parent / "out").touch(), "is a file; name a folder"),
    ],
)
def test_folders_that_cannot_work(
    tmp_path: Path, prepare: Callable[[Path], None], message: str
) -> None:
    (tmp_path / "in").mkdir()
    prepare(tmp_path / "in")
    with pytest.raises(ImageError, match=message):
        plan_folder(tmp_path / "in", tmp_path / "out")
