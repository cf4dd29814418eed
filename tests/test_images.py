from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageColor, features

from faststyle.errors import ImageError
from faststyle.formats import picture_format
from faststyle.images import (
    Result,
    encode,
    open_colors,
    open_photo,
    open_picture,
    save_picture,
    save_result,
)
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


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_what_is_written_says_that_it_is_srgb(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"picture.{ending}"
    save_picture(Image.new("RGB", (8, 8)), path)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(open_picture(path).info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "avif"])
def test_the_frames_of_an_animation_are_kept(tmp_path: Path, ending: str) -> None:
    colors = ("red", "lime", "blue")
    first, *rest = (Image.new("RGB", (16, 12), color) for color in colors)
    path = tmp_path / f"animation.{ending}"
    if ending == "avif" and not features.check("avif"):
        pytest.skip("needs a Pillow that writes AVIF")
    first.save(path, save_all=True, append_images=rest, duration=[50, 70, 90], loop=3)
    with open_photo(path, name=str(path)) as photo:
        frames = [frame.convert("RGB") for frame in photo.frames]
        durations = [50.0, 70.0, 90.0]
        assert photo.size == (16, 12)
        assert photo.count == 3
        loop = photo.loop
    assert loop == (0 if ending == "avif" else 3)  # Pillow says nothing of an AVIF's
    found = [np.asarray(frame)[6, 8].astype(int) for frame in frames]
    for pixel, color in zip(found, colors, strict=True):
        assert np.abs(pixel - ImageColor.getrgb(color)).max() < 12
    save_result(Result(frames, durations, loop), tmp_path / f"again.{ending}")
    with Image.open(tmp_path / f"again.{ending}") as again:
        assert getattr(again, "n_frames", 1) == 3
        assert again.info.get("loop") == (None if ending == "avif" else 3)
        shown = []
        for index in range(3):
            again.seek(index)
            again.load()
            shown.append(again.info["duration"])
        assert shown == durations


def test_what_an_animated_png_shows_where_nothing_moves_is_no_frame(tmp_path: Path) -> None:
    still, *frames = (Image.new("RGB", (8, 8), color) for color in ("white", "red", "blue"))
    path = tmp_path / "animation.png"
    still.save(
        path, save_all=True, append_images=frames, default_image=True, duration=[50, 70], loop=0
    )
    with open_photo(path, name=str(path)) as photo:
        assert photo.count == 2
        found = [(frame.info["duration"], frame.getpixel((0, 0))) for frame in photo.frames]
    assert found == [(50, (255, 0, 0)), (70, (0, 0, 255))]


def test_of_an_animation_a_still_format_holds_the_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    save_result(Result(frames, [50, 50]), tmp_path / "still.jpg")
    red, _, blue = np.asarray(open_picture(tmp_path / "still.jpg"))[4, 4]
    assert red > 200 > 50 > blue


def test_the_pages_of_a_tiff_are_no_animation(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with open_photo(tmp_path / "pages.tif", name="pages.tif") as photo:
        assert len(list(photo.frames)) == 1


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(blotches(20, 30)).save(path)
    assert open_picture(path, max_pixels=600).size == (30, 20)
    with pytest.raises(ImageError, match=r"photo\.png: 30×20 pixels .*; scale it down first$"):
        open_picture(path, max_pixels=599)
    with (
        pytest.raises(ImageError, match=r"photo\.png: 30×20 pixels .*--max-megapixels"),
        open_photo(path, name=str(path), max_pixels=599),
    ):
        pass


def test_the_frames_of_an_animation_count_together(tmp_path: Path) -> None:
    first, *rest = (Image.new("RGB", (10, 10), (index, 0, 0)) for index in range(0, 250, 25))
    path = tmp_path / "long.gif"
    first.save(path, save_all=True, append_images=rest)
    with (
        pytest.raises(ImageError, match="in 10 frames"),
        open_photo(path, name=str(path), max_pixels=999),
    ):
        pass


def test_programs_are_not_run_to_read_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    with pytest.raises(ImageError, match="not a picture that can be read"):
        open_picture(path)


def test_quality_is_what_is_asked_for(tmp_path: Path) -> None:
    for quality in (10, None):
        picture = Image.fromarray(blotches(100, 100))
        save_picture(picture, tmp_path / f"{quality}.jpg", quality=quality)
    assert (tmp_path / "10.jpg").stat().st_size < (tmp_path / "None.jpg").stat().st_size / 2


@pytest.mark.parametrize("ending", ["webp", "gif", "jpg"])
def test_save_picture_reports_what_a_format_cannot_hold(tmp_path: Path, ending: str) -> None:
    wide = Image.new("RGB", (70_000, 1))
    with pytest.raises(ImageError, match=rf"wide\.{ending}: cannot be written .*another format"):
        save_picture(wide, tmp_path / f"wide.{ending}")
    assert list(tmp_path.iterdir()) == []
    encoder = picture_format(Path(f"x.{ending}"))
    with pytest.raises(ImageError, match=r"here: cannot be written .*another format"):
        encode(Result([wide]), encoder=encoder, name="here")


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK"])
def test_a_turned_tiff_without_compression_is_upright(tmp_path: Path, mode: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture = Image.fromarray(blotches(20, 30)).convert(mode)
    picture.save(tmp_path / "turned.tif", exif=exif)
    turned = np.rot90(np.asarray(picture), -1)
    assert np.array_equal(np.asarray(open_picture(tmp_path / "turned.tif")), turned)


def test_nothing_of_its_file_is_written_with_a_picture(tmp_path: Path) -> None:
    tags = {700: b"<x:xmpmeta/>", 34377: b"8BIM"}
    Image.fromarray(blotches(20, 30)).save(tmp_path / "a.tif", tiffinfo=tags)
    save_result(Result([open_picture(tmp_path / "a.tif")]), tmp_path / "b.tif")
    with Image.open(tmp_path / "b.tif") as written:
        assert written.size == (30, 20)
        assert not {700, 34377} & dict(getattr(written, "tag_v2")).keys()  # noqa: B009


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limits")
@pytest.mark.parametrize("ending", ["jpg", "bmp", "png", "tif", "gif", "webp"])
def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path, ending: str) -> None:
    import resource

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
    try:
        with pytest.raises(ImageError, match=f"result.{ending}: cannot be written .*too large"):
            save_picture(picture, tmp_path / f"result.{ending}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_tiff_of_16_bits_whose_white_is_zero_is_no_negative(tmp_path: Path) -> None:
    levels = np.arange(0, 60000, 100, dtype=np.uint16).reshape(20, 30)
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    path = tmp_path / "scan.tif"
    Image.fromarray(levels).save(path, exif=exif)
    content = path.read_bytes()
    black_is_zero = b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00"
    assert content.count(black_is_zero) == 1
    path.write_bytes(content.replace(black_is_zero, black_is_zero[:-2] + bytes(2)))
    assert np.array_equal(np.asarray(open_picture(path)), 65535 - levels[::-1, ::-1])


def test_white_of_a_tiff_of_12_bits_is_its_largest_number(tmp_path: Path) -> None:
    (tmp_path / "scan.tif").write_bytes(_tiff_of_12_bits(3000))
    colors = open_colors(tmp_path / "scan.tif")
    assert colors.size == (8, 8)
    assert np.abs(pixels(colors).astype(int) - 255 * 3000 / 4095).max() <= 1


def _tiff_of_12_bits(number: int) -> bytes:
    """Write 8×8 greys of one number; two of them take three bytes."""
    pair = (number << 12 | number).to_bytes(3, "big")
    data = 32 * pair
    short, long = 3, 4
    entries = [
        *((256, short, 8), (257, short, 8), (258, short, 12), (259, short, 1)),
        *((262, short, 1), (273, long, 8), (277, short, 1)),
        *((278, short, 8), (279, long, len(data))),
    ]
    packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    return head + data + struct.pack("<H", len(entries)) + packed + bytes(4)
