from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from faststyle.errors import CheckpointError, TrainingError
from faststyle.training.outputs import occupied, require_writable, unwritable

posix = pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked")

HOLD = """
import os, sys, time
from pathlib import Path
from faststyle.training.outputs import occupied

with occupied(Path(sys.argv[1])):
    if os.fork() == 0:
        print("held", flush=True)
    time.sleep(60)
"""


@posix
def test_a_folder_is_one_runs_at_a_time(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with occupied(run):
        with (
            pytest.raises(TrainingError, match=r"run: another run is at work here; wait"),
            occupied(run),
        ):
            pass
        (run / "log.csv").touch()
    with occupied(run):
        assert [path.name for path in run.iterdir()] == ["log.csv"]


@posix
def test_a_killed_run_frees_its_folder_though_its_workers_live_on(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(TrainingError, match="another run"), occupied(tmp_path):
            pass
        process.kill()
        process.wait()
        with occupied(tmp_path):
            os.killpg(process.pid, 9)


def test_a_folder_that_stays_empty_is_removed(tmp_path: Path) -> None:
    with occupied(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
    assert not (tmp_path / "run").exists()
    with occupied(tmp_path):
        pass
    assert tmp_path.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(TrainingError, match=r"file: cannot be made \(File exists\)"),
        occupied(tmp_path / "file"),
    ):
        pass


def test_a_path_that_cannot_be_written_is_refused_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"file/thin\.pth: cannot be written .*another path"):
        require_writable(tmp_path / "file" / "thin.pth")
    require_writable(tmp_path / "new" / "thin.pth")
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            OSError(errno.ENOSPC, "No space left"),
            "a.pt: cannot be written (No space left); free some space",
        ),
        (
            OSError(errno.EISDIR, "Is a directory"),
            "a.pt: cannot be written (Is a directory); move the folder of that name away",
        ),
        (OSError(errno.EIO, "I/O error"), "a.pt: cannot be written (I/O error); check the disk"),
        (OSError("truncated"), "a.pt: cannot be written (truncated); check the disk"),
    ],
)
def test_what_helps_depends_on_the_reason(error: OSError, text: str) -> None:
    assert unwritable(Path("a.pt"), error) == text
