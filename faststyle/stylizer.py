"""The stylizer: one open model that repaints pictures."""

from __future__ import annotations

from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.contract import CONTRACT_VERSION, INPUT, OUTPUT, ModelCard
from faststyle.errors import ImageError, ModelError
from faststyle.gallery import resolve
from faststyle.images import split_alpha
from faststyle.session import RUNTIME_ERRORS, OpenModel, open_model


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
    def __call__(self, image: Image.Image) -> Image.Image: ...

    @overload
    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]: ...

    def __call__(self, image: Image.Image | NDArray[np.uint8]) -> Image.Image | NDArray[np.uint8]:
        """Repaint one picture, of any size from 1×1 up, at exactly its size.

        Args:
            image: a PIL image of any mode, taken as it is (no EXIF rotation), or a uint8
                H×W×3 array, RGB.

        Returns:
            The same type: an RGB image (RGBA with the same alpha if the picture has
            transparency), or a uint8 H×W×3 array.

        Raises:
            ImageError: the array is of another type or shape, the picture is empty, or
                there is not enough memory for it.
        """
        if not isinstance(image, Image.Image):
            return self._run(image)
        colors, alpha = split_alpha(image)
        stylized = Image.fromarray(self._run(np.asarray(colors)))
        if alpha is not None:
            stylized.putalpha(alpha)
        return stylized

    def _run(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            kind = getattr(pixels, "dtype", type(pixels).__name__)
            raise ImageError(f"a picture must be a PIL image or a uint8 array, not {kind}")
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
            raise ImageError(f"an array must be H×W×3 and not empty, not {pixels.shape}")
        try:
            (stylized,) = self._session.run([OUTPUT], {INPUT: pixels[None]})
        except RUNTIME_ERRORS as error:
            height, width = pixels.shape[:2]
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
    inputs, outputs = model.session.get_inputs(), model.session.get_outputs()
    promised = [
        (entry.name, entry.type, len(entry.shape), entry.shape[-1:]) for entry in inputs + outputs
    ]
    if promised != [(name, "tensor(uint8)", 4, [3]) for name in (INPUT, OUTPUT)]:
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
    return card
