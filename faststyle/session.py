"""Opening ONNX files in onnxruntime, on the device that was asked for and no other."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from faststyle.errors import DeviceError, ModelError

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Devices and the onnxruntime provider of each, the preferred one first."""

DEVICES = ("auto", *PROVIDERS)

RUNTIME_ERRORS: tuple[type[Exception], ...] = tuple(
    getattr(runtime_errors, name)
    for name in (
        "EPFail",
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NoModel",
        "NoSuchFile",
        "NotImplemented",
        "RuntimeException",
    )
)
"""What onnxruntime raises; its classes share no base but Exception."""

_ERROR_LEVEL = 3
_FATAL_LEVEL = 4


@dataclass(frozen=True)
class OpenModel:
    """A loaded model and the device it runs on."""

    session: onnxruntime.InferenceSession
    device: str


def open_model(path: Path, *, device: str = "auto", threads: int | None = None) -> OpenModel:
    """Load an ONNX file.

    Args:
        path: the file.
        device: one of `DEVICES`; ``auto`` is the first of them that takes the model.
        threads: CPU threads that share the work; None is one for each core.

    Raises:
        ModelError: the file is missing or cannot be loaded.
        DeviceError: the device cannot be used; nothing else is taken in its place.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; check the path")
    if threads is not None and threads < 1:
        raise DeviceError(f"--threads {threads}: must be at least 1")
    for candidate in _candidates(device):
        session = _open(path, device=candidate, threads=threads)
        # onnxruntime falls back to the CPU on its own when a provider does not start.
        if session.get_providers()[0] == PROVIDERS[candidate]:
            return OpenModel(session, candidate)
    raise DeviceError(
        f"--device {device}: onnxruntime has its provider but could not start it; "
        "check the driver and the libraries it needs, or use --device cpu"
    )


def _candidates(device: str) -> list[str]:
    if device not in DEVICES:
        raise DeviceError(f"no device is called {device!r}: choose from {', '.join(DEVICES)}")
    available = onnxruntime.get_available_providers()
    devices = [name for name, provider in PROVIDERS.items() if provider in available]
    if device == "auto":
        return devices
    if device not in devices:
        raise DeviceError(
            f"--device {device}: the installed onnxruntime has no {PROVIDERS[device]} "
            f"(it has {', '.join(devices)}); see the README on GPU packages"
        )
    return [device]


def _preload_cuda() -> None:
    """Load the CUDA libraries that pip installed, which onnxruntime does not look for itself."""
    preload = getattr(onnxruntime, "preload_dlls", None)  # since onnxruntime 1.21
    if preload is not None:
        with contextlib.redirect_stdout(None):
            preload(directory="")


def _open(path: Path, *, device: str, threads: int | None) -> onnxruntime.InferenceSession:
    if device == "cuda":
        _preload_cuda()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERROR_LEVEL if device == "cpu" else _FATAL_LEVEL
    if threads is not None:
        options.intra_op_num_threads = threads
    providers = list(dict.fromkeys([PROVIDERS[device], PROVIDERS["cpu"]]))
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except RUNTIME_ERRORS as error:
        raise ModelError(f"{path}: not an ONNX model that can be loaded; check the file") from error
