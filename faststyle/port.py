"""What an ONNX file takes and gives: ours in all their forms, and fast-style networks of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.contract import (
    CONTEXT,
    INPUT,
    KEEP_COLORS,
    LARGEST_SIDE,
    OUTPUT,
    STATISTICS,
    STRENGTH,
)
from faststyle.errors import ImageError, ModelError
from faststyle.ranges import BYTES, PROBE_SIDE, RICH, Range, bits, draw_probe, range_of
from faststyle.session import QUIET, RUNTIME_ERRORS, OpenModel, describe_value

SUPPORTED = (
    "supported is one picture in, as float32, float16 or uint8 N×3×H×W or N×H×W×3, and one out, "
    "as float16, float32, float64 or whole numbers"
)

INPUT_TYPES: dict[str, type[Any]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}

OUTPUT_TYPES = {
    f"tensor({name})"
    for name in (
        *("float16", "float", "double", "bool"),
        *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    )
}

EXTRAS: tuple[Set[str], ...] = (
    set(),
    {CONTEXT},
    {STRENGTH, KEEP_COLORS},
    {CONTEXT, STRENGTH, KEEP_COLORS},
)
"""What files of ours take besides the picture, and besides statistics."""

Statistics = Mapping[str, NDArray[np.float32]]
"""What normalizes the layers of a file, by the names of its tensors."""

NOTHING: Statistics = {}

FULLY = {STRENGTH: 1.0, KEEP_COLORS: 0.0}
"""Numbers with which a file with controls gives the painting."""

MULTIPLES = (4, 8, 16, 32)
"""What sides are tried to be divisible by: networks that halve a picture two to five times return
its size only then."""

SMALLEST_PART = 16
"""A result with a side this many times smaller than that of its photo is taken for no picture."""


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
    extras: Set[str]
    """What it takes besides, as some of ours do: one of `EXTRAS`, and statistics."""

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width of the only pictures it takes; None where any will do.

        A side that is free where the other is fixed is taken to be as long.
        """
        height, width = self.height or self.width, self.width or self.height
        return None if height is None or width is None else (height, width)

    def feed(
        self,
        pixels: NDArray[np.uint8],
        *,
        white: float,
        context: NDArray[np.uint8] | None = None,
        statistics: Statistics = NOTHING,
    ) -> dict[str, NDArray[Any]]:
        """Make the inputs for one picture, by name, as the file takes them.

        Args:
            pixels: uint8 H×W×3, RGB, of sides that the file takes.
            white: the value that stands for 255.
            context: what to measure in place of the picture, uint8 h×w×3; None takes the picture.
            statistics: what normalizes the layers, for files that take that.
        """
        feed = {self.name: self._picture(pixels, white=white), **statistics}
        if CONTEXT in self.extras:
            feed[CONTEXT] = self._picture(pixels if context is None else context, white=white)
        numbers = self.extras & set(FULLY)
        return feed | {name: np.array(FULLY[name], np.float32) for name in numbers}

    def _picture(self, pixels: NDArray[np.uint8], *, white: float) -> NDArray[Any]:
        batch: NDArray[Any] = pixels[None]
        if self.type is not np.uint8 or white != 255:
            batch = (batch * np.float32(white / 255)).astype(self.type)
        return np.ascontiguousarray(batch.transpose(0, 3, 1, 2)) if self.channels_first else batch


class _Trial(NamedTuple):
    """What came of a look at what a file gives."""

    white: float
    """What stood for 255 in what it took."""
    gives: Range
    bits: float
    """See `RICH`."""


class Port:
    """Hands pictures to an open file as it takes them, and takes what it gives.

    Attributes:
        taken: what the file takes.
        white: the value that stands for 255 in what it takes; 0 stands for black.
        gives: the range of what it gives.
        multiple: what the sides of pictures are made divisible by, by repeating their borders.
    """

    def __init__(self, model: OpenModel, *, path: Path, ours: bool) -> None:
        """Find out what a file takes, and for other people's, by repainting a small picture, gives.

        Args:
            model: the open file.
            path: where it lies, for error messages.
            ours: whether it follows our contract.

        Raises:
            ModelError: it does not turn one picture into one picture.
        """
        self._session = model.session
        self._path = path
        self._ours = ours
        self._output = OUTPUT
        self.taken = read_input(model, path=path)
        self.white = 255.0 if self.taken.type is np.uint8 else 1.0
        self.gives = Range(0, self.white)
        self.multiple = 1
        if not ours:
            probe = draw_probe(*(self.taken.sides or (PROBE_SIDE, PROBE_SIDE)))
            self._output = self._find_output(probe)
            self._find_ranges(probe)
            if self.taken.sides is None:
                self.multiple = self._find_multiple()

    def _find_output(self, probe: NDArray[np.uint8]) -> str:
        """Return the name of the output that is the picture.

        Raises:
            ModelError: there is none, or more than one.
        """
        outputs = self._session.get_outputs()
        names: list[str] = [each.name for each in outputs if each.type in OUTPUT_TYPES]
        if OUTPUT in names:
            return OUTPUT
        if len(names) > 1:
            results = zip(names, self._run(names, probe), strict=True)
            names = [name for name, each in results if self._picture(each, of=probe) is not None]
        if len(names) != 1:
            given = ", ".join(map(describe_value, outputs)) or "nothing"
            raise ModelError(f"{self._path}: gives {given}; {SUPPORTED}")
        (name,) = names
        return name

    def _find_ranges(self, probe: NDArray[np.uint8]) -> None:
        """Find what stands for white in what the file takes, and the range of what it gives.

        A network that expects another white gives next to no change, or what lies far out of its
        range, unless it normalizes what it takes; then either will do.

        Raises:
            ModelError: it gives no picture.
        """
        trials = [self._try(probe, white=self.white)]
        given = trials[0]
        if given.white != 255 and (given.gives == BYTES or given.bits < RICH):
            with suppress(ModelError):  # as float16 may overflow
                trials.append(self._try(probe, white=255.0))
        if given.gives == BYTES:  # what gives bytes mostly takes them, too
            trials.reverse()
        best = max(trials, key=lambda each: min(each.bits, RICH))
        self.white, self.gives = best.white, best.gives

    def _find_multiple(self) -> int:
        """Find what sides must be divisible by so that pictures come out at their size."""
        for multiple in MULTIPLES:
            side = PROBE_SIDE + multiple
            with suppress(ModelError):
                if self._compute(draw_probe(side, side)).shape[:2] == (side, side):
                    return multiple
        return MULTIPLES[0]

    def _try(self, probe: NDArray[np.uint8], *, white: float) -> _Trial:
        self.white = white
        painted = self._compute(probe)
        gives = range_of(painted)
        return _Trial(white, gives, bits(gives.levels(painted)))

    def paint(
        self,
        pixels: NDArray[np.uint8],
        *,
        context: NDArray[np.uint8] | None = None,
        statistics: Statistics = NOTHING,
    ) -> NDArray[np.uint8]:
        """Repaint one picture, of sides that the file takes.

        Args:
            pixels: uint8 H×W×3, RGB.
            context: see `PictureInput.feed`.
            statistics: what normalizes the layers, for files that take that.

        Returns:
            An array of the same type and shape.

        Raises:
            ImageError: the picture cannot be computed.
        """
        height, width = pixels.shape[:2]
        below, right = -height % self.multiple, -width % self.multiple
        if below or right:
            pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
        try:
            painted = self._compute(pixels, context=context, statistics=statistics)
        except ModelError as error:
            raise ImageError(str(error)) from error
        levels = self.gives.levels(painted)
        whole = _resized(levels, height=height + below, width=width + right)
        return whole[:height, :width]

    def _compute(
        self,
        pixels: NDArray[np.uint8],
        *,
        context: NDArray[np.uint8] | None = None,
        statistics: Statistics = NOTHING,
    ) -> NDArray[Any]:
        """Run the file on uint8 H×W×3, and return what it gives as h×w×3.

        Raises:
            ModelError: it fails, or gives something else than a picture.
        """
        (result,) = self._run([self._output], pixels, context=context, statistics=statistics)
        picture = self._picture(result, of=pixels)
        if picture is None:
            given = "×".join(map(str, result.shape)) or "a number"
            raise ModelError(f"{self._path}: gives {given} for a picture; {SUPPORTED}")
        if picture.dtype != np.uint8 and not np.isfinite(picture).all():
            raise ModelError(f"{self._path}: gives NaN or infinite values; export it again")
        return picture

    def _run(
        self,
        outputs: Sequence[str],
        pixels: NDArray[np.uint8],
        *,
        context: NDArray[np.uint8] | None = None,
        statistics: Statistics = NOTHING,
    ) -> list[NDArray[Any]]:
        feed = self.taken.feed(pixels, white=self.white, context=context, statistics=statistics)
        try:
            results: list[NDArray[Any]] = self._session.run(outputs, feed, QUIET)
        except RUNTIME_ERRORS as error:
            height, width = pixels.shape[:2]
            if self._ours:
                raise ModelError(too_large(pixels)) from error
            raise ModelError(
                f"{self._path}: could not repaint a picture of {width}×{height} pixels; "
                f"try another size; {SUPPORTED}"
            ) from error
        return results

    def _picture(self, result: NDArray[Any], *, of: NDArray[np.uint8]) -> NDArray[Any] | None:
        """Return what the file gave for a picture as h×w×3; None if that is no picture."""
        shape = result.shape
        if len(shape) != 4 or shape[0] != 1 or 3 not in (shape[1], shape[3]):
            return None
        channels_first = shape[3] != 3 or (shape[1] == 3 and self.taken.channels_first)
        picture: NDArray[Any] = result[0].transpose(1, 2, 0) if channels_first else result[0]
        large = all(
            SMALLEST_PART * given >= taken > 0
            for given, taken in zip(picture.shape[:2], of.shape[:2], strict=True)
        )
        return picture if large else None


def read_input(model: OpenModel, *, path: Path) -> PictureInput:
    """Find out what an open file takes, ours too.

    Args:
        model: the open file.
        path: where it lies, for error messages.

    Raises:
        ModelError: it does not take one picture.
    """
    inputs = model.session.get_inputs()
    extras = {each.name for each in inputs} - {INPUT}
    besides = {name for name in extras if not name.startswith(STATISTICS)}
    named = any(each.name == INPUT for each in inputs) and besides in EXTRAS
    pictures = [each for each in inputs if not named or each.name == INPUT]
    if len(pictures) == 1 and pictures[0].type in INPUT_TYPES and len(pictures[0].shape) == 4:
        count, *sides = map(_fixed, pictures[0].shape)
        channels_first = sides[0] == 3
        channels = sides.pop(0 if channels_first else 2)
        if count in (None, 1) and channels == 3 and 0 not in sides:
            if max(side or 1 for side in sides) > LARGEST_SIDE:
                raise ModelError(
                    f"{path}: takes pictures of one size with a side above {LARGEST_SIDE} pixels; "
                    "export it for a smaller size"
                )
            return PictureInput(
                name=pictures[0].name,
                type=INPUT_TYPES[pictures[0].type],
                channels_first=channels_first,
                height=sides[0],
                width=sides[1],
                extras=extras if named else set(),
            )
    taken = ", ".join(map(describe_value, inputs)) or "nothing"
    raise ModelError(f"{path}: takes {taken}; {SUPPORTED}")


def describe_port(port: Port) -> Mapping[str, str]:
    """Say in words what a file takes and gives that says nothing of itself."""
    taken = port.taken
    layout = "N×3×H×W" if taken.channels_first else "N×H×W×3"
    sides = taken.sides
    size = (
        "any"
        if sides is None
        else f"{sides[1]}×{sides[0]} pixels only; others are painted in tiles, or padded"
    )
    return {
        "takes": f"{np.dtype(taken.type).name} {layout}, from 0 to {port.white:g}",
        "gives": f"values from {port.gives.black:g} to {port.gives.white:g}, what lies beyond is "
        "clamped",
        "size": size,
    }


def too_large(pixels: NDArray[np.uint8]) -> str:
    """Say that there is not enough memory for a picture."""
    height, width = pixels.shape[:2]
    return (
        f"a picture of {width}×{height} pixels could not be computed, probably for want of "
        "memory; scale it down first"
    )


def _fixed(side: object) -> int | None:
    """Return the length of a side, None where it is free: a name, nothing, or negative."""
    return side if isinstance(side, int) and side >= 0 else None


def _resized(pixels: NDArray[np.uint8], *, height: int, width: int) -> NDArray[np.uint8]:
    """Bring a result that is not of its picture's size to it."""
    if pixels.shape[:2] == (height, width):
        return pixels
    picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture)
