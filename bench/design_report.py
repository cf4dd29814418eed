"""What is known of network designs, for `networks`: as a CSV, a plot and a table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from faststyle.benchmark import SIZES
from faststyle.files import whole_file
from faststyle.timing import Size
from faststyle.training.evaluate import BASELINE
from faststyle.training.network import build_network

PLOTTED = Size(1280, 720)
"""The picture that the plot has the milliseconds of, and the table the operations."""

LOSSES = ("content", "style", "total_variation", "total")
"""Losses that are written down."""

TERMS = ("content", "style", "total")
"""Those of the table."""

UNKNOWN = "-"


class Timing(NamedTuple):
    """What a design takes for one picture."""

    milliseconds: float
    gflop: float


Means = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Losses by judge, then by design, then by term."""


class Judged(NamedTuple):
    """The mean losses of a design over the photos."""

    painting: str
    judge: str
    design: str
    losses: Mapping[str, float]
    """By term."""


def read_times(table: Path) -> dict[tuple[str, Size], Timing]:
    """Read what `time_designs` wrote, by design and size; nothing without the file."""
    if not table.exists():
        return {}
    with open(table, newline="") as file:
        return {
            (row["model"], Size(int(row["width"]), int(row["height"]))): Timing(
                float(row["ms_median"]), float(row["gflop"])
            )
            for row in csv.DictReader(file)
        }


def write_losses(judged: Sequence[Judged], path: Path) -> None:
    """Write one line for each painting, judge and design, and for the unchanged photos."""
    with whole_file(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["painting", "judge", "design", *LOSSES])
        for painting, judge, design, losses in judged:
            terms = (f"{losses[term]:.6g}" for term in LOSSES)
            writer.writerow([painting, judge, design, *terms])


def average(judged: Sequence[Judged]) -> Means:
    """Average losses over the paintings."""
    groups: dict[str, dict[str, list[Mapping[str, float]]]] = {}
    for each in judged:
        groups.setdefault(each.judge, {}).setdefault(each.design, []).append(each.losses)
    return {
        judge: {
            design: {term: fmean(losses[term] for losses in group) for term in TERMS}
            for design, group in by_design.items()
        }
        for judge, by_design in groups.items()
    }


def draw_plot(means: Means, times: Mapping[tuple[str, Size], Timing], *, picture: Path) -> None:
    """Draw total losses against milliseconds, a panel for each judge."""
    from matplotlib.figure import Figure  # only now, as it takes long to import

    figure = Figure(figsize=(7 * len(means), 5), layout="constrained")
    panels = figure.subplots(1, len(means), squeeze=False)[0]
    for panel, (judge, by_design) in zip(panels, means.items(), strict=True):
        timed = [design for design in by_design if (design, PLOTTED) in times]
        timed.sort(key=lambda design: times[design, PLOTTED].milliseconds)
        for index, design in enumerate(timed):
            place = times[design, PLOTTED].milliseconds, by_design[design]["total"]
            marker = "os"[index // 10 % 2]  # the colours repeat after ten
            panel.plot(*place, marker, color=f"C{index}", label=design)
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_title(f"judged by {judge}", fontsize=10)
        panel.set_xlabel(f"milliseconds for {PLOTTED}")
        panel.set_ylabel("total loss")
        panel.legend(fontsize=9)
        panel.grid(which="both", alpha=0.3)
    with whole_file(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def print_markdown(
    designs: Sequence[str], means: Means, times: Mapping[tuple[str, Size], Timing]
) -> None:
    """Print a table of all that is known of the designs."""
    losses = [f"{judge} {term}" for judge in means for term in TERMS]
    columns = ["parameters", f"GFLOP {PLOTTED}", *(f"ms {size}" for size in SIZES), *losses]
    _print_row(["design", *columns])
    _print_row(["---", *("---:" for _ in columns)])
    for design in designs:
        timings = [times.get((design, size)) for size in SIZES]
        plotted = times.get((design, PLOTTED))
        _print_row(
            [
                design,
                f"{_parameters(design):,}",
                f"{plotted.gflop:.2f}" if plotted else UNKNOWN,
                *(f"{each.milliseconds:.1f}" if each else UNKNOWN for each in timings),
                *_loss_cells(design, means),
            ]
        )
    if means:
        _print_row([BASELINE, "", "", *("" for _ in SIZES), *_loss_cells(BASELINE, means)])


def _parameters(design: str) -> int:
    return sum(each.numel() for each in build_network(preset=design).parameters())


def _loss_cells(design: str, means: Means) -> list[str]:
    return [
        f"{by_design[design][term]:.4f}" if design in by_design else UNKNOWN
        for by_design in means.values()
        for term in TERMS
    ]


def _print_row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |")
