from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from faststyle.benchmark import Progress
from faststyle.cli import main
from faststyle.gallery import style_path
from faststyle.timing import Size
from tests.conftest import Build, Shape

QUICK = ["--rounds", "2", "--threads", "1", "--device", "cpu"]


@pytest.fixture
def fixed(build: Build) -> Path:
    """A network of another maker, for pictures of one size."""
    return build(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        name="fixed.onnx",
        shape=(1, 3, 20, 30),
        w=np.zeros((3, 3, 3, 3), np.float32),
    )


def test_ours_and_a_foreign_model(
    fixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "times.csv"
    sizes = ["--sizes", "24x16", "30x20", "--csv", str(table)]
    assert main(["bench", "wave", str(fixed), *QUICK, *sizes]) == 0
    models, measured = (
        [line.split() for line in part.splitlines()]
        for part in capsys.readouterr().out.split("\n\n")
    )
    assert models[0] == ["model", "file", "parameters", "pictures", "device", "threads"]
    assert models[1][0] == "wave"
    assert models[1][-4:] == ["any", "size", "cpu", "1"]
    assert models[2] == ["fixed", "0", "kB", "81", "30x20", "only", "cpu", "1"]
    assert measured[0] == [
        *("size", "model", "GFLOP", "ms", "min", "ms", "median", "ms", "max"),
        *("fps", "min", "fps", "median", "fps", "max", "memory", "ratio"),
    ]
    assert [row[:2] for row in measured[1:]] == [
        *(["24x16", "wave"], ["30x20", "wave"], ["30x20", "fixed"])
    ]
    assert [row[-1] for row in measured[1:3]] == ["1.00", "1.00"]
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["width"], row["height"]) for row in rows] == [
        *(("wave", "24", "16"), ("wave", "30", "20"), ("fixed", "30", "20"))
    ]


def test_all_exports_of_a_network(
    fast_models: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "times.csv"
    files = map(str, fast_models.values())
    assert main(["bench", *files, *QUICK, "--sizes", "37x64", "--csv", str(table)]) == 0
    assert capsys.readouterr().out.count("any size") == len(fast_models)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == list(fast_models)
    # They differ in types of numbers, not in what is computed, but that a context goes through all
    # layers but the last, and that int8 has finer steps and computes twice what it measures.
    gflop = {row["model"]: float(row["gflop"]) for row in rows}
    assert gflop["fp32"] == gflop["fp16"]
    assert 1.3 * gflop["fp32"] < gflop["context"] < 2 * gflop["fp32"]
    assert gflop["fp32"] < gflop["int8"] < 1.5 * gflop["fp32"]
    assert float(rows[0]["gflop"]) > 0


def test_one_failure_does_not_lose_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"broken")
    table = tmp_path / "times.csv"
    models = ["nothing", str(broken), "none.onnx", "wave"]
    assert main(["bench", *models, *QUICK, "--sizes", "24x16", "--csv", str(table)]) == 1
    out, error = capsys.readouterr()
    assert out.splitlines()[-1].split()[:2] == ["24x16", "wave"]
    assert "ratio" not in out
    unknown, damaged, missing = error.splitlines()
    assert unknown.startswith("faststyle: no bundled style is called 'nothing'")
    assert damaged.startswith(f"faststyle: {broken}: not an ONNX model")
    assert "none.onnx: No such file" in missing
    assert table.read_text().count("\n") == 2


def test_a_model_named_twice_is_timed_once(capsys: pytest.CaptureFixture[str]) -> None:
    wave = style_path("wave")
    again = wave.parent.parent / "styles" / ".." / "styles" / "wave.onnx"
    assert main(["bench", "wave", "wave", str(again), *QUICK, "--sizes", "24x16"]) == 0
    out, error = capsys.readouterr()
    assert out.count("24x16") == 1
    assert [line for line in error.splitlines() if "twice" in line] == [
        f"faststyle: {name}: is named twice, and timed once" for name in ("wave", again)
    ]


def test_a_table_that_cannot_be_written_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    table = tmp_path / "file" / "times.csv"
    assert main(["bench", "wave", *QUICK, "--sizes", "24x16", "--csv", str(table)]) == 1
    out, error = capsys.readouterr()
    assert not out
    assert error.startswith(f"faststyle: {tmp_path / 'file'}: ")


def test_an_interrupt_prints_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def press(_: object, progress: Progress) -> None:
        if progress.size == Size(30, 20):
            raise KeyboardInterrupt

    monkeypatch.setattr("faststyle.cli.bench._show", press)
    table = tmp_path / "times.csv"
    sizes = ["--sizes", "24x16", "30x20", "--csv", str(table)]
    assert main(["bench", "wave", *QUICK, *sizes]) == 130
    out, error = capsys.readouterr()
    assert out.splitlines()[-1].startswith("24x16")
    assert error.splitlines()[-1] == "faststyle: stopped; sizes that were not done are left out"
    assert len(table.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("sides", "shown"), [((64, None), "64 high only"), ((None, 64), "64 wide only")]
)
def test_a_side_that_is_fixed_is_shown(
    build: Build, capsys: pytest.CaptureFixture[str], sides: Shape, shown: str
) -> None:
    path = build([helper.make_node("Identity", ["x"], ["y"])], shape=(1, 3, *sides))
    assert main(["bench", str(path), *QUICK, "--sizes", "24x16"]) == 0
    assert shown in capsys.readouterr().out


def test_one_model_is_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "wave", *QUICK, "--sizes", "24x16"]) == 0
    assert "ratio" not in capsys.readouterr().out


def test_results_are_replaced_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "times.csv"
    table.write_text("old")
    bench = ["bench", "wave", *QUICK, "--sizes", "24x16", "--csv", str(table)]
    assert main(bench) == 1
    assert capsys.readouterr().err.startswith(f"faststyle: {table}: already exists; pass")
    assert table.read_text() == "old"
    assert main([*bench, "--overwrite"]) == 0
    assert table.read_text().startswith("model,path,")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["--threads", "0"], "--threads 0: must be from 1"),
        (["--device", "directml"], "--device directml: the installed onnxruntime has no Dml"),
    ],
)
def test_mistakes_are_one_line(
    extra: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "wave", *extra]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"faststyle: {message}")


@pytest.mark.parametrize("size", ["512x", "0x10", "512×512", "axb", "-1x5", "5x5x5"])
def test_what_is_no_size_is_wrong_usage(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["bench", "wave", f"--sizes={size}"])
    assert f"{size!r} is no size in pixels: give WIDTHxHEIGHT" in capsys.readouterr().err
