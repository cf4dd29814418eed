from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import onnx
import pytest
from onnx import helper

from faststyle.cli import main


def test_info_shows_everything(model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(model_path)]) == 0
    shown = capsys.readouterr().out
    for text in (
        *("image: uint8 batch × height × width × 3", "A. Painter", "CC0", "The attic, 1900"),
        *("johnson width 2", "contract version  2", "normalization     instance"),
        *("halo              60", "style weight", "crop size"),
        *("precision         fp32", "context           -", "difference        0"),
    ):
        assert text in shown


@pytest.mark.parametrize(
    ("name", "precision", "context"),
    [
        ("int8", "int8", "measured on the picture itself"),
        ("context", "fp32", "measured on a second picture, `context`"),
    ],
)
def test_info_tells_exports_of_a_network_apart(
    fast_models: Mapping[str, Path],
    capsys: pytest.CaptureFixture[str],
    name: str,
    precision: str,
    context: str,
) -> None:
    assert main(["info", str(fast_models[name])]) == 0
    shown = capsys.readouterr().out
    assert f"precision         {precision}\n" in shown
    assert f"context           {context}\n" in shown
    levels = r"[\d.]+/255"
    assert re.search(
        f"^difference +{levels} on average, {levels} at the 99th percentile, {levels} at most$",
        shown,
        re.MULTILINE,
    )
    taken = "context: uint8 contexts × context_height × context_width × 3"
    assert (taken in shown) == (name == "context")


def test_info_takes_the_name_of_a_bundled_style(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "wave"]) == 0
    assert "Hokusai" in capsys.readouterr().out


def test_info_steers_no_terminal(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(model_path)
    for entry in model.metadata_props:
        if entry.key == "description":
            entry.value = "\x1b[31mred\nstyle             another"
        if entry.key == "training":
            entry.value = '{"a\\u001bb": "c\\u001bd"}'
    onnx.save(model, tmp_path / "steering.onnx")
    assert main(["info", str(tmp_path / "steering.onnx")]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "description       \\x1b[31mred\\nstyle             another\n" in shown


def test_info_on_a_foreign_model_shows_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, None, 224])
        for name in ("input1", "output1")
    ]
    node = helper.make_node("Identity", ["input1"], ["output1"])
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, ir_version=8, opset_imports=opset)
    helper.set_model_props(model, {"maker": "somebody"})
    onnx.save(model, tmp_path / "foreign.onnx")
    assert main(["info", str(tmp_path / "foreign.onnx")]) == 0
    shown = capsys.readouterr().out
    for text in (
        *("input1: float 1 × 3 × ? × 224", "maker             somebody", "another program"),
        *("float32 N×3×H×W, from 0 to 1", "224×224 pixels only"),
    ):
        assert text in shown
