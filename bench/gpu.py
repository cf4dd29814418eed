"""Time the presets as torch runs them on a GPU, beside the network of pytorch/examples.

python bench/gpu.py [--sizes 1920x1080 3840x2160] [--rounds 20] [--device cuda] [--eager]
    [--networks "johnson 32" fast ...] [--types float32 float16 bfloat16]

Frames are bytes, H×W×3, on the device, and so are the paintings: what a video player or a camera
hands over. The weights are random, which takes as long as trained ones; all networks are timed in
turns. The last column compares with ``johnson`` of width 32, the network of pytorch/examples, in
float32 as torch computes it there by default (convolutions in TensorFloat-32). --eager leaves out
what torch compiles, which takes minutes.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from inference import COMPARED, REFERENCE
from torch import Tensor, nn

from faststyle.cli.options import read_size
from faststyle.timing import Size
from faststyle.training.network import TransformerNetwork, build_network

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
SIZES = (Size(1920, 1080), Size(3840, 2160))
WARM_UPS = 3


class Way(NamedTuple):
    """How a network is computed."""

    dtype: torch.dtype
    compiled: bool

    def __str__(self) -> str:
        name = str(self.dtype).removeprefix("torch.")
        return f"{name}, compiled" if self.compiled else name


PLAIN = Way(torch.float32, compiled=False)


class Frames(nn.Module):
    """A network with bytes at both ends, as an exported model has."""

    def __init__(self, network: TransformerNetwork, *, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype).to(memory_format=torch.channels_last)
        self.dtype = dtype

    def forward(self, frames: Tensor) -> Tensor:
        """Repaint uint8 N×H×W×3."""
        images = frames.permute(0, 3, 1, 2).to(self.dtype) / 255
        stylized = self.network(images).clamp(0, 1) * 255
        painted: Tensor = stylized.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        return painted


class Measured(NamedTuple):
    """What a network takes for a frame."""

    milliseconds: list[float]
    """Of each round."""
    memory: int | None
    """Most bytes held at a time, without those of other networks, where that is known."""


Repaint = Callable[[Tensor], Tensor]
Key = tuple[str, Way]


def prepare(name: str, way: Way, *, device: torch.device) -> Repaint:
    """Build a network, and let torch compile it when it is first run."""
    torch.manual_seed(0)
    preset, width = COMPARED[name]
    network = build_network(preset=preset, width=width)
    module = Frames(network, dtype=way.dtype).to(device).eval()
    if not way.compiled:
        return module
    # With CUDA graphs: else small networks are done before Python has asked for their next layer.
    compiled: Repaint = torch.compile(module, mode="reduce-overhead", dynamic=False)
    return compiled


def warm_up(network: Repaint, frames: Tensor) -> int | None:
    """Run a network until it runs as it always will; return the bytes that it takes on a GPU."""
    on_gpu = frames.is_cuda
    if on_gpu:
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(WARM_UPS):
        network(frames)
    if not on_gpu:
        return None
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def time_once(network: Repaint, frames: Tensor) -> float:
    """Return the milliseconds from handing over a frame to its being painted."""
    start = time.perf_counter()
    network(frames)
    if frames.is_cuda:
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start)


def measure(networks: dict[Key, Repaint], frames: Tensor, *, rounds: int) -> dict[Key, Measured]:
    """Time networks in turns."""
    measured = {key: Measured([], warm_up(network, frames)) for key, network in networks.items()}
    for _ in range(rounds):
        for key, network in networks.items():
            measured[key].milliseconds.append(time_once(network, frames))
    return measured


def print_rows(size: Size, measured: dict[Key, Measured]) -> None:
    """Print a line of the table for each network and way."""
    reference = statistics.median(measured[REFERENCE, PLAIN].milliseconds)
    for (name, way), (milliseconds, memory) in measured.items():
        median = statistics.median(milliseconds)
        print(
            f"| {size} | {name} | {way} "
            f"| {median:.2f} ({min(milliseconds):.2f}-{max(milliseconds):.2f}) "
            f"| {1e3 / median:.0f} | {'' if memory is None else f'{memory / 1e6:.0f} MB'} "
            f"| {reference / median:.1f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=read_size, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--networks", nargs="+", choices=COMPARED, default=list(COMPARED))
    parser.add_argument("--types", nargs="+", choices=TYPES, default=list(TYPES))
    parser.add_argument("--eager", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    ways = [
        Way(TYPES[dtype], compiled=compiled)
        for dtype in options.types
        for compiled in ((False,) if options.eager else (False, True))
    ]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(f"{name}, torch {torch.__version__}")
    print(
        "| size | network | computed in | ms: median (min-max) | fps | memory | times johnson 32 |"
    )
    print("|---|---|---|---|---|---|---|")
    for size in map(Size._make, options.sizes):
        torch.compiler.reset()
        frames = torch.randint(
            256, (1, size.height, size.width, 3), dtype=torch.uint8, device=device
        )
        keys = dict.fromkeys([(REFERENCE, PLAIN), *itertools.product(options.networks, ways)])
        with torch.no_grad():
            networks = {(name, way): prepare(name, way, device=device) for name, way in keys}
            print_rows(size, measure(networks, frames, rounds=options.rounds))


if __name__ == "__main__":
    main()
