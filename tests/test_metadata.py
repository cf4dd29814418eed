from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from faststyle.images import Result, open_photo, open_picture, save_result
from tests.conftest import blotches

ORIENTATION = 0x0112


def _saved(tmp_path: Path, name: str, **options: Any) -> Path:
    path = tmp_path / name
    Image.fromarray(blotches(20, 30)).save(path, **options)
    return path


def _through(source: Path, name: str) -> Path:
    """Read a file and write it again, untouched, under another name."""
    with open_photo(source, name=str(source)) as photo:
        result = Result(list(photo.frames), metadata=photo.metadata)
    save_result(result, source.with_name(name))
    return source.with_name(name)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_metadata_are_kept_but_for_those_of_the_pixels(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[ExifTags.Base.Artist] = "A. Photographer"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 30
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    source = _saved(tmp_path, "photo.jpg", exif=exif, dpi=(300, 300))
    result = open_picture(_through(source, f"result.{ending}"))
    assert result.size == (20, 30)
    kept = result.getexif()
    assert ORIENTATION not in kept or kept[ORIENTATION] == 1
    assert kept[ExifTags.Base.Artist] == "A. Photographer"
    shot = kept.get_ifd(ExifTags.IFD.Exif)
    assert shot[ExifTags.Base.DateTimeOriginal] == "2020:01:02 03:04:05"
    assert ExifTags.Base.ExifImageWidth not in shot
    assert kept.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    if ending != "webp":
        assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def _xmp(path: Path) -> str:
    said = open_picture(path).info
    xmp = said.get("xmp") or said["XML:com.adobe.xmp"]
    return xmp if isinstance(xmp, str) else xmp.decode()


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_xmp_is_kept_but_for_the_orientation(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "A. Photographer"
    said = '<x:xmpmeta tiff:Orientation="6">a title of ü</x:xmpmeta>'
    for options in ({}, {"exif": exif}):
        source = _saved(tmp_path, "photo.jpg", xmp=said.encode(), **options)
        kept = _through(source, f"result.{ending}")
        assert open_picture(kept).size == (20, 30)
        assert _xmp(kept) == "<x:xmpmeta >a title of ü</x:xmpmeta>"
        assert ("exif" in options) == (ExifTags.Base.Artist in open_picture(kept).getexif())
        kept.unlink()


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_letters_beyond_ascii_are_kept(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "J@@rgen"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] = "Gr@@n 50 mm"
    content = exif.tobytes().replace(b"@@", "ü".encode())
    result = _through(_saved(tmp_path, "photo.jpg", exif=content), f"result.{ending}")
    kept = open_picture(result).getexif()
    lens = kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel]
    texts = [text.encode("latin-1").decode() for text in (kept[ExifTags.Base.Artist], lens)]
    assert texts == ["Jürgen", "Grün 50 mm"]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"Exif\x00\x00rubbish", b"Exif\x00\x00MM\x00*\xff\xff\xff\xff"])
def test_damaged_metadata_are_left_out(tmp_path: Path, exif: bytes) -> None:
    source = _saved(tmp_path, "photo.jpg", exif=exif)
    assert open_picture(_through(source, "result.jpg")).size == (30, 20)


def test_metadata_too_long_for_a_jpeg_are_left_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "long " * 20_000
    source = _saved(tmp_path, "photo.png", exif=exif)
    assert "exif" not in open_picture(_through(source, "result.jpg")).info
