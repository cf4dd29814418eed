"""The stylizer: one open model that repaints pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faststyle.colors import Picture, read_colors, repainted
from faststyle.contract import (
    CONTEXT,
    NCHW_FLOAT,
    NHWC_UINT8,
    OUTPUT,
    SAMPLE_STEP,
    ModelCard,
    check_version,
)
from faststyle.errors import ImageError, ModelError
from faststyle.gallery import resolve
from faststyle.port import MULTIPLES, Port, read_input
from faststyle.scene import PATCHES_OF_FRAME, Scene, agreeing
from faststyle.session import OpenModel, open_model
from faststyle.sharing import Sharing, can_share
from faststyle.tiles import PATCHES, Brush, Patch, Pixels, Place, mosaic, patches, repaint
from faststyle.wash import with_wash

BYTES_OF_ENDS = 120
"""Memory that a run takes for each pixel, however wide the network is."""

BYTES_OF_WIDTH = {"fast": 6, "quality": 5, "johnson": 60}
"""What it takes for each of the network's width besides, by preset."""

MOST_BYTES_PER_PIXEL = 2000
"""Memory that a run of an unknown network is taken to need for each pixel."""

FEATHER = 64
"""Pixels by which tiles overlap that do not agree by themselves."""

BESIDE = 2
"""How many times as wide as such a tile what is painted beside it is."""

OURS = {"contract_version", "faststyle_version"}
"""Metadata that only files of ours have."""

FOREIGN_HALO = 64
"""Pixels that convolutions of unknown networks are taken to reach."""

MOSAIC_PATCH = 128
"""Side of the patches that stand for a whole picture beside its tiles, in pixels."""

SCENE_MEMORY = 500_000_000
"""Bytes for what is kept while a scene is measured, where nothing else is said."""


class Stylizer:
    """Repaints pictures with one model, loaded once.

    Attributes:
        card: what the model says of itself; of other people's only its name is known.
        port: what the file takes and gives.
        device: the device it runs on, such as ``"cpu"``.
    """

    def __init__(
        self, model: OpenModel, *, card: ModelCard | None, path: Path, threads: int | None = None
    ) -> None:
        """Take an open model.

        Args:
            model: the model.
            card: what it says of itself; None for other people's.
            path: where it lies, to open it once more where tiles need another input.
            threads: CPU threads that it was opened with.

        Raises:
            ModelError: it does not turn one picture into one picture.
        """
        self.card = foreign_card(path) if card is None else card
        self.device = model.device
        self.port = Port(model, path=path, ours=card is not None)
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
                the same scale; what shares a context is painted alike. None takes the image.
                Only for models whose card says ``context="input"``.

        Returns:
            The same type: an RGB image (RGBA with the same alpha if the picture has
            transparency), or a uint8 H×W×3 array.

        Raises:
            ImageError: the array is of another type or shape, the picture is empty, or
                there is not enough memory for it.
            ModelError: a context is given to a model that takes none, or to one for one size with
                a picture or context of another.
        """
        takes_context = self.card.context == "input"
        if context is not None and not takes_context:
            raise ModelError(
                f"the model {self.card.style!r} takes no context; use one that was exported with "
                "--context-input, of a network whose statistics can be shared"
            )
        other = None if context is None else read_colors(context)[0]
        return repainted(image, partial(self._paint, context=other))

    def _paint(self, pixels: Pixels, *, context: Pixels | None) -> Pixels:
        sides = self.port.taken.sides
        if sides is None:
            return self.port.paint(pixels, context=context)
        if context is None:
            return self._repaint_in_tiles(pixels)
        if pixels.shape[:2] == context.shape[:2] == sides:
            return self.port.paint(pixels, context=context)
        raise ModelError(
            f"{self._path}: takes pictures and contexts of {sides[1]}×{sides[0]} pixels alone; "
            "export it without --size for others"
        )

    @cached_property
    def shares(self) -> bool:
        """Whether several pictures can be painted by the same statistics."""
        sampled = self.card.normalization == "sampled" and self.port.taken.sides is None
        return sampled and can_share(self._path)

    def scene(self, frames: Iterable[Picture], *, memory: int = SCENE_MEMORY) -> Scene:
        """Return what repaints pictures of one scene alike, by statistics of some of them.

        So frames of a video do not flicker: what stands still is painted the same in all.

        Args:
            frames: some from all over the scene, as they are taken by a call, eight or so; each
                takes as long to measure as to paint. Those of which nothing is seen do not count
                beside others.
            memory: bytes for what is kept while they are measured.

        Raises:
            ModelError: the network has no statistics to share, or the file is for pictures of one
                size, is no ``.onnx`` file as it was exported, or is too old.
            ImageError: a frame is no picture, or cannot be computed, or there are none.
        """
        if not self.shares:
            raise ModelError(
                f"{self._path}: cannot paint several pictures alike; use a model of the preset "
                "fast or quality, exported by this version without --size"
            )
        seen: list[Patch] = []
        hidden: list[Patch] = []
        for frame in frames:
            pixels, alpha = read_colors(frame)
            parts = seen if alpha is None or alpha.getbbox() is not None else hidden
            parts += self._patches(Image.fromarray(pixels), most=PATCHES_OF_FRAME)
        parts = seen or hidden
        if not parts:
            raise ImageError("a scene needs a frame that it is measured by")
        paint = self._sharing.paint_by(parts, step=self._step, memory=memory)
        return Scene(paint, card=self.card, bytes_per_pixel=self.bytes_per_pixel)

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
        agree = self.card.normalization == "sampled"
        return self.bytes_per_pixel * (1 if agree else 1 + BESIDE)

    def brush(self, picture: Image.Image, *, side: int) -> Brush:
        """Return what repaints parts of a picture so that they fit together.

        Parts of one picture agree where the network can normalize all of them by the statistics of
        patches from all over it. One that cannot is shown such patches beside each part, so that
        its own statistics are much alike, and overlaps are blended.

        Args:
            picture: the whole, RGB.
            side: of the parts with their halos, in pixels, at most.

        Raises:
            ModelError: the file is too old for tiles.
            ImageError: what tiles share cannot be computed.
        """
        if self.port.taken.sides is not None:
            return self._brush_of_sides(picture, sides=self.port.taken.sides)
        if self.card.normalization == "sampled":
            memory = side**2 * self.bytes_per_tile_pixel  # of a tile, which comes later
            parts = list(self._patches(picture, most=PATCHES))
            paint = self._sharing.paint_by(parts, step=self._step, memory=memory)
            return agreeing(paint, card=self.card)
        beside = mosaic(picture, height=side, width=BESIDE * side, patch=MOSAIC_PATCH)
        multiple = self.card.multiple
        return Brush(
            lambda part, _: self._repaint_beside(part, beside=beside),
            halo=self.card.halo,
            feather=math.ceil(FEATHER / multiple) * multiple,
            multiple=multiple,
        )

    @property
    def _step(self) -> int:
        """Pixels from one position that is measured to the next."""
        return SAMPLE_STEP * self.card.multiple

    def _patches(self, picture: Image.Image, *, most: int) -> Iterator[Patch]:
        return patches(picture, halo=self.card.halo, step=self._step, most=most)

    def _repaint_in_tiles(self, pixels: Pixels) -> Pixels:
        picture = Image.fromarray(pixels)
        side = max(picture.size)
        brush = self.brush(picture, side=side)
        with ThreadPoolExecutor(1) as thread:
            repaint(
                picture,
                brush,
                side=side,
                finish=lambda _, painting, __: painting,
                threads=thread,
            )
        return np.asarray(picture)

    def _brush_of_sides(self, picture: Image.Image, *, sides: tuple[int, int]) -> Brush:
        """Return what repaints parts with a file that takes one size only.

        A part may be smaller; it is then continued as in a mirror. Each is painted without a look
        at the others, so their colours are made those of the whole, painted at the file's size.
        """
        height, width = sides
        guide = None
        if picture.width > width or picture.height > height:
            small = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
            guide = Image.fromarray(self.port.paint(np.asarray(small)))

        def paint(part: Pixels, place: Place) -> Pixels:
            rows, columns = part.shape[:2]
            missing = ((0, height - rows), (0, width - columns), (0, 0))
            painted = self.port.paint(np.pad(part, missing, mode="symmetric"))
            if guide is not None:
                across, down = width / picture.width, height / picture.height
                left, top = place.left * across, place.top * down
                box = (left, top, left + columns * across, top + rows * down)
                wanted = guide.resize((columns, rows), Image.Resampling.BICUBIC, box=box)
                whole = np.pad(np.asarray(wanted), missing, mode="symmetric")
                painted = with_wash(painted, of=whole)
            return painted[:rows, :columns]

        return Brush(paint, halo=0, feather=min(sides) // 4, multiple=1, sides=sides)

    def _repaint_beside(self, part: Pixels, *, beside: Pixels) -> Pixels:
        """Repaint a part of a picture beside a mosaic of the whole."""
        # Between them its border is reflected, as networks do where a picture ends.
        bordered = np.pad(part, ((0, 0), (0, self.card.halo), (0, 0)), mode="reflect")
        rows = np.arange(len(part)) % len(beside)
        canvas = np.concatenate([bordered, beside[rows]], axis=1)
        return self.port.paint(canvas)[:, : part.shape[1]]

    @cached_property
    def _sharing(self) -> Sharing:
        return Sharing(self._path, device=self.device, threads=self._threads)


def load(style: str | Path, *, device: str = "auto", threads: int | None = None) -> Stylizer:
    """Load a bundled style or a model file, ours or other people's.

    Those of others may take float32, float16 or uint8 pictures, N×3×H×W or N×H×W×3, of any size or
    of one, with values from 0 to 255 or from 0 to 1. What they give may overshoot that range and
    differ in size.

    Args:
        style: name of a bundled style, or the path of an ``.onnx`` file.
        device: auto, cpu, cuda or another of `faststyle.session.devices`; only ``auto`` chooses
            by itself.
        threads: CPU threads; None is one for each core.

    Raises:
        UnknownStyleError: there is no such style, and no such file.
        ModelError: the file cannot be loaded, or does not turn one picture into one picture.
        DeviceError: the device cannot be used here.
    """
    return load_file(resolve(style), device=device, threads=threads)


def load_file(path: Path, *, device: str = "auto", threads: int | None = None) -> Stylizer:
    """Load a model file, like `load`, whatever its name.

    Raises:
        ModelError: the file cannot be loaded, or does not turn one picture into one picture.
        DeviceError: the device cannot be used here.
    """
    model = open_model(path, device=device, threads=threads)
    return Stylizer(model, card=read_card(model, path=path), path=path, threads=threads)


def read_card(model: OpenModel, *, path: Path) -> ModelCard | None:
    """Read what a model says of itself, and check it; None for other people's.

    Raises:
        ModelError: its metadata are damaged or do not fit it, or it is of a newer contract.
    """
    metadata = model.session.get_modelmeta().custom_metadata_map
    if OURS.isdisjoint(metadata):
        return None
    try:
        card = ModelCard.from_metadata(metadata)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: its metadata are missing or damaged; export it again") from error
    check_version(card, path=path)
    taken = read_input(model, path=path)
    layout = NCHW_FLOAT if taken.channels_first else NHWC_UINT8
    takes_context = CONTEXT in taken.extras
    fits = takes_context == (card.context == "input") and card.layout == layout
    if not fits or OUTPUT not in [each.name for each in model.session.get_outputs()]:
        raise ModelError(f"{path}: its metadata do not fit its inputs and output; export it again")
    return card


def foreign_card(path: Path) -> ModelCard:
    """Return what is taken to be so of a network that says nothing of itself."""
    return ModelCard(style=path.stem, halo=FOREIGN_HALO, multiple=MULTIPLES[0])
