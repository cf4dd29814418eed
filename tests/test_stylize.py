from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from faststyle.errors import ImageError, ModelError, OutputExistsError
from faststyle.images import open_picture
from faststyle.inputs import Job
from faststyle.scene import FRAMES
from faststyle.stylize import (
    FileOptions,
    FileResult,
    Status,
    stylize_file,
    stylize_files,
    stylize_photo,
    try_stylize_file,
)
from tests.conftest import Paint, blotches, pixels

OPTIONS = FileOptions()
REPLACING = FileOptions(overwrite=True)


class Invert:
    """Paints negatives."""

    shares = True

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int, int]] = []
        self.scenes: list[list[NDArray[np.uint8]]] = []

    @contextmanager
    def room(
        self,
        size: tuple[int, int],
        *,
        frames: int,
        beside: int,  # noqa: ARG002
    ) -> Iterator[int | None]:
        self.sizes.append((*size, frames))
        yield None

    def alike(self, frames: Callable[[], Iterable[Image.Image]]) -> Invert:
        """Remember the colours of the frames."""
        self.scenes.append([pixels(each.convert("RGB"))[0, 0] for each in frames()])
        return self

    def __call__(self, photo: Image.Image, *, side: int | None) -> Image.Image:
        assert side is None
        return ImageOps.invert(photo.convert("RGB"))


class Fail(Invert):
    """Paints nothing."""

    def __call__(self, photo: Image.Image, *, side: int | None) -> Image.Image:  # noqa: ARG002
        raise ImageError("too large")


def _jobs(folder: Path, *names: str) -> list[Job]:
    return [Job(folder / "in" / name, folder / "out" / name) for name in names]


def _run(jobs: list[Job], *, options: FileOptions = OPTIONS, workers: int = 2) -> list[FileResult]:
    results = list(stylize_files(Invert(), jobs, options=options, workers=workers))
    return sorted(results, key=lambda result: result.job)


def test_a_file_is_stylized_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(blotches(20, 30)).save(tmp_path / "photo.png", exif=exif)
    job = Job(tmp_path / "photo.png", tmp_path / "out.png")
    stylize_file(Invert(), job, options=OPTIONS)
    result = open_picture(tmp_path / "out.png")
    assert np.array_equal(pixels(result), 255 - np.rot90(blotches(20, 30)))


def test_room_is_made_for_the_size_of_the_photo(paint: Paint, tmp_path: Path) -> None:
    painter = Invert()
    job = Job(paint("photo.png", height=20, width=31), tmp_path / "out.png")
    stylize_file(painter, job, options=OPTIONS)
    assert painter.sizes == [(31, 20, 1)]


def test_an_animation_is_stylized_frame_by_frame(tmp_path: Path) -> None:
    first, *rest = (Image.new("RGB", (8, 8), color) for color in ("black", "blue", "red"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest, duration=[40, 60, 80])
    for ending, count in (("gif", 3), ("webp", 3), ("jpg", 1)):
        job = Job(tmp_path / "a.gif", tmp_path / f"out.{ending}")
        painter = Invert()
        stylize_file(painter, job, options=OPTIONS)
        assert painter.sizes == [(8, 8, count)]
        assert [len(each) for each in painter.scenes] == ([1] if count > 1 else [])
        with Image.open(job.destination) as result:
            assert getattr(result, "n_frames", 1) == count
            colors = []
            for index in range(count):
                result.seek(index)
                colors.append(np.asarray(result.convert("RGB"))[4, 4] > 128)
        expected = [(True, True, True), (True, True, False), (False, True, True)]
        assert [tuple(each) for each in colors] == expected[:count]


@pytest.mark.parametrize("ending", ["webp", "png", "gif"])
def test_frames_from_all_over_an_animation_make_its_scene(tmp_path: Path, ending: str) -> None:
    first, *rest = (Image.new("RGB", (8, 8), (9 * number, 0, 0)) for number in range(28))
    path = tmp_path / f"a.{ending}"
    first.save(path, save_all=True, append_images=rest, lossless=True)
    for source in (path, io.BytesIO(path.read_bytes())):
        painter = Invert()
        result = stylize_photo(painter, source, name="a", encoder="WEBP", options=OPTIONS)
        assert len(result.frames) == 28
        (scene,) = painter.scenes
        assert len(scene) == FRAMES
        reds = [int(red) for red, _, _ in scene]
        assert reds == sorted(set(reds))
        assert reds[0] <= 18
        assert reds[-1] >= 9 * 22


def test_an_animation_is_painted_frame_by_frame_where_nothing_is_shared(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (8, 8), color) for color in ("black", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    painter = Invert()
    painter.shares = False
    job = Job(tmp_path / "a.gif", tmp_path / "out.gif")
    stylize_file(painter, job, options=OPTIONS)
    assert painter.scenes == []
    assert job.destination.exists()


def test_an_existing_file_is_replaced_only_when_asked(paint: Paint) -> None:
    job = Job(paint("photo.png"), paint("result.png", seed=5))
    before = job.destination.read_bytes()
    with pytest.raises(OutputExistsError, match=r"result\.png: already exists"):
        stylize_file(Invert(), job, options=OPTIONS)
    assert job.destination.read_bytes() == before
    stylize_file(Invert(), job, options=REPLACING)
    assert job.destination.read_bytes() != before


def test_a_photo_is_never_replaced_by_its_own_result(paint: Paint) -> None:
    photo = paint("photo.png")
    before = photo.read_bytes()
    with pytest.raises(ImageError, match="is the photo itself"):
        job = Job(photo, photo.parent / "." / "photo.png")
        stylize_file(Invert(), job, options=REPLACING)
    assert photo.read_bytes() == before


def test_a_second_run_skips_what_is_there(paint: Paint, tmp_path: Path) -> None:
    paint("in/a.png"), paint("in/sub/b.png")
    jobs = _jobs(tmp_path, "a.png", "sub/b.png")
    _run(jobs)
    jobs[1].destination.unlink()
    assert [result.status for result in _run(jobs)] == [Status.SKIPPED, Status.DONE]
    assert [result.status for result in _run(jobs, options=REPLACING)] == [Status.DONE] * 2


def test_a_bad_file_does_not_stop_the_rest(paint: Paint, tmp_path: Path) -> None:
    paint("in/a.png"), paint("in/d.png")
    (tmp_path / "in" / "b.jpg").write_text("not a picture")
    results = _run(_jobs(tmp_path, "a.png", "b.jpg", "c.jpg", "d.png"))
    failed = Status.FAILED
    assert [each.status for each in results] == [Status.DONE, failed, failed, Status.DONE]
    assert "b.jpg: not a picture" in str(results[1].error)
    assert "c.jpg: No such file" in str(results[2].error)  # vanished since it was listed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "d.png"]


def test_what_cannot_be_written_does_not_stop_the_rest(paint: Paint, tmp_path: Path) -> None:
    paint("in/a.png"), paint("in/sub/b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").write_text("a file where a folder should be")
    results = _run(_jobs(tmp_path, "a.png", "sub/b.png"))
    assert [result.status for result in results] == [Status.DONE, Status.FAILED]
    assert "b.png: cannot be written" in str(results[1].error)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_for_each_file(paint: Paint, tmp_path: Path) -> None:
    paint("in/a.png")

    @contextmanager
    def on_full_disk(_: Path) -> Iterator[Path]:
        yield Path("/dev/full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("faststyle.images.whole_file", on_full_disk)
        (result,) = _run(_jobs(tmp_path, "a.png"))
    assert result.status is Status.FAILED
    assert "cannot be written (No space left on device)" in str(result.error)


def test_a_failing_painter_names_the_file(paint: Paint, tmp_path: Path) -> None:
    job = Job(paint("photo.png"), tmp_path / "out.png")
    with pytest.raises(ImageError, match=r"photo\.png: too large"):
        stylize_file(Fail(), job, options=OPTIONS)


def test_what_fails_while_painting_is_not_blamed_on_the_file(paint: Paint, tmp_path: Path) -> None:
    class TooOld(Invert):
        def __call__(self, photo: Image.Image, *, side: int | None) -> Image.Image:  # noqa: ARG002
            raise ModelError("mine.onnx: too old")

    class Wrong(Invert):
        def __call__(self, photo: Image.Image, *, side: int | None) -> Image.Image:  # noqa: ARG002
            raise ZeroDivisionError

    job = Job(paint("photo.png"), tmp_path / "out.png")
    with pytest.raises(ModelError, match=r"^mine\.onnx: too old"):
        stylize_file(TooOld(), job, options=OPTIONS)
    assert try_stylize_file(TooOld(), job, options=OPTIONS).status is Status.FAILED
    with pytest.raises(ZeroDivisionError):
        stylize_file(Wrong(), job, options=OPTIONS)


@pytest.mark.parametrize("workers", [1, 3])
def test_only_so_many_pictures_are_worked_on_at_once(
    paint: Paint, tmp_path: Path, workers: int
) -> None:
    lock = threading.Lock()
    at_once = threading.Barrier(workers, timeout=60)
    now = most = taken = 0

    class Count(Invert):
        def __call__(self, photo: Image.Image, *, side: int | None) -> Image.Image:  # noqa: ARG002
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            at_once.wait()  # for as many others as there are workers
            with lock:
                now -= 1
            return photo

    def jobs() -> Iterator[Job]:
        nonlocal taken
        for index in range(3 * workers):
            taken += 1
            yield Job(paint(f"{index}.png"), tmp_path / "out" / f"{index}.png")

    results = stylize_files(Count(), jobs(), options=OPTIONS, workers=workers)
    next(results)
    assert taken <= 2 * workers  # the list is not read to its end at once
    assert [result.status for result in results] == [Status.DONE] * (3 * workers - 1)
    assert most == workers


def test_a_stream_is_stylized(paint: Paint) -> None:
    source = io.BytesIO(paint("photo.png").read_bytes())
    result = stylize_photo(Invert(), source, name="-", encoder="PNG", options=OPTIONS)
    assert np.array_equal(pixels(result.frames[0]), 255 - blotches(40, 56))
    with pytest.raises(ImageError, match="-: not a picture"):
        stylize_photo(Invert(), io.BytesIO(b"text"), name="-", encoder="PNG", options=OPTIONS)
