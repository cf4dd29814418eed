"""Where training runs, and in which precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from faststyle.errors import DeviceError, TrainingError

NARROW = 64
"""Most channels of a network that a CPU computes faster channels-last."""


def choose_device(name: str) -> torch.device:
    """Choose a device: ``auto`` is the first of cuda, mps and cpu that works.

    Of several CUDA devices, each process that torchrun starts on a machine takes its own.

    Raises:
        DeviceError: the device is not available; nothing else is taken in its place.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available.get(name, False):
        working = ", ".join(device for device, there in available.items() if there)
        raise DeviceError(f"--device {name}: not available here; this machine has {working}")
    if name == "cuda":
        index = int(os.environ.get("LOCAL_RANK", "0"))
        if index >= torch.cuda.device_count():
            raise DeviceError(
                f"this machine has {torch.cuda.device_count()} CUDA devices; "
                "start no more processes than that"
            )
        torch.cuda.set_device(index)
    return torch.device(name)


def choose_precision(name: str, *, device: torch.device) -> str:
    """Choose the type that convolutions compute in, by name; weights and losses stay float32.

    ``auto`` takes bfloat16 where the hardware multiplies in it: there a step takes six to
    seven tenths of the time (``bench/training_step.py``, each in its better layout).
    """
    if name != "auto":
        return name
    fast = device.type == "cpu" and _cpu_has_bfloat16()
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if fast else "float32"


def choose_layout(device: torch.device, *, channels: int) -> torch.memory_format:
    """Choose the memory layout of pictures, features and convolution weights.

    NVIDIA's tensor cores compute on channels-last pictures. On a CPU that layout makes a
    step of a narrow network up to a third faster, and one with 128 channels a seventh slower
    (``bench/training_step.py --preset johnson --width N``).

    Args:
        device: where the network computes.
        channels: of the network's widest layer.
    """
    narrow = device.type == "cpu" and channels <= NARROW
    return torch.channels_last if narrow or device.type == "cuda" else torch.contiguous_format


@contextmanager
def enough_memory(options: str) -> Iterator[None]:
    """Tell which options to lower where memory does not suffice.

    Raises:
        TrainingError: it does not.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # Only CUDA has a type for it; the CPU allocator and MPS say so in words.
        text = str(error).lower()
        if isinstance(error, RuntimeError) and not ("memory" in text and "alloc" in text):
            raise
        raise TrainingError(f"not enough memory; lower {options}") from error


def _cpu_has_bfloat16() -> bool:
    # Older torch cannot tell; emulated bfloat16 would be slower than float32.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
