from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from faststyle.cli import main
from faststyle.images import open_picture
from tests.conftest import Paint


def _stylize(source: Path, output: Path | str, model: Path, *options: str) -> int:
    return main(["stylize", str(source), "-o", str(output), "--model", str(model), *options])


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    errors = [line for line in capsys.readouterr().err.splitlines() if "running on" not in line]
    assert len(errors) == 1, errors
    return errors[0]


def test_a_photo(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _stylize(paint("photo.jpg"), tmp_path / "new" / "out.png", model_path) == 0
    assert open_picture(tmp_path / "new" / "out.png").size == (56, 40)
    assert capsys.readouterr().err == "running on cpu\n"


@pytest.mark.parametrize("name", ["fp16", "int8", "context"])
def test_all_exports_of_a_network(
    paint: Paint, tmp_path: Path, fast_models: Mapping[str, Path], name: str
) -> None:
    assert _stylize(paint("photo.jpg"), tmp_path / "out.png", fast_models[name]) == 0
    assert open_picture(tmp_path / "out.png").size == (56, 40)


def test_a_photo_into_a_folder(paint: Paint, tmp_path: Path, model_path: Path) -> None:
    assert _stylize(paint("photo.jpg"), f"{tmp_path / 'out'}/", model_path) == 0
    assert (tmp_path / "out" / "photo.jpg").exists()


def test_a_bundled_style(paint: Paint, tmp_path: Path) -> None:
    arguments = ["-o", str(tmp_path / "out.jpg"), "--style", "wave", "--device", "cpu"]
    assert main(["stylize", str(paint("photo.jpg")), *arguments]) == 0
    assert (tmp_path / "out.jpg").exists()


def test_a_folder_with_a_bad_file_does_the_rest_and_ends_with_1(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paint("in/a.jpg"), paint("in/sub/b.png")
    (tmp_path / "in" / "bad.jpg").write_text("not a picture")
    assert _stylize(tmp_path / "in", tmp_path / "out", model_path) == 1
    errors = capsys.readouterr().err
    assert "bad.jpg: not a picture" in errors
    assert "2 stylized, 1 failed" in errors
    assert (tmp_path / "out" / "sub" / "b.png").exists()
    (tmp_path / "in" / "bad.jpg").unlink()
    assert _stylize(tmp_path / "in", tmp_path / "out", model_path) == 0
    assert "0 stylized, 2 skipped" in capsys.readouterr().err


def test_an_existing_output_is_kept(
    paint: Paint, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, result = paint("photo.png"), paint("result.png", seed=1)
    before = result.read_bytes()
    assert _stylize(photo, result, model_path) == 1
    assert "already exists; pass --overwrite" in _one_line(capsys)
    assert result.read_bytes() == before
    assert _stylize(photo, result, model_path, "--overwrite") == 0
    assert result.read_bytes() != before


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"text", "not a picture"), (b"\xff\xd8\xff\xe0", "photo.jpg: ")],
)
def test_a_bad_photo_is_one_line(
    tmp_path: Path,
    model_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    message: str,
) -> None:
    if content is not None:
        (tmp_path / "photo.jpg").write_bytes(content)
    assert _stylize(tmp_path / "photo.jpg", tmp_path / "out.jpg", model_path) == 1
    assert message in _one_line(capsys)
    assert not (tmp_path / "out.jpg").exists()


def test_an_empty_folder_is_one_line(
    tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    assert _stylize(tmp_path / "in", tmp_path / "out", model_path) == 1
    assert "in: no pictures there" in _one_line(capsys)


def test_a_bad_model_is_one_line(
    paint: Paint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.onnx").write_text("not a model")
    assert _stylize(paint("photo.jpg"), tmp_path / "out.jpg", tmp_path / "bad.onnx") == 1
    assert "bad.onnx: not an ONNX model" in _one_line(capsys)


def test_an_unknown_style_is_one_line(
    paint: Paint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-o", str(tmp_path / "out.jpg"), "--style", "nonesuch"]
    assert main(["stylize", str(paint("photo.jpg")), *arguments]) == 1
    assert "no bundled style is called 'nonesuch'" in _one_line(capsys)


def test_a_device_that_is_not_there_is_one_line(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _stylize(paint("p.jpg"), tmp_path / "o.jpg", model_path, "--device", "directml")
    assert status == 1
    assert "--device directml" in _one_line(capsys)
