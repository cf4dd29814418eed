from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from faststyle.cli import main
from faststyle.cli.evaluate import COMPARISON_PLOT, COMPARISON_TABLE, OUT, SHEET, TABLE
from faststyle.training.evaluate import BASELINE, Pixels
from tests.conftest import Paint

PHOTOS = 5


@pytest.fixture
def arguments(paint: Paint, vgg_weights: Path, tmp_path: Path) -> list[str]:
    """All that follows the models."""
    for seed in range(PHOTOS):
        paint(f"photos/{seed}.jpg", height=70, width=80, seed=seed)
    return [
        *("--style", str(paint("style.png", height=64, width=64, seed=9))),
        *("--content", str(tmp_path / "photos"), "--out", str(tmp_path / "out")),
        *("--loss-network", "vgg19", "--vgg-weights", str(vgg_weights)),
        *("--size", "64", "--stroke-size", "1", "--device", "cpu"),
    ]


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A file of another maker, which inverts pictures of values from 0 to 255."""
    graph = helper.make_graph(
        [helper.make_node("Sub", ["white", "x"], ["y"])],
        "inverted",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [numpy_helper.from_array(np.array(255, np.float32), "white")],
    )
    path = tmp_path / "foreign.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opset), path)
    return path


def _table(out: str) -> dict[str, list[float]]:
    """Read the printed table: losses by model; names may have spaces, numbers have none."""
    lines = out.split("\n\n")[0].splitlines()[1:]
    assert len({len(line) for line in lines}) == 1
    return {
        " ".join(words[:-10]): [float(word) for word in words[-10:]]
        for words in map(str.split, lines)
    }


def test_all_exports_of_a_network(
    arguments: list[str], fast_models: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *map(str, fast_models.values()), *arguments]) == 0
    table = _table(capsys.readouterr().out)
    assert list(table) == [BASELINE, *fast_models]
    for name in fast_models:
        assert table[name] == pytest.approx(table["fp32"], rel=0.05)


def test_ours_a_bundled_style_and_a_foreign_model(
    arguments: list[str],
    model_path: Path,
    foreign: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", str(model_path), "wave", str(foreign), *arguments]) == 0
    out = capsys.readouterr().out
    table = _table(out)
    assert list(table) == [BASELINE, "tiny", "wave", "foreign"]
    assert out.splitlines()[0].split()[:5] == [
        *("model", "content", "style", "total_variation", "total")
    ]
    for content, style, total_variation, total, *_ in table.values():
        assert total == pytest.approx(content + 10 * style + 10 * total_variation, abs=2e-3)
    assert table[BASELINE][0] == 0
    assert table["foreign"][2] == table[BASELINE][2]
    csv_path, png_path = tmp_path / "out" / TABLE, tmp_path / "out" / SHEET
    assert out.splitlines()[-1] == f"{PHOTOS} photos: {csv_path}, {png_path}"
    with open(csv_path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * (PHOTOS + 1)
    assert float(rows[-1]["style relu5_1"]) == pytest.approx(table["foreign"][-1], abs=1e-4)
    with Image.open(png_path) as sheet:
        assert sheet.width > 5 * 64


def test_models_that_were_trained_otherwise_are_named(
    arguments: list[str],
    model_path: Path,
    foreign: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evaluate = ["evaluate", str(model_path), str(foreign), *arguments, "--max-photos", "1"]
    assert main([*evaluate, "--stroke-size", "5"]) == 0  # it was trained with 5 and 10
    assert capsys.readouterr().err == ""
    assert main([*evaluate, "--stroke-size", "5", "--style-weight", "11.5", "--overwrite"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "tiny: trained with --style-weight 10, judged with --style-weight 11.5; "
        "give the former to judge it by what it learnt"
    ]
    assert main([*evaluate, "--style-weight", "11.5", "--overwrite"]) == 0
    assert capsys.readouterr().err.startswith(
        "tiny: trained with --stroke-size 5 --style-weight 10, "
        "judged with --stroke-size 1 --style-weight 11.5; "
    )


def test_models_of_one_file_name_are_told_apart(
    arguments: list[str], model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / folder / "wave.onnx" for folder in ("a/x", "b/x", "b/y")]
    for path in paths:
        path.parent.mkdir(parents=True)
        shutil.copy(model_path, path)
    models = [str(path) for path in (*paths, model_path, model_path)]
    assert main(["evaluate", *models, "wave", *arguments, "--max-photos", "1"]) == 0
    names = list(_table(capsys.readouterr().out))
    assert names == [BASELINE, "a/x/wave", "b/x/wave", "y/wave", "tiny", "styles/wave"]


def test_photos_are_spread_over_the_folder(
    arguments: list[str], model_path: Path, tmp_path: Path
) -> None:
    assert main(["evaluate", str(model_path), *arguments, "--max-photos", "2"]) == 0
    with open(tmp_path / "out" / TABLE, newline="") as file:
        names = [Path(row["photo"]).name for row in csv.DictReader(file)]
    assert names == ["0.jpg", "0.jpg", "2.jpg", "2.jpg", "mean", "mean"]


def test_results_are_replaced_only_if_asked(
    arguments: list[str], model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate = ["evaluate", str(model_path), *arguments, "--max-photos", "1"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / SHEET).touch()
    assert main(evaluate) == 1
    assert f"{SHEET}: already exists; pass --overwrite" in capsys.readouterr().err
    assert not (tmp_path / "out" / TABLE).exists()
    assert main([*evaluate, "--overwrite"]) == 0
    assert (tmp_path / "out" / SHEET).stat().st_size


def test_unreadable_photos_are_named(
    arguments: list[str], model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "photos" / "0.jpg"
    bad.write_bytes(b"no picture")
    assert main(["evaluate", str(model_path), *arguments]) == 0
    shown, error = capsys.readouterr()
    assert f"1 photos could not be read: {bad}" in error
    assert shown.splitlines()[-1].startswith(f"{PHOTOS - 1} photos: ")


def test_weights_that_stop_early(
    arguments: list[str],
    model_path: Path,
    vgg_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = {
        key: value
        for key, value in torch.load(vgg_weights).items()
        if int(key.split(".")[1]) < 19  # to relu3_4
    }
    torch.save(state, tmp_path / "early.pth")
    evaluate = ["evaluate", str(model_path), *arguments, "--max-photos", "1"]
    evaluate += ["--vgg-weights", str(tmp_path / "early.pth")]
    assert main(evaluate) == 1
    assert "early.pth: the weights stop before relu4_1" in _one_line(capsys)
    assert main([*evaluate, "--style-layers", "relu1_1,relu2_1,relu3_1"]) == 0


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("faststyle: ")
    return line


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--style", "none.jpg"], "none.jpg: No such file"),
        (["--content", "none"], "none: no folder with pictures; pass one of photos with --content"),
        (["--vgg-weights", "none.pth"], "none.pth: No such file"),
        (["--loss-network", "vgg11"], "no loss network is called 'vgg11'"),
        (["--style-layers", "relu9_1"], "vgg19 has no layer 'relu9_1'"),
        (["--style-layers", ","], "--style-layers names no layer"),
        (["--content-layers", "relu1_1,relu1_1"], "--content-layers names relu1_1 more than once"),
        (["--stroke-size", "11"], "--stroke-size goes from 1 to 10"),
        (["--style-weight", "-1"], "--style-weight must be 0 or more"),
        (["--size", "8"], "--size must be at least 64"),
        (["--max-photos", "0"], "--max-photos must be at least 1"),
        (["--device", "abacus"], "abacus"),
        (["--iterations", "0"], "--iterations must be at least 1"),
        (["--metrics", "taste"], "no metric is called 'taste': choose from ssim, lpips"),
    ],
)
def test_mistakes_are_one_line(
    extra: list[str],
    message: str,
    arguments: list[str],
    model_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", str(model_path), *arguments, *extra]) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nothing", "no bundled style is called 'nothing'"),
        ("none.onnx", "none.onnx: No such file"),
        ("broken.onnx", "broken.onnx: not an ONNX model that can be loaded"),
    ],
)
def test_models_that_are_none(
    model: str,
    message: str,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.onnx").write_bytes(b"broken")
    assert main(["evaluate", model, *arguments]) == 1
    assert message in _one_line(capsys)


def test_a_folder_that_cannot_be_made_is_said_before_any_photo_is_judged(
    arguments: list[str],
    model_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def judge(*_: object, **__: object) -> None:
        raise AssertionError("too late")

    monkeypatch.setattr("faststyle.training.evaluate.evaluate", judge)
    (tmp_path / "out").write_text("mine")
    assert main(["evaluate", str(model_path), *arguments]) == 1
    assert "out: File exists; check the path" in _one_line(capsys)


def test_results_go_into_a_folder_of_their_own(
    arguments: list[str], model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = arguments.index("--out")
    del arguments[place : place + 2]
    assert main(["evaluate", str(model_path), *arguments, "--max-photos", "1"]) == 0
    assert sorted(path.name for path in (tmp_path / OUT).iterdir()) == [TABLE, SHEET]


def test_against_optimization(
    arguments: list[str], model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(model_path), *arguments, "--max-photos", "2"]
    command += ["--against", "optimize", "--iterations", "2"]
    assert main(command) == 0
    last, sentence = capsys.readouterr().out.splitlines()[-2:]
    table, plot = tmp_path / "out" / COMPARISON_TABLE, tmp_path / "out" / COMPARISON_PLOT
    assert last == f"against 2 iterations of L-BFGS from the photo, both on cpu: {table}, {plot}"
    assert sentence.startswith("tiny: total ")
    with open(table, newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * (1 + 3)
    with Image.open(plot) as picture:
        assert picture.width > picture.height
    for path in tmp_path.glob("out/evaluation.*"):
        path.unlink()
    assert main(command) == 1
    assert f"{COMPARISON_TABLE}: already exists" in capsys.readouterr().err


def test_metrics_are_columns_and_missing_ones_are_named(
    arguments: list[str],
    model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def mean_difference(picture: Pixels, photo: Pixels) -> float:
        return float(np.abs(picture.astype(float) - photo).mean())

    monkeypatch.setattr(
        "faststyle.training.metrics.missing_package", {"ssim": None, "lpips": "lpips"}.get
    )
    monkeypatch.setattr("faststyle.training.metrics.load_metric", lambda _: mean_difference)
    command = ["evaluate", str(model_path), *arguments, "--max-photos", "1"]
    assert main([*command, "--metrics", "ssim,lpips"]) == 0
    assert "lpips is left out, as lpips is not installed" in capsys.readouterr().err
    with open(tmp_path / "out" / TABLE, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-1] == "ssim"
    assert float(rows[0]["ssim"]) == 0
    assert float(rows[1]["ssim"]) > 1
