"""Statistics of a picture that all of its tiles are painted by, measured part after part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faststyle.contract import MEASURED, STATISTICS
from faststyle.cutting import Dimensions, cut, expose, origin, tensors_called
from faststyle.errors import ModelError
from faststyle.port import INPUT_TYPES, Port, Statistics
from faststyle.session import ONLY_NEEDED, OpenModel, open_model
from faststyle.tiles import Patch

UNKNOWN = (0.0, 1.0)
"""What stands for mean and spread of layers that are not measured yet."""

MEAN = "ReduceMean"
"""The operator that makes a mean of features."""

Edit = Callable[[bytes], bytes]


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
        self.port = Port(self._open(_with_statistics), path=path, ours=True)

    def measure(self, patches: Sequence[Patch], *, step: int) -> Statistics:
        """Find the statistics of a picture, layer after layer, by features of parts of it.

        Args:
            patches: the parts, of which the inner areas count.
            step: pixels from one position of features that is measured to the next.

        Returns:
            What normalizes the picture that the inner areas make up.

        Raises:
            ImageError: a patch cannot be computed.
        """
        # Opened for this alone, as what a session has used of memory it keeps.
        measuring = Port(self._open(_with_features), path=self._path, ours=True)
        finishing = self._open(_without_features)
        features = _features(self._path.read_bytes())
        found: dict[str, NDArray[np.float32]] = {
            f"{name}{number}": np.full((1, 1, 1, 1), value, np.float32)
            for name, value in zip(STATISTICS, UNKNOWN, strict=True)
            for number in features
        }
        for number, tensor in features.items():
            names = [f"{name}{number}" for name in STATISTICS]
            parts = (
                patch.inner(measuring.features(tensor, patch.pixels, statistics=found), step=step)
                for patch in patches
            )
            outputs = [f"{MEASURED}{name}" for name in names]
            feed = _all_inputs(finishing, {tensor: _alike(parts)})
            found |= zip(names, finishing.session.run(outputs, feed, ONLY_NEEDED), strict=True)
        return found

    def _open(self, edit: Callable[[bytes], bytes]) -> OpenModel:
        def edited(content: bytes) -> bytes:
            try:
                names = tensors_called(content, STATISTICS)
            except ValueError as error:  # onnxruntime opens its own format, which cannot be cut
                raise ModelError(
                    f"{self._path}: a file of this format cannot paint in tiles; pass the .onnx "
                    "file that it was made of, or give it more --memory"
                ) from error
            if not names:
                raise ModelError(
                    f"{self._path}: too old to paint a picture in tiles; export it again"
                )
            return edit(content)

        return open_model(self._path, device=self._device, threads=self._threads, edit=edited)


def _with_statistics(content: bytes) -> bytes:
    """Make inputs of what normalizes the layers."""
    names = tensors_called(content, STATISTICS)
    return cut(content, tensors={name: _dimensions(name, 1, 1) for name in names})


def _with_features(content: bytes) -> bytes:
    """Make inputs of what normalizes the layers, and outputs of the features that are measured."""
    tensors = {name: _dimensions(name) for name in _features(content).values()}
    return _with_statistics(expose(content, tensors=tensors))


def _without_features(content: bytes) -> bytes:
    """Make inputs of the features that are measured, and outputs of what is found of them."""
    measured = tensors_called(content, tuple(f"{MEASURED}{name}" for name in STATISTICS))
    content = expose(content, tensors={name: _dimensions(name, 1, 1) for name in measured})
    return cut(content, tensors={name: _dimensions(name) for name in _features(content).values()})


def _features(content: bytes) -> dict[int, str]:
    """Return the names of the features that are measured, float32 N×C×h×w, by their numbers."""
    means = f"{MEASURED}{STATISTICS[0]}"
    names = {int(name.removeprefix(means)): name for name in tensors_called(content, (means,))}
    return {number: origin(content, names[number], of=MEAN) for number in sorted(names)}


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
