"""Compare how two loss networks rank pictures: Spearman's rank correlation for each term.

python bench/loss_networks.py --content photos/ --styles styles/ --reference vgg19.pth
    [--compared FILE] [--layers relu1_1,relu2_1,relu3_1,relu3_2] [--photos 12]

The pictures are photos and what bundled styles, blends with them, grain, blur and shifts of
colour make of them. "all pictures" ranks them all together; "of one photo" ranks the versions
of each photo and averages over photos: that is how models are compared with each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

import faststyle
from faststyle.files import evenly_chosen, find_pictures
from faststyle.training.config import TrainingConfig, style_side
from faststyle.training.evaluate import (
    Evaluation,
    EvaluationSettings,
    Pixels,
    Repaint,
    evaluate,
)
from faststyle.training.vgg import LITE, VggFeatures, load_vgg

STYLES = ("starry_night", "wave")
"""Bundled styles that pictures are changed by."""

SIDE = 256


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--content", type=Path, required=True)
    parser.add_argument("--styles", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True, help="VGG-19 state dict")
    parser.add_argument("--compared", type=Path, help="VGG-19 state dict; lite if left out")
    parser.add_argument("--layers", default="relu1_1,relu2_1,relu3_1,relu3_2")
    parser.add_argument("--photos", type=int, default=12)
    options = parser.parse_args()
    layers = tuple(options.layers.split(","))
    networks = (
        load_vgg(loss_network="vgg19", layers=layers, weights=options.reference),
        load_vgg(
            loss_network="vgg19" if options.compared else LITE,
            layers=layers,
            weights=options.compared,
        ),
    )
    photos = evenly_chosen(sorted(find_pictures(options.content)), most=options.photos)
    tables = {}
    for style in sorted(find_pictures(options.styles)):
        reference, compared = (
            _evaluate(network, style=style, photos=photos, layers=layers) for network in networks
        )
        tables[style.stem] = _correlations(reference, compared)
    _print(tables, title="all pictures", place=0)
    _print(tables, title="of one photo", place=1)


def _evaluate(
    network: VggFeatures, *, style: Path, photos: list[Path], layers: tuple[str, ...]
) -> Evaluation:
    settings = EvaluationSettings(
        content_layers=layers,
        style_layers=layers,
        style_side=style_side(TrainingConfig.stroke_size),
        photo_side=SIDE,
        content_weight=1,
        style_weight=1,
        total_variation_weight=0,
    )
    return evaluate(_versions(), style=style, photos=photos, features=network, settings=settings)


def _versions() -> dict[str, Repaint]:
    """Ways to change a picture, from hardly visible to wholly repainted."""
    versions: dict[str, Repaint] = {}
    for name in STYLES:
        stylizer = faststyle.load(name, device="cpu")
        versions[name] = stylizer
        versions[f"half {name}"] = partial(_half, stylizer)
    versions["grain"] = lambda photo: _grain(photo, spread=12)
    versions["much grain"] = lambda photo: _grain(photo, spread=40)
    versions["blur"] = lambda photo: _filtered(photo, ImageFilter.GaussianBlur(2))
    versions["median"] = lambda photo: _filtered(photo, ImageFilter.MedianFilter(7))
    versions["pale"] = lambda photo: _pixels(
        ImageEnhance.Color(Image.fromarray(photo)).enhance(0.2)
    )
    versions["blue"] = lambda photo: (photo * np.array([0.6, 0.8, 1.0])).astype(np.uint8)
    return versions


def _half(repaint: Repaint, photo: Pixels) -> Pixels:
    painted = Image.fromarray(repaint(photo))
    return _pixels(Image.blend(Image.fromarray(photo), painted, 0.5))


def _grain(photo: Pixels, *, spread: float) -> Pixels:
    noise = np.random.default_rng(0).normal(0, spread, photo.shape)
    return (photo + noise).clip(0, 255).astype(np.uint8)


def _filtered(photo: Pixels, filtering: ImageFilter.Filter) -> Pixels:
    return _pixels(Image.fromarray(photo).filter(filtering))


def _pixels(picture: Image.Image) -> Pixels:
    return np.asarray(picture, np.uint8)


def _correlations(reference: Evaluation, compared: Evaluation) -> dict[str, tuple[float, float]]:
    """Rank correlation of each column over all pictures, and over those of one photo."""
    versions = len(reference.means())
    table = {}
    for column in reference.rows[0].losses:
        if column in ("total_variation", "total"):
            continue
        pairs = np.array(
            [
                (one.losses[column], other.losses[column])
                for one, other in zip(reference.rows, compared.rows, strict=True)
            ]
        )
        by_photo = pairs.reshape(-1, versions, 2)
        table[column] = (_spearman(pairs), fmean(_spearman(each) for each in by_photo))
    return table


def _spearman(pairs: NDArray[np.float64]) -> float:
    """Rank correlation of the columns of an N×2 array."""
    ranks = pairs.argsort(0).argsort(0)
    correlations: NDArray[np.float64] = np.asarray(np.corrcoef(ranks.T))
    return float(correlations[0, 1])


def _print(
    tables: Mapping[str, Mapping[str, tuple[float, float]]], *, title: str, place: int
) -> None:
    columns = list(next(iter(tables.values())))
    print(f"\n{title:<28}" + "".join(f"{column:>16}" for column in columns))
    for style, table in tables.items():
        print(f"{style:<28}" + "".join(f"{table[column][place]:16.3f}" for column in columns))
    means = (fmean(table[column][place] for table in tables.values()) for column in columns)
    print(f"{'mean':<28}" + "".join(f"{mean:16.3f}" for mean in means))


if __name__ == "__main__":
    main()
