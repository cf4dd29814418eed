from __future__ import annotations

import pytest
import torch

from faststyle.errors import DeviceError
from faststyle.training.device import NARROW, choose_device, choose_layout, choose_precision


def test_a_device_that_is_not_there_is_named_and_no_other_taken() -> None:
    with pytest.raises(DeviceError, match="--device cuda: not available here; this machine has"):
        choose_device("cuda")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_precision_that_is_asked_for_is_taken(precision: str) -> None:
    assert choose_precision(precision, device=torch.device("cpu")) == precision


@pytest.mark.parametrize(("there", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_bfloat16_is_chosen_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch, there: bool, precision: str
) -> None:
    capabilities = {"avx512_bf16": there}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto", device=torch.device("cpu")) == precision


@pytest.mark.parametrize(
    ("device", "channels", "layout"),
    [
        ("cpu", NARROW, torch.channels_last),
        ("cpu", NARROW + 1, torch.contiguous_format),
        ("cuda", NARROW + 1, torch.channels_last),
        ("mps", 1, torch.contiguous_format),
    ],
)
def test_the_layout_suits_the_device_and_the_widest_layer(
    device: str, channels: int, layout: torch.memory_format
) -> None:
    assert choose_layout(torch.device(device), channels=channels) == layout
