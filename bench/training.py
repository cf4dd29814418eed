"""Time the training loop side by side with a plain one (`loops`), in one run.

Speed of the plain loop, of ours with the same VGG-16, and of ours as it is by default:

    python bench/training.py --content DIR --style FILE [--vgg16-weights FILE]
        [--preset johnson] [--width 16] [--crop-size 256] [--batch-size 4] [--rounds 4]
        [--steps-per-round 12]

Without a file of weights VGG-16 has its full width and random ones: the arithmetic is the
same. Time until a validation loss goes below a bound, or the lowest loss reached, instead:

    python bench/training.py --content DIR --style FILE --until LOSS --judge-weights FILE
        --plain-weights FILE [--plain-loss-network vgg19] [--plain-content-weight 1]
        [--plain-style-weight 5] [--judge-layers relu1_1 relu2_1 relu3_1]
        [--seconds-limit 600] [--every 30]

There the plain loop compares those of its layers that its weights reach. Its usual loss
weights, 1e5 and 1e10, are meant for torchvision's VGG-16; those of a VGG on the Caffe scale
are 1 and 5 (Johnson's own code). The judge is a VGG-19, best one that neither trains by.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torchvision
from loops import (
    PLAIN_CONTENT_LAYER,
    PLAIN_STYLE_LAYERS,
    Loop,
    Setting,
    our_loop,
    plain_features,
    plain_loop,
    time_steps,
    wait_for,
)
from torch import Tensor

from faststyle.training.config import START_RANDOM, TrainingConfig, style_side
from faststyle.training.data import find_photos, read_squares, read_style
from faststyle.training.device import choose_device
from faststyle.training.losses import PerceptualLoss
from faststyle.training.network import TransformerNetwork
from faststyle.training.plan import USUAL_BATCH
from faststyle.training.tensors import load_tensors
from faststyle.training.trainer import build_objective, configured_loss
from faststyle.training.vgg import VggFeatures, load_vgg

DEFAULTS = TrainingConfig(style="", content="")
JUDGE_STYLE_WEIGHT = 10.0
VALIDATION_PHOTOS = 8

SETTLE = 1.0
"""Seconds before each turn in which the workers of the other loops fall idle.

They stop when their queue is full, and then take nothing from the loop that is timed. Our
loop thereby starts with a full queue; it also ends with one, as long as photos are decoded
faster than they are trained on. Where they are not, as on a fast GPU, let a round have many
more steps than the queue has batches, which is four for each worker.
"""


def measure_speed(setting: Setting, options: argparse.Namespace) -> None:
    """Print images per second of each loop."""
    batch_size = options.batch_size or USUAL_BATCH
    loops = _loops(setting, options, batch_size=batch_size)
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(options.rounds):
        for name, loop in loops.items():
            time.sleep(SETTLE)
            seconds = time_steps(loop, steps=options.steps_per_round, device=setting.device)
            speeds[name].append(options.steps_per_round * batch_size / seconds)
    _print_speeds({name: each[1:] for name, each in speeds.items()})


def _loops(setting: Setting, options: argparse.Namespace, *, batch_size: int) -> dict[str, Loop]:
    state = _vgg16_state(options.vgg16_weights)
    steps = options.rounds * options.steps_per_round
    default = replace(setting.config, batch_size=batch_size, steps=steps, minutes=None)
    same = replace(
        default,
        loss_network="vgg16",
        content_layers=(PLAIN_CONTENT_LAYER,),
        style_layers=PLAIN_STYLE_LAYERS,
    )
    features = VggFeatures(state, loss_network="vgg16", layers=PLAIN_STYLE_LAYERS)
    same_objective = configured_loss(same, features=features, style=setting.style)
    return {
        "plain, vgg16": plain_loop(
            setting,
            plain_features(state, loss_network="vgg16"),
            batch_size=batch_size,
            content_weight=options.plain_content_weight,
            style_weight=options.plain_style_weight,
        ),
        "ours, vgg16": our_loop(setting, same, objective=same_objective),
        "ours, default": our_loop(setting, default, objective=build_objective(default)),
    }


def _vgg16_state(path: Path | None) -> dict[str, Tensor]:
    if path is not None:
        return load_tensors(path)
    features = torchvision.models.vgg16(weights=None).features
    return {f"features.{key}": value for key, value in features.state_dict().items()}


def _print_speeds(speeds: Mapping[str, Sequence[float]]) -> None:
    plain = statistics.median(next(iter(speeds.values())))
    print(f"{'':<14} {'images/s':>8}  {'min-max':>15}  times plain")
    for name, each in speeds.items():
        median = statistics.median(each)
        spread = f"{min(each):.2f}-{max(each):.2f}"
        print(f"{name:<14} {median:8.2f}  {spread:>15}  {median / plain:.2f}")


@dataclass
class Racer:
    """A loop with a clock that runs only while it is set up and trains."""

    loop: Loop
    device: torch.device
    seconds: float
    """On the clock; setting up counts, as a person waits for that too."""
    steps: int = 0
    lowest: float = math.inf
    finished: bool = False

    def advance(self, until: float) -> None:
        """Train until the clock shows so many seconds, or to the last step."""
        start = time.monotonic() - self.seconds
        self.finished = True
        for _ in self.loop.steps:
            self.steps += 1
            if time.monotonic() - start >= until:
                self.finished = False
                break
        wait_for(self.device)
        self.seconds = time.monotonic() - start


def race(setting: Setting, options: argparse.Namespace) -> None:
    """Train the loops in turns, and print their validation losses on the way."""
    judge = _judge(setting, options)
    photos = read_squares(
        setting.photos.validation[:VALIDATION_PHOTOS], size=setting.config.crop_size
    )
    racers = {
        "plain": _plain_racer(setting, options),
        "ours from random weights": _our_racer(setting, options, start_from=START_RANDOM),
        "ours": _our_racer(setting, options, start_from=DEFAULTS.start_from),
    }
    limit, every = options.seconds_limit, options.every
    for until in range(every, limit + every, every):
        for name, racer in racers.items():
            if racer.finished or racer.lowest < options.until:
                continue
            time.sleep(SETTLE)
            racer.advance(min(until, limit))
            total = _validate(racer.loop.network, judge=judge, photos=photos, device=setting.device)
            racer.lowest = min(racer.lowest, total)
            print(
                f"{name:<24} {racer.seconds:7.1f} s {racer.steps:6} steps {total:9.4f}", flush=True
            )
    for name, racer in racers.items():
        below = racer.lowest < options.until
        verdict = f"below {options.until:g} after" if below else f"at best {racer.lowest:.4f} in"
        print(f"{name:<24} {verdict} {racer.seconds:.1f} s, {racer.steps} steps")


def _plain_racer(setting: Setting, options: argparse.Namespace) -> Racer:
    started = time.monotonic()
    state = load_tensors(options.plain_weights)
    loop = plain_loop(
        setting,
        plain_features(state, loss_network=options.plain_loss_network),
        batch_size=options.batch_size or USUAL_BATCH,
        content_weight=options.plain_content_weight,
        style_weight=options.plain_style_weight,
    )
    return Racer(loop, setting.device, seconds=time.monotonic() - started)


def _our_racer(setting: Setting, options: argparse.Namespace, *, start_from: str) -> Racer:
    started = time.monotonic()
    minutes = options.seconds_limit / 60
    config = replace(
        setting.config, batch_size=options.batch_size, minutes=minutes, start_from=start_from
    )
    loop = our_loop(setting, config, objective=build_objective(config))
    return Racer(loop, setting.device, seconds=time.monotonic() - started)


def _judge(setting: Setting, options: argparse.Namespace) -> PerceptualLoss:
    config = replace(
        setting.config,
        style_layers=tuple(options.judge_layers),
        style_weight=JUDGE_STYLE_WEIGHT,
    )
    features = load_vgg(
        loss_network="vgg19",
        layers={*config.content_layers, *config.style_layers},
        weights=options.judge_weights,
    )
    return configured_loss(config, features=features, style=setting.style).to(setting.device)


def _validate(
    network: TransformerNetwork, *, judge: PerceptualLoss, photos: Tensor, device: torch.device
) -> float:
    network.eval()
    with torch.no_grad():
        crops = (photo[None].to(device) / 255 for photo in photos)
        totals = [float(judge(network(crop), crop).total) for crop in crops]
    network.train()
    return statistics.mean(totals)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--content", type=Path, required=True)
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--preset", default=DEFAULTS.preset)
    parser.add_argument("--width", type=int, help="if not the preset's own")
    parser.add_argument("--crop-size", type=int, default=DEFAULTS.crop_size)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--plain-content-weight", type=float, default=1e5)
    parser.add_argument("--plain-style-weight", type=float, default=1e10)
    speed = parser.add_argument_group("speed")
    speed.add_argument("--vgg16-weights", type=Path)
    speed.add_argument("--rounds", type=int, default=4, help="the first is not counted")
    speed.add_argument("--steps-per-round", type=int, default=12)
    until = parser.add_argument_group("time to a loss")
    until.add_argument("--until", type=float, metavar="LOSS")
    until.add_argument("--judge-weights", type=Path)
    until.add_argument("--judge-layers", nargs="+", default=DEFAULTS.style_layers)
    until.add_argument("--plain-loss-network", default="vgg19", choices=("vgg16", "vgg19"))
    until.add_argument("--plain-weights", type=Path)
    until.add_argument("--seconds-limit", type=int, default=600)
    until.add_argument("--every", type=int, default=30, help="seconds between two validations")
    options = parser.parse_args()
    if options.until is not None and None in (options.judge_weights, options.plain_weights):
        parser.error("--until needs --judge-weights and --plain-weights")
    if options.rounds < 2:
        parser.error("--rounds must be at least 2")
    return options


def main() -> None:
    options = _options()
    config = TrainingConfig(
        style=str(options.style),
        content=str(options.content),
        preset=options.preset,
        width=options.width,
        crop_size=options.crop_size,
    )
    setting = Setting(
        config,
        photos=find_photos(options.content),
        style=read_style(options.style, size=style_side(config.stroke_size)),
        device=choose_device(options.device),
    )
    (measure_speed if options.until is None else race)(setting, options)


if __name__ == "__main__":
    main()
