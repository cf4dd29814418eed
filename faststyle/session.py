"""Opening ONNX files in onnxruntime, on the device that was asked for and no other."""

from __future__ import annotations

import contextlib
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from faststyle.errors import DeviceError, MissingPackageError, ModelError

try:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors
except ImportError as error:
    raise MissingPackageError(
        "onnxruntime cannot be imported; install one of its packages: see the README"
    ) from error

ENDING = "ExecutionProvider"

CPU, CUDA, TENSORRT = (f"{name}{ENDING}" for name in ("CPU", "CUDA", "Tensorrt"))

AUTOMATIC = {
    "cuda": CUDA,
    "directml": f"Dml{ENDING}",
    "coreml": f"CoreML{ENDING}",
    "cpu": CPU,
}
"""Devices that are taken by themselves and the onnxruntime provider of each, the preferred first.

Others are taken when they are named: some compile a model for minutes, some for one size only.
"""

NO_DEVICES = {f"Azure{ENDING}"}
"""Providers that send pictures elsewhere."""

MODEL_ERRORS: tuple[type[Exception], ...] = (
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.NoModel,
)
"""What onnxruntime raises for a damaged file, whatever the device."""

RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    *MODEL_ERRORS,
    runtime_errors.EPFail,
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.NotImplemented,
    runtime_errors.RuntimeException,
    RuntimeError,
    ValueError,
)
"""What onnxruntime raises at all; its classes share no base but Exception."""

REASONS = {
    "External data": "its weights lie in a file of their own, which is not beside it; put it there",
    r"Opset \d+ is under development|Unsupported model IR version": (
        "newer than the installed onnxruntime; update that, or export it for an older opset"
    ),
    "No opset import for domain|No Op registered|is not a registered": (
        "has operators that onnxruntime does not know; export it with ONNX's own alone"
    ),
}
"""What onnxruntime says of files that it does not open, and what that means."""

LONGEST_REASON = 150
"""Letters of anything else it says that are shown."""

MOST_THREADS = 1024

EXTERNAL_WEIGHTS = "session.model_external_initializers_file_folder_path"
"""Where onnxruntime looks for weights that other exporters write beside the model."""

SPINNING_STOP = "session.force_spinning_stop"
"""Whether a session's threads go to sleep at the end of each run."""

NO_REARRANGING = "session.disable_prepacking"
"""Whether weights stay as the file has them."""

OPERATOR_EVENT = "_kernel_time"
"""How the names of those events end that onnxruntime logs for whole operators."""

_ERROR_LEVEL = 3
_FATAL_LEVEL = 4

QUIET = onnxruntime.RunOptions()
"""For ``session.run``: what fails is raised, and not written to stderr too."""
QUIET.log_severity_level = _FATAL_LEVEL


@dataclass(frozen=True)
class OpenModel:
    """A loaded model and the device it runs on."""

    session: onnxruntime.InferenceSession
    device: str


def open_model(
    path: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    spinning: bool = True,
    edit: Callable[[bytes], bytes] = bytes,
) -> OpenModel:
    """Load an ONNX file.

    Args:
        path: the file.
        device: one of `devices`, or ``auto``, the first of `AUTOMATIC` that takes the model.
        threads: CPU threads that share the work; None is one for each core.
        spinning: the threads may keep the cores busy for a while after a run, in wait of
            the next.
        edit: changes the content of the file before it is loaded.

    Raises:
        ModelError: the file is missing or cannot be loaded.
        DeviceError: the device cannot be used; nothing else is taken in its place.
    """
    try:
        content = edit(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; check the path") from error
    check_threads(threads)
    failure: Exception | None = None
    for candidate, provider in _candidates(device).items():
        try:
            options = _options(folder=path.parent, device=candidate, threads=threads)
            options.add_session_config_entry(SPINNING_STOP, "0" if spinning else "1")
            session = _open(content, options, provider=provider)
        except RUNTIME_ERRORS as error:
            if candidate == "cpu" or isinstance(error, MODEL_ERRORS):
                raise ModelError(f"{path}: {_reason(error)}") from error
            failure = error
            continue
        # onnxruntime also falls back to the CPU without an error.
        if session.get_providers()[0] == provider:
            return OpenModel(session, candidate)
    said = f" ({_gist(failure)})" if failure is not None else ""
    raise DeviceError(
        f"--device {device}: onnxruntime has its provider but could not start it{said}; "
        "check the driver and the libraries it needs, or use --device cpu"
    ) from failure


def check_threads(threads: int | None) -> None:
    """Refuse numbers of threads that make no sense.

    Raises:
        DeviceError: there are none, or too many.
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise DeviceError(f"--threads {threads}: must be from 1 to {MOST_THREADS}")


def profile_run(
    path: Path, inputs: Mapping[str, NDArray[Any]], *, threads: int | None = None
) -> list[Mapping[str, Any]]:
    """Run a model once on the CPU, with the very operators that the file has.

    Args:
        path: an ONNX file that `open_model` takes.
        inputs: arrays by the names of the model's inputs.
        threads: CPU threads that share the work; None is one for each core.

    Returns:
        What onnxruntime logs of each operator that ran, among it ``op_name``,
        ``input_type_shape`` and ``output_type_shape``.

    Raises:
        ModelError: the model cannot be run so, which may take more memory than `open_model`.
    """
    options = _options(folder=path.parent, device="cpu", threads=threads)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Weights that are rearranged beforehand are missing from the log.
    options.add_session_config_entry(NO_REARRANGING, "1")
    options.enable_profiling = True
    # Windows removes no log that a failed session still holds open.
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        try:
            session = _open(path.read_bytes(), options, provider=CPU)
            session.run(None, dict(inputs), QUIET)
        except RUNTIME_ERRORS as error:
            raise ModelError(f"{path}: could not be run operator by operator") from error
        events = json.loads(Path(session.end_profiling()).read_text())
    return [event["args"] for event in events if event["name"].endswith(OPERATOR_EVENT)]


def describe_value(value: Any) -> str:
    """Write an input or output of a session for people: its name, type and shape."""
    shape = " × ".join("?" if side is None else str(side) for side in value.shape)
    kind = re.sub(r"^tensor\((.*)\)$", r"\1", value.type)
    return f"{value.name}: {kind} {shape}".rstrip()


def devices() -> dict[str, str]:
    """Return the devices that onnxruntime can be asked for, and the provider of each.

    Those of `AUTOMATIC`, and every other that the installed onnxruntime has, named after its
    provider: ``openvino``, ``tensorrt``, ``xnnpack``, …
    """
    known = {*AUTOMATIC.values(), *NO_DEVICES}
    others = (each for each in onnxruntime.get_available_providers() if each not in known)
    return AUTOMATIC | {each.removesuffix(ENDING).lower(): each for each in others}


def _candidates(device: str) -> dict[str, str]:
    """Return the devices to try, and the provider of each."""
    named = devices()
    if device not in ("auto", *named):
        raise DeviceError(
            f"no device is called {device!r}: choose from auto, {', '.join(named)}; others need "
            "an onnxruntime package that has them"
        )
    available = onnxruntime.get_available_providers()
    there = {name: provider for name, provider in named.items() if provider in available}
    if device == "auto":
        return {name: provider for name, provider in there.items() if name in AUTOMATIC}
    if device not in there:
        raise DeviceError(
            f"--device {device}: the installed onnxruntime has no {named[device]} "
            f"(it has {', '.join(there)}); see the README on GPU packages"
        )
    return {device: there[device]}


def _reason(error: Exception) -> str:
    """Say why onnxruntime opens no file, and what to do."""
    for pattern, reason in REASONS.items():
        if re.search(pattern, str(error)):
            return reason
    return f"not an ONNX model that can be loaded ({_gist(error)}); check the file"


def _gist(error: Exception) -> str:
    """Return what onnxruntime says, in a line."""
    said = re.sub(r"^\[ONNXRuntimeError\][ :\d]*\w+ : ", "", str(error))
    return textwrap.shorten(said, LONGEST_REASON, placeholder=" …").rstrip(".")


def _preload_cuda() -> None:
    """Load the CUDA libraries that pip installed, which onnxruntime does not look for itself."""
    preload = getattr(onnxruntime, "preload_dlls", None)  # since onnxruntime 1.21
    if preload is not None:
        with contextlib.redirect_stdout(None):
            preload(directory="")


def _options(*, folder: Path, device: str, threads: int | None) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERROR_LEVEL if device == "cpu" else _FATAL_LEVEL
    options.add_session_config_entry(EXTERNAL_WEIGHTS, str(folder.absolute()))
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def _open(
    content: bytes, options: onnxruntime.SessionOptions, *, provider: str
) -> onnxruntime.InferenceSession:
    wanted = [provider, CPU]
    if provider == TENSORRT:
        wanted.insert(1, CUDA)  # for the operators that it leaves
    if CUDA in wanted:
        _preload_cuda()
    available = onnxruntime.get_available_providers()
    providers = [each for each in dict.fromkeys(wanted) if each in available]
    return onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
