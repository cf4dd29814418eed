from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnx.external_data_helper import set_external_data
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from faststyle.errors import DeviceError, ModelError
from faststyle.gallery import style_path
from faststyle.session import CPU, CUDA, SPINNING_STOP, TENSORRT, devices, open_model
from tests.conftest import Build


class _Session:
    """Stands in for onnxruntime's, with the providers that really started."""

    def __init__(self, *providers: str) -> None:
        self.providers = providers

    def get_providers(self) -> list[str]:
        return list(self.providers)


def _pretend(monkeypatch: pytest.MonkeyPatch, *, installed: list[str], starting: list[str]) -> None:
    def create(_: bytes, __: object, *, providers: list[str], **___: object) -> _Session:
        return _Session(*(name for name in providers if name in starting))

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: installed)
    monkeypatch.setattr(onnxruntime, "InferenceSession", create)


def _pretend_it_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(_: bytes, __: object, *, providers: list[str], **___: object) -> _Session:
        if CUDA in providers:
            raise runtime_errors.Fail("no driver")
        return _Session(*providers)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", create)


OPENVINO = "OpenVINOExecutionProvider"


def test_auto_prefers_our_order_to_onnxruntimes(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, installed=[CPU, CUDA], starting=[CPU, CUDA])
    assert open_model(model_path).device == "cuda"


def test_auto_takes_the_next_device_when_one_does_not_start(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, installed=[CUDA, CPU], starting=[CPU])
    assert open_model(model_path).device == "cpu"


def test_a_requested_device_never_falls_back(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, installed=[CUDA, CPU], starting=[CPU])
    with pytest.raises(DeviceError, match=r"--device cuda: .*could not start"):
        open_model(model_path, device="cuda")
    _pretend(monkeypatch, installed=[CPU], starting=[CPU])
    with pytest.raises(DeviceError, match=r"--device cuda: .*has no CUDAExecution.*it has cpu"):
        open_model(model_path, device="cuda")


def test_every_installed_provider_can_be_asked_for(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = [TENSORRT, CUDA, OPENVINO, "AzureExecutionProvider", CPU]
    _pretend(monkeypatch, installed=installed, starting=installed)
    assert list(devices()) == ["cuda", "directml", "coreml", "cpu", "tensorrt", "openvino"]
    for device in ("openvino", "tensorrt", "cuda", "cpu"):
        assert open_model(model_path, device=device).device == device
    session = open_model(model_path, device="tensorrt").session
    assert session.get_providers() == [TENSORRT, CUDA, CPU]


def test_auto_takes_no_device_that_compiles_for_minutes(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = [TENSORRT, OPENVINO, CUDA, CPU]
    _pretend(monkeypatch, installed=installed, starting=[TENSORRT, OPENVINO, CPU])
    assert open_model(model_path).device == "cpu"


def test_a_device_that_raises_is_passed_over_or_named(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend_it_raises(monkeypatch)
    assert open_model(model_path).device == "cpu"
    with pytest.raises(DeviceError, match=r"cuda: .*could not start it \(no driver\); check"):
        open_model(model_path, device="cuda")


def test_unknown_devices_and_thread_counts_are_refused(model_path: Path) -> None:
    with pytest.raises(DeviceError, match="'gpu': choose from auto, cuda"):
        open_model(model_path, device="gpu")
    for threads in (0, 10**11):
        with pytest.raises(DeviceError, match=f"--threads {threads}: must be from 1"):
            open_model(model_path, threads=threads)


@pytest.mark.parametrize("content", [None, b"", b"this is not a model", b"\x08\x08"])
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"^{path}: [^\n]*$"):
        open_model(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"weights": "gone.data"},
            "its weights lie in a file of their own, which is not beside it",
        ),
        ({"opset": 99}, "newer than the installed onnxruntime; update that"),
        ({"ir_version": 99}, "newer than the installed onnxruntime; update that"),
        ({"domain": "somebody"}, "has operators that onnxruntime does not know"),
        ({"operator": "Paint"}, "has operators that onnxruntime does not know"),
        ({"output": "z"}, r"not an ONNX model that can be loaded \(.{20,150}\); check the file"),
    ],
)
def test_why_a_model_is_not_opened_is_told(
    build: Build, change: Mapping[str, Any], reason: str
) -> None:
    path = build([helper.make_node("Add", ["x", "w"], ["y"])], w=np.ones(1, np.float32))
    model = onnx.load(path)
    node, weights = model.graph.node[0], model.graph.initializer[0]
    node.domain = change.get("domain", "")
    node.op_type = change.get("operator", "Add")
    node.output[0] = change.get("output", "y")
    model.opset_import[0].version = change.get("opset", 17)
    model.ir_version = change.get("ir_version", 8)
    if "weights" in change:
        set_external_data(weights, change["weights"])
        weights.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=f"^{path}: {reason}") as caught:
        open_model(path, device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("spinning", "stop"), [(True, "0"), (False, "1")])
def test_threads_keep_the_cores_busy_only_if_they_may(spinning: bool, stop: str) -> None:
    session = open_model(style_path("wave"), device="cpu", spinning=spinning).session
    assert session.get_session_options().get_session_config_entry(SPINNING_STOP) == stop
