"""Colours of pictures of any mode and profile."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from faststyle.colors import bytes_beside, split_alpha, srgb_profile
from faststyle.errors import ImageError
from tests.conftest import blotches, pixels


def _grey_profile() -> bytes:
    """Write an ICC profile of greys whose tone is linear, the least that one can be."""
    tags = {
        b"desc": b"desc" + bytes(4) + (5).to_bytes(4, "big") + b"grey\0" + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + b"\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d",
        b"kTRC": b"curv" + bytes(4) + bytes(4),
        b"cprt": b"text" + bytes(4) + b"none\0",
    }
    place, table, content = 128 + 4 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + (place + len(content)).to_bytes(4, "big") + len(value).to_bytes(4, "big")
        content += value
    size = (place + len(content)).to_bytes(4, "big")
    header = size + bytes(4) + b"\x02\x10\x00\x00" + b"mntrGRAYXYZ " + bytes(12) + b"acsp"
    header += bytes(28) + b"\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d"
    return header.ljust(128, b"\0") + len(tags).to_bytes(4, "big") + table + content


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


def test_a_picture_of_srgb_is_returned_itself() -> None:
    picture = Image.fromarray(blotches(4, 4))
    picture.info["icc_profile"] = srgb_profile()
    assert split_alpha(picture)[0] is picture


def test_what_is_hidden_mirrors_what_is_seen_beside_it() -> None:
    colors = np.zeros((3, 9, 3), np.uint8)
    colors[1, 2:5] = [[1], [2], [3]]
    colors[1, 8] = 9
    alpha = Image.fromarray(np.where(colors[..., 0], 255, 0).astype(np.uint8))
    picture = Image.fromarray(colors)
    picture.putalpha(alpha)
    filled = pixels(split_alpha(picture)[0])
    assert filled[1, :, 0].tolist() == [2, 1, 1, 2, 3, 3, 2, 9, 9]
    assert np.array_equal(filled[0], filled[1])
    assert np.array_equal(filled[2], filled[1])


@pytest.mark.parametrize("size", [(100, 80), (1, 70), (70, 1)])
def test_what_is_seen_is_not_changed_by_what_is_hidden(size: tuple[int, int]) -> None:
    width, height = size
    alpha = Image.fromarray(blotches(height, width, seed=1)[..., 0] // 100 * 100)
    pictures = [Image.fromarray(blotches(height, width)) for _ in "ab"]
    pictures[1].paste("red", mask=alpha.point(lambda level: 255 * (level == 0)))
    for picture in pictures:
        picture.putalpha(alpha)
    first, second = (pixels(split_alpha(picture)[0]) for picture in pictures)
    assert np.array_equal(first, second)
    seen = pixels(alpha) > 0
    assert 0 < seen.sum() < seen.size
    assert np.array_equal(first[seen], blotches(height, width)[seen])


def test_of_a_picture_that_is_hidden_altogether_nothing_is_filled() -> None:
    picture = Image.fromarray(blotches(8, 8))
    picture.putalpha(0)
    assert np.array_equal(pixels(split_alpha(picture)[0]), blotches(8, 8))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colors_are_converted_by_their_profile(mode: str) -> None:
    picture = Image.fromarray(blotches(16, 16)).convert(mode)
    picture.info["icc_profile"] = _swapped_profile()
    before = pixels(picture).copy()
    colors, _ = split_alpha(picture)
    assert np.abs(pixels(colors).astype(int) - before[..., [1, 0, 2]]).max() <= 3
    assert np.array_equal(pixels(picture), before)


def test_a_linear_srgb_is_converted() -> None:
    picture = Image.new("RGB", (4, 4), (55, 55, 55))
    picture.info["icc_profile"] = _linear_profile()
    assert 120 < np.asarray(split_alpha(picture)[0])[0, 0, 0] < 136  # as greys below


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_greys_are_converted_by_their_profile(mode: str) -> None:
    picture = Image.new("L", (4, 4), 55).convert(mode)
    picture.info["icc_profile"] = _grey_profile()
    colors, _ = split_alpha(picture)
    red, green, blue = np.asarray(colors)[0, 0].tolist()
    assert red == green == blue
    assert 120 < red < 136  # a linear 55 / 255 is 128 in sRGB


@pytest.mark.parametrize("profile", [b"", b"rubbish", srgb_profile()[:100], _grey_profile()])
def test_a_profile_that_does_not_fit_is_left_out(profile: bytes) -> None:
    picture = Image.fromarray(blotches(8, 8))
    picture.info["icc_profile"] = profile
    assert np.array_equal(pixels(split_alpha(picture)[0]), blotches(8, 8))


def _swapped_profile() -> bytes:
    """Write the profile of sRGB with the primaries of red and green exchanged."""
    profile = bytearray(srgb_profile())
    entries = _entries(profile)
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile).replace(b"s\0R\0G\0B", b"r\0G\0R\0B").replace(b"sRGB", b"rGRB")


def _linear_profile() -> bytes:
    """Write the profile of sRGB without its tone, named as others name such."""
    profile = bytearray(srgb_profile())
    for name, entry in _entries(profile).items():
        if name.endswith(b"TRC"):
            place = int.from_bytes(profile[entry + 4 : entry + 8], "big")
            profile[place : place + 12] = b"curv" + bytes(8)
    built_in, linear = (each.encode("utf-16-be") for each in ("built-in", "linear  "))
    assert built_in in profile
    return bytes(profile).replace(built_in, linear)


def _entries(profile: bytearray) -> dict[bytes, int]:
    """Return where each tag is described."""
    count = int.from_bytes(profile[128:132], "big")
    return {bytes(profile[start : start + 4]): start for start in range(132, 132 + 12 * count, 12)}


def test_a_float_picture_in_the_range_of_16_bits_is_no_white_one() -> None:
    levels = np.linspace(0, 65535, 600, dtype=np.float32).reshape(300, 2)
    colors, _ = split_alpha(Image.fromarray(levels))
    assert np.abs(pixels(colors)[..., 0].astype(float) - levels / 257).max() <= 0.5


def test_what_is_held_beside_the_colors_is_told() -> None:
    assert bytes_beside(Image.new("RGB", (1, 1))) == 0
    assert bytes_beside(Image.new("RGBA", (1, 1))) == 5
    assert bytes_beside(Image.new("CMYK", (1, 1))) == 4
    assert bytes_beside(Image.new("I;16", (1, 1))) == 2
    profiled = Image.new("RGB", (1, 1))
    profiled.info["icc_profile"] = srgb_profile()
    assert bytes_beside(profiled) == 0
