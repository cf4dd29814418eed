from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image

import faststyle
from faststyle.contract import CONTRACT_VERSION, LAYOUTS, NCHW_FLOAT
from faststyle.errors import ImageError, ModelError, UnknownStyleError
from faststyle.tiles import Pixels, Place, repaint
from faststyle.training.ends import Form
from tests.conftest import blotches, make_card, pixels, vivid_network


@pytest.fixture(scope="module")
def stylizer(model_path: Path) -> faststyle.Stylizer:
    return faststyle.load(model_path, device="cpu", threads=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3), (64, 64), (67, 101)])
def test_an_array_comes_back_as_an_array_of_its_size(
    stylizer: faststyle.Stylizer, size: tuple[int, int]
) -> None:
    photo = blotches(*size)
    before = photo.copy()
    stylized = stylizer(photo)
    assert stylized.shape == photo.shape
    assert stylized.dtype == np.uint8
    assert np.array_equal(photo, before)


def test_a_picture_comes_back_as_a_picture_with_the_same_pixels(
    stylizer: faststyle.Stylizer,
) -> None:
    photo = blotches(30, 41)
    stylized = stylizer(Image.fromarray(photo))
    assert (stylized.mode, stylized.size) == ("RGB", (41, 30))
    assert np.array_equal(pixels(stylized), stylizer(photo))
    assert not np.array_equal(pixels(stylized), photo)


def test_a_cutout_is_painted_alike_whatever_its_background_was(
    fast_models: Mapping[str, Path],
) -> None:
    stylizer = faststyle.load(fast_models["fp32"], device="cpu", threads=1)
    alpha = Image.new("L", (60, 60))
    alpha.paste(255, (20, 10, 40, 50))
    seen = pixels(alpha) > 0
    paintings = []
    for background in ("black", "lime"):
        photo = Image.composite(
            Image.fromarray(blotches(60, 60)), Image.new("RGB", (60, 60), background), alpha
        )
        photo.putalpha(alpha)
        paintings.append(pixels(stylizer(photo).convert("RGB"))[seen])
    assert np.array_equal(paintings[0], paintings[1])


def test_alpha_is_kept(stylizer: faststyle.Stylizer) -> None:
    photo = Image.fromarray(blotches(20, 20))
    alpha = Image.linear_gradient("L").resize((20, 20))
    photo.putalpha(alpha)
    stylized = stylizer(photo)
    assert stylized.mode == "RGBA"
    assert np.array_equal(pixels(stylized.getchannel("A")), pixels(alpha))


def test_pictures_are_taken_as_they_are(stylizer: faststyle.Stylizer) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.fromarray(blotches(20, 30))
    photo.info["exif"] = exif.tobytes()
    assert stylizer(photo).size == (30, 20)


def test_a_view_with_strides_is_taken(stylizer: faststyle.Stylizer) -> None:
    photo = blotches(20, 30)
    flipped = photo[:, ::-1]
    assert np.array_equal(stylizer(flipped), stylizer(flipped.copy()))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        [[0, 0, 0]],
    ],
)
def test_other_arrays_are_refused(stylizer: faststyle.Stylizer, array: Any) -> None:
    with pytest.raises(ImageError, match=r"uint8 array|H×W×3"):
        stylizer(array)


@pytest.mark.parametrize("name", ["fp16", "int8", "context", "context_int8"])
@pytest.mark.parametrize("size", [(1, 1), (37, 64), (1, 90), (300, 290)])
def test_all_exports_of_a_network_agree(
    fast_models: Mapping[str, Path], name: str, size: tuple[int, int]
) -> None:
    photo = blotches(*size)
    plain, other = (
        faststyle.load(fast_models[each], device="cpu", threads=1)(photo) for each in ("fp32", name)
    )
    assert other.shape == photo.shape
    # Flat pictures are normalized by next to nothing, which in int8 is bounded.
    most = 1 if "int8" not in name else 16 if 1 in size else 2
    assert np.abs(other.astype(int) - plain).mean() < most
    assert np.abs(other.astype(int) - photo).mean() > 9


@pytest.fixture(scope="module")
def with_context(fast_models: Mapping[str, Path]) -> faststyle.Stylizer:
    return faststyle.load(fast_models["context"], device="cpu", threads=1)


def test_a_tile_with_its_halo_is_a_piece_of_the_whole(
    fast_models: Mapping[str, Path], with_context: faststyle.Stylizer
) -> None:
    photo = blotches(288, 320)
    inside = faststyle.load(fast_models["fp32"], device="cpu", threads=1)
    halo = inside.card.halo
    (top, left), side = (96, 120), 80
    assert halo <= min(top, left)
    tile = photo[top - halo : top + side + halo, left - halo : left + side + halo]
    painted = with_context(tile, context=photo)[halo:-halo, halo:-halo].astype(int)
    for whole in (with_context(photo), inside(photo)):
        expected = whole[top : top + side, left : left + side]
        assert np.abs(painted - expected).max() <= 1
    alone = with_context(tile)[halo:-halo, halo:-halo]
    assert np.abs(painted - alone).max() > 9


def test_a_picture_is_its_own_context(with_context: faststyle.Stylizer) -> None:
    photo = blotches(260, 300)
    picture = Image.fromarray(photo)
    picture.putalpha(Image.linear_gradient("L").resize(picture.size).point(lambda a: max(a, 1)))
    expected = with_context(photo)
    for context in (photo, Image.fromarray(photo), picture):
        assert np.array_equal(with_context(photo, context=context), expected)
    # Another picture, of whatever size, is painted by.
    for size in ((1, 1), (90, 133), (260, 300)):
        other = with_context(photo, context=blotches(*size, seed=3))
        assert other.shape == photo.shape
        assert np.abs(other.astype(int) - expected).mean() > 5
    stylized = with_context(picture, context=photo)
    assert stylized.mode == "RGBA"
    assert np.array_equal(pixels(stylized)[..., :3], expected)


@pytest.mark.parametrize("name", ["fp32", "fp16", "int8", "context", "context_int8"])
def test_parts_of_a_picture_agree_wherever_they_begin(
    fast_models: Mapping[str, Path], name: str
) -> None:
    stylizer = faststyle.load(fast_models[name], device="cpu", threads=1)
    photo = Image.fromarray(blotches(450, 511))
    brush = stylizer.brush(photo, side=256)
    paintings = []
    for side in (160, 200, 1000):
        picture = photo.copy()
        with ThreadPoolExecutor(2) as threads:
            repaint(picture, brush, side=side, finish=_painting, threads=threads)
        paintings.append(pixels(picture).astype(int))
    whole = paintings[-1]  # in one part, by the same statistics
    most = 1 if name in ("fp32", "context") else 4
    for painting in paintings[:-1]:
        assert np.abs(painting - whole).mean() < 0.1
        assert np.abs(painting - whole).max() <= most
    assert np.abs(whole - stylizer(pixels(photo))).mean() < 0.5


@pytest.mark.parametrize("name", ["fp32", "fp16", "int8", "context", "context_int8"])
def test_a_part_is_painted_by_the_statistics_of_the_whole(
    fast_models: Mapping[str, Path], name: str
) -> None:
    stylizer = faststyle.load(fast_models[name], device="cpu", threads=1)
    photo = blotches(250, 256)  # of one patch
    brush = stylizer.brush(Image.fromarray(photo), side=160)
    whole = stylizer(photo).astype(int)
    halo, most = brush.halo, 1 if name in ("fp32", "context") else 4
    assert np.abs(brush.paint(photo, Place(0, 0)) - whole).max() <= most
    top, left = 80, 72
    part = photo[top - halo : top + 40 + halo, left - halo : left + 64 + halo]
    painted = brush.paint(part, Place(left - halo, top - halo))[halo:-halo, halo:-halo]
    expected = whole[top : top + 40, left : left + 64]
    assert np.abs(painted - expected).max() <= most
    alone = stylizer(part)[halo:-halo, halo:-halo]
    assert np.abs(alone - expected).max() > 9


def test_the_size_of_tiles_makes_no_difference(fast_models: Mapping[str, Path]) -> None:
    """Else a photo would be painted in other colours where there is less memory."""
    stylizer = faststyle.load(fast_models["fp32"], device="cpu", threads=1)
    photo = Image.fromarray(blotches(300, 600))
    part = blotches(90, 100)
    one, other = (
        stylizer.brush(photo, side=side).paint(part, Place(0, 0)).astype(int) for side in (160, 512)
    )
    assert np.array_equal(one, other)


def _painting(_: Pixels, painting: Pixels, __: int) -> Pixels:
    return painting


def test_the_mobile_format_is_painted_whole_only(
    fast_models: Mapping[str, Path], tmp_path: Path
) -> None:
    converted = tmp_path / "mobile.ort"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(converted)
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(fast_models["fp32"], options, providers=["CPUExecutionProvider"])
    stylizer = faststyle.load(converted, device="cpu", threads=1)
    photo = blotches(40, 50)
    assert stylizer(photo).shape == photo.shape
    message = r"mobile\.ort: a file of this format cannot paint in tiles; pass the \.onnx file"
    with pytest.raises(ModelError, match=message):
        stylizer.brush(Image.fromarray(photo), side=160)


@pytest.mark.parametrize("controls", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_agree_in_every_form(tmp_path: Path, layout: str, controls: bool) -> None:
    from faststyle.training.export import export_model

    network = vivid_network(preset="fast")
    photo = Image.fromarray(blotches(230, 250))
    paintings = []
    for form in (Form(), Form(layout=layout, controls=controls)):
        path = tmp_path / "model.onnx"
        export_model(network, path, card=make_card(network), form=form)
        brush = faststyle.load(path, device="cpu", threads=1).brush(photo, side=160)
        picture = photo.copy()
        with ThreadPoolExecutor(1) as threads:
            repaint(picture, brush, side=160, finish=_painting, threads=threads)
        paintings.append(pixels(picture).astype(int))
    assert np.abs(paintings[0] - paintings[1]).max() <= 1


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_a_model_without_that_input_takes_no_context(
    fast_models: Mapping[str, Path], name: str
) -> None:
    photo = blotches(20, 20)
    stylizer = faststyle.load(fast_models[name], device="cpu", threads=1)
    with pytest.raises(ModelError, match=r"'tiny' takes no context; .*exported with --context-"):
        stylizer(photo, context=photo)


def test_a_file_for_one_size_takes_a_context_of_that_size(tmp_path: Path) -> None:
    from faststyle.training.export import export_model

    network = vivid_network(preset="fast")
    path = tmp_path / "model.onnx"
    form = Form(size=(40, 48), context_input=True)
    export_model(network, path, card=make_card(network), form=form)
    stylizer = faststyle.load(path, device="cpu", threads=1)
    photo, other = blotches(40, 48), blotches(40, 48, seed=1)
    assert np.array_equal(stylizer(photo, context=photo), stylizer(photo))
    assert not np.array_equal(stylizer(photo, context=other), stylizer(photo))
    for pair in ((photo, blotches(40, 50)), (blotches(48, 40), photo)):
        with pytest.raises(ModelError, match="of 48×40 pixels alone; export it without --size"):
            stylizer(pair[0], context=pair[1])


def test_a_context_must_be_a_picture(with_context: faststyle.Stylizer) -> None:
    with pytest.raises(ImageError, match="H×W×3"):
        with_context(blotches(20, 20), context=np.zeros((4, 4), np.uint8))


def test_the_model_says_what_it_is(stylizer: faststyle.Stylizer) -> None:
    card = stylizer.card
    assert (card.style, card.author, card.license) == ("tiny", "A. Painter", "CC0")
    assert (card.source, card.preset) == ("The attic, 1900", "johnson width 2")
    assert (card.normalization, card.multiple, card.halo) == ("instance", 4, 60)
    assert card.faststyle_version == faststyle.__version__
    assert card.training["steps"] > 0


def test_no_folder_of_the_training_machine_gets_into_the_model(model_path: Path) -> None:
    assert b"/home/someone" not in model_path.read_bytes()


def test_names_and_paths_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UnknownStyleError, match=r"'nonesuch': choose from .*starry_night"):
        faststyle.load("nonesuch")
    with pytest.raises(ModelError, match=r"missing\.onnx: No such file"):
        faststyle.load(tmp_path / "missing.onnx")


def _changed(model_path: Path, path: Path, **metadata: str | None) -> Path:
    model = onnx.load(model_path)
    properties = {entry.key: entry.value for entry in model.metadata_props} | metadata
    del model.metadata_props[:]
    helper.set_model_props(model, {k: v for k, v in properties.items() if v is not None})
    onnx.save(model, path)
    return path


def test_a_newer_contract_is_refused(model_path: Path, tmp_path: Path) -> None:
    path = _changed(model_path, tmp_path / "newer.onnx", contract_version=str(CONTRACT_VERSION + 1))
    with pytest.raises(ModelError, match=r"newer\.onnx: follows contract 3.*update faststyle"):
        faststyle.load(path)


@pytest.mark.parametrize(
    "metadata", [{"contract_version": None}, {"halo": "wide"}, {"training": "[" * 100_000}]
)
def test_damaged_metadata_are_refused(
    model_path: Path, tmp_path: Path, metadata: dict[str, str | None]
) -> None:
    path = _changed(model_path, tmp_path / "damaged.onnx", **metadata)
    with pytest.raises(ModelError, match=r"damaged\.onnx: its metadata are missing or damaged"):
        faststyle.load(path)


@pytest.mark.parametrize(("name", "context"), [("fp32", "input"), ("context", "inside")])
def test_metadata_that_do_not_fit_the_inputs_are_refused(
    fast_models: Mapping[str, Path], tmp_path: Path, name: str, context: str
) -> None:
    path = _changed(fast_models[name], tmp_path / "damaged.onnx", context=context)
    with pytest.raises(ModelError, match=r"damaged\.onnx: its metadata do not fit its inputs"):
        faststyle.load(path)


def test_metadata_that_do_not_fit_the_output_are_refused(model_path: Path, tmp_path: Path) -> None:
    model = onnx.load(model_path)
    model.graph.node[-1].output[0] = model.graph.output[0].name = "painted"
    onnx.save(model, tmp_path / "damaged.onnx")
    with pytest.raises(ModelError, match=r"damaged\.onnx: its metadata do not fit its inputs and"):
        faststyle.load(tmp_path / "damaged.onnx")


@pytest.mark.parametrize("name", ["fp32", "context"])
def test_other_inputs_are_refused(
    fast_models: Mapping[str, Path], tmp_path: Path, name: str
) -> None:
    model = onnx.load(fast_models[name])
    entry = helper.make_tensor_value_info("copy", TensorProto.UINT8, ["n", "h", "w", 3])
    model.graph.input.append(entry)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"other\.onnx: takes .*copy: uint8"):
        faststyle.load(tmp_path / "other.onnx")


@pytest.fixture
def fixed_models(tmp_path: Path) -> Mapping[str, Path]:
    """Model files of one network, for pictures of 64×96 and of any size."""
    from faststyle.training.export import export_model

    network = vivid_network(preset="johnson")
    models = {"fixed": tmp_path / "fixed.onnx", "free": tmp_path / "free.onnx"}
    for name, path in models.items():
        size = (64, 96) if name == "fixed" else None
        form = Form(layout=NCHW_FLOAT, size=size)
        export_model(network, path, card=make_card(network), form=form)
    return models


def test_a_fixed_size_is_painted_as_it_is(fixed_models: Mapping[str, Path]) -> None:
    fixed, free = (faststyle.load(path, device="cpu") for path in fixed_models.values())
    photo = blotches(64, 96)
    assert np.abs(fixed(photo).astype(int) - free(photo)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (30, 41), (64, 97), (150, 250), (300, 20)])
def test_a_fixed_size_paints_others_too(
    fixed_models: Mapping[str, Path], size: tuple[int, int]
) -> None:
    stylizer = faststyle.load(fixed_models["fixed"], device="cpu")
    photo = blotches(*size)
    painted = stylizer(photo)
    assert painted.shape == photo.shape
    assert np.array_equal(pixels(stylizer(Image.fromarray(photo))), painted)


def test_tiles_of_a_fixed_size_have_the_colors_of_the_whole(
    fixed_models: Mapping[str, Path],
) -> None:
    """Half black and half white, which each alone would be normalized to the same."""
    photo = np.zeros((200, 400, 3), np.uint8)
    photo[:, 200:] = 255
    photo ^= blotches(200, 400) // 8
    stylizer = faststyle.load(fixed_models["fixed"], device="cpu")
    fixed, whole = stylizer(photo), stylizer(pixels(Image.fromarray(photo).resize((96, 64))))
    here, there = (
        [each[:, : each.shape[1] // 2].mean((0, 1)), each[:, each.shape[1] // 2 :].mean((0, 1))]
        for each in (fixed, whole)
    )
    assert np.abs(np.subtract(here, there)).max() < 5
    assert np.abs(there[0] - there[1]).max() > 50
    steps = np.abs(np.diff(fixed.astype(int), axis=1)).mean((0, 2))
    borders = np.arange(72, 400, 72)
    assert steps[borders - 1].mean() < 2 * np.median(steps)


def test_files_with_controls_give_the_painting(tmp_path: Path) -> None:
    from faststyle.training.export import export_model

    network = vivid_network(preset="fast")
    photo = blotches(40, 50)
    painted = []
    for controls in (False, True):
        path = tmp_path / f"{controls}.onnx"
        export_model(network, path, card=make_card(network), form=Form(controls=controls))
        painted.append(faststyle.load(path, device="cpu")(photo))
    assert np.array_equal(painted[0], painted[1])


def test_a_foreign_model_is_taken(tmp_path: Path) -> None:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 224, 224])
        for name in ("input1", "output1")
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["input1"], ["output1"])], "g", values[:1], values[1:]
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opset), tmp_path / "f.onnx")
    stylizer = faststyle.load(tmp_path / "f.onnx", device="cpu")
    assert (stylizer.card.style, stylizer.card.normalization) == ("f", "")
    for size in ((224, 224), (100, 90), (300, 500)):
        photo = blotches(*size)
        assert np.abs(stylizer(photo).astype(int) - photo).max() <= 2
