"""Several processes together, on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from faststyle.training.checkpoint import load_checkpoint
from tests.conftest import REPOSITORY, Paint

GRADIENTS = """
import sys
from pathlib import Path

import torch

from faststyle.training.config import Plan, TrainingConfig
from faststyle.training.processes import join_processes
from faststyle.training.trainer import Trainer, build_objective

weights, style, out = sys.argv[1:]
device = torch.device("cpu")
config = TrainingConfig(style=style, content="", width=4, crop_size=64, stroke_size=1,
    loss_network="vgg19", vgg_weights=weights)
plan = Plan(steps=9, batch_size=4, style_weight=10.0, learning_rate=1e-3, precision="float32")
batch = torch.randint(256, (4, 3, 64, 64), generator=torch.Generator().manual_seed(0))
with join_processes(device) as processes:
    trainer = Trainer(config, plan, objective=build_objective(config), device=device,
        processes=processes)
    trainer.optimizer.step = lambda learning_rate: None  # which forgets the gradients
    trainer.train_step(batch.byte().chunk(processes.count)[processes.rank])
    gradients = [parameter.grad for parameter in trainer.network.parameters()]
    torch.save(gradients, Path(out) / f"{processes.count}_{processes.rank}.pt")
    assert processes.any(processes.rank == processes.count - 1)
    assert not processes.any(False)
# A process that ends while a thread of the group still runs may be aborted.
names = [file.read_text() for file in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in name for name in names), names
"""


ALONE = """
import signal
import sys

import torch

from faststyle.errors import TrainingError
from faststyle.training.processes import join_processes

signal.signal(signal.SIGTERM, signal.SIG_IGN)  # by which torchrun ends the others
with join_processes(torch.device("cpu")) as processes:
    if not processes.first:
        sys.exit("the second fails")
    for together in (
        lambda: processes.mean(torch.ones(2)),
        lambda: processes.any(True),
        lambda: processes.agree("value"),
    ):
        try:
            together()
        except TrainingError as error:
            print(error)
"""


def _launch(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*launcher, "--nproc-per-node", str(processes), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_gradients_of_two_processes_equal_those_of_one(
    vgg_weights: Path, paint: Paint, tmp_path: Path
) -> None:
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    style = paint("style.png", height=64, width=64)
    for processes in (1, 2):
        result = _launch(processes, str(script), str(vgg_weights), str(style), str(tmp_path))
        assert result.returncode == 0, result.stderr
    one, *two = (torch.load(tmp_path / name) for name in ("1_0.pt", "2_0.pt", "2_1.pt"))
    for gradients in two:
        for expected, gradient in zip(one, gradients, strict=True):
            assert torch.allclose(gradient, expected, rtol=1e-5, atol=1e-5 * expected.abs().max())


def test_a_process_that_is_left_alone_says_so(tmp_path: Path) -> None:
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    result = _launch(2, str(script))
    assert result.returncode != 0
    assert "the second fails" in result.stderr
    line = "another process of the run has ended; see its message, and continue with --resume\n"
    assert result.stdout == 3 * line


@pytest.fixture
def arguments(paint: Paint, vgg_weights: Path, tmp_path: Path) -> list[str]:
    for seed in range(8):
        paint(f"photos/{seed}.jpg", height=70, width=70, seed=seed)
    style = paint("style.png", height=64, width=64, seed=9)
    return [
        *("train.py", str(style), "--content", str(tmp_path / "photos"), "--width", "2"),
        *("--loss-network", "vgg19", "--vgg-weights", str(vgg_weights), "--stroke-size", "1"),
        *("--crop-size", "64", "--batch-size", "2", "--precision", "float32"),
        *("--device", "cpu", "--workers", "0", "--steps", "4"),
    ]


def _losses(out: Path) -> np.ndarray:
    return np.loadtxt(out / "log.csv", delimiter=",", skiprows=1, usecols=range(5))


def test_a_run_of_two_processes_is_resumed_by_one(arguments: list[str], tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "two")]
    result = _launch(2, *arguments, *out)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{tmp_path / 'two' / 'model.onnx'}: trained for 4 steps\n")
    assert result.stderr.count("2 processes") == 1
    assert _launch(1, *arguments, "--out", str(tmp_path / "one")).returncode == 0
    # Adam magnifies rounding in weights that matter little, so the losses are compared.
    two, one = (_losses(tmp_path / name) for name in ("two", "one"))
    assert np.allclose(two, one, rtol=1e-3)
    resumed = _launch(1, *arguments[:-1], "6", "--resume", *out)
    assert resumed.returncode == 0, resumed.stderr
    assert load_checkpoint(tmp_path / "two" / "checkpoint.pt").step == 6


def test_a_batch_that_cannot_be_shared_is_named(arguments: list[str], tmp_path: Path) -> None:
    result = _launch(2, *arguments, "--batch-size", "3", "--out", str(tmp_path / "run"))
    assert result.returncode != 0
    assert "--batch-size 3 cannot be shared equally by 2 processes" in result.stderr
