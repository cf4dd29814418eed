"""Losses and previews for TensorBoard, an optional package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from faststyle.errors import MissingPackageError
from faststyle.training.losses import Losses


class Board:
    """A folder that TensorBoard shows."""

    def __init__(self, folder: Path, *, step: int) -> None:
        """Open the folder for writing, and hide what is in it of later steps.

        Raises:
            MissingPackageError: TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingPackageError(
                "--tensorboard needs tensorboard: "
                "in the faststyle checkout, run  pip install '.[tensorboard]'"
            ) from error
        self.writer: Any = SummaryWriter(str(folder), purge_step=step)

    def losses(self, group: str, *, step: int, values: Sequence[float]) -> None:
        """Add content, style, total-variation and total loss of a step."""
        for name, value in zip(Losses._fields, values, strict=True):
            self.writer.add_scalar(f"{group}/{name}", value, step)

    def picture(self, pixels: NDArray[Any], *, step: int) -> None:
        """Add a preview, uint8 H×W×3."""
        self.writer.add_image("preview", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is still in memory."""
        self.writer.close()
