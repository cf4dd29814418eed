"""Loss curves of a run as one picture."""

from __future__ import annotations

import csv
from pathlib import Path

from faststyle.files import whole_file
from faststyle.training.losses import Losses

PANELS = Losses._fields


def draw_curves(log: Path, validation: Path, picture: Path) -> None:
    """Draw each loss over the steps, on training batches and on the photos kept aside.

    Args:
        log: CSV with the columns step and those of `PANELS`.
        validation: the same for the photos kept aside.
        picture: PNG to write.

    Raises:
        OSError: a file cannot be read or written.
    """
    from matplotlib.figure import Figure  # only now, as it takes long to import

    figure = Figure(figsize=(12, 3), layout="constrained")
    panels = figure.subplots(1, len(PANELS))
    for path, label, style in ((log, "training", "-"), (validation, "validation", "o-")):
        rows = _rows(path)
        steps = [int(row["step"]) for row in rows]
        for panel, name in zip(panels, PANELS, strict=True):
            values = [float(row[name]) for row in rows]
            panel.plot(steps, values, style, label=label, linewidth=1, markersize=3)
            panel.set_title(name.replace("_", " "), fontsize=10)
    for panel in panels:
        panel.set_yscale("log")
        panel.set_xlabel("step")
        panel.grid(alpha=0.3, which="both")
    panels[-1].legend(fontsize=8)
    with whole_file(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
