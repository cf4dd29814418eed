from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from faststyle.cli import main
from tests.conftest import Paint


@pytest.fixture
def losses(vgg_weights: Path) -> list[str]:
    """Options that make it quick."""
    return [
        *("--loss-network", "vgg19", "--vgg-weights", str(vgg_weights), "--device", "cpu"),
        *("--steps", "2", "--scales", "1"),
    ]


@pytest.fixture
def command(paint: Paint, tmp_path: Path, losses: list[str]) -> list[str]:
    photo = paint("photo.png", height=64, width=96)
    style = paint("style.png", height=64, width=72, seed=9)
    return ["optimize", str(photo), str(style), "-o", str(tmp_path / "out.png"), *losses]


def _error(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("convention", ["relative", "gatys", "johnson", "pytorch-examples"])
def test_it_tells_the_losses(
    convention: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = ["--content-layers", "relu3_3", "--style-layers", "relu1_2,relu2_2,relu4_3"]
    assert main([*command, "--convention", convention, *layers]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{tmp_path / 'out.png'}: content ")
    assert "after 2 steps in" in out
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.csv", "out.png"]


def test_a_result_is_kept_unless_asked(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.png").write_bytes(b"mine")
    assert main(command) == 1
    assert "out.png: already exists; go on with --resume, or replace it" in _error(capsys)
    assert main([*command, "--overwrite"]) == 0
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (96, 64)


def test_ctrl_c_saves_and_the_same_command_goes_on(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from faststyle.cli.running import ProgressBar

    show = ProgressBar.show

    def interrupted(bar: ProgressBar, progress: object) -> None:
        show(bar, progress)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(ProgressBar, "show", interrupted)
        assert main(command) == 128 + signal.SIGINT
    assert "stopped after step 1; the same command with --resume goes on" in capsys.readouterr().err
    assert (tmp_path / "out.state.pt").exists()
    assert main(command) == 1
    assert "out.state.pt: already exists" in _error(capsys)
    assert main([*command, "--resume", "--steps", "3"]) == 1
    assert "--steps 3: the picture was started with 2" in _error(capsys)
    assert main([*command, "--resume"]) == 0
    assert "out.png: step 2 of 2: content " in _error(capsys)
    assert (tmp_path / "out.png").exists()
    assert main([*command, "--resume"]) == 0
    assert "out.png: finished already" in _error(capsys)


def test_a_folder_in_the_manner_of_tutorials(
    paint: Paint, losses: list[str], tmp_path: Path
) -> None:
    for name in ("content_boat", "content_cat", "style_wave"):
        folder = paint(f"set/{name}.png", height=64, width=72).parent
    command = ["optimize", str(folder), "-o", str(tmp_path / "made"), "--square", *losses]
    assert main(command) == 0
    made = sorted((tmp_path / "made").glob("*.png"))
    assert [path.name for path in made] == ["boat_wave.png", "cat_wave.png"]
    with Image.open(made[0]) as picture:
        assert picture.size == (64, 64)
    made[1].unlink()
    made[0].write_bytes(b"kept")
    assert main([*command, "--resume"]) == 0
    assert made[0].read_bytes() == b"kept"
    assert made[1].exists()


@pytest.mark.parametrize(
    ("names", "result"),
    [
        (("content_a.jpg", "content_a.png", "style_s.png"), "a_s.png"),
        (("content_a_b.png", "content_a.png", "style_c.png", "style_b_c.png"), "a_b_c.png"),
    ],
)
def test_two_results_of_one_name_are_refused(
    names: tuple[str, ...],
    result: str,
    paint: Paint,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in names:
        folder = paint(f"set/{name}").parent
    assert main(["optimize", str(folder), "-o", str(tmp_path / "made")]) == 1
    error = _error(capsys)
    assert f"{result}: is what both {folder / 'content_a'}" in error
    assert "content_a.png in the style of" in error
    assert not (tmp_path / "made").exists()


def test_a_damaged_picture_of_a_folder_costs_only_its_own_results(
    paint: Paint, losses: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("content_a", "content_b", "content_c", "style_s"):
        folder = paint(f"set/{name}.png", height=64, width=72).parent
    (folder / "content_a.png").write_text("not a picture")
    paint("set/content_b.png", height=9, width=9)
    assert main(["optimize", str(folder), "-o", str(tmp_path / "made"), *losses]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "faststyle: " in line]
    assert len(errors) == 2
    assert "content_a.png: not a picture" in errors[0]
    assert "content_b.png: 9×9 pixels are too few" in errors[1]
    assert [path.name for path in (tmp_path / "made").glob("*.png")] == ["c_s.png"]


@pytest.mark.parametrize("name", ["out.csv", "out_previews"])
def test_files_beside_a_result_are_kept_unless_asked(
    name: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / name
    if there.suffix:
        there.write_text("mine")
    else:
        there.mkdir()
    assert main(command) == 1
    assert f"{name}: already exists; choose another name with --output, or" in _error(capsys)
    assert there.is_dir() or there.read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--resume"], "out.state.pt: there is nothing to resume; leave --resume out"),
        (["--convention", "mine"], "no loss convention is called 'mine'"),
        (["--optimizer", "sgd"], "--optimizer must be one of lbfgs, adam"),
        (["--init", "black"], "--init must be one of content, noise, style"),
        (["--pooling", "none"], "--pooling must be one of max, average"),
        (["--steps", "0"], "--steps must be at least 1"),
        (["--scales", "0"], "--scales must be at least 1"),
        (["--preview-every", "0"], "--preview-every must be at least 1"),
        (["--max-side", "8"], "--max-side must be at least 64"),
        (["--style-scale", "0"], "--style-scale goes from 0.1 to 10"),
        (["--style-weight", "-1"], "--style-weight must be 0 or more"),
        (["--total-variation-weight", "nan"], "--total-variation-weight must be 0 or more"),
        (["--style-layer-weights", "1,2"], "--style-layer-weights has 2 numbers for 5"),
        (["--style-layers", "relu9_1"], "vgg19 has no layer 'relu9_1'"),
        (["--content-layers", ","], "--content-layers names no layer"),
        (["--content-layers", "relu1_1,relu1_1"], "--content-layers names relu1_1 more than once"),
        (["--style-layers", "relu2_1,relu2_1"], "--style-layers names relu2_1 more than once"),
        (["--learning-rate", "0"], "--learning-rate must be above 0"),
        (["--loss-network", "lite"], "--vgg-weights needs --loss-network vgg16 or vgg19"),
        (["--device", "abacus"], "--device must be one of"),
    ],
)
def test_mistakes_are_one_line(
    extra: list[str], message: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *extra]) == 1
    assert message in _error(capsys)


def test_a_photo_needs_a_style_and_a_folder_none(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command[:2], *command[3:]]) == 1
    assert "photo.png: name a style picture after the photo" in _error(capsys)
    assert main(["optimize", str(tmp_path), *command[2:]]) == 1
    assert "a folder has its own style_* pictures" in _error(capsys)
