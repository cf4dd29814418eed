from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from faststyle.benchmark import (
    Benchmark,
    Measurement,
    Model,
    Progress,
    benchmark,
    order_of_turns,
    write_csv,
)
from faststyle.counting import Contents
from faststyle.errors import DeviceError, OptionError
from faststyle.gallery import style_path
from faststyle.timing import Cost, Size
from tests.conftest import Build

WAVE = style_path("wave")
SMALL, WIDE = Size(24, 16), Size(50, 30)


def _model(name: str, *, width: int | None = None, height: int | None = None) -> Model:
    return Model(
        name=name,
        path=Path(f"{name}.onnx"),
        file_size=1000,
        parameters=10,
        width=width,
        height=height,
        device="cpu",
    )


def _fixed(build: Build) -> Path:
    """A network of another maker, for pictures of one size."""
    return build(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        name="fixed.onnx",
        shape=(1, 3, 20, 30),
        w=np.zeros((3, 3, 3, 3), np.float32),
    )


def _fussy(build: Build) -> Path:
    """A network that says that it takes any size, and not one as low as `SMALL`."""
    return build(
        [helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[20, 20])], name="fussy.onnx"
    )


def test_models_of_all_kinds_side_by_side(build: Build, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"broken")
    seen: list[Progress] = []
    result = benchmark(
        {
            "wave": WAVE,
            "broken": tmp_path / "broken.onnx",
            "fixed": _fixed(build),
            "fussy": _fussy(build),
        },
        sizes=(SMALL, WIDE),
        device="cpu",
        threads=1,
        rounds=3,
        on_progress=seen.append,
    )
    assert [model.name for model in result.models] == ["wave", "fixed", "fussy"]
    runs = {(each.model.name, each.size): each for each in result.measurements}
    fixed = Size(30, 20)
    assert list(runs) == [("wave", SMALL), ("wave", WIDE), ("fussy", WIDE), ("fixed", fixed)]
    assert all(len(each.seconds) == 3 for each in result.measurements)
    assert runs["wave", WIDE].ratio == 1
    assert runs["fussy", WIDE].ratio is not None
    assert runs["fixed", fixed].ratio is None
    assert runs["fixed", fixed].gflop == pytest.approx(2e-9 * 3 * 30 * 20 * 27)
    broken, fussy = map(str, result.failures)
    assert broken.startswith(f"{tmp_path / 'broken.onnx'}: not an ONNX model")
    assert fussy.startswith(f"{tmp_path / 'fussy.onnx'}: could not compute a picture of 24x16")
    # The failure spares three rounds and the count.
    assert [progress.done for progress in seen] == list(range(1, 5 * 5 - 4 + 1))
    assert {progress.steps for progress in seen} == {5 * 5}


def test_a_size_is_fitted_to_the_sides_a_model_insists_on() -> None:
    assert _model("free").fit(SMALL) == SMALL
    assert _model("fixed", width=9, height=8).fit(SMALL) == Size(9, 8)
    assert _model("low", height=8).fit(SMALL) == Size(24, 8)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_turns_are_even(count: int) -> None:
    models = [_model(str(number)) for number in range(count)]
    orders = [order_of_turns(models, index=index) for index in range(2 * count)]
    for place in range(count):
        assert set(Counter(order[place].name for order in orders).values()) == {2}


def _measured(name: str, *, ratio: float | None, cost: Cost) -> Measurement:
    return Measurement(_model(name), SMALL, (0.25, 0.5, 0.125), cost, ratio)


def test_a_csv_holds_everything_and_leaves_the_unknown_empty(tmp_path: Path) -> None:
    known = _measured("known", ratio=2.0, cost=Cost(memory=10**8, multiply_adds=10**9))
    unknown = _measured("unknown", ratio=None, cost=Cost(memory=None, multiply_adds=None))
    path = tmp_path / "times.csv"
    write_csv(Benchmark((), (known, unknown), (), threads=None), path)
    with open(path, newline="") as file:
        first, second = csv.DictReader(file)
    expected = {"model": "known", "path": "known.onnx", "device": "cpu", "threads": ""}
    assert {key: first[key] for key in expected} == expected
    numbers = {
        **{"file_bytes": 1000, "parameters": 10, "width": 24, "height": 16, "rounds": 3},
        **{"ms_min": 125, "ms_median": 250, "ms_max": 500, "ratio": 2},
        **{"fps_min": 2, "fps_median": 4, "fps_max": 8, "gflop": 2, "memory_bytes": 10**8},
    }
    assert {key: float(first[key]) for key in numbers} == pytest.approx(numbers)
    assert {*expected, *numbers} == set(first)
    assert [second[key] for key in ("gflop", "memory_bytes", "ratio")] == ["", "", ""]


def test_what_makes_no_sense_is_refused() -> None:
    models = {"wave": WAVE}
    with pytest.raises(OptionError, match="--rounds must be at least 1"):
        benchmark(models, rounds=0)
    for sizes in ((), (SMALL, Size(0, 9))):
        with pytest.raises(OptionError, match="--sizes must name at least one, with sides"):
            benchmark(models, sizes=sizes)
    with pytest.raises(DeviceError, match="--threads 0: must be from 1"):
        benchmark(models, threads=0)


def test_what_stylize_refuses_is_not_timed(model_path: Path, build: Build, tmp_path: Path) -> None:
    newer = tmp_path / "newer.onnx"
    model = onnx.load(model_path)
    for entry in model.metadata_props:
        if entry.key == "contract_version":
            entry.value = "99"
    onnx.save(model, newer)
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["y"])]
    result = benchmark({"newer": newer, "mean": build(nodes, name="mean.onnx")}, device="cpu")
    assert not result.models
    first, second = map(str, result.failures)
    assert first.startswith(f"{newer}: follows contract 99")
    assert second.startswith(f"{tmp_path / 'mean.onnx'}: gives 1×3×1×1 for a picture")


@pytest.mark.parametrize(
    ("error", "message"),
    [(MemoryError(), "not enough memory"), (OSError(5, "Input/output error"), "Input/output")],
)
def test_a_model_that_cannot_be_read_fails_alone(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> Contents:
        if path.stem == "pointillism":
            raise error
        return Contents(parameters=1, size=1)

    monkeypatch.setattr("faststyle.benchmark.read_contents", read)
    bad = style_path("pointillism")
    result = benchmark({"bad": bad, "wave": WAVE}, sizes=[SMALL], threads=1, rounds=1)
    assert [each.model.name for each in result.measurements] == ["wave"]
    (failure,) = map(str, result.failures)
    assert failure.startswith(f"{bad}: {message}")


def test_an_interrupt_leaves_what_is_done() -> None:
    def press(progress: Progress) -> None:
        if progress.size == WIDE:
            raise KeyboardInterrupt

    models = {"wave": WAVE}
    result = benchmark(models, sizes=[SMALL, WIDE], threads=1, rounds=1, on_progress=press)
    assert result.interrupted
    assert [each.size for each in result.measurements] == [SMALL]
    with pytest.raises(KeyboardInterrupt):
        benchmark(models, sizes=[WIDE, SMALL], threads=1, rounds=1, on_progress=press)


def test_nothing_that_can_be_opened(tmp_path: Path) -> None:
    result = benchmark({"none": tmp_path / "none.onnx"})
    assert not result.models
    assert not result.measurements
    assert "none.onnx: No such file" in str(result.failures[0])
