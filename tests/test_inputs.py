from __future__ import annotations

import glob
from pathlib import Path

import pytest

from faststyle.errors import InputError
from faststyle.inputs import Naming, find_places, plan


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _plan(tmp_path: Path, *names: str, ending: str = "", suffix: str = "") -> dict[str, str]:
    """Return which result each picture gets, both relative to the test's folder."""
    places = find_places([str(tmp_path / name) for name in names])
    naming = Naming(ending=ending, suffix=suffix)
    return {
        str(job.source.relative_to(tmp_path)): str(job.destination.relative_to(tmp_path / "out"))
        for job in plan(places, tmp_path / "out", naming=naming)
    }


def test_a_folder_keeps_its_layout(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.png", "in/a.jpg", "in/sub/a.png", "in/sub dir/ü 🎨.webp", "in/-x.jpg")
    planned = _plan(tmp_path, "in")
    assert planned == {name: name.removeprefix("in/") for name in planned}
    assert len(planned) == 5


def test_several_folders_get_one_each(tmp_path: Path) -> None:
    _touch(tmp_path, "one/a.png", "two/a.png", "b.png")
    assert _plan(tmp_path, "one", "two", "b.png") == {
        "one/a.png": "one/a.png",
        "two/a.png": "two/a.png",
        "b.png": "b.png",
    }


def test_photos_and_folders_of_one_name_do_not_meet(tmp_path: Path) -> None:
    _touch(tmp_path, "x/in/a.png", "y/in/a.png", "x/b.png", "y/b.png")
    assert _plan(tmp_path, "x/in", "y/in", "x/b.png", "y/b.png") == {
        name: name for name in ("x/in/a.png", "y/in/a.png", "x/b.png", "y/b.png")
    }
    with pytest.raises(InputError, match="named twice"):
        _plan(tmp_path, "x/in", "x/in")


@pytest.mark.parametrize("names", [("x/a.jpg", "y/a.png"), ("x/a.jpg", "y/A.jpg")])
def test_results_of_photos_of_two_folders_do_not_meet(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    _touch(tmp_path, *names)
    assert set(_plan(tmp_path, *names, ending=".webp").values()) == {
        str(Path(name).with_suffix(".webp")) for name in names
    }


def test_a_pattern_keeps_the_layout_below_its_fixed_part(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.jpg", "in/b.png", "in/sub/deep/c.jpg", "in/out.txt", "out/in/d.jpg")
    assert len(_plan(tmp_path, "in/*")) == 2
    assert _plan(tmp_path, "in/**/*.jpg") == {
        "in/a.jpg": "a.jpg",
        "in/sub/deep/c.jpg": "sub/deep/c.jpg",
    }
    assert _plan(tmp_path, "**/*.jpg") == {
        "in/a.jpg": "in/a.jpg",
        "in/sub/deep/c.jpg": "in/sub/deep/c.jpg",
    }


def test_what_a_pattern_finds_goes_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["in/a.jpg", "in/b.jpg", "in/sub/c.jpg"]
    _touch(tmp_path, *names)
    find = glob.glob
    monkeypatch.setattr("glob.glob", lambda *given, **how: find(*given, **how)[::-1])
    assert list(_plan(tmp_path, "in/**/*.jpg")) == names
    monkeypatch.setattr("glob.glob", lambda *given, **how: sorted(find(*given, **how)))
    assert list(_plan(tmp_path, "in/**/*.jpg")) == names


def test_a_pattern_without_a_fixed_part_and_a_folder_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path, "in/a.jpg", "x/in/a.jpg")
    monkeypatch.chdir(tmp_path)
    jobs = plan(find_places(["i*/*.jpg", "x/in"]), Path("out"), naming=Naming())
    assert {str(job.source): str(job.destination) for job in jobs} == {
        "in/a.jpg": "out/in/a.jpg",
        "x/in/a.jpg": "out/x/in/a.jpg",
    }


def test_patterns_of_one_folder_are_as_one(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.jpg", "in/b.png", "in/sub/c.jpg")
    assert _plan(tmp_path, "in/*.jpg", "in/*.png") == {"in/a.jpg": "a.jpg", "in/b.png": "b.png"}
    assert _plan(tmp_path, "in/*.jpg", "in/a*") == {"in/a.jpg": "a.jpg"}
    jobs = plan(find_places([f"{tmp_path}/in/**/**/*.jpg"]), tmp_path / "out", naming=Naming())
    assert len(list(jobs)) == 2


def test_a_folder_named_by_the_way_up_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path, "in/work/a.jpg", "in/top.jpg", "in/work/more/b.jpg")
    monkeypatch.chdir(tmp_path / "in" / "work")
    for other, name in (("..", "in"), ("../*.jpg", "in")):
        jobs = plan(find_places([other, "more"]), tmp_path / "out", naming=Naming())
        planned = {job.source.name: job.destination for job in jobs}
        assert planned["top.jpg"] == tmp_path / "out" / name / "top.jpg"


def test_a_link_to_a_folder_has_its_own_name(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.jpg", "other/a.jpg")
    (tmp_path / "latest").symlink_to(tmp_path / "in")
    assert _plan(tmp_path, "latest", "other") == {
        "latest/a.jpg": "latest/a.jpg",
        "other/a.jpg": "other/a.jpg",
    }


def test_results_may_go_above_the_photos(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.jpg")
    jobs = plan(find_places([f"{tmp_path}/in/*.jpg"]), tmp_path, naming=Naming(suffix="_x"))
    assert [job.destination for job in jobs] == [tmp_path / "a_x.jpg"]


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(InputError, match="an empty name"):
        find_places([""])


def test_a_photo_whose_name_is_a_pattern_is_a_photo(tmp_path: Path) -> None:
    _touch(tmp_path, "a[1].jpg", "a1.jpg")
    assert _plan(tmp_path, "a[1].jpg") == {"a[1].jpg": "a[1].jpg"}


@pytest.mark.parametrize("name", ["in", "in/*"])
def test_a_link_that_leads_nowhere_is_named_and_a_folder_is_no_photo(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "in" / "folder.png").mkdir(parents=True)
    (tmp_path / "in" / "nowhere.png").symlink_to(tmp_path / "gone.png")
    assert _plan(tmp_path, name) == {"in/nowhere.png": "nowhere.png"}


@pytest.mark.parametrize("suffix", ["", "_wave"])
def test_no_two_results_meet_in_another_format(tmp_path: Path, suffix: str) -> None:
    names = [
        *("a.jpg", "b.jpg", "b.png", "b.WEBP", "c.jpg", "c.JPG", "c.jPg", "d.png", "d.png.jpg"),
        *("b.jpg.webp", "e.PNG"),
    ]
    _touch(tmp_path / "in", *names)
    planned = _plan(tmp_path, "in", ending=".png", suffix=suffix)
    assert len(planned) == len(names)
    assert len({name.lower() for name in planned.values()}) >= len(names) - 2  # a.jpg and a.JPG
    assert len(set(planned.values())) == len(names)
    assert planned["in/a.jpg"] == f"a{suffix}.png"
    assert planned["in/d.png"] == f"d{suffix}.png"
    assert planned["in/b.jpg"] == f"b.jpg_{suffix}.png"
    assert planned["in/c.jpg"] == f"c.jpg{suffix}.png"


def test_a_suffix_comes_before_the_ending(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.b.jpg")
    assert _plan(tmp_path, "in", suffix="_x") == {"in/a.b.jpg": "a.b_x.jpg"}


def test_names_are_read_as_they_are_needed(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"in/{index}.jpg" for index in range(5)))
    jobs = plan(find_places([str(tmp_path / "in")]), tmp_path / "out", naming=Naming())
    next(jobs)
    _touch(tmp_path, "out/0.jpg")
    assert len(list(jobs)) == 4


def test_results_within_the_folder_are_left_out(tmp_path: Path) -> None:
    _touch(tmp_path, "a.png", "out/a.png")
    assert _plan(tmp_path, ".") == {"a.png": "a.png"}


@pytest.mark.parametrize(
    ("names", "output", "message"),
    [
        (["in"], "in", "is the folder of the photos"),
        (["in"], "in/a.png", "is a file; name a folder"),
        (["in"], "new.png", "has the name of a picture; name a folder"),
        (["in/*.png"], "in", "is the folder of the photos"),
        (["in", "other"], "", "in: is the folder of the photos"),
        (["in", "in/*.png"], "out", "named twice"),
        (["none.jpg"], "out", r"none\.jpg: no such file or folder"),
    ],
)
def test_what_cannot_work_is_refused(
    tmp_path: Path, names: list[str], output: str, message: str
) -> None:
    _touch(tmp_path, "in/a.png", "other/a.png")
    with pytest.raises(InputError, match=message):
        plan(
            find_places([str(tmp_path / name) for name in names]),
            tmp_path / output,
            naming=Naming(),
        )


def test_a_name_too_long_for_another_ending_is_kept(tmp_path: Path) -> None:
    name = f"{'x' * 251}.jpg"
    _touch(tmp_path, f"in/{name}")
    assert _plan(tmp_path, "in", ending=".png") == {f"in/{name}": f"{'x' * 251}.png"}


def test_links_in_circles_show_no_photo_twice(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.png")
    (tmp_path / "in" / "circle.png").symlink_to("circle.png")
    (tmp_path / "in" / "again").symlink_to(".")
    found = _plan(tmp_path, "in/**/*.png")
    assert sorted(Path(name).name for name in found) == ["a.png", "circle.png"]


def test_no_result_takes_the_place_of_another_photo(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.jpg", "in/a_x.jpg")
    places = find_places([str(tmp_path / "in" / name) for name in ("a.jpg", "a_x.jpg")])
    with pytest.raises(InputError, match=r"in/a_x\.jpg: is one of the photos"):
        plan(places, tmp_path / "in", naming=Naming(suffix="_x"))


def test_systems_without_case_have_one_photo_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exists(path: Path) -> bool:
        return any(each.name.casefold() == path.name.casefold() for each in path.parent.iterdir())

    monkeypatch.setattr("faststyle.inputs._exists", exists)
    monkeypatch.setattr(Path, "samefile", lambda one, other: str(one).lower() == str(other).lower())
    _touch(tmp_path, "in/a.jpg", "in/b.Png", "in/c.jpg", "in/c.PNG")
    assert _plan(tmp_path, "in", ending=".webp") == {
        "in/a.jpg": "a.webp",
        "in/b.Png": "b.webp",
        "in/c.jpg": "c.jpg.webp",
        "in/c.PNG": "c.PNG.webp",
    }


@pytest.mark.parametrize("names", [("a.jpg",), ("a.jpg", "b.jpg")])
def test_results_of_an_earlier_run_beside_named_photos_keep_their_names(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    _touch(tmp_path, "out/a.jpg", "out/b.jpg")
    photos = [f"out/{name}" for name in names]
    first = _plan(tmp_path, *photos, ending=".webp")
    assert first == {f"out/{name}": f"{name[0]}.webp" for name in names}
    _touch(tmp_path, *(f"out/{result}" for result in first.values()))
    assert _plan(tmp_path, *photos, ending=".webp") == first


def test_named_photos_that_differ_in_their_endings_do_not_meet(tmp_path: Path) -> None:
    _touch(tmp_path, "out/a.jpg", "out/a.png", "out/a.jpg.png")
    photos = ("out/a.jpg", "out/a.png", "out/a.jpg.png")
    assert set(_plan(tmp_path, *photos, ending=".webp").values()) == {
        *("a.jpg_.webp", "a.png.webp", "a.jpg.webp")
    }
