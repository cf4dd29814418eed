"""Time the presets side by side, beside the network of pytorch/examples.

python bench/inference.py [--sizes 512x512 1280x720 1920x1080] [--rounds 10] [--threads N]

The weights are random, which takes as long as trained ones. ``johnson`` of width 32 is the network
of pytorch/examples (but for biases that its normalization takes away), exported as lean as ours.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from faststyle.benchmark import ROUNDS, SIZES, Benchmark, Progress, benchmark
from faststyle.cli.options import read_size
from faststyle.timing import Size

REFERENCE = "johnson 32"

COMPARED: dict[str, tuple[str, int | None]] = {
    REFERENCE: ("johnson", 32),
    "johnson 16": ("johnson", 16),
    "quality": ("quality", None),
    "fast": ("fast", None),
}
"""Presets and widths by name, None for a preset's own width; the reference comes first."""


def write_models(folder: Path) -> dict[str, Path]:
    """Export every network that is compared; the reference comes first."""
    # Imported here, as each process that is timed imports this file, and torch takes memory.
    import onnx
    import torch

    from faststyle.training.graph import write_graph
    from faststyle.training.network import build_network
    from faststyle.training.observing import observe
    from faststyle.training.quantize import write_quantized_graph

    torch.manual_seed(0)
    networks = {
        name: build_network(preset=preset, width=width)
        for name, (preset, width) in COMPARED.items()
    }
    models = {name: write_graph(network) for name, network in networks.items()}
    for name in ("quality", "fast"):
        seen = observe(networks[name], list(torch.rand(2, 1, 3, 64, 64)))
        models[f"{name} int8"] = write_quantized_graph(networks[name], seen=seen)
    paths = {name: folder / f"{name}.onnx" for name in models}
    for name, model in models.items():
        onnx.save(model, paths[name])
    return paths


def print_table(result: Benchmark) -> None:
    """Print times, and how many times as fast as the reference each is."""
    print("| size | network | GFLOP | ms: median (min-max) | fps | memory | times johnson 32 |")
    print("|---|---|---|---|---|---|---|")
    for measured in result.measurements:
        least, median, most = (1e3 * seconds for seconds in measured.min_median_max())
        memory = measured.cost.memory
        cells = [
            str(measured.size),
            measured.model.name,
            "" if measured.gflop is None else f"{measured.gflop:.1f}",
            f"{median:.1f} ({least:.1f}-{most:.1f})",
            f"{1e3 / median:.1f}",
            "" if memory is None else f"{memory / 1e6:.0f} MB",
            "" if measured.ratio is None else f"{1 / measured.ratio:.1f}",
        ]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=read_size, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tqdm(file=sys.stderr) as bar:

        def show(progress: Progress) -> None:
            bar.total = progress.steps
            bar.update(progress.done - bar.n)

        result = benchmark(
            write_models(Path(folder)),
            sizes=[Size(*sides) for sides in options.sizes],
            device="cpu",
            threads=options.threads,
            rounds=options.rounds,
            on_progress=show,
        )
    for failure in result.failures:
        print(failure, file=sys.stderr)
    print_table(result)


if __name__ == "__main__":
    main()
