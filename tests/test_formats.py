from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from faststyle.errors import ImageError
from faststyle.images import open_picture, save_picture


def test_a_format_that_needs_a_plugin_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faststyle.formats.PLUGINS", {"HEIF": ("no_such_plugin", "")})
    (tmp_path / "photo.heic").write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")
    with pytest.raises(ImageError, match=r"photo\.heic: .*pip install no-such-plugin"):
        open_picture(tmp_path / "photo.heic")
    with pytest.raises(ImageError, match=r"result\.heic: .*pip install no-such-plugin"):
        save_picture(Image.new("RGB", (8, 8)), tmp_path / "result.heic")


def test_a_name_without_a_format_is_told_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"picture\.xyz: unknown picture format.*\.jpg"):
        save_picture(Image.new("RGB", (8, 8)), tmp_path / "picture.xyz")
