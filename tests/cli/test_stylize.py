from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from faststyle.cli import main
from faststyle.files import find_pictures
from faststyle.gallery import style_names
from faststyle.images import open_picture
from tests.conftest import Paint, blotches, pixels


def _broken(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("not a picture")


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


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("Wave", "wave"), ("starrynight:1", "starry_night"), ("wave-int", "wave-int8")],
)
@pytest.mark.parametrize("option", ["--style", "--model"])
def test_the_style_that_was_meant_is_named(
    option: str, typed: str, meant: str, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stylize", str(paint("photo.jpg")), "-o", "out.jpg", option, typed]) == 1
    line = _one_line(capsys)
    assert f"; did you mean {meant}? (faststyle styles shows which have" in line


def test_a_device_that_is_not_there_is_one_line(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for device, told in (
        ("directml", "--device directml: the installed onnxruntime has no Dml"),
        ("abacus", "--device abacus: the installed onnxruntime has no such device; choose from "),
    ):
        status = _stylize(paint("p.jpg"), tmp_path / "o.jpg", model_path, "--device", device)
        assert status == 1
        assert told in _one_line(capsys)


def _folder(paint: Paint, *names: str) -> None:
    for seed, name in enumerate(names):
        paint(f"in/{name}", seed=seed)


def test_failures_are_listed_at_the_end_and_in_the_report(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _folder(paint, "a.jpg")
    for name in ("bad.jpg", "wörse, much.png"):
        (tmp_path / "in" / name).write_text("not a picture")
    report = tmp_path / "new" / "failures.csv"
    assert _stylize(tmp_path / "in", tmp_path / "out", model_path, "--report", str(report)) == 1
    *_, first, second, counts = capsys.readouterr().err.splitlines()
    assert "not a picture" in first
    assert "not a picture" in second
    assert counts == "1 stylized, 2 failed"
    with open(report, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["file"] for row in rows) == [
        str(tmp_path / "in" / name) for name in ("bad.jpg", "wörse, much.png")
    ]
    assert all("not a picture" in row["error"] for row in rows)
    for name in ("bad.jpg", "wörse, much.png"):
        (tmp_path / "in" / name).unlink()
    assert _stylize(tmp_path / "in", tmp_path / "out", model_path, "--report", str(report)) == 0
    assert report.read_text().strip() == "file,result,error"


def test_a_report_is_written_of_a_single_photo(tmp_path: Path, model_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("not a picture")
    report = tmp_path / "failures.csv"
    arguments = (tmp_path / "bad.jpg", tmp_path / "out.jpg", model_path, "--report", str(report))
    assert _stylize(*arguments) == 1
    assert "bad.jpg" in report.read_text()


def test_a_report_takes_no_other_files_place(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _folder(paint, "a.jpg")
    photo = tmp_path / "in" / "a.jpg"
    before = photo.read_bytes()
    for source in (photo.parent, photo):
        arguments = (source, tmp_path / "out", model_path, "--report", str(photo))
        assert _stylize(*arguments, *(["--format", "jpg"] if source == photo else [])) == 1
    assert photo.read_bytes() == before
    assert "a.jpg: exists, and is no report" in capsys.readouterr().err


def test_a_report_may_go_to_a_pipe(tmp_path: Path, model_path: Path) -> None:
    _broken(tmp_path / "in" / "broken.jpg")
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        report = ("--report", str(tmp_path / "pipe"))
        assert _stylize(tmp_path / "in", tmp_path / "out", model_path, *report) == 1
        assert b"broken.jpg" in reader.communicate(timeout=60)[0]


def test_names_that_would_steer_a_terminal_are_escaped(
    tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _broken(tmp_path / "in" / "a\n\x1b[31mred.jpg")
    assert _stylize(tmp_path / "in", tmp_path / "out", model_path) == 1
    assert r"a\n\x1b[31mred.jpg: not a picture" in capsys.readouterr().err


def test_a_folder_in_the_place_of_a_result_is_a_failure(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _folder(paint, "a.jpg", "b.jpg")
    (tmp_path / "out" / "a.jpg").mkdir(parents=True)
    assert _stylize(tmp_path / "in", tmp_path / "out", model_path) == 1
    errors = capsys.readouterr().err
    assert "a.jpg: is a folder" in errors
    assert "1 stylized, 1 failed" in errors


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _folder(paint, "a.jpg", "sub/b.png")
    paint("out/sub/b.webp")
    arguments = ["-o", str(tmp_path / "out"), "--model", str(model_path), "--format", "webp"]
    assert main(["stylize", str(tmp_path / "in"), *arguments, "--dry-run"]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == [
        f"{tmp_path}/in/a.jpg -> {tmp_path}/out/a.webp",
        f"{tmp_path}/in/sub/b.png -> {tmp_path}/out/sub/b.webp (exists, skipped)",
    ]
    assert not (tmp_path / "out" / "a.webp").exists()
    arguments[3] = f"{model_path}:1,missing.onnx:1"
    assert main(["stylize", str(tmp_path / "in"), *arguments, "--dry-run"]) == 1
    assert capsys.readouterr().err == "faststyle: missing.onnx: no such file; check the path\n"
    arguments[3] = f"{model_path}:0"
    assert main(["stylize", str(tmp_path / "in"), *arguments, "--dry-run"]) == 1
    assert "needs no share" in _one_line(capsys)
    arguments[3] = str(model_path)
    report = ["--report", str(tmp_path / "report.csv")]
    assert main(["stylize", str(tmp_path / "in"), *arguments, "--dry-run", *report]) == 1
    assert "--report: nothing fails in a --dry-run; leave out one" in _one_line(capsys)


def test_several_inputs_in_another_format_with_a_suffix(
    paint: Paint, tmp_path: Path, model_path: Path
) -> None:
    _folder(paint, "a.jpg", "b.png")
    photo = paint("-c.jpg")
    output = ["-o", str(tmp_path / "out"), "--model", str(model_path)]
    naming = ["--format", "webp", "--suffix", "_x", "--quality", "50"]
    assert main(["stylize", *output, *naming, "--", str(tmp_path / "in"), str(photo)]) == 0
    written = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
    assert written == ["-c_x.webp", "in/a_x.webp", "in/b_x.webp"]


@pytest.mark.parametrize("named", ["photo.jpg", "-"])
@pytest.mark.parametrize("ending", ["", "jpg"])
def test_standard_input_and_output(
    paint: Paint, tmp_path: Path, model_path: Path, named: str, ending: str
) -> None:
    photo = paint("photo.jpg")
    command = [sys.executable, "-m", "faststyle", "stylize", named, "-o", "-"]
    result = subprocess.run(
        [*command, "--model", str(model_path), *(["--format", ending] if ending else [])],
        input=photo.read_bytes(),
        capture_output=True,
        cwd=tmp_path,
        check=True,
    )
    with Image.open(io.BytesIO(result.stdout)) as stylized:
        assert stylized.format == ("JPEG" if ending else "PNG")
        assert stylized.size == (56, 40)


def test_a_closed_standard_error_adds_nothing_to_the_output(paint: Paint, model_path: Path) -> None:
    command = [sys.executable, "-m", "faststyle", "stylize", str(paint("photo.jpg")), "-o", "-"]
    command += ["--model", str(model_path)]
    result = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *command], capture_output=True, check=True
    )
    with Image.open(io.BytesIO(result.stdout)) as stylized:
        assert stylized.size == (56, 40)


def test_a_run_of_many_goes_on_without_a_standard_error(
    paint: Paint, tmp_path: Path, model_path: Path
) -> None:
    _folder(paint, "a.jpg", "b.jpg")
    command = [sys.executable, "-m", "faststyle", "stylize", "in", "-o", "out"]
    command += ["--model", str(model_path)]
    subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], cwd=tmp_path, check=True)
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_closed_streams_are_no_traceback(
    paint: Paint, tmp_path: Path, model_path: Path, closed: str
) -> None:
    named, output = ("-", "out.png") if closed == "stdin" else (str(paint("photo.jpg")), "-")
    redirected = "<&-" if closed == "stdin" else ">&-"
    command = [sys.executable, "-m", "faststyle", "stylize", named, "-o", output]
    command += ["--model", str(model_path)]
    result = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 1
    assert "is closed; name a" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_nothing_is_written_in_a_dry_run_of_a_stream(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _stylize(paint("photo.jpg"), "-", model_path, "--dry-run") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'photo.jpg'} -> -\n"
    options = ("--dry-run", "--format", "png")
    assert main(["stylize", "-", "-o", "out.jpg", "--model", str(model_path), *options]) == 1
    assert "--format: out.jpg is named otherwise" in _one_line(capsys)


def test_what_standard_output_does_not_take_is_one_line(
    paint: Paint, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = paint("in/a.jpg")
    assert _stylize(photo.parent, "-", model_path) == 1
    assert f"{tmp_path / 'in'}: is a folder, and standard output takes one" in _one_line(capsys)
    assert _stylize(photo, "-", model_path, "--suffix", "_x") == 1
    assert "--suffix: of files alone" in _one_line(capsys)


def test_a_model_whose_name_has_commas(paint: Paint, tmp_path: Path, model_path: Path) -> None:
    named = tmp_path / "one, two:3.onnx"
    named.write_bytes(model_path.read_bytes())
    assert _stylize(paint("photo.jpg"), tmp_path / "out.png", named) == 0


def test_a_mask_of_16_bits_is_one_of_8(paint: Paint, tmp_path: Path, model_path: Path) -> None:
    results = []
    for mask in (Image.new("L", (9, 9), 128), Image.new("I;16", (9, 9), 128 * 257)):
        mask.save(tmp_path / "mask.png")
        result = tmp_path / f"{mask.mode[0]}.png"
        options = ("--mask", str(tmp_path / "mask.png"))
        assert _stylize(paint("photo.png"), result, model_path, *options) == 0
        results.append(pixels(open_picture(result)).astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1


def test_what_is_transparent_in_a_mask_is_not_painted(
    paint: Paint, tmp_path: Path, model_path: Path
) -> None:
    photo = paint("photo.png")
    mask = Image.new("RGBA", (2, 1), "white")
    mask.putpixel((1, 0), (255, 255, 255, 0))
    mask.save(tmp_path / "mask.png")
    options = ("--mask", str(tmp_path / "mask.png"))
    assert _stylize(photo, tmp_path / "out.png", model_path, *options) == 0
    changed = np.abs(
        pixels(open_picture(tmp_path / "out.png")).astype(int) - pixels(open_picture(photo))
    ).max((0, 2))
    assert changed[:10].max() > 0 == changed[-10:].max()


def test_the_controls_reach_the_result(paint: Paint, tmp_path: Path, model_path: Path) -> None:
    photo = paint("photo.png")
    mask = tmp_path / "mask.png"
    Image.new("L", (3, 3), 0).save(mask)
    for number, controls in enumerate((["--strength", "0"], ["--mask", str(mask)])):
        result = tmp_path / f"{number}.png"
        assert _stylize(photo, result, model_path, *controls) == 0
        assert np.array_equal(pixels(open_picture(result)), pixels(open_picture(photo)))
    result = tmp_path / "small.png"
    assert _stylize(photo, result, model_path, "--max-side", "14", "--keep-colors") == 0
    assert open_picture(result).size == (14, 10)


def test_styles_are_blended(paint: Paint, tmp_path: Path) -> None:
    photo = paint("photo.png")
    painted: dict[str, NDArray[np.float64]] = {}
    for blend in ("wave", "starry_night", "wave:1,starry_night:3", "wave:1,starry_night:0"):
        result = tmp_path / f"{len(painted)}.png"
        assert main(["stylize", str(photo), "-o", str(result), "--style", blend]) == 0
        painted[blend] = pixels(open_picture(result)).astype(float)
    mixed = (painted["wave"] + 3 * painted["starry_night"]) / 4
    assert np.abs(painted["wave:1,starry_night:3"] - mixed).max() <= 1
    assert np.array_equal(painted["wave:1,starry_night:0"], painted["wave"])


def test_a_model_is_blended_with_a_bundled_style(
    paint: Paint, tmp_path: Path, model_path: Path
) -> None:
    photo = paint("photo.png")
    painted: list[NDArray[np.float64]] = []
    for blend in (str(model_path), "wave", f"{model_path}:3,wave:1"):
        result = tmp_path / f"{len(painted)}.png"
        assert main(["stylize", str(photo), "-o", str(result), "--model", blend]) == 0
        painted.append(pixels(open_picture(result)).astype(float))
    ours, wave, blended = painted
    assert np.abs(blended - (3 * ours + wave) / 4).max() <= 1


@pytest.mark.parametrize(
    ("blend", "message"),
    [
        (
            "wave:0.3",
            "wave:0.3: one style alone needs no share; leave .*--strength 0.3$",
        ),
        ("wave:3", "wave:3: one style alone needs no share; leave it out$"),
        ("wave:1,mosaic:-1", "wave:1,mosaic:-1: shares must be 0 or more"),
        ("wave:nan,mosaic:1", "wave:nan,mosaic:1: shares must be 0 or more"),
        ("wave:0,mosaic:0", "wave:0,mosaic:0: shares must be 0 or more, and one of them above 0"),
        ("wave:0.7,:0.3", "wave:0.7,:0.3: name a style before each colon"),
    ],
)
@pytest.mark.parametrize("option", ["--style", "--model"])
def test_shares_that_make_no_sense_are_refused_before_anything_is_loaded(
    option: str, blend: str, message: str, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["stylize", str(paint("photo.jpg")), "-o", "out.jpg", option, blend]
    for dry in ([], ["--dry-run"]):
        assert main([*command, *dry]) == 1
        assert re.search(f"^faststyle: {option} {message}", capsys.readouterr().err)


def test_every_bundled_style_has_a_folder(
    paint: Paint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paint("photos/deep/a.jpg")
    paint("photos/b.png")
    photos = tmp_path / "photos"
    output = photos / "painted"  # where no style may find what another has painted
    command = ["stylize", str(photos), "-o", str(output), "--style", "all"]
    for _ in range(2):
        assert main(command) == 0
    count = 2 * len(style_names())
    assert capsys.readouterr().err.splitlines() == [
        "running on cpu",
        f"{count} stylized",
        "running on cpu",
        f"0 stylized, {count} skipped, as their results exist",
    ]
    expected = {
        output / style / name for style in style_names() for name in ("deep/a.jpg", "b.png")
    }
    assert set(find_pictures(output)) == expected
    alone = tmp_path / "alone.png"
    assert main(["stylize", str(photos / "b.png"), "-o", str(alone), "--style", "wave"]) == 0
    assert np.array_equal(pixels(open_picture(alone)), pixels(open_picture(output / "wave/b.png")))


def test_every_style_needs_a_folder(
    paint: Paint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = paint("photo.png")
    command = ["stylize", str(photo), "--style", "all", "-o"]
    assert main([*command, str(tmp_path / "out"), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{photo} -> {tmp_path / 'out' / 'wave' / 'photo.png'}" in lines
    assert len(lines) == len(style_names())
    for place, told in ((str(photo), "name a folder"), ("-", "writes many pictures")):
        assert main([*command, place]) == 1
        assert told in _one_line(capsys)


def test_a_photo_that_does_not_fit_is_painted_in_tiles(
    paint: Paint, tmp_path: Path, fast_models: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faststyle.cli.studio.LEAST_MEMORY", 0)
    monkeypatch.setattr("faststyle.cli.studio.resident", lambda: 10**9)
    photo = paint("photo.png", height=500, width=450)
    whole, tiled = tmp_path / "whole.png", tmp_path / "tiled.png"
    for result, memory in ((whole, "2GB"), (tiled, "1001MB")):
        assert _stylize(photo, result, fast_models["fp32"], "--memory", memory) == 0
    before, after = (pixels(open_picture(path)).astype(int) for path in (whole, tiled))
    assert 0 < np.abs(before - after).mean() < 4  # its statistics are those of patches


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strength", "2"], "--strength 2"),
        (["--memory", "much"], "--memory much"),
        (["--memory", "1MB"], "--memory 1MB: too little"),
        (["--memory", "1"], "--memory 1: too little"),
        (["--memory", "9" * 400], "--memory 999"),
        (["--workers", "0"], "--workers 0"),
        (["--workers", "9" * 20], "--workers 999"),
        (["--threads", "-3", "--workers", "2"], "--threads -3"),
        (["--quality", "0"], "--quality 0"),
        (["--suffix", "a/b"], "--suffix a/b"),
        (["--suffix", "_x"], "out.jpg is the result's whole name; name a folder with -o"),
        (["--format", "png"], "--format: "),
        (["--max-megapixels", "0.001"], "photo.jpg: 56×40 pixels"),
        (["--max-megapixels", "0"], "--max-megapixels 0"),
        (["--mask", "none.png"], "none.png: No such file"),
    ],
)
def test_options_that_make_no_sense_are_one_line(
    paint: Paint,
    tmp_path: Path,
    model_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert _stylize(paint("photo.jpg"), tmp_path / "out.jpg", model_path, *options) == 1
    assert message in _one_line(capsys)
    assert not (tmp_path / "out.jpg").exists()


def test_a_killed_run_leaves_whole_files_and_the_next_completes_it(
    paint: Paint, tmp_path: Path, model_path: Path
) -> None:
    names = [f"{index}.png" for index in range(24)]
    for seed, name in enumerate(names):
        paint(f"in/{name}", height=200, width=200, seed=seed)
    arguments = ["stylize", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    command = [sys.executable, "-m", "faststyle", *arguments, "--model", str(model_path)]
    killed = False
    for count in (1, 6, 12):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
            while run.poll() is None and len(list((tmp_path / "out").glob("*"))) < count:
                time.sleep(0.001)
            run.kill()
        killed = killed or run.returncode == -signal.SIGKILL
        for path in (tmp_path / "out").iterdir():
            assert path.suffix in (".png", ".tmp")
            if path.suffix == ".png":
                assert open_picture(path).size == (200, 200)
    assert killed
    assert main([*arguments, "--model", str(model_path)]) == 0
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == set(names)


PEAK = """
import sys
from faststyle.cli import main
status = main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
raise SystemExit(status)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say it so")
def test_a_large_photo_keeps_to_the_memory(
    paint: Paint, tmp_path: Path, fast_models: Mapping[str, Path]
) -> None:
    photo = paint("photo.jpg", height=3000, width=4000)
    arguments = ["stylize", str(photo), "-o", str(tmp_path / "out.jpg")]
    arguments += ["--model", str(fast_models["fp32"])]
    peaks = []
    for memory in ("300MB", "4GB"):
        run = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments, "--memory", memory, "--overwrite"],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(run.stdout) * 1024)
    assert peaks[0] < 1.2 * 300e6
    assert peaks[1] > 1.5 * 300e6  # or the limit would prove nothing


def _frames(folder: Path, *, count: int = 4) -> None:
    """Write frames of a still picture that a white bar goes across below."""
    folder.mkdir()
    for number in range(count):
        frame = blotches(160, 120).copy()
        frame[120:, : 30 * number] = 255
        Image.fromarray(frame).save(folder / f"{number}.png")


def _motion(folder: Path) -> float:
    """Return by how much what stands still differs between the frames of a folder."""
    paintings = [pixels(open_picture(path))[:60].astype(int) for path in find_pictures(folder)]
    return float(np.abs(np.diff(np.stack(paintings), axis=0)).max())


def test_frames_of_a_video_do_not_flicker(
    tmp_path: Path, fast_models: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _frames(tmp_path / "in")
    (tmp_path / "in" / "5.png").write_text("not a picture")
    model, out = fast_models["fp32"], tmp_path / "steady"
    assert _stylize(tmp_path / "in", out, model, "--steady") == 1  # the broken one
    assert "4 stylized, 1 failed" in capsys.readouterr().err
    assert _motion(out) == 0
    before = (out / "1.png").read_bytes()
    (out / "1.png").unlink()
    _stylize(tmp_path / "in", out, model, "--steady")  # goes on where it was, as it was
    assert (out / "1.png").read_bytes() == before
    _stylize(tmp_path / "in", tmp_path / "own", model)
    assert _motion(tmp_path / "own") > 2


def test_steady_needs_several_photos_and_a_network_that_can(
    paint: Paint,
    tmp_path: Path,
    fast_models: Mapping[str, Path],
    model_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photo = paint("in/photo.png")
    assert _stylize(photo, tmp_path / "out.png", fast_models["fp32"], "--steady") == 1
    assert "--steady: of several photos alone; frames of one anim" in _one_line(capsys)
    assert _stylize(photo, "-", fast_models["fp32"], "--steady") == 1
    assert "--steady: of several photos alone" in _one_line(capsys)
    assert _stylize(photo.parent, tmp_path / "out", model_path, "--steady") == 1
    assert "--steady: tiny cannot paint frames alike, as models of the preset" in _one_line(capsys)


def test_steady_goes_on_where_the_frames_that_would_be_measured_are_broken(
    tmp_path: Path, fast_models: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _frames(tmp_path / "in", count=3)
    for number in range(10, 40):
        _broken(tmp_path / "in" / f"{number}.png")
    for number in range(8):  # those that are measured
        if (path := tmp_path / "in" / f"{number}.png").exists():
            path.rename(tmp_path / "in" / f"{10 + 4 * number}a.png")
    model, out = fast_models["fp32"], tmp_path / "out"
    assert _stylize(tmp_path / "in", out, model, "--steady") == 1
    assert "3 stylized, 30 failed" in capsys.readouterr().err
    assert _motion(out) == 0
    for path in find_pictures(tmp_path / "in"):
        _broken(path)
    report = str(tmp_path / "report.csv")
    new = tmp_path / "new"
    assert _stylize(tmp_path / "in", new, model, "--steady", "--report", report) == 1
    assert "0 stylized, 33 failed" in capsys.readouterr().err
    assert len(Path(report).read_text().splitlines()) == 34
