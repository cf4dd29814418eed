"""Inference must work where only the core packages are installed."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from faststyle.cli import main
from tests.conftest import REPOSITORY, Paint

PACKAGE = REPOSITORY / "faststyle"
TRAINING_PACKAGES = {"torch", "torchvision", "onnx", "matplotlib", "tensorboard"}
WITH_TRAINING = (
    "cli/distill.py",
    "cli/train.py",
    "cli/sweep.py",
    "cli/settings.py",
    "cli/running.py",
    "cli/export.py",
    "cli/import_.py",
    "cli/evaluate.py",
    "cli/synthesis.py",
    "cli/optimize.py",
    "cli/texture.py",
)

WITHOUT_TRAINING_PACKAGES = """
import sys
for name in ("torch", "torchvision", "onnx"):
    sys.modules[name] = None  # importing it now raises ModuleNotFoundError
import faststyle
from faststyle.cli import main
status = main(sys.argv[1:])
assert not any(name.startswith("faststyle.training") for name in sys.modules)
raise SystemExit(status)
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TRAINING_PACKAGES, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize(
    "path",
    [path for path in PACKAGE.rglob("*.py") if "training" not in path.parts],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_only_training_imports_torch(path: Path) -> None:
    names = _imports(path)
    assert not {name.split(".")[0] for name in names} & TRAINING_PACKAGES
    if path.relative_to(PACKAGE).as_posix() not in WITH_TRAINING:
        assert not any(name.startswith("faststyle.training") for name in names)


@pytest.mark.parametrize("style", ["starry_night", "wave"])
def test_stylize_works_without_torch(paint: Paint, tmp_path: Path, style: str) -> None:
    photo, result = paint("photo.jpg"), tmp_path / "result.png"
    process = _run("stylize", str(photo), "-o", str(result), "--style", style)
    assert process.returncode == 0, process.stderr
    assert result.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "p.jpg"],
        ["export", "c.pt", "-o", "m.onnx"],
        ["optimize", "p.jpg", "s.jpg", "-o", "o.png"],
        ["texture", "s.jpg", "-o", "o.png"],
        ["evaluate", "wave", "--style", "p.jpg", "--content", "photos"],
    ],
)
def test_what_is_missing_is_named_with_the_remedy(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "faststyle.cli.options.find_spec",
        lambda name: None if name == "torch" else importlib.util.find_spec(name),
    )
    assert main(arguments) == 1
    assert capsys.readouterr().err == (
        "faststyle: this command needs torch: "
        "in the faststyle checkout, run  pip install '.[train]'\n"
    )


def test_a_missing_onnxruntime_is_named() -> None:
    code = "import sys; sys.modules['onnxruntime'] = None; from faststyle.cli import main; "
    command = [sys.executable, "-c", code + "raise SystemExit(main(['styles']))"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.startswith("faststyle: onnxruntime cannot be imported; install")


@pytest.mark.parametrize(
    "command", ["train", "sweep", "evaluate", "export", "distill", "optimize", "texture"]
)
def test_help_works_without_torch(command: str) -> None:
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "faststyle", command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "usage: faststyle " + command in process.stdout
    assert "torch" not in process.stderr


def test_styles_and_info_work_without_torch() -> None:
    assert "starry_night" in _run("styles", "--no-speed").stdout
    assert "contract version" in _run("info", "wave").stdout


def test_bench_works_without_torch() -> None:
    process = _run("bench", "wave", "--sizes", "24x16", "--rounds", "1")
    assert process.returncode == 0, process.stderr
    assert "24x16" in process.stdout


def test_nothing_is_left_in_the_home_folder(tmp_path: Path) -> None:
    script = "import faststyle, numpy as np; faststyle.load('wave')(np.zeros((9, 9, 3), np.uint8))"
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
