"""The page of examples/web, built, served and used in headless Chromium."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from tests.clients.conftest import STYLE, Levels, levels, run, tool
from tests.conftest import REPOSITORY, Shape

pytestmark = pytest.mark.clients

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
MODEL = REPOSITORY / "faststyle" / "styles" / f"{STYLE}.onnx"
MOST_THREADS = 8
NOT_ISOLATED = "--no-isolation"

Observation = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """The folder of the built page."""

    folder: Path

    def use(self, *steps: str) -> list[Observation]:
        """Take some steps and return what the page showed at first and after each."""
        result = run("node", "test/drive.mjs", *steps, cwd=self.folder)
        report: Observation = json.loads(result.stdout)
        return [report, *report["steps"]]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Build the page in a copy of what it is made of."""
    for needed in ("node", "npm", CHROMIUM):
        tool(needed)
    copy = tmp_path_factory.mktemp("web")
    ignored = shutil.ignore_patterns("node_modules", "dist")
    for part in ("examples/web", "faststyle/styles", "data/photos"):
        shutil.copytree(REPOSITORY / part, copy / part, ignore=ignored)
    folder = copy / "examples" / "web"
    run("npm", "ci", cwd=folder)
    run("npm", "run", "check", cwd=folder)
    run("npm", "run", "build", cwd=folder)
    return Page(folder)


def largest_difference(first: Levels, second: Levels) -> int:
    return int(np.abs(first - second).max())


@pytest.mark.parametrize("isolation", [(), (NOT_ISOLATED,)], ids=["isolated", "not_isolated"])
def test_a_downloaded_painting_is_that_of_faststyle(
    page: Page, photo: Path, expected: Levels, tmp_path: Path, isolation: tuple[str, ...]
) -> None:
    saved = tmp_path / "saved.png"
    shown = page.use(*isolation, f"photo={photo}", f"style={STYLE}", f"download={saved}")[-1]
    assert shown["name"] == f"{photo.stem}_{STYLE}.png"
    assert "451 × 300" in shown["status"]
    threads = 1 if isolation else min(MOST_THREADS, os.cpu_count() or 1)
    assert shown["threads"] == threads
    assert shown["runtime"] == f"WASM, {'one thread' if threads == 1 else f'{threads} threads'}"
    assert largest_difference(levels(saved), expected) <= 2


def test_strength_blends_without_painting_again(
    page: Page, photo: Path, expected: Levels, tmp_path: Path
) -> None:
    before = levels(photo)
    whole, half, none = (tmp_path / f"{percent}.png" for percent in (100, 50, 0))
    observed = page.use(
        *(f"photo={photo}", f"style={STYLE}", f"download={whole}"),
        *("strength=50", f"download={half}", "strength=0", f"download={none}"),
    )
    assert len({shown["paintings"] for shown in observed[3:]}) == 1
    assert np.array_equal(levels(none), before)
    assert np.array_equal(levels(half), (before + levels(whole) + 1) // 2)
    assert largest_difference(levels(whole), expected) <= 2


def test_what_is_no_picture_or_no_style_is_said_in_one_line_and_the_page_goes_on(
    page: Page, photo: Path, tmp_path: Path
) -> None:
    broken, cut_off = tmp_path / "broken.png", tmp_path / "cut_off.onnx"
    broken.write_bytes(photo.read_bytes()[:99])
    cut_off.write_bytes(MODEL.read_bytes()[: MODEL.stat().st_size // 2])
    foreign = foreign_model(tmp_path / "foreign.onnx")
    observed = page.use(
        *(f"photo={broken}", f"model={cut_off}", f"model={foreign}", f"photo={photo}"),
    )
    assert [shown["problem"] for shown in observed] == [
        "",
        "broken.png: not a picture that this browser can read",
        "cut_off.onnx: not an ONNX file",
        "foreign.onnx: takes “x”, where this page gives “image” alone",
        "",
    ]
    assert observed[-1]["paintings"] == observed[0]["paintings"] + 1


def test_a_dropped_style_of_ones_own_and_a_pasted_photo(
    page: Page, photo: Path, expected: Levels, tmp_path: Path
) -> None:
    mine, saved = tmp_path / "MINE.ONNX", tmp_path / "saved.png"
    model = onnx.load(MODEL)
    for entry in model.metadata_props:
        if entry.key == "style":
            entry.value = "wave 1.5"
    onnx.save(model, mine)
    shown = page.use(f"drop={mine}", f"paste={photo}", f"download={saved}")[-1]
    assert shown["name"].endswith("_wave 1.5.png")
    assert largest_difference(levels(saved), expected) <= 2


def test_all_is_within_reach_of_the_keyboard(page: Page) -> None:
    observed = page.use(
        *("focus=[name=style]:checked", "press=ArrowRight", "press=ArrowLeft"),
        *("focus=#divider", "press=ArrowRight", "press=Home", "press=End"),
    )
    first, _, right, left, *divider = observed
    assert first["style"] != right["style"]
    assert first["style"] == left["style"]
    start = first["divider"]
    assert [shown["divider"] for shown in divider] == [start, start + 2, 0, 100]


def test_a_large_photo_is_scaled_down_as_chosen(page: Page, tmp_path: Path) -> None:
    large, saved = tmp_path / "large.jpg", tmp_path / "saved.png"
    upright = 6  # of EXIF: the camera was held upright
    exif = Image.Exif()
    exif[0x0112] = upright
    Image.new("RGB", (4000, 3000), "teal").save(large, exif=exif)
    shown = page.use("size=1024", f"photo={large}", f"download={saved}")[-1]
    assert "768 × 1024, of 3000 × 4000" in shown["status"]
    assert levels(saved).shape == (1024, 768, 3)


def test_the_camera_is_painted_live_and_takes_a_photo(page: Page) -> None:
    first, live, taken = page.use("camera=5", "shutter=1")
    assert float(live["rate"].split()[0]) > 0
    assert live["paintings"] > first["paintings"] + 1
    assert "1280 × 720" in taken["status"]


@pytest.mark.parametrize("arguments", [(), ("--width", "390", "--height", "844")])
def test_nothing_is_wider_than_the_window(page: Page, arguments: tuple[str, ...]) -> None:
    assert page.use(*arguments)[0]["overflow"] <= 0


def foreign_model(path: Path) -> Path:
    """Write a model that is none of faststyle's."""
    picture: Shape = ("n", "h", "w", 3)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "foreign",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, picture)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, picture)],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    return path
