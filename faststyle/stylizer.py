"""The stylizer: one open model that repaints pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.colors import split_alpha
from faststyle.context import copy_steps, shrink_rows, small_copy
from faststyle.contract import (
    CONTEXT,
    CONTRACT_VERSION,
    INPUT,
    OUTPUT,
    SMALL_COPY,
    ModelCard,
)
from faststyle.cutting import cut
from faststyle.errors import ImageError, ModelError
from faststyle.gallery import resolve
from faststyle.session import RUNTIME_ERRORS, OpenModel, open_model
from faststyle.tiles import Brush, Pixels, mosaic, sample_rows

Picture: TypeAlias = Image.Image | NDArray[np.uint8]
"""A PIL image of any mode, or uint8 H×W×3, RGB."""

BYTES_OF_ENDS = 100
"""Memory that a run takes for each pixel, however wide the network is."""

BYTES_OF_WIDTH = {"fast": 6, "quality": 5, "johnson": 60}
"""What it takes for each of the network's width besides, by preset."""

MOST_BYTES_PER_PIXEL = 2000
"""Memory that a run of an unknown network is taken to need for each pixel."""

FEATHER = 64
"""Pixels by which tiles overlap that do not agree by themselves."""

BESIDE = 2
"""How many times as wide as such a tile what is painted beside it is."""

PATCH = 128
"""Side of the patches of the whole picture that are painted beside such tiles, in pixels."""


class Stylizer:
    """Repaints pictures with one model, loaded once.

    Attributes:
        card: what the model says of itself.
        device: the device it runs on, such as ``"cpu"``.
    """

    def __init__(
        self, model: OpenModel, *, card: ModelCard, path: Path, threads: int | None = None
    ) -> None:
        """Take an open model.

        Args:
            model: the model.
            card: what it says of itself.
            path: where it lies, to open it once more where tiles need another input.
            threads: CPU threads that it was opened with.
        """
        self.card = card
        self.device = model.device
        self._session = model.session
        self._path = path
        self._threads = threads

    @overload
    def __call__(self, image: Image.Image, *, context: Picture | None = None) -> Image.Image: ...

    @overload
    def __call__(
        self, image: NDArray[np.uint8], *, context: Picture | None = None
    ) -> NDArray[np.uint8]: ...

    def __call__(self, image: Picture, *, context: Picture | None = None) -> Picture:
        """Repaint one picture, of any size from 1×1 up, at exactly its size.

        Args:
            image: a PIL image of any mode, taken as it is (no EXIF rotation), or a uint8
                H×W×3 array, RGB.
            context: the picture that the image is a part of, or another one of its scene, of
                any size; what shares a context is painted alike. Its
                `faststyle.context.small_copy` does as well. None takes the image itself.
                Only for models whose card says ``context="input"``.

        Returns:
            The same type: an RGB image (RGBA with the same alpha if the picture has
            transparency), or a uint8 H×W×3 array.

        Raises:
            ImageError: the array is of another type or shape, the picture is empty, or
                there is not enough memory for it.
            ModelError: a context is given to a model that takes none.
        """
        takes_context = self.card.context == "input"
        if context is not None and not takes_context:
            raise ModelError(
                f"the model {self.card.style!r} takes no context; use one that was exported with "
                "--context-input, of a network that normalizes by a small copy of the picture"
            )
        pixels, alpha = _read(image)
        inputs = {INPUT: pixels[None]}
        if takes_context:
            whole = pixels if context is None else _read(context)[0]
            inputs[CONTEXT] = small_copy(whole)[None]
        stylized = self._run(inputs)
        if not isinstance(image, Image.Image):
            return stylized
        picture = Image.fromarray(stylized)
        if alpha is not None:
            picture.putalpha(alpha)
        return picture

    @property
    def bytes_per_pixel(self) -> int:
        """Estimate of the memory that repainting takes, for each pixel."""
        match = re.fullmatch(r"(\w+) width (\d+)", self.card.preset)
        if match is None or match[1] not in BYTES_OF_WIDTH:
            return MOST_BYTES_PER_PIXEL
        return BYTES_OF_ENDS + BYTES_OF_WIDTH[match[1]] * int(match[2])

    @property
    def bytes_per_tile_pixel(self) -> int:
        """Memory that repainting a part of a picture takes, for each of its pixels."""
        agree = self.card.normalization in ("none", "context")
        return self.bytes_per_pixel * (1 if agree else 1 + BESIDE)

    def brush(self, picture: Image.Image, *, side: int) -> Brush:
        """Return what repaints parts of a picture so that they fit together.

        Parts of one picture agree where the network normalizes by a small copy of the whole. One
        that normalizes by what it sees is shown patches from all over the picture beside each
        part, so that its statistics are much alike, and overlaps are blended.

        Args:
            picture: the whole, RGB.
            side: of the parts with their halos, in pixels, at most.

        Raises:
            ModelError: the file is too old for tiles.
        """
        halo, multiple = self.card.halo, self.card.multiple
        if self.card.normalization == "none":
            return Brush(self, halo=halo, feather=0, multiple=multiple)
        if self.card.normalization == "context":
            paint = self._with_whole(_small_copy(picture))
            return Brush(paint, halo=halo, feather=0, multiple=multiple)
        beside = mosaic(picture, height=side, width=BESIDE * side, patch=PATCH)
        paint = partial(self._repaint_beside, beside=beside)
        feather = math.ceil(FEATHER / multiple) * multiple
        return Brush(paint, halo=halo, feather=feather, multiple=multiple)

    def _with_whole(self, copy: NDArray[np.float32]) -> Callable[[Pixels], Pixels]:
        """Return what repaints parts of a picture with the small copy of the whole, h×w×3."""
        session: Any
        whole: Mapping[str, NDArray[Any]]
        if self.card.context == "input":
            session, whole = self._session, {CONTEXT: copy.round().astype(np.uint8)[None]}
        else:
            planes = np.ascontiguousarray(copy.transpose(2, 0, 1)[None] / np.float32(255))
            session, whole = self._cut.session, {SMALL_COPY: planes}
        return lambda part: self._run({INPUT: part[None], **whole}, session=session)

    def _repaint_beside(
        self, part: NDArray[np.uint8], *, beside: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Repaint a part of a picture beside a mosaic of the whole."""
        # Between them its border is reflected, as networks do where a picture ends.
        bordered = np.pad(part, ((0, 0), (0, self.card.halo), (0, 0)), mode="reflect")
        rows = np.arange(len(part)) % len(beside)
        canvas = np.concatenate([bordered, beside[rows]], axis=1)
        return self._run({INPUT: canvas[None]})[:, : part.shape[1]]

    @cached_property
    def _cut(self) -> OpenModel:
        """The model, with the small copy as an input."""
        return open_model(
            self._path,
            device=self.device,
            threads=self._threads,
            edit=partial(_with_small_copy, path=self._path),
        )

    def _run(self, inputs: dict[str, NDArray[Any]], *, session: Any = None) -> NDArray[np.uint8]:
        try:
            (stylized,) = (session or self._session).run([OUTPUT], inputs)
        except RUNTIME_ERRORS as error:
            height, width = inputs[INPUT].shape[1:3]
            raise ImageError(
                f"a picture of {width}×{height} pixels could not be computed, probably for "
                "want of memory; scale it down first"
            ) from error
        result: NDArray[np.uint8] = stylized[0]
        return result


def load(style: str | Path, *, device: str = "auto", threads: int | None = None) -> Stylizer:
    """Load a bundled style or a model file.

    Args:
        style: name of a bundled style, or the path of an ``.onnx`` file.
        device: auto, cuda, directml, coreml or cpu; only ``auto`` chooses by itself.
        threads: CPU threads; None is one for each core.

    Raises:
        UnknownStyleError: there is no such style, and no such file.
        ModelError: the file cannot be loaded or is not a faststyle model.
        DeviceError: the device cannot be used here.
    """
    return load_file(resolve(style), device=device, threads=threads)


def load_file(path: Path, *, device: str = "auto", threads: int | None = None) -> Stylizer:
    """Load a model file, like `load`, whatever its name.

    Raises:
        ModelError: the file cannot be loaded or is not a faststyle model.
        DeviceError: the device cannot be used here.
    """
    model = open_model(path, device=device, threads=threads)
    return Stylizer(model, card=read_card(model, path=path), path=path, threads=threads)


def read_card(model: OpenModel, *, path: Path) -> ModelCard:
    """Check that a model follows the contract, and read what it says of itself.

    Raises:
        ModelError: it is not a faststyle model, or of a newer contract.
    """
    entries = [*model.session.get_inputs(), *model.session.get_outputs()]
    names = [entry.name for entry in entries]
    kinds = {(entry.type, len(entry.shape), *entry.shape[-1:]) for entry in entries}
    takes_context = names == [INPUT, CONTEXT, OUTPUT]
    if not (takes_context or names == [INPUT, OUTPUT]) or kinds != {("tensor(uint8)", 4, 3)}:
        raise ModelError(f"{path}: not a faststyle model; make one with faststyle export")
    try:
        card = ModelCard.from_metadata(model.session.get_modelmeta().custom_metadata_map)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: its metadata are missing or damaged; export it again") from error
    if card.contract_version > CONTRACT_VERSION:
        raise ModelError(
            f"{path}: follows contract {card.contract_version}, and this faststyle knows "
            f"{CONTRACT_VERSION}; update faststyle"
        )
    if takes_context != (card.context == "input"):
        raise ModelError(f"{path}: its metadata do not fit its inputs; export it again")
    return card


def _with_small_copy(content: bytes, *, path: Path) -> bytes:
    dimensions = ("contexts", 3, "context_height", "context_width")
    changed = cut(content, tensor=SMALL_COPY, dimensions=dimensions)
    if changed is None:
        raise ModelError(f"{path}: too old to paint a picture in tiles; export it again")
    return changed


def _small_copy(picture: Image.Image) -> NDArray[np.float32]:
    """Make the small copy of an RGB picture, without a copy of all of it."""
    width, height = picture.size
    stride, _ = copy_steps(height, width)
    return shrink_rows(sample_rows(picture, stride=stride), height=height, width=width)


def _read(picture: Picture) -> tuple[NDArray[np.uint8], Image.Image | None]:
    """Return the colours of a picture, uint8 H×W×3, and its transparency if it has any."""
    alpha = None
    if isinstance(picture, Image.Image):
        colors, alpha = split_alpha(picture)
        picture = np.asarray(colors)
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        kind = getattr(picture, "dtype", type(picture).__name__)
        raise ImageError(f"a picture must be a PIL image or a uint8 array, not {kind}")
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise ImageError(f"an array must be H×W×3 and not empty, not {picture.shape}")
    return picture, alpha
