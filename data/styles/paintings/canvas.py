"""What every painting is made with: noise, distances, cells, light and paper.

Pictures are arrays H×W×3 of floats between 0 and 1, planes are H×W. Places are x and y as
fractions of the side, from the top left corner, so a painting looks the same at any size.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageColor

Floats: TypeAlias = NDArray[np.floating[Any]]
Plane: TypeAlias = Floats
Picture: TypeAlias = Floats
Colours: TypeAlias = Floats
Points: TypeAlias = Floats
Labels: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]
Generator: TypeAlias = np.random.Generator


def coarseness(size: int) -> float:
    """Return how much coarser than life strokes are in pictures too small to show them."""
    return max(1.0, 320 / size)


def palette(*codes: str) -> Colours:
    """Turn colours such as "#ffcc00" into an array N×3."""
    return np.array([ImageColor.getrgb(code)[:3] for code in codes], np.float32) / 255


def flat(size: int, colour: ArrayLike) -> Picture:
    """Make a picture of one colour."""
    return np.broadcast_to(np.asarray(colour, np.float32), (size, size, 3)).copy()


def to_image(picture: Picture, *, size: int | None = None) -> Image.Image:
    """Turn a picture into an image, made smaller if it was painted larger than asked for."""
    image = Image.fromarray((picture.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    if size is not None and size != image.width:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return image


def coordinates(size: int) -> tuple[Plane, Plane]:
    """Return x and y at the middle of every pixel."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(line, line)
    return x, y


def resize(plane: Plane, size: int) -> Plane:
    """Stretch or shrink a plane to a square, smoothly."""
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC), np.float32)


def noise(
    size: int,
    generator: Generator,
    *,
    scale: float,
    octaves: int = 4,
    stretch: tuple[float, float] = (1.0, 1.0),
    roughness: float = 0.55,
) -> Plane:
    """Make cloudy noise between 0 and 1, half of it on either side of 0.5.

    Args:
        size: side of the plane in pixels.
        generator: source of chance.
        scale: width of the largest blotches as a fraction of the side.
        octaves: how many times finer blotches are added, each half as wide.
        stretch: how much longer blotches are along x and y.
        roughness: strength of each octave relative to the one before.
    """
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        rows, columns = (
            max(2, min(size, round(2**octave / (scale * along)) + 2))
            for along in (stretch[1], stretch[0])
        )
        coarse = Image.fromarray(generator.standard_normal((rows, columns)).astype(np.float32))
        total += roughness**octave * np.asarray(
            coarse.resize((size, size), Image.Resampling.BICUBIC)
        )
    total -= total.mean()
    return np.asarray((total / (4 * total.std() + 1e-6) + 0.5).clip(0, 1), np.float32)


def blur(array: Floats, radius: float) -> Floats:
    """Blur a plane or picture with a Gaussian of this many pixels."""
    if radius < 0.2:
        return array
    if array.ndim == 3:
        return np.stack([blur(array[..., i], radius) for i in range(array.shape[2])], axis=2)
    margin = min(array.shape[0] - 1, int(3 * radius) + 1)
    padded = np.pad(array, margin, mode="reflect")
    frequencies = [np.fft.fftfreq(padded.shape[0]), np.fft.rfftfreq(padded.shape[1])]
    rows, columns = (np.exp(-2 * (np.pi * radius * f) ** 2) for f in frequencies)
    smooth = np.fft.irfft2(np.fft.rfft2(padded) * rows[:, None] * columns, s=padded.shape)
    return np.asarray(smooth[margin:-margin, margin:-margin], np.float32)


def smoothstep(values: Floats, low: float, high: float) -> Floats:
    """Rise softly from 0 at low to 1 at high; low may be the larger one."""
    ramp = ((values - low) / (high - low)).clip(0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)


def mix(below: Picture, above: ArrayLike, amount: ArrayLike) -> Picture:
    """Lay a colour or picture over another as far as a plane or a number says."""
    share = np.asarray(amount, np.float32)
    if share.ndim == 2:
        share = share[..., None]
    return np.asarray(below + (np.asarray(above, np.float32) - below) * share, np.float32)


def sample(field: Floats, places: Points) -> Floats:
    """Look up a plane or picture at places ...×2; outside, the edge counts."""
    size = field.shape[0]
    at = (places * size).astype(np.int32).clip(0, size - 1)
    found: Floats = field[at[..., 1], at[..., 0]]
    return found


def warp(array: Floats, shift_x: Plane, shift_y: Plane) -> Floats:
    """Move what is in a plane or picture by fractions of its side."""
    x, y = coordinates(array.shape[0])
    return sample(array, np.stack([x + shift_x, y + shift_y], axis=-1))


def scatter(size: int, generator: Generator, *, spacing: float | Plane) -> Points:
    """Scatter places evenly yet without order, none nearer to another than the spacing.

    Args:
        size: pixels per side of the raster on which room is kept.
        generator: source of chance.
        spacing: least distance as a fraction of the side, or a plane of it.

    Returns:
        N×2 in an order of chance.
    """
    gaps = np.broadcast_to(np.asarray(spacing, np.float32), (size, size)) * size
    taken = np.zeros((size, size), np.bool_)
    places: list[tuple[int, int]] = []
    for index in generator.permutation(size * size):
        row, column = divmod(int(index), size)
        if taken[row, column]:
            continue
        places.append((column, row))
        reach = max(1, int(gaps[row, column]))
        top, left = max(0, row - reach), max(0, column - reach)
        window = taken[top : row + reach + 1, left : column + reach + 1]
        down = np.arange(top, top + window.shape[0]) - row
        right = np.arange(left, left + window.shape[1]) - column
        window |= down[:, None] ** 2 + right**2 < gaps[row, column] ** 2
    points = np.array(places, np.float32) + generator.random((len(places), 2), np.float32)
    return np.asarray(points / size, np.float32)


def cells(size: int, centres: Points, *, reach: float, angles: Plane | None = None) -> Labels:
    """Give every pixel to its nearest centre.

    Args:
        size: side in pixels.
        centres: N×2.
        reach: how far a cell goes at most, as a fraction of the side.
        angles: turn of every cell; with it cells become squares instead of facets.

    Returns:
        The number of the cell of every pixel.
    """
    nearest = np.full((size, size), np.inf, np.float32)
    labels = np.zeros((size, size), np.int32)
    extent = max(2, int(reach * size))
    for number, (x, y) in enumerate(centres * size):
        top, left = max(0, int(y) - extent), max(0, int(x) - extent)
        window = nearest[top : int(y) + extent + 1, left : int(x) + extent + 1]
        down = (np.arange(top, top + window.shape[0], dtype=np.float32) + 0.5 - y)[:, None]
        right = np.arange(left, left + window.shape[1], dtype=np.float32) + 0.5 - x
        if angles is None:
            far = np.sqrt(down * down + right * right)
        else:
            cosine, sine = np.cos(angles[number]), np.sin(angles[number])
            along, across = right * cosine + down * sine, down * cosine - right * sine
            far = np.maximum(np.abs(along), np.abs(across))
        closer = far < window
        window[closer] = far[closer]
        labels[top : top + window.shape[0], left : left + window.shape[1]][closer] = number
    return labels


def borders(labels: Labels) -> Mask:
    """Mark pixels whose right or lower neighbour belongs to something else."""
    marks = np.zeros(labels.shape, np.bool_)
    marks[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    marks[:-1] |= labels[1:] != labels[:-1]
    return marks


def distance(marks: Mask, *, reach: int) -> Plane:
    """Measure the distance in pixels to the nearest mark, up to reach."""
    rows = np.where(marks, np.float32(0), np.float32(reach))
    for _ in range(reach):
        rows[1:] = np.minimum(rows[1:], rows[:-1] + 1)
        rows[:-1] = np.minimum(rows[:-1], rows[1:] + 1)
    squares = rows * rows
    nearest = squares.copy()
    for step in range(1, reach):
        nearest[:, step:] = np.minimum(nearest[:, step:], squares[:, :-step] + step * step)
        nearest[:, :-step] = np.minimum(nearest[:, :-step], squares[:, step:] + step * step)
    return np.asarray(np.sqrt(nearest), np.float32)


def relief(height: Plane, *, strength: float, light: float = -2.2) -> Plane:
    """Light a surface from the side: about 0 where flat, above 0 towards the light.

    Args:
        height: height in pixels.
        strength: how much slopes count.
        light: direction the light comes from, in radians clockwise from the right.
    """
    down, right = np.gradient(height)
    slope = right * np.cos(light) + down * np.sin(light)
    return np.asarray(np.tanh(-strength * slope), np.float32)


def paper(size: int, generator: Generator, *, grain: float = 1.3) -> Plane:
    """Make the bumps of rough paper, around 0, with a grain of pixels at 768 pixels a side."""
    total = np.zeros((size, size), np.float32)
    for radius, share in ((grain, 0.6), (2.2 * grain, 0.4)):
        bumps = blur(generator.standard_normal((size, size), np.float32), radius * size / 768)
        total += share * bumps / (bumps.std() + 1e-6)
    return np.asarray(np.tanh(0.6 * total) / 1.6, np.float32)
