"""Damaged files of every format: nothing crashes, hangs, or leaves half a result.

FASTSTYLE_FUZZ_FILES=10000 python -m pytest tests/test_fuzz.py  tries more of them.
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from faststyle.colors import srgb_profile
from faststyle.images import open_picture
from tests.conftest import blotches

COUNT = int(os.environ.get("FASTSTYLE_FUZZ_FILES", "300"))

SECONDS_EACH = 1.0
"""More than enough for a file, so that only what hangs takes longer."""


def _encoded(picture: Image.Image, ending: str, **options: object) -> tuple[str, bytes]:
    file = io.BytesIO()
    picture.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()), **options)
    return ending, file.getvalue()


def _seeds() -> list[tuple[str, bytes]]:
    """Write small files of every format, with all that files hold beside pixels."""
    photo = Image.fromarray(blotches(24, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    frames = {"save_all": True, "append_images": [photo.rotate(90), photo.rotate(180)]}
    profile = srgb_profile()
    seeds = [
        _encoded(photo, "jpg", exif=exif, icc_profile=profile, dpi=(300, 300)),
        _encoded(photo, "jpg", progressive=True, xmp=b"<x:xmpmeta/>"),
        _encoded(photo.convert("CMYK"), "jpg"),
        _encoded(photo, "png", exif=exif, icc_profile=profile),
        _encoded(photo.convert("P"), "png", transparency=3),
        _encoded(Image.fromarray(np.arange(960, dtype=np.uint16).reshape(24, 40)), "png"),
        _encoded(photo, "png", **frames),
        _encoded(photo, "webp", exif=exif, icc_profile=profile),
        _encoded(photo, "webp", **frames),
        _encoded(photo, "tif", compression="tiff_lzw"),
        _encoded(photo, "tif", exif=exif),
        _encoded(photo, "bmp"),
        _encoded(photo.convert("1"), "bmp"),
        _encoded(photo, "gif", **frames),
    ]
    return [*seeds, _encoded(photo, "avif")] if features.check("avif") else seeds


def _damaged(content: bytes, draw: np.random.Generator) -> bytes:
    """Change some bytes, or leave out, repeat or exchange a part."""
    data = bytearray(content)
    for _ in range(draw.integers(1, 4)):
        first, last = sorted(draw.integers(0, len(data) + 1, 2).tolist())
        part = slice(first, min(last, first + 64))
        kind = draw.integers(6)
        if kind == 0:
            del data[first:]
        elif kind == 1:
            del data[part]
        elif kind == 2:
            data[part] = data[part] * 3
        elif kind == 3:
            data[part] = draw.bytes(len(data[part]))
        elif data:
            for place in draw.integers(0, min(len(data), 200 if kind == 4 else len(data)), 4):
                data[place] = draw.integers(256)
    return bytes(data)


def test_damaged_files_are_told_one_by_one(tmp_path: Path, model_path: Path) -> None:
    draw = np.random.default_rng(20)
    seeds = _seeds()
    (tmp_path / "in").mkdir()
    for index in range(COUNT):
        ending, content = seeds[index % len(seeds)]
        (tmp_path / "in" / f"{index}.{ending}").write_bytes(_damaged(content, draw))
    report = tmp_path / "failures.csv"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "faststyle", "stylize", tmp_path / "in"),
            *("-o", tmp_path / "out", "--model", model_path, "--report", report),
            *("--max-megapixels", "1", "--memory", "1GB"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60 + SECONDS_EACH * COUNT,
        check=False,
    )
    assert run.returncode == 1, run.stderr[-2000:]
    assert "Traceback" not in run.stderr
    with open(report, newline="", encoding="utf-8") as file:
        failed = {Path(row["file"]).name: row["error"] for row in csv.DictReader(file)}
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written | failed.keys() == {path.name for path in (tmp_path / "in").iterdir()}
    assert not written & failed.keys()
    assert min(len(written), len(failed)) > COUNT / 10
    for path in (tmp_path / "out").iterdir():
        open_picture(path)
    for name, error in failed.items():
        assert name in error
        assert "\n" not in error


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "bmp", "gif"])
def test_what_damaged_files_are_made_of_is_whole(tmp_path: Path, ending: str) -> None:
    for index, (kind, content) in enumerate(_seeds()):
        if kind == ending:
            path = tmp_path / f"{index}.{ending}"
            path.write_bytes(content)
            assert set(open_picture(path).size) == {24, 40}
