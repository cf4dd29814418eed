from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from faststyle.cli import main
from faststyle.cli.options import readable_size
from faststyle.timing import Size


@pytest.fixture
def gallery(
    tmp_path: Path, fast_models: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bundle two styles, one of them in int8 and by a larger network too."""
    bundled = {"attic": "fp32", "attic-int8": "int8", "attic-quality": "fp32", "cellar": "fp32"}
    for name, precision in bundled.items():
        shutil.copyfile(fast_models[precision], tmp_path / f"{name}.onnx")
    monkeypatch.setattr("faststyle.gallery._FOLDER", tmp_path)
    monkeypatch.setattr("faststyle.cli.styles.SIZE", Size(64, 48))


@pytest.mark.usefixtures("gallery")
@pytest.mark.parametrize("timed", [True, False])
def test_styles_are_listed(
    timed: bool, fast_models: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["styles", *([] if timed else ["--no-speed"])]) == 0
    shown = capsys.readouterr()
    header, first, *says, larger, of_larger, second = shown.out.splitlines()[:7]
    assert header.split() == ["name", "licence", "size", "fps", "int8", "size", "int8", "fps"]
    assert says == ["    Cobwebs and dust.", "    A. Painter, The attic, 1900"]
    name, licence, *size, speed, int8_size, int8_unit, int8_speed = first.split()
    assert (name, licence) == ("attic", "CC0")
    for precision, written in (("fp32", size), ("int8", [int8_size, int8_unit])):
        assert " ".join(written) == readable_size(fast_models[precision].stat().st_size)
    if timed:
        assert float(speed) > 0 < float(int8_speed)
        assert "64x48" in shown.err
    else:
        assert (speed, int8_speed, shown.err) == ("-", "-", "")
    assert larger.split()[0] == "attic-quality"
    assert of_larger.startswith("    The same style")
    assert second.split()[0] == "cellar"
    assert second.split()[-2:] == ["-", "-"]


@pytest.mark.usefixtures("gallery")
def test_a_style_in_int8_has_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "attic-int8"]) == 0
    assert "precision         int8" in capsys.readouterr().out
    assert main(["info", "cellar-int8"]) == 1
    assert "cellar is not bundled in int8" in capsys.readouterr().err
    assert main(["info", "loft"]) == 1
    assert "choose from attic, cellar, or" in capsys.readouterr().err
