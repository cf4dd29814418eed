"""Statistics that tiles of a picture, or pictures of a scene, are painted by, measured by parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faststyle.contract import MEASURED, STATISTICS
from faststyle.cutting import Dimensions, carried, cut, only, origin, tensors_called
from faststyle.errors import ImageError, ModelError
from faststyle.port import INPUT_TYPES, Port, Statistics, too_large
from faststyle.session import QUIET, RUNTIME_ERRORS, OpenModel, open_model
from faststyle.tiles import Patch, Pixels

UNKNOWN = (0.0, 1.0)
"""What stands for mean and spread of layers that are not measured yet."""

MEAN = "ReduceMean"
"""The operator that makes a mean of features."""

GROWTH = 2.2
"""How many times as much may be kept after later layers as after the first."""

ELEMENTS = {
    **{"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7},
    **{"bool": 9, "float16": 10, "float64": 11, "uint32": 12, "uint64": 13},
}
"""ONNX's numbers of types, by numpy's names."""

Tensors = dict[str, NDArray[Any]]


def can_share(path: Path) -> bool:
    """Tell whether a file has names for what normalizes its layers, as those exported now have."""
    try:
        return bool(tensors_called(path.read_bytes(), STATISTICS))
    except (ValueError, OSError):
        return False


class Stretch(NamedTuple):
    """A part of what a file computes: from one layer that is measured to the next."""

    number: int
    """Of the statistics."""
    features: str
    """Name of what is measured at its end."""
    carries: set[str]
    """Names of what it and those before it make for those after it."""


class Sharing:
    """A file of ours that is given what normalizes its layers.

    Attributes:
        port: paints by statistics that it is given.
    """

    def __init__(self, path: Path, *, device: str, threads: int | None) -> None:
        """Open the file.

        Args:
            path: a file of ours whose statistics can be shared.
            device: where to compute, as for `faststyle.session.open_model`.
            threads: CPU threads; None is one for each core.

        Raises:
            ModelError: the file cannot be loaded, or is of a form that shares nothing.
        """
        self._path = path
        self._device = device
        self._threads = threads
        self._edited: dict[str, bytes] = {}
        self.port = Port(self._open(_with_statistics, name="all"), path=path, ours=True)

    def paint_by(
        self, patches: Sequence[Patch], *, step: int, memory: int
    ) -> Callable[[Pixels], Pixels]:
        """Return what paints uint8 H×W×3 by the statistics of some patches, as `measure`."""
        return partial(self.port.paint, statistics=self.measure(patches, step=step, memory=memory))

    def measure(self, patches: Sequence[Patch], *, step: int, memory: int) -> Statistics:
        """Find the statistics of pictures, layer after layer, by features of parts of them.

        Args:
            patches: the parts, of which the inner areas count.
            step: pixels from one position of features that is measured to the next.
            memory: bytes for what is kept of the parts from layer to layer; where that is too
                little, each layer is computed from the pixels anew, with the same result.

        Returns:
            What normalizes a picture that the inner areas make up.

        Raises:
            ImageError: a patch cannot be computed.
        """
        finishing = self._open(_without_features, name="end")
        stretches = self._stretches
        found: dict[str, NDArray[np.float32]] = {
            f"{name}{each.number}": np.full((1, 1, 1, 1), value, np.float32)
            for name, value in zip(STATISTICS, UNKNOWN, strict=True)
            for each in stretches
        }
        keep = True
        kept: list[Tensors] = [{} for _ in patches]
        for stretch in stretches:
            carries = stretch.carries if keep else set()
            # Opened for this alone, as what a session has used of memory it keeps.
            model = self._open(
                partial(_with_stretch, stretch=stretch, kept=kept[0]),
                name=f"{stretch.number} {sorted(kept[0])}",
            )
            inner = []
            for index, patch in enumerate(patches):
                wanted = {stretch.features, *carries}
                made = self._compute(model, wanted, patch, statistics=found, kept=kept[index])
                inner.append(patch.inner(made[stretch.features][0], step=step))
                carried_on = {name: made[name] for name in carries}
                growth = GROWTH if stretch == stretches[0] else 1
                keep = keep and growth * len(patches) * _bytes(carried_on) <= memory
                # onnxruntime computes float16 in float32 on CPUs, and rounds what is put out.
                keep = keep and not any(each.dtype == np.float16 for each in carried_on.values())
                kept[index] = carried_on if keep else {}
            if not keep:
                kept = [{} for _ in patches]
            names = [f"{name}{stretch.number}" for name in STATISTICS]
            feed = _all_inputs(finishing, {stretch.features: _alike(inner)})
            measured = finishing.session.run([MEASURED + each for each in names], feed, QUIET)
            found |= zip(names, measured, strict=True)
        return found

    def _compute(
        self,
        model: OpenModel,
        names: Set[str],
        patch: Patch,
        *,
        statistics: Statistics,
        kept: Tensors,
    ) -> Tensors:
        """Compute some tensors of a patch, but for those that are kept, by their names.

        Raises:
            ImageError: there is not enough memory.
        """
        port = self.port
        feed = port.taken.feed(patch.pixels, white=port.white, statistics=statistics)
        feed |= kept
        taken = {each.name: feed[each.name] for each in model.session.get_inputs()}
        outputs = sorted(names - set(kept))
        try:
            made = model.session.run(outputs, taken, QUIET)
        except RUNTIME_ERRORS as error:
            raise ImageError(too_large(patch.pixels)) from error
        return kept | dict(zip(outputs, made, strict=True))

    @cached_property
    def _stretches(self) -> list[Stretch]:
        return _stretches(self._path.read_bytes())

    def _open(self, edit: Callable[[bytes], bytes], *, name: str) -> OpenModel:
        """Open the file edited, which is done once for each name."""

        def edited(content: bytes) -> bytes:
            if name not in self._edited:
                self._edited[name] = self._edit(content, edit)
            return self._edited[name]

        return open_model(self._path, device=self._device, threads=self._threads, edit=edited)

    def _edit(self, content: bytes, edit: Callable[[bytes], bytes]) -> bytes:
        try:
            if tensors_called(content, STATISTICS):
                return edit(content)
        except ValueError as error:  # onnxruntime opens its own format, which cannot be cut
            raise ModelError(
                f"{self._path}: a file of this format cannot paint in tiles; pass the .onnx "
                "file that it was made of, or give it more --memory"
            ) from error
        raise ModelError(f"{self._path}: too old to paint a picture in tiles; export it again")


def _with_statistics(content: bytes) -> bytes:
    """Make inputs of what normalizes the layers."""
    names = tensors_called(content, STATISTICS)
    return cut(content, tensors={name: _dimensions(name, 1, 1) for name in names})


def _with_stretch(content: bytes, *, stretch: Stretch, kept: Tensors) -> bytes:
    """Make inputs of what normalizes the layers and of what is kept, and outputs of the stretch."""
    elements = {name: ELEMENTS[each.dtype.name] for name, each in kept.items()}
    made = {stretch.features, *stretch.carries} - set(kept)
    content = _with_statistics(only(content, tensors=made))
    return cut(content, tensors=dict.fromkeys(kept), elements=elements)


def _without_features(content: bytes) -> bytes:
    """Make inputs of the features that are measured, and outputs of what is found of them."""
    measured = tensors_called(content, tuple(f"{MEASURED}{name}" for name in STATISTICS))
    content = only(content, tensors=measured)
    return cut(content, tensors={name: _dimensions(name) for name in _features(content).values()})


def _features(content: bytes) -> dict[int, str]:
    """Return the names of the features that are measured, float32 N×C×h×w, by their numbers."""
    means = f"{MEASURED}{STATISTICS[0]}"
    names = {int(name.removeprefix(means)): name for name in tensors_called(content, (means,))}
    return {number: origin(content, names[number], of=MEAN) for number in sorted(names)}


def _stretches(content: bytes) -> list[Stretch]:
    """Cut what a file computes where features are measured."""
    features = _features(content)
    ways = list(features.values())
    carries = carried(_with_statistics(only(content, tensors=ways)), ways=ways)
    return [Stretch(*each) for each in zip(features, features.values(), carries, strict=True)]


def _bytes(tensors: Tensors) -> int:
    return sum(each.nbytes for each in tensors.values())


def _dimensions(name: str, *sides: int) -> Dimensions:
    return (f"{name}_pictures", f"{name}_channels", *(sides or (f"{name}_rows", f"{name}_columns")))


def _alike(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return features of two positions whose means and variances are those of all parts.

    Args:
        parts: C×h×w each.

    Returns:
        1×C×1×2.
    """
    count, total, squares = 0, np.float64(0), np.float64(0)
    for part in parts:
        values = part.reshape(len(part), -1).astype(np.float64)
        count += values.shape[1]
        total = total + values.sum(axis=1)
        squares = squares + (values**2).sum(axis=1)
    mean = total / count
    spread = np.sqrt(np.maximum(0, squares / count - mean**2))
    return np.stack([mean - spread, mean + spread], axis=-1)[None, :, None].astype(np.float32)


def _all_inputs(model: OpenModel, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Add something to what a model is given for each of its inputs that is not needed."""
    return {
        each.name: np.zeros([side if isinstance(side, int) else 1 for side in each.shape], kind)
        for each in model.session.get_inputs()
        for kind in [INPUT_TYPES[each.type]]
    } | given
