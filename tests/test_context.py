from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from faststyle.context import CONTEXT_SIDE as SIDE
from faststyle.context import copy_steps, small_copy
from faststyle.training import network

SIZES = [
    *((1, 1), (1, 50), (37, 64), (250, 333), (1, 1000), (640, 480), (1080, 1920), (5000, 3)),
    *((SIDE, SIDE), (SIDE + 1, SIDE), (4 * SIDE - 1, 1), (2 * SIDE + 1, 2 * SIDE + 1)),
    *((2, 21 * SIDE), (12 * SIDE + 1, 1)),
]


@pytest.mark.parametrize("size", SIZES)
def test_both_sides_of_the_wall_make_the_same_copy(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    copy = small_copy(pixels)
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    expected = 255 * network.small_copy(planes)[0].permute(1, 2, 0).numpy()
    assert copy.dtype == np.uint8
    assert copy.shape == expected.shape
    assert np.abs(copy - expected).max() < 0.501


@pytest.mark.parametrize("size", SIZES)
def test_no_copy_is_larger_than_statistics_need(size: tuple[int, int]) -> None:
    copy = small_copy(np.zeros((*size, 3), np.uint8))
    mean_side = sum(copy.shape[:2]) // 2  # the last blocks of both sides may reach beyond them
    assert mean_side <= SIDE
    assert 2 * mean_side >= min(SIDE, sum(size) // 2)


def test_a_small_picture_is_its_own_copy() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE - 8, SIDE + 8, 3), dtype=np.uint8)
    assert np.array_equal(small_copy(pixels), pixels)
    assert copy_steps(SIDE - 8, SIDE + 9) == (1, 2)


@pytest.mark.parametrize("lacking", [(0, 0), (1, 0), (1, 1)])
def test_blocks_are_averaged_and_the_border_repeated(lacking: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    rows, columns = SIDE + 8, SIDE - 8
    coarse = draw.integers(10, 246, (rows, columns, 3), dtype=np.uint8)
    pixels = coarse.repeat(2, 0).repeat(2, 1)
    swing = draw.integers(-10, 11, (rows - 1, columns - 1, 3)).astype(np.uint8)
    pixels[:-2:2, :-2:2] += swing
    pixels[1:-2:2, 1:-2:2] -= swing
    given = pixels[: 2 * rows - lacking[0], : 2 * columns - lacking[1]]
    assert np.array_equal(small_copy(given), coarse)


def test_large_pictures_are_sampled_twice_a_block() -> None:
    for height, width in product((1, 900, 3000, 20_000), (10 * SIDE, 4000, 20_000)):
        stride, block = copy_steps(height, width)
        shrink = -(-(height + width) // (2 * SIDE))
        assert block == 2
        assert stride * block - shrink in (0, 1)
