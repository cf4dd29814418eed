"""Compare network designs (`designs`): speed, and losses after training on an equal budget.

python bench/networks.py --out DIR [--designs johnson fast ...]
    [--content DIR --styles FILE ... [--steps 1200] [--batch-size 4] [--crop-size 256]
        [--style-weight 6] [--seed 0] [--start-from random] [--adam]]
    [--time [--threads N] [--rounds 10]]
    [--validation DIR --styles FILE ... --judge NAME=FILE:LAYER,LAYER ... [--photos 12]
        [--photo-side 256]]

With --content, it trains each design on each painting by the bundled loss network, but for those
whose model is in DIR/PAINTING/DESIGN already; so several processes can train different designs at
the same time. --adam trains all parameters by Adam. With --time, it times all designs side by
side, with random weights; leave the machine alone meanwhile. With --judge, it measures what the
trained models paint by other loss networks, VGG-19 in torchvision's layout of any width, and writes

- DIR/losses.csv: the mean losses over the photos, by painting, judge and design;
- DIR/PAINTING/sheet.png: the first photos as each design paints them;
- DIR/networks.png: losses against milliseconds, if the designs have been timed;

and prints a table, whose losses are means over the paintings.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from design_report import Judged, average, draw_plot, print_markdown, read_times, write_losses
from designs import DESIGNS
from torch import nn

from faststyle.benchmark import ROUNDS, benchmark, write_csv
from faststyle.errors import DivergenceError
from faststyle.files import find_pictures
from faststyle.images import save_picture
from faststyle.stylizer import Stylizer, load_file
from faststyle.training.config import START_RANDOM, Plan, TrainingConfig, style_side
from faststyle.training.data import PhotoCrops, find_photos, load_batches
from faststyle.training.device import choose_device, choose_precision
from faststyle.training.evaluate import Evaluation, EvaluationSettings, draw_sheet, evaluate
from faststyle.training.export import export_model, model_card
from faststyle.training.graph import write_graph
from faststyle.training.meter import Meter, Reading
from faststyle.training.network import PRESETS, build_network
from faststyle.training.optimizer import Optimizer
from faststyle.training.trainer import Trainer, build_objective
from faststyle.training.vgg import load_vgg

DEFAULTS = TrainingConfig(style="", content="")

MODEL = "model.onnx"
LOSSES = "losses.csv"
TIMES = "times.csv"
PLOT = "networks.png"
SHEET = "sheet.png"

JUDGE_STYLE_WEIGHT = 10.0


class Judge(NamedTuple):
    """A loss network that measures what models paint."""

    name: str
    weights: Path
    style_layers: tuple[str, ...]


class AdamAlone(Optimizer):
    """Adam for all parameters, to compare with."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.adam = torch.optim.Adam(network.parameters())

    def step(self, *, learning_rate: float) -> None:
        """Change the parameters by their gradients, and forget these."""
        for group in self.adam.param_groups:
            group["lr"] = learning_rate
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)


def train(
    config: TrainingConfig, folder: Path, *, device: torch.device, adam: bool = False
) -> None:
    """Train one network and export it.

    Args:
        config: what to learn; steps, batch size and style weight are given.
        folder: where to write the losses on the way and, last of all, the model.
        device: where to train.
        adam: train all parameters by Adam.

    Raises:
        DivergenceError: the losses go astray.
    """
    assert config.steps and config.batch_size and config.style_weight is not None
    plan = Plan(
        steps=config.steps,
        batch_size=config.batch_size,
        style_weight=config.style_weight,
        learning_rate=config.learning_rate,
        precision=choose_precision(config.precision, device=device),
    )
    trainer = Trainer(config, plan, objective=build_objective(config), device=device)
    if adam:
        trainer.optimizer = AdamAlone(trainer.network)
    photos = find_photos(Path(config.content))
    crops = PhotoCrops(photos.training, crop_size=config.crop_size, seed=config.seed)
    folder.mkdir(parents=True, exist_ok=True)
    # Written line by line, so that a training can be watched.
    with open(folder / LOSSES, "w", newline="", buffering=1) as file:
        log = csv.writer(file)
        log.writerow(Reading._fields)
        log.writerows(_readings(trainer, crops))
    export_model(
        trainer.network.eval().cpu(),
        folder / MODEL,
        card=model_card(trainer.network, config=config, plan=plan, trained_steps=trainer.step),
    )


def _readings(trainer: Trainer, crops: PhotoCrops) -> Iterator[Reading]:
    """Take all steps, and yield the losses on the way."""
    plan = trainer.plan
    meter = Meter(trainer.processes)
    # Without processes that decode photos, a training on one core keeps to that core.
    batches = load_batches(
        crops, batch_size=plan.batch_size, first_step=0, steps=plan.steps, workers=0
    )
    for batch, _ in batches:
        losses = trainer.train_step(batch)
        reading = meter.take(losses, step=trainer.step, read=trainer.step == plan.steps)
        if reading is not None:
            yield reading


def train_all(
    budget: TrainingConfig,
    *,
    designs: Sequence[str],
    styles: Sequence[Path],
    out: Path,
    device: torch.device,
    adam: bool,
) -> None:
    """Train the designs on the paintings, but for what is trained already."""
    for style in styles:
        for design in designs:
            folder = out / style.stem / design
            if (folder / MODEL).exists():
                continue
            start = time.monotonic()
            config = replace(budget, style=str(style), preset=design)
            try:
                train(config, folder, device=device, adam=adam)
            except DivergenceError as error:
                print(f"{folder}: {error}", flush=True)
                continue
            print(f"{folder}: trained in {time.monotonic() - start:.0f} s", flush=True)


def time_designs(designs: Sequence[str], *, table: Path, threads: int | None, rounds: int) -> None:
    """Time networks with random weights side by side on the CPU, in float32."""
    with tempfile.TemporaryDirectory() as folder:
        models = {design: Path(folder) / f"{design}.onnx" for design in designs}
        for design, path in models.items():
            path.write_bytes(write_graph(build_network(preset=design)).SerializeToString())
        result = benchmark(models, device="cpu", threads=threads, rounds=rounds)
    for failure in result.failures:
        print(failure)
    table.parent.mkdir(parents=True, exist_ok=True)
    write_csv(result, table)


def open_trained(
    designs: Sequence[str], *, styles: Sequence[Path], out: Path
) -> dict[Path, dict[str, Stylizer]]:
    """Open the models of those designs that are trained on all paintings, by painting and design.

    Raises:
        SystemExit: two were trained on different budgets, or no design on all paintings.
    """
    paths = {design: [out / style.stem / design / MODEL for style in styles] for design in designs}
    missing = [path for each in paths.values() for path in each if not path.exists()]
    for path in missing:
        print(f"{path}: not trained, so the design is left out")
    models = {
        design: [load_file(path, device="cpu") for path in each]
        for design, each in paths.items()
        if not set(each) & set(missing)
    }
    if not models:
        raise SystemExit(f"{out}: no design is trained on all paintings")
    budgets = [_budget(model) for each in models.values() for model in each]
    if any(budget != budgets[0] for budget in budgets):
        raise SystemExit(f"{out}: holds models of different budgets, which cannot be compared")
    return {
        style: {design: each[place] for design, each in models.items()}
        for place, style in enumerate(styles)
    }


def _budget(model: Stylizer) -> dict[str, object]:
    training = model.card.training
    return {key: training[key] for key in training if key not in ("preset", "style")}


def judge_models(
    models: Mapping[str, Stylizer],
    *,
    style: Path,
    judge: Judge,
    photos: Sequence[Path],
    photo_side: int,
    device: torch.device,
) -> Evaluation:
    """Measure what models paint by one judge."""
    settings = EvaluationSettings(
        content_layers=DEFAULTS.content_layers,
        style_layers=judge.style_layers,
        style_side=style_side(DEFAULTS.stroke_size),
        photo_side=photo_side,
        content_weight=DEFAULTS.content_weight,
        style_weight=JUDGE_STYLE_WEIGHT,
        total_variation_weight=DEFAULTS.total_variation_weight,
    )
    features = load_vgg(
        loss_network="vgg19",
        layers={*settings.content_layers, *settings.style_layers},
        weights=judge.weights,
    )
    return evaluate(
        models, style=style, photos=photos, features=features.to(device), settings=settings
    )


def judge_all(
    designs: Sequence[str],
    judges: Sequence[Judge],
    *,
    styles: Sequence[Path],
    photos: Sequence[Path],
    photo_side: int,
    out: Path,
    device: torch.device,
) -> list[Judged]:
    """Measure all trained models, draw the sheets and write the losses."""
    judged: list[Judged] = []
    for style, models in open_trained(designs, styles=styles, out=out).items():
        for judge in judges:
            evaluation = judge_models(
                models,
                style=style,
                judge=judge,
                photos=photos,
                photo_side=photo_side,
                device=device,
            )
            judged += [
                Judged(style.stem, judge.name, design, losses)
                for design, losses in evaluation.means().items()
            ]
            if judge is judges[0]:
                sheet = draw_sheet(evaluation, style=style)
                save_picture(sheet, out / style.stem / SHEET, overwrite=True)
    write_losses(judged, out / LOSSES)
    return judged


def _judge(text: str) -> Judge:
    name, _, rest = text.partition("=")
    weights, _, layers = rest.rpartition(":")
    if not (name and weights and layers):
        raise argparse.ArgumentTypeError(f"{text!r}: give NAME=FILE:LAYER,LAYER")
    return Judge(name, Path(weights), tuple(layers.split(",")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--styles", type=Path, nargs="+", default=[])
    parser.add_argument("--device", default="cpu", help="to train and to judge on")
    training = parser.add_argument_group("training")
    training.add_argument("--content", type=Path)
    training.add_argument("--steps", type=int, default=1200)
    training.add_argument("--batch-size", type=int, default=4)
    training.add_argument("--crop-size", type=int, default=DEFAULTS.crop_size)
    training.add_argument("--style-weight", type=float, default=6.0)
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--start-from", default=START_RANDOM)
    training.add_argument("--adam", action="store_true")
    timing = parser.add_argument_group("timing")
    timing.add_argument("--time", action="store_true")
    timing.add_argument("--threads", type=int, help="one for each core if left out")
    timing.add_argument("--rounds", type=int, default=ROUNDS)
    judging = parser.add_argument_group("judging")
    judging.add_argument("--judge", type=_judge, action="append", dest="judges", default=[])
    judging.add_argument("--validation", type=Path)
    judging.add_argument("--photos", type=int, default=12, help="the first so many")
    judging.add_argument("--photo-side", type=int, default=256)
    options = parser.parse_args()
    if (options.content or options.judges) and not options.styles:
        parser.error("--content and --judge need --styles")
    if options.judges and not options.validation:
        parser.error("--judge needs --validation")
    return options


def _budget_of(options: argparse.Namespace) -> TrainingConfig:
    return TrainingConfig(
        style="",
        content=str(options.content),
        start_from=options.start_from,
        style_weight=options.style_weight,
        crop_size=options.crop_size,
        minutes=None,
        steps=options.steps,
        batch_size=options.batch_size,
        seed=options.seed,
    )


def main() -> None:
    options = _options()
    PRESETS.update(DESIGNS)  # so that whatever builds networks by name builds these
    designs, styles, out = options.designs, options.styles, options.out
    device = choose_device(options.device)
    if options.content:
        train_all(
            _budget_of(options),
            designs=designs,
            styles=styles,
            out=out,
            device=device,
            adam=options.adam,
        )
    if options.time:
        time_designs(designs, table=out / TIMES, threads=options.threads, rounds=options.rounds)
    judged: list[Judged] = []
    if options.judges:
        judged = judge_all(
            designs,
            options.judges,
            styles=styles,
            photos=sorted(find_pictures(options.validation))[: options.photos],
            photo_side=options.photo_side,
            out=out,
            device=device,
        )
    means, times = average(judged), read_times(out / TIMES)
    if means and times:
        draw_plot(means, times, picture=out / PLOT)
    if means or options.time:
        print_markdown(designs, means, times)


if __name__ == "__main__":
    main()
