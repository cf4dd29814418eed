from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from faststyle.errors import CheckpointError
from faststyle.training.tensors import load_tensors, save_tensors


def test_tensors_are_read_as_they_were_written(tmp_path: Path) -> None:
    save_tensors({"weights": torch.arange(3), "step": 7}, tmp_path / "a.pt")
    content = load_tensors(tmp_path / "a.pt")
    assert content["step"] == 7
    assert content["weights"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 10**6])
def test_a_full_disk_is_named(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def full(_: Path) -> Iterator[Path]:
        yield Path("/dev/full")

    monkeypatch.setattr("faststyle.training.tensors.whole_file", full)
    message = r"^[^\n]*a\.pt: cannot be written \(No space left on device\); free some space$"
    with pytest.raises(CheckpointError, match=message):
        save_tensors({"weights": torch.zeros(count)}, tmp_path / "a.pt")


def test_a_folder_in_the_way_is_not_called_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "a.pt").mkdir()
    with pytest.raises(CheckpointError, match=r"\(Is a directory\); move the folder of that name"):
        save_tensors({}, tmp_path / "a.pt")
