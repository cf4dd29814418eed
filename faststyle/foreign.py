"""Fast-style networks of other makers: ONNX files that do not follow our contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.context import small_copy
from faststyle.contract import CONTEXT, INPUT
from faststyle.errors import ImageError, ModelError
from faststyle.session import RUNTIME_ERRORS, OpenModel, describe_value, open_model

SUPPORTED = (
    "supported is one picture in, as float32, float16 or uint8 N×3×H×W or N×H×W×3, and one out"
)

INPUT_TYPES: dict[str, type[Any]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}

MULTIPLE = 4
"""Networks that halve a picture twice return its size only if the sides divide by this."""

PROBE_SIDE = 128

BRIGHT = 8.0
"""Mean of absolute values from which on a picture is taken to reach from 0 to 255, and
below it from 0 to 1; ordinary ones have a mean near 128 or near 0.5."""


@dataclass(frozen=True)
class PictureInput:
    """What a file takes that repaints one picture."""

    name: str
    """Name of the input for the picture."""
    type: type[Any]
    """Type of its numbers."""
    channels_first: bool
    """Whether it is N×3×H×W; otherwise it is N×H×W×3."""
    height: int | None
    """In pixels; None where any will do."""
    width: int | None
    """In pixels; None where any will do."""
    context: bool
    """Whether it takes a small copy of the picture too, as some of ours do."""

    def feed(self, pixels: NDArray[np.uint8], *, white: float) -> dict[str, NDArray[Any]]:
        """Make the inputs for one picture, by name, as the file takes them.

        Args:
            pixels: uint8 H×W×3, RGB, of sides that the file takes.
            white: the value that stands for 255.
        """
        batch = (pixels[None] * np.float32(white / 255)).astype(self.type)
        if self.channels_first:
            batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        feed = {self.name: batch}
        return {**feed, CONTEXT: small_copy(pixels)[None]} if self.context else feed


class ForeignStylizer:
    """Repaints pictures with an open file that another program made.

    Attributes:
        device: the device it runs on, such as ``"cpu"``.
    """

    def __init__(self, model: OpenModel, *, path: Path) -> None:
        """Find out what the file takes and gives, also by repainting a small picture.

        Args:
            model: the open file.
            path: where it lies, for error messages.

        Raises:
            ModelError: it does not turn one picture into one picture.
        """
        self.device = model.device
        self._path = path
        self._session = model.session
        self._input = read_input(model, path=path)
        self._white = 255.0 if self._input.type is np.uint8 else 1.0
        self._white_out = 1.0
        if np.abs(self._compute(self._scaled(_probe()))).mean() > BRIGHT:
            self._white = self._white_out = 255.0

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Repaint one picture.

        A file that takes one size only gets the picture scaled to that size, and its
        result is scaled back.

        Args:
            pixels: uint8 H×W×3, RGB.

        Returns:
            An array of the same type and shape.

        Raises:
            ImageError: the picture cannot be computed.
        """
        height, width = pixels.shape[:2]
        # Sides that are scaled anyway need no padding.
        below = 0 if self._input.height else -height % MULTIPLE
        right = 0 if self._input.width else -width % MULTIPLE
        padded = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
        try:
            painted = self._compute(self._scaled(padded))
        except ModelError as error:
            raise ImageError(str(error)) from error
        values = np.rint(painted * (255 / self._white_out)).clip(0, 255).astype(np.uint8)
        return _resized(values, height=height + below, width=width + right)[:height, :width]

    def _scaled(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale a picture to the sides that the file insists on."""
        height, width = pixels.shape[:2]
        return _resized(
            pixels, height=self._input.height or height, width=self._input.width or width
        )

    def _compute(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the file on uint8 H×W×3, and return what it gives as float32 h×w×3.

        Raises:
            ModelError: it fails, or gives something else than a picture.
        """
        feed = self._input.feed(pixels, white=self._white)
        output = self._session.get_outputs()[0].name
        try:
            (painted,) = self._session.run([output], feed)
        except RUNTIME_ERRORS as error:
            height, width = pixels.shape[:2]
            raise ModelError(
                f"{self._path}: could not repaint a picture of {width}×{height} pixels; "
                f"try another size; {SUPPORTED}"
            ) from error
        shape: tuple[int, ...] = getattr(painted, "shape", ())
        if len(shape) != 4 or shape[0] != 1 or 3 not in (shape[1], shape[3]):
            given = "×".join(map(str, shape)) or type(painted).__name__
            raise ModelError(f"{self._path}: gives {given} for a picture; {SUPPORTED}")
        picture: NDArray[np.float32] = painted[0].astype(np.float32)
        if not np.isfinite(picture).all():
            raise ModelError(f"{self._path}: gives NaN or infinite values; export it again")
        return picture.transpose(1, 2, 0) if shape[1] == 3 else picture


def load_foreign(path: Path, *, device: str = "cpu", threads: int | None = None) -> ForeignStylizer:
    """Open a fast-style network of any maker.

    The file may take float32, float16 or uint8 pictures, N×3×H×W or N×H×W×3, of any size or
    of one, with values from 0 to 255 or from 0 to 1. What it gives may overshoot that range
    and differ in size.

    Args:
        path: an ONNX file.
        device: one of `faststyle.session.DEVICES`.
        threads: CPU threads; None is one for each core.

    Raises:
        ModelError: the file cannot be loaded, or does not turn one picture into one picture.
        DeviceError: the device cannot be used here.
    """
    return ForeignStylizer(open_model(path, device=device, threads=threads), path=path)


def read_input(model: OpenModel, *, path: Path) -> PictureInput:
    """Find out what an open file takes, ours too.

    Args:
        model: the open file.
        path: where it lies, for error messages.

    Raises:
        ModelError: it does not take one picture.
    """
    inputs = model.session.get_inputs()
    context = [each.name for each in inputs] == [INPUT, CONTEXT]
    picture = inputs[0] if len(inputs) == 1 or context else None
    if picture is not None and picture.type in INPUT_TYPES and len(picture.shape) == 4:
        count, *sides = map(_fixed, picture.shape)
        channels_first = sides[0] == 3
        channels = sides.pop(0 if channels_first else 2)
        if count in (None, 1) and channels == 3:
            return PictureInput(
                name=picture.name,
                type=INPUT_TYPES[picture.type],
                channels_first=channels_first,
                height=sides[0],
                width=sides[1],
                context=context,
            )
    taken = ", ".join(map(describe_value, inputs)) or "nothing"
    raise ModelError(f"{path}: takes {taken}; {SUPPORTED}")


def _fixed(side: object) -> int | None:
    """Return the length of a side, None where it is free: a name, nothing, or not positive."""
    return side if isinstance(side, int) and side > 0 else None


def _probe() -> NDArray[np.uint8]:
    """Draw soft colours from black to white."""
    down, across = np.meshgrid(*[np.linspace(0, 1, PROBE_SIDE)] * 2, indexing="ij")
    waves = np.stack([down, across, np.sin(9 * down) * np.cos(7 * across) / 2 + 0.5], axis=-1)
    return (255 * waves).astype(np.uint8)


def _resized(pixels: NDArray[np.uint8], *, height: int, width: int) -> NDArray[np.uint8]:
    if pixels.shape[:2] == (height, width):
        return pixels
    picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture)
