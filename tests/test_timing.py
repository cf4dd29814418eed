from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from faststyle.errors import DeviceError, ModelError
from faststyle.gallery import style_path
from faststyle.timing import Case, Size, TimedProcess, draw_photo, peak_memory
from tests.conftest import REPOSITORY, Build

WAVE = style_path("wave")


def _case(path: Path, *, device: str = "cpu", rounds: int = 2) -> Case:
    return Case(path, Size(56, 40), device=device, threads=1, rounds=rounds)


def test_a_process_runs_when_told_and_tells_its_cost() -> None:
    with TimedProcess(_case(WAVE)) as process:
        assert len(multiprocessing.active_children()) == 1
        assert all(process.run() > 0 for _ in range(2))
        cost = process.finish()
    assert not multiprocessing.active_children()
    assert cost.multiply_adds is not None
    assert cost.multiply_adds > 1e5
    if sys.platform == "linux":
        assert cost.memory is not None
        assert 1e7 < cost.memory < 1e9


def test_a_process_that_was_killed_is_named() -> None:
    with TimedProcess(_case(WAVE)) as process:
        (child,) = multiprocessing.active_children()
        child.kill()
        with pytest.raises(ModelError, match=rf"^{WAVE}: its process ended at 56x40 .*-9"):
            process.run()


def test_what_fails_inside_is_raised_outside(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx: No such file"):
        TimedProcess(_case(tmp_path / "none.onnx"))
    with pytest.raises(DeviceError, match="no device is called 'abacus'"):
        TimedProcess(_case(WAVE, device="abacus"))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("only_size", "remedy"), [(True, "it takes no other size; export"), (False, "choose --sizes")]
)
def test_the_remedy_of_a_failure_is_one_that_there_is(
    build: Build, only_size: bool, remedy: str
) -> None:
    path = build([helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[99, 99])])
    with pytest.raises(ModelError, match=f"could not compute a picture of 56x40 .*; {remedy}"):
        TimedProcess(replace(_case(path), only_size=only_size))


def test_the_photo_is_the_same_each_time() -> None:
    photo = draw_photo(Size(30, 20))
    assert photo.shape == (20, 30, 3)
    assert photo.dtype == np.uint8
    assert photo.std() > 20
    assert np.array_equal(photo, draw_photo(Size(30, 20)))


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="not told there")
def test_peak_memory_is_the_highest_ever(tmp_path: Path) -> None:
    script = tmp_path / "fill.py"
    script.write_text(
        "from faststyle.timing import peak_memory\n"
        "before = peak_memory()\n"
        "len(b'x' * 200_000_000)\n"
        "print(peak_memory() - before)"
    )
    process = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 1.9e8 < int(process.stdout) < 3e8


def test_a_platform_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert peak_memory() is None
