"""Time the training loop, side by side in one run with a plain loop (`plain_loop`).

Speed of the plain loop, of ours with the same VGG-16, and of ours as it is by default:

    python bench/training.py --content DIR --style FILE [--vgg16-weights FILE]
        [--width 16] [--crop-size 256] [--batch-size 4] [--rounds 4] [--steps-per-round 12]

Without a file of weights VGG-16 has its full width and random ones: the arithmetic is the
same. Time until a validation loss goes below a bound, or the lowest reached, instead:

    python bench/training.py --content DIR --style FILE --until LOSS --judge-weights FILE
        --plain-weights FILE [--plain-loss-network vgg19] [--plain-content-weight 1]
        [--plain-style-weight 5] [--judge-layers relu1_1 relu2_1 relu3_1]
        [--seconds-limit 600] [--every 30]

There the plain loop compares those of its layers that its weights reach. Its own loss
weights, 1e5 and 1e10, are meant for torchvision's VGG-16; a VGG on the Caffe scale wants
1 and 5 (Johnson's own code). Both loops are judged by a VGG-19 that neither trains by, if
there is one, in the losses of `PerceptualLoss`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision
from plain_loop import (
    CONTENT_LAYER,
    CONTENT_WEIGHT,
    STYLE_LAYERS,
    STYLE_WEIGHT,
    AbsoluteLoss,
    plain_features,
    plain_steps,
)
from torch import Tensor

from faststyle.training.calibration import calibrate
from faststyle.training.config import Plan, RunOptions, TrainingConfig, style_side
from faststyle.training.data import (
    PhotoCrops,
    Photos,
    find_photos,
    load_batches,
    read_squares,
    read_style,
)
from faststyle.training.device import choose_device, choose_precision
from faststyle.training.losses import PerceptualLoss
from faststyle.training.meter import Meter
from faststyle.training.network import TransformerNetwork, build_network
from faststyle.training.plan import USUAL_BATCH, make_plan
from faststyle.training.run import CALIBRATION_PHOTOS, TRIAL_STEPS
from faststyle.training.tensors import load_tensors
from faststyle.training.trainer import Trainer, build_objective, configured_loss
from faststyle.training.vgg import VggFeatures, load_vgg

DEFAULTS = TrainingConfig(style="", content="")
JUDGE_STYLE_WEIGHT = 10.0
VALIDATION_PHOTOS = 8

SETTLE = 1.0
"""Seconds before each turn in which the workers of the other loops fall idle.

They stop when their queue is full, and so take nothing from the loop that is timed. Our loop
thereby starts with a full queue; it also ends with one, as long as photos are decoded faster
than they are trained on. Where they are not, let a round have many more steps than the queue
has batches, which is four for each worker.
"""


class Loop(NamedTuple):
    """A way to train: each `next` of the steps takes one."""

    network: TransformerNetwork
    steps: Iterator[None]


@dataclass(frozen=True)
class Bench:
    """What all loops share."""

    config: TrainingConfig
    photos: Photos
    style: Tensor
    device: torch.device

    def ours(self, config: TrainingConfig, *, objective: PerceptualLoss) -> Loop:
        """Set our loop up as ``faststyle train`` does."""
        plan = self._plan(config, objective=objective)
        print(
            f"ours with {config.loss_network}: {plan.precision}, {plan.steps} steps of "
            f"{plan.batch_size}, style weight {plan.style_weight:.3g}"
        )
        return self._planned(config, plan, objective=objective)

    def plain(
        self, features: VggFeatures, *, batch_size: int, content_weight: float, style_weight: float
    ) -> Loop:
        """Set the plain loop up on a loss network of its layers."""
        print(
            f"plain: float32, steps of {batch_size}, content weight {content_weight:g}, "
            f"style weight {style_weight:g}, layers {' '.join(sorted(features.layers))}"
        )
        torch.manual_seed(self.config.seed)
        network = build_network(preset=self.config.preset, width=self.config.width)
        steps = plain_steps(
            network.to(self.device),
            AbsoluteLoss(
                features.to(self.device),
                self.style.to(self.device),
                content_weight=content_weight,
                style_weight=style_weight,
            ),
            photos=self.photos.training,
            crop_size=self.config.crop_size,
            batch_size=batch_size,
            device=self.device,
        )
        return Loop(network, steps)

    def _plan(self, config: TrainingConfig, *, objective: PerceptualLoss) -> Plan:
        started = time.monotonic()
        crops = read_squares(self.photos.training[:CALIBRATION_PHOTOS], size=config.crop_size)
        assert config.intensity is not None

        def seconds_per_step(plan: Plan) -> float:
            trial = self._planned(config, replace(plan, steps=TRIAL_STEPS), objective=objective)
            for _ in itertools.islice(trial.steps, TRIAL_STEPS // 3):
                pass
            start = time.monotonic()
            timed = sum(1 for _ in trial.steps)
            _wait_for(self.device)
            return (time.monotonic() - start) / timed

        return make_plan(
            config,
            style_weight=calibrate(config.intensity, objective=objective, crops=crops),
            precision=choose_precision(config.precision, device=self.device),
            processes=1,
            seconds_per_step=seconds_per_step,
            elapsed=lambda: time.monotonic() - started,
        )

    def _planned(self, config: TrainingConfig, plan: Plan, *, objective: PerceptualLoss) -> Loop:
        trainer = Trainer(config, plan, objective=objective, device=self.device)
        crops = PhotoCrops(self.photos.training, crop_size=config.crop_size, seed=config.seed)
        return Loop(trainer.network, _our_steps(trainer, crops))


def _our_steps(trainer: Trainer, crops: PhotoCrops) -> Iterator[None]:
    meter = Meter(trainer.processes)
    for batch, _ in load_batches(
        crops,
        batch_size=trainer.plan.batch_size,
        first_step=0,
        steps=trainer.plan.steps,
        workers=RunOptions().workers,
    ):
        meter.take(trainer.train_step(batch), step=trainer.step, read=False)
        yield


@dataclass
class Racer:
    """A loop with a clock that runs only while it trains or decides how to."""

    loop: Loop
    device: torch.device
    seconds: float
    """On the clock; deciding on a plan counts, as a person waits for that too."""
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
        _wait_for(self.device)
        self.seconds = time.monotonic() - start


def measure_speed(bench: Bench, options: argparse.Namespace) -> None:
    """Print images per second of each loop."""
    config, batch_size = bench.config, options.batch_size or USUAL_BATCH
    config = replace(
        config, batch_size=batch_size, steps=options.rounds * options.steps_per_round, minutes=None
    )
    state = _vgg16_state(options.vgg16_weights)
    same = replace(
        config, loss_network="vgg16", content_layers=(CONTENT_LAYER,), style_layers=STYLE_LAYERS
    )
    features = VggFeatures(state, loss_network="vgg16", layers=STYLE_LAYERS)
    objective = configured_loss(same, features=features, style=bench.style)
    loops = {
        "plain loop, vgg16": bench.plain(
            plain_features(state, loss_network="vgg16"),
            batch_size=batch_size,
            content_weight=options.plain_content_weight,
            style_weight=options.plain_style_weight,
        ),
        "ours, vgg16": bench.ours(same, objective=objective),
        "ours, default": bench.ours(config, objective=build_objective(config)),
    }
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(options.rounds):
        for name, loop in loops.items():
            seconds = _seconds(loop, steps=options.steps_per_round, device=bench.device)
            speeds[name].append(options.steps_per_round * batch_size / seconds)
    _print_speeds({name: each[1:] for name, each in speeds.items()})


def _seconds(loop: Loop, *, steps: int, device: torch.device) -> float:
    time.sleep(SETTLE)
    start = time.monotonic()
    for _ in itertools.islice(loop.steps, steps):
        pass
    _wait_for(device)
    return time.monotonic() - start


def _print_speeds(speeds: Mapping[str, Sequence[float]]) -> None:
    plain = statistics.median(next(iter(speeds.values())))
    print(f"{'':<18} {'images/s':>8}  {'min-max':>15}  times plain")
    for name, each in speeds.items():
        median = statistics.median(each)
        spread = f"{min(each):.2f}-{max(each):.2f}"
        print(f"{name:<18} {median:8.2f}  {spread:>15}  {median / plain:.2f}")


def race(bench: Bench, options: argparse.Namespace) -> None:
    """Train both loops from scratch, in turns, and print the validation losses on the way."""
    config = replace(
        bench.config, batch_size=options.batch_size, minutes=options.seconds_limit / 60
    )
    judge = _judge(bench, options)
    photos = read_squares(bench.photos.validation[:VALIDATION_PHOTOS], size=config.crop_size)
    started = time.monotonic()
    plain = bench.plain(
        plain_features(
            load_tensors(options.plain_weights), loss_network=options.plain_loss_network
        ),
        batch_size=options.batch_size or USUAL_BATCH,
        content_weight=options.plain_content_weight,
        style_weight=options.plain_style_weight,
    )
    racers = {"plain": Racer(plain, bench.device, seconds=time.monotonic() - started)}
    started = time.monotonic()
    ours = bench.ours(config, objective=build_objective(config))
    racers["ours"] = Racer(ours, bench.device, seconds=time.monotonic() - started)
    for until in range(options.every, options.seconds_limit + options.every, options.every):
        for name, racer in racers.items():
            if racer.finished or racer.lowest < options.until:
                continue
            time.sleep(SETTLE)
            racer.advance(min(until, options.seconds_limit))
            total = _validate(racer.loop.network, judge=judge, photos=photos, device=bench.device)
            racer.lowest = min(racer.lowest, total)
            print(f"{name:<6} {racer.seconds:7.1f} s {racer.steps:6} steps {total:9.4f}")
    for name, racer in racers.items():
        below = racer.lowest < options.until
        verdict = f"below {options.until:g}" if below else f"at best {racer.lowest:.4f}"
        print(f"{name:<6} {verdict} after {racer.seconds:.1f} s and {racer.steps} steps")


def _judge(bench: Bench, options: argparse.Namespace) -> PerceptualLoss:
    content_layers, style_layers = DEFAULTS.content_layers, tuple(options.judge_layers)
    features = load_vgg(
        loss_network="vgg19",
        layers={*content_layers, *style_layers},
        weights=options.judge_weights,
    )
    config = replace(
        bench.config,
        content_layers=content_layers,
        style_layers=style_layers,
        style_weight=JUDGE_STYLE_WEIGHT,
    )
    return configured_loss(config, features=features, style=bench.style).to(bench.device)


def _validate(
    network: TransformerNetwork, *, judge: PerceptualLoss, photos: Tensor, device: torch.device
) -> float:
    with torch.no_grad():
        crops = (photo[None].to(device) / 255 for photo in photos)
        totals = [float(judge(network(crop), crop).total) for crop in crops]
    return statistics.mean(totals)


def _vgg16_state(path: Path | None) -> dict[str, Tensor]:
    if path is not None:
        return load_tensors(path)
    features = torchvision.models.vgg16(weights=None).features
    return {f"features.{key}": value for key, value in features.state_dict().items()}


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--content", type=Path, required=True)
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--width", type=int, default=DEFAULTS.width)
    parser.add_argument("--crop-size", type=int, default=DEFAULTS.crop_size)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--plain-content-weight", type=float, default=CONTENT_WEIGHT)
    parser.add_argument("--plain-style-weight", type=float, default=STYLE_WEIGHT)
    speed = parser.add_argument_group("speed")
    speed.add_argument("--vgg16-weights", type=Path)
    speed.add_argument("--rounds", type=int, default=4, help="the first is not counted")
    speed.add_argument("--steps-per-round", type=int, default=12)
    until = parser.add_argument_group("time to a loss")
    until.add_argument("--until", type=float, metavar="LOSS")
    until.add_argument("--judge-weights", type=Path)
    until.add_argument("--judge-layers", nargs="+", default=DEFAULTS.style_layers)
    until.add_argument("--plain-loss-network", default="vgg19")
    until.add_argument("--plain-weights", type=Path)
    until.add_argument("--seconds-limit", type=int, default=600)
    until.add_argument("--every", type=int, default=30)
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
        width=options.width,
        crop_size=options.crop_size,
    )
    bench = Bench(
        config,
        photos=find_photos(options.content),
        style=read_style(options.style, size=style_side(config.stroke_size)),
        device=choose_device(options.device),
    )
    (measure_speed if options.until is None else race)(bench, options)


if __name__ == "__main__":
    main()
