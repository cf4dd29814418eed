from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faststyle.errors import ImageError
from faststyle.images import open_picture, save_picture, split_alpha
from tests.conftest import Paint, blotches, pixels

ORIENTATION = 0x0112


def test_open_picture_turns_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the camera was held on its side
    path = tmp_path / "turned.png"
    Image.fromarray(blotches(20, 30)).save(path, exif=exif)
    assert np.array_equal(pixels(open_picture(path)), np.rot90(blotches(20, 30), -1))


def test_open_picture_decodes_no_more_than_enough(paint: Paint) -> None:
    path = paint("photo.jpg", height=400, width=800)
    assert open_picture(path).size == (800, 400)
    assert open_picture(path, enough=100).size == (200, 100)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("text.jpg", b"this is not a picture", "not a picture"),
        ("empty.png", b"", "not a picture"),
        ("missing.jpg", None, "No such file"),
    ],
)
def test_open_picture_says_what_is_wrong(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=f"^{path}: {reason}[^\n]*$"):
        open_picture(path)


def test_open_picture_refuses_half_a_jpeg(paint: Paint) -> None:
    path = paint("half.jpg", height=200, width=200)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match=r"half\.jpg: truncated or damaged"):
        open_picture(path)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "I;16", "F"])
def test_split_alpha_finds_the_colors_of_every_mode(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.full((4, 4), 0x8000, np.uint16))
    elif mode == "F":
        picture = Image.fromarray(np.full((4, 4), 0.5, np.float32))
    else:
        picture = Image.new("RGB", (4, 4), (128, 128, 128))
        picture = picture.quantize(8) if mode == "P" else picture.convert(mode)
    colors, alpha = split_alpha(picture)
    assert colors.mode == "RGB"
    assert alpha is None
    if mode != "1":
        assert np.abs(np.asarray(colors).astype(int) - 128).max() <= 2


def test_a_dark_picture_of_16_bits_stays_dark() -> None:
    colors, _ = split_alpha(Image.fromarray(np.full((4, 4), 200, np.uint16)))
    assert colors.getpixel((0, 0)) == (1, 1, 1)


def test_a_mode_without_colors_is_refused() -> None:
    with pytest.raises(ImageError, match="mode La has no colours"):
        split_alpha(Image.new("La", (2, 2)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_split_alpha_finds_transparency(mode: str) -> None:
    picture = Image.new("RGBA", (2, 1), (10, 200, 30, 255))
    picture.putpixel((1, 0), (10, 200, 30, 0))
    if mode == "P":
        picture = Image.new("P", (2, 1))
        picture.putpalette([10, 200, 30, 10, 200, 30])
        picture.putpixel((1, 0), 1)
        picture.info["transparency"] = 1
    elif mode != "RGBA":
        picture = picture.convert(mode)
    colors, alpha = split_alpha(picture)
    assert colors.mode == "RGB"
    assert alpha is not None
    assert [alpha.getpixel((x, 0)) for x in (0, 1)] == [255, 0]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".webp", ".tif", ".tiff", ".bmp"])
def test_save_picture_writes_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    save_picture(Image.fromarray(blotches(40, 60)), path)
    difference = np.asarray(open_picture(path)).astype(int) - blotches(40, 60)
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_save_picture_keeps_alpha(tmp_path: Path, suffix: str) -> None:
    picture = Image.fromarray(blotches(8, 8))
    picture.putalpha(Image.linear_gradient("L").resize((8, 8)))
    path = tmp_path / f"picture{suffix}"
    save_picture(picture, path)
    kept = open_picture(path).getchannel("A")
    assert np.array_equal(pixels(kept), pixels(picture.getchannel("A")))


def test_save_picture_lays_transparency_over_white_in_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    save_picture(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), path)
    assert open_picture(path).getpixel((4, 4)) == (255, 255, 255)


def test_save_picture_keeps_the_color_profile(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    save_picture(Image.new("RGB", (8, 8)), path, icc_profile=b"a profile")
    assert open_picture(path).info["icc_profile"] == b"a profile"


def test_save_picture_names_the_formats_it_knows(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"picture\.xyz: unknown picture format.*\.jpg"):
        save_picture(Image.new("RGB", (8, 8)), tmp_path / "picture.xyz")


def test_save_picture_reports_what_a_format_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"wide\.webp: cannot be written"):
        save_picture(Image.new("RGB", (20000, 1)), tmp_path / "wide.webp")
    assert list(tmp_path.iterdir()) == []
