"""The stylizer: one open model that repaints pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.context import small_copy
from faststyle.contract import CONTEXT, CONTRACT_VERSION, INPUT, OUTPUT, ModelCard
from faststyle.errors import ImageError, ModelError
from faststyle.gallery import resolve
from faststyle.images import split_alpha
from faststyle.session import RUNTIME_ERRORS, OpenModel, open_model

Picture: TypeAlias = Image.Image | NDArray[np.uint8]
"""A PIL image of any mode, or uint8 H×W×3, RGB."""


class Stylizer:
    """Repaints pictures with one model, loaded once.

    Attributes:
        card: what the model says of itself.
        device: the device it runs on, such as ``"cpu"``.
    """

    def __init__(self, model: OpenModel, *, card: ModelCard) -> None:
        self.card = card
        self.device = model.device
        self._session = model.session

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

    def _run(self, inputs: dict[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
        try:
            (stylized,) = self._session.run([OUTPUT], inputs)
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
    return Stylizer(model, card=read_card(model, path=path))


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
