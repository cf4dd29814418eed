"""What picture files say beside their pixels, read and written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

KEPT_TAGS = frozenset(
    {
        *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model),
        *(ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.Copyright),
        *(ExifTags.Base.XPTitle, ExifTags.Base.XPComment, ExifTags.Base.XPAuthor),
        *(ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject, ExifTags.Base.Rating),
    }
)
"""What is kept of a file's main EXIF directory; the rest is of its pixels, or a thumbnail."""

KEPT_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

STALE_TAGS = (
    ExifTags.Base.ColorSpace,
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    ExifTags.Base.MakerNote,
)
"""Tags of the directory of a shot that are of its pixels, or of its makers' own layout."""

XMP_TAG = 700
"""The TIFF tag that holds XMP."""

XMP_CHUNK = "XML:com.adobe.xmp"
"""Keyword of the PNG chunk that holds XMP."""

ORIENTATIONS = re.compile(
    rb"""tiff:Orientation=["']\d["']|<tiff:Orientation>\d</tiff:Orientation>"""
)
"""How XMP says which way a camera was held."""

MOST_METADATA = 60_000
"""Bytes of EXIF or XMP that are kept; a JPEG holds little more."""


@dataclass(frozen=True)
class Metadata:
    """What a picture file says beside its pixels, but for what no longer holds of results."""

    exif: bytes = b""
    """When, where and with what it was shot, and by whom; without orientation or thumbnail."""
    xmp: bytes = b""
    """Adobe's metadata, without orientation."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch, across and down."""


def read_metadata(picture: Image.Image) -> Metadata:
    """Return what an open file says beside its pixels; what is damaged or too long is left out."""
    try:
        exif = _kept_exif(picture.getexif())
    except Exception:
        exif = b""
    xmp = picture.info.get("xmp") or picture.info.get(XMP_CHUNK) or b""
    xmp = ORIENTATIONS.sub(b"", xmp.encode() if isinstance(xmp, str) else xmp)
    dpi = picture.info.get("dpi")
    return Metadata(
        exif if len(exif) <= MOST_METADATA else b"",
        xmp if len(xmp) <= MOST_METADATA else b"",
        (float(dpi[0]), float(dpi[1])) if dpi and all(1 <= each < 2**16 for each in dpi) else None,
    )


def _kept_exif(exif: Image.Exif) -> bytes:
    kept = Image.Exif()
    for tag in KEPT_TAGS & exif.keys():
        kept[tag] = exif[tag]
    for directory in KEPT_DIRECTORIES:
        entries = exif.get_ifd(directory)
        wanted = {tag: value for tag, value in entries.items() if tag not in STALE_TAGS}
        if wanted:
            kept.get_ifd(directory).update(wanted)
            kept[directory] = kept.get_ifd(directory)
    _keep_letters(kept)
    return kept.tobytes() if kept else b""


class _Letters(str):
    """A text that Pillow writes with the very bytes it was read from.

    It reads each byte as a letter of Latin 1, and writes a question mark for all but ASCII, where
    cameras and programs put UTF-8.
    """

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:  # noqa: ARG002
        return super().encode("latin-1", "replace")


def _keep_letters(exif: Image.Exif) -> None:
    directories = (exif.get_ifd(each) for each in KEPT_DIRECTORIES if each in exif)
    for directory in (exif, *directories):
        for tag, value in list(directory.items()):
            if isinstance(value, str) and not value.isascii():
                directory[tag] = _Letters(value)


def put_metadata(options: dict[str, Any], metadata: Metadata, *, encoder: str) -> None:
    """Add metadata to the options of an encoder, as it takes them."""
    beside = {"exif": metadata.exif, "xmp": metadata.xmp, "dpi": metadata.dpi}
    options |= {name: each for name, each in beside.items() if each}
    if encoder == "PNG" and metadata.xmp:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt(XMP_CHUNK, metadata.xmp.decode(errors="replace"))
    if encoder == "TIFF" and (metadata.exif or metadata.xmp):
        options["exif"] = tags = Image.Exif()
        if metadata.exif:
            tags.load(metadata.exif)
            _keep_letters(tags)
            del options["compression"]  # Pillow fails to write EXIF directories into those
        if metadata.xmp:
            tags[XMP_TAG] = metadata.xmp
