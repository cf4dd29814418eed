from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from torch import nn

from faststyle.errors import CheckpointError
from faststyle.training.checkpoint import (
    FORMAT,
    Checkpoint,
    load_checkpoint,
    load_network,
    save_checkpoint,
)
from faststyle.training.config import TrainingConfig
from faststyle.training.network import build_network
from tests.conftest import PLAN


@pytest.fixture
def checkpoint() -> Checkpoint:
    config = TrainingConfig(style="style.jpg", content="photos", width=2)
    return Checkpoint(
        config=config,
        plan=PLAN,
        step=12,
        network=build_network(preset="fast", width=2).state_dict(),
        optimizer={"state": {}, "param_groups": []},
        fingerprints={"content": "abc"},
        validations=[2.0],
        lowest=1.0,
        seconds=1.5,
        aside=["a.jpg"],
    )


def test_a_checkpoint_rebuilds_its_network_with_nothing_else(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    save_checkpoint(checkpoint, tmp_path / "checkpoint.pt")
    loaded = load_checkpoint(tmp_path / "checkpoint.pt")
    assert (loaded.config, loaded.step, loaded.seconds) == (checkpoint.config, 12, 1.5)
    images = torch.rand(1, 3, 16, 16)
    assert torch.equal(loaded.build()(images), checkpoint.build()(images))


@pytest.mark.parametrize("content", [None, b"", b"some text", b"PK\x03\x04"])
def test_what_is_no_checkpoint_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "checkpoint.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"^{path}: [^\n]*$"):
        load_checkpoint(path)


def test_other_files_of_tensors_are_refused(vgg_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a faststyle checkpoint; faststyle import takes"):
        load_checkpoint(vgg_weights)
    path = tmp_path / "list.pt"
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="not a faststyle checkpoint"):
        load_checkpoint(path)


def test_a_checkpoint_of_another_version_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(checkpoint, path)
    torch.save({**torch.load(path), "format": FORMAT - 1}, path)
    message = f"^{path}: of another version of faststyle; take the model.onnx beside it"
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_a_checkpoint_from_before_photos_were_named_is_read(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(checkpoint, path)
    content = torch.load(path)
    del content["aside"]
    torch.save(content, path)
    assert load_checkpoint(path).aside == []


def test_weights_of_another_width_are_refused(checkpoint: Checkpoint) -> None:
    checkpoint.network.update(build_network(preset="fast", width=3).state_dict())
    with pytest.raises(CheckpointError, match="do not fit fast width 2"):
        checkpoint.build()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"width": 3}, "do not fit fast width 3"), ({"preset": "jonson"}, "no preset is called")],
)
def test_a_checkpoint_that_is_no_network_is_named(
    checkpoint: Checkpoint, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(replace(checkpoint, config=replace(checkpoint.config, **settings)), path)
    with pytest.raises(CheckpointError, match=rf"^{path}: [^\n]*{message}"):
        load_network(path)


def test_a_file_of_torchscript_is_refused_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "script.pt"
    script = torch.jit.trace(nn.ReLU(), torch.zeros(1))  # type: ignore[no-untyped-call]
    script.save(path)
    recwarn.clear()  # torch would have us write other files
    with pytest.raises(CheckpointError, match="not a faststyle checkpoint"):
        load_checkpoint(path)
    assert not recwarn.list


def test_a_failed_save_keeps_the_old_checkpoint(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(checkpoint, path)
    before = path.read_bytes()

    def fail(_: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: .*No space left"):
        save_checkpoint(checkpoint, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
