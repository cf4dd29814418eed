"""Time one training step in each precision and memory layout, interleaved in one run.

python bench/training_step.py [--vgg-weights FILE] [--preset johnson] [--width 8] [--rounds 5]
    [--device cuda]

Without a file of weights the loss network is a full-width VGG-19 with random ones: the
arithmetic is the same.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from faststyle.training.config import TrainingConfig
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.plan import USUAL_BATCH
from faststyle.training.tensors import load_tensors
from faststyle.training.trainer import configured_loss
from faststyle.training.vgg import VggFeatures

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
CONFIG = TrainingConfig(style="", content="")
CROPS = (USUAL_BATCH, 3, CONFIG.crop_size, CONFIG.crop_size)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vgg-weights", type=Path)
    parser.add_argument("--preset", default=CONFIG.preset)
    parser.add_argument("--width", type=int, help="if not the preset's own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    state = _weights(options.vgg_weights)
    device = torch.device(options.device)
    steps = {
        (dtype, layout): _step(
            state,
            build_network(preset=options.preset, width=options.width).train(),
            dtype=dtype,
            layout=LAYOUTS[layout],
            device=device,
        )
        for dtype, layout in itertools.product((torch.float32, torch.bfloat16), LAYOUTS)
    }
    times: dict[tuple[torch.dtype, str], list[float]] = {key: [] for key in steps}
    for _ in range(options.rounds + 1):
        for key, step in steps.items():
            start = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            times[key].append(time.perf_counter() - start)
    medians = {key: statistics.median(each[1:]) for key, each in times.items()}
    reference = medians[torch.float32, "contiguous"]
    for (dtype, layout), median in medians.items():
        print(f"{dtype!s:<15} {layout:<14} {median:6.3f} s  {median / reference:5.2f} of the first")


def _weights(path: Path | None) -> dict[str, Tensor]:
    if path is not None:
        return load_tensors(path)
    features = torchvision.models.vgg19(weights=None).features
    return {f"features.{key}": value for key, value in features.state_dict().items()}


def _step(
    state: dict[str, Tensor],
    network: TransformerNetwork,
    *,
    dtype: torch.dtype,
    layout: torch.memory_format,
    device: torch.device,
) -> Callable[[], None]:
    features = VggFeatures(
        state,
        loss_network="vgg19",
        layers={*CONFIG.content_layers, *CONFIG.style_layers},
    )
    objective = configured_loss(CONFIG, features=features, style=torch.rand(1, 3, 256, 256))
    modules: tuple[nn.Module, ...] = (network, objective)
    for module in modules:
        module.to(device).to(memory_format=layout)
    photos = torch.rand(CROPS, device=device).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters())

    def step() -> None:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            losses = objective(network(photos), photos)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
