"""Exporting a network to one ONNX file, and measuring that it is the same network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import ImageOps

from faststyle.contract import (
    CONTEXT,
    CONTRACT_VERSION,
    INPUT,
    LARGEST_MEAN,
    NCHW_FLOAT,
    NHWC_UINT8,
    OUTPUT,
    ModelCard,
)
from faststyle.errors import DataError, ExportError, ImageError
from faststyle.files import whole_file
from faststyle.images import open_colors
from faststyle.port import FULLY
from faststyle.training.config import SAYINGS, Plan, TrainingConfig
from faststyle.training.ends import Form
from faststyle.training.equalizing import equalized
from faststyle.training.graph import DEFAULT_FORM, write_graph
from faststyle.training.network import TransformerNetwork, finite
from faststyle.training.observing import observe
from faststyle.training.quantize import write_quantized_graph
from faststyle.version import __version__

FEWEST_PHOTOS = 8
"""Least number of photos to quantize by."""

PHOTOS = 48
"""Photos that are looked at, or up to twice as many, at even distances; a third of them to compare
with, the rest to quantize by."""

LEAST_SIDE = 64
"""Shorter side of the smallest photos looked at, in pixels, when they are scaled; in smaller ones
int8 differs more."""

PHOTO_SIDE = 512
"""Longer side that those photos are scaled to, in pixels."""

LARGEST = 2
"""Largest difference allowed in fp32, in levels of 255."""

CHECKED_SIZES = ((13, 23), (37, 64), (61, 127), (250, 333))
"""Heights and widths that both are compared at: odd, small, and off every multiple.

Fewer pixels have little to normalize by but errors of rounding, which grow from layer to layer.
"""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Difference:
    """How far an exported model is from its network in float32, in levels of 255."""

    mean: float
    """Over all pixels and colours of all pictures."""
    percentile_99: float
    largest: float
    worst_mean: float
    """Mean of the picture with the largest mean."""
    worst: int
    """Its index."""


def export_model(
    network: TransformerNetwork,
    path: Path,
    *,
    card: ModelCard,
    precision: str = "fp32",
    form: Form = DEFAULT_FORM,
    photos: Sequence[Path] = (),
    largest_mean: float = LARGEST_MEAN,
) -> Difference:
    """Write a network as an ONNX file that follows the contract of `faststyle.contract`.

    The file is written only if onnx's checker accepts it and onnxruntime paints with it
    what torch paints, at several odd sizes.

    Args:
        network: a trained network, on the CPU.
        path: where to write; missing folders are made, an existing file is replaced.
        card: what it says of itself, as `model_card` makes it; what follows from the other
            arguments is filled in.
        precision: fp32; fp16, which is float16 arithmetic where the device has it, and half
            the file size; or int8, for CPUs.
        form: what the file takes and gives.
        photos: to quantize by, and others of them to measure the difference on; int8 needs
            some, the other precisions are measured on noise.
        largest_mean: mean difference on one picture that other precisions than fp32 may have,
            in levels of 255.

    Raises:
        ExportError: the file cannot be written, or does not reproduce the network, or that has
            weights that are no numbers or takes no context.
        DataError: int8 has too few photos.
    """
    _refuse_network(network, path, form=form)
    model, compared = _write(network, precision=precision, form=form, photos=photos)
    _check(model, path=path)
    pictures = [picture for _, picture in compared]
    difference = measure(network, model.SerializeToString(), pictures=pictures)
    if difference.largest > LARGEST and precision == "fp32":
        raise ExportError(
            f"{path}: onnxruntime differs from torch by {difference.largest:g}/255, "
            f"more than {LARGEST}/255; nothing was written"
        )
    if precision != "fp32" and difference.worst_mean > largest_mean:
        name, _ = compared[difference.worst]
        raise ExportError(
            f"{path}: in {precision}, one picture ({name}) differs by "
            f"{difference.worst_mean:.2f}/255 on average, more than {largest_mean:g}/255; nothing "
            "was written; export it as fp32, or accept that with --max-difference"
        )
    card = _completed(card, network, precision=precision, form=form, difference=difference)
    metadata = {name: _in_unicode(text) for name, text in card.to_metadata().items()}
    onnx.helper.set_model_props(model, metadata)
    try:
        with whole_file(path) as temporary:
            temporary.write_bytes(model.SerializeToString())
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})") from error
    return difference


def _refuse_network(network: TransformerNetwork, path: Path, *, form: Form) -> None:
    """Refuse networks that no file can be made of.

    Raises:
        ExportError: it has weights that are no numbers, or takes no context where it should.
    """
    if form.context_input and not network.takes_context:
        raise ExportError(
            f"{path}: not written, as tiles cannot share what {network.shape} measures; leave out "
            "--context-input, or export a network of the preset fast or quality"
        )
    if not finite(network):
        raise ExportError(
            f"{path}: not written, as a weight of the network is NaN or infinite; "
            "export an older checkpoint or model"
        )


def _write(
    network: TransformerNetwork, *, precision: str, form: Form, photos: Sequence[Path]
) -> tuple[onnx.ModelProto, list[tuple[Path, Pixels]]]:
    """Return the model, and the pictures to compare it on with what they are called."""
    if precision != "int8":
        noises = [(Path("noise"), noise) for noise in _smooth_noises(form.size)]
        return write_graph(network, half=precision == "fp16", form=form), noises
    read = _read_photos(photos, size=form.size)
    planes = [_planes(picture) for index, (_, picture) in enumerate(read) if index % 3]
    even = equalized(network, planes)
    return write_quantized_graph(even, seen=observe(even, planes), form=form), read[::3]


def _completed(
    card: ModelCard,
    network: TransformerNetwork,
    *,
    precision: str,
    form: Form,
    difference: Difference,
) -> ModelCard:
    """Fill in what a file says of its form and of how it compares."""
    of_all = ("mean", "percentile_99", "largest")
    context = ("input" if form.context_input else "inside") if network.takes_context else ""
    return replace(
        card,
        faststyle_version=__version__,
        layout=form.layout,
        precision=precision,
        context=context,
        difference={name: round(getattr(difference, name), 3) for name in of_all},
        contract_version=CONTRACT_VERSION,
    )


def model_card(
    network: TransformerNetwork, *, config: TrainingConfig, plan: Plan, trained_steps: int
) -> ModelCard:
    """Fill in what the exported model says of itself."""
    settings = {**config.to_dict(), **asdict(plan)}
    training = {key: value for key, value in settings.items() if key not in SAYINGS}
    # Folders of the machine that trained it are nobody's business.
    paths = ("style", "content", "vgg_weights", "start_from")
    training |= {key: _in_unicode(Path(training[key]).name) for key in paths if training[key]}
    return replace(
        network_card(network, style=config.name or Path(config.style).stem),
        description=config.description,
        author=config.author,
        license=config.license,
        source=config.source,
        trained_steps=trained_steps,
        training=training,
    )


def _in_unicode(text: str) -> str:
    """Replace what is no text, as in names of files from machines with another encoding.

    A model's metadata holds none of it, and a run must not end by that after its training.
    """
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def network_card(network: TransformerNetwork, *, style: str) -> ModelCard:
    """Fill in what an exported model says of its network alone."""
    return ModelCard(
        style=style,
        preset=network.shape,
        normalization=network.normalization,
        multiple=network.multiple,
        halo=-(-network.halo // network.multiple) * network.multiple,
        faststyle_version=__version__,
    )


def measure(
    network: TransformerNetwork, content: bytes, *, pictures: Sequence[Pixels]
) -> Difference:
    """Compare a model with its network in float32.

    Args:
        network: on the CPU.
        content: the model file.
        pictures: uint8 N×H×W×3 each.
    """
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}
    layout = NHWC_UINT8 if "uint8" in session.get_inputs()[0].type else NCHW_FLOAT
    differences = []
    for images in pictures:
        inputs = {INPUT: _as_taken(images, layout=layout)}
        if CONTEXT in names:
            inputs[CONTEXT] = inputs[INPUT]
        inputs |= {name: np.array(FULLY[name], np.float32) for name in names & set(FULLY)}
        (result,) = session.run([OUTPUT], inputs)
        if layout == NCHW_FLOAT:
            result = _levels(torch.from_numpy(result))
        painted = _run_torch(network, images)
        differences.append(np.abs(painted.astype(int) - result.astype(int)).ravel())
    every = np.concatenate(differences)
    means = [float(each.mean()) for each in differences]
    return Difference(
        mean=float(every.mean()),
        percentile_99=float(np.percentile(every, 99)),
        largest=float(every.max()),
        worst_mean=max(means),
        worst=means.index(max(means)),
    )


def _check(model: onnx.ModelProto, *, path: Path) -> None:
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"{path}: the exported graph is not valid ({error})") from error


def _run_torch(network: TransformerNetwork, images: Pixels) -> Pixels:
    with torch.no_grad():
        return _levels(network(_planes(images)))


def _levels(pictures: torch.Tensor) -> Pixels:
    """Turn float N×3×H×W into uint8 N×H×W×3."""
    levels = (pictures * 255).round().clamp(0, 255).byte()
    pixels: Pixels = levels.permute(0, 2, 3, 1).numpy()
    return pixels


def _as_taken(images: Pixels, *, layout: str) -> NDArray[Any]:
    return images if layout == NHWC_UINT8 else _planes(images).contiguous().numpy()


def _planes(images: Pixels) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def _read_photos(
    paths: Sequence[Path], *, size: tuple[int, int] | None
) -> list[tuple[Path, Pixels]]:
    """Read some of the photos, uint8 1×H×W×3 each, but for what is small or cannot be read."""
    pictures = []
    for path in paths[:: max(1, len(paths) // PHOTOS)]:
        with suppress(ImageError):
            photo = open_colors(path)
            if size is None:
                photo.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
            if min(photo.size) < LEAST_SIDE:
                continue
            if size is not None:
                photo = ImageOps.fit(photo, size[::-1])
            pictures.append((path, np.asarray(photo)[None].copy()))
    if len(pictures) < FEWEST_PHOTOS:
        raise DataError(
            f"int8 needs {FEWEST_PHOTOS} photos of {LEAST_SIDE} pixels and more to measure the "
            f"network on, and {len(pictures)} can be read; name a folder of more with --photos"
        )
    return pictures


def _smooth_noises(size: tuple[int, int] | None) -> Iterator[Pixels]:
    """Draw pictures of soft blotches with a little grain: uint8 N×H×W×3.

    Pairs of several sizes, or where a size is fixed, single ones of it.
    """
    draw = np.random.default_rng(0)
    count = 2 if size is None else 1
    for height, width in CHECKED_SIZES if size is None else [size] * 2:
        coarse = torch.from_numpy(draw.uniform(0, 255, (count, 3, 5, 5)))
        soft = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
        grain = draw.normal(0, 8, (count, height, width, 3))
        levels = soft.permute(0, 2, 3, 1).numpy() + grain
        yield levels.clip(0, 255).astype(np.uint8)
