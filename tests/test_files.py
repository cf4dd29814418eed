from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from faststyle.errors import InputError, OutputExistsError
from faststyle.files import evenly_chosen, find_pictures, refuse_existing, try_folder, whole_file


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_find_pictures_goes_down_and_leaves_out_the_rest(tmp_path: Path) -> None:
    _touch(tmp_path, "b.JPG", "a.png", "sub/deep/c.webp", "notes.txt", ".hidden.jpg", ".git/d.jpg")
    found = sorted(str(path.relative_to(tmp_path)) for path in find_pictures(tmp_path))
    assert found == ["a.png", "b.JPG", "sub/deep/c.webp"]


@pytest.mark.parametrize("backwards", [False, True])
def test_find_pictures_goes_by_name_whatever_order_the_disk_has(
    backwards: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a.png", "b.png", "m/c.png", "m/d/a.png", "n/a.png"]
    _touch(tmp_path, *names)
    scan = os.scandir

    class Backwards(list[os.DirEntry[str]]):
        def __init__(self, path: Path) -> None:
            with scan(path) as entries:
                super().__init__(sorted(entries, key=lambda entry: entry.name, reverse=backwards))

        def __enter__(self) -> Backwards:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("os.scandir", Backwards)
    assert [str(path.relative_to(tmp_path)) for path in find_pictures(tmp_path)] == names


def test_find_pictures_leaves_out_the_folder_of_results(tmp_path: Path) -> None:
    _touch(tmp_path, "a.png", "out/a.png", "other/out/b.png")
    found = [
        str(p.relative_to(tmp_path)) for p in find_pictures(tmp_path, without=tmp_path / "out")
    ]
    assert found == ["a.png", "other/out/b.png"]


def test_find_pictures_survives_a_link_that_goes_round(tmp_path: Path) -> None:
    _touch(tmp_path, "a.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list(find_pictures(tmp_path)) == [tmp_path / "a.png"]


def test_find_pictures_finds_what_leads_nowhere_but_nothing_else_than_files(tmp_path: Path) -> None:
    _touch(tmp_path, "a.png", "folder.png/b.png")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    os.mkfifo(tmp_path / "pipe.png")
    found = sorted(str(path.relative_to(tmp_path)) for path in find_pictures(tmp_path))
    assert found == ["a.png", "circle.png", "folder.png/b.png", "nowhere.png"]


def test_find_pictures_finds_a_folder_that_may_not_be_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path, "a.png", "closed/b.png")
    enter = os.scandir

    def scandir(path: Path) -> Iterator[os.DirEntry[str]]:
        if path.name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return enter(path)

    monkeypatch.setattr("os.scandir", scandir)
    assert set(find_pictures(tmp_path)) == {tmp_path / "a.png", tmp_path / "closed"}
    assert not list(find_pictures(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("most", "expected"), [(1, "a"), (3, "ace"), (7, "abcdefg"), (9, "abcdefg")]
)
def test_paths_are_chosen_at_even_distances(most: int, expected: str) -> None:
    assert evenly_chosen([Path(name) for name in "abcdefg"], most=most) == [*map(Path, expected)]
    assert evenly_chosen([], most=most) == []


def test_whole_file_appears_under_its_name_only_when_done(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_whole_file_keeps_the_old_one_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_whole_file_takes_the_longest_name_there_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    with whole_file(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"


def test_refuse_existing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    refuse_existing(path, overwrite=False)
    path.touch()
    refuse_existing(path, overwrite=True)
    with pytest.raises(OutputExistsError, match=f"^{path}: .*--overwrite"):
        refuse_existing(path, overwrite=False)
    with pytest.raises(InputError, match="is a folder"):
        refuse_existing(tmp_path, overwrite=True)


def test_find_pictures_goes_down_any_number_of_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    deep = Path(*["d"] * 1100)
    for _ in deep.parts:
        Path("d").mkdir()
        os.chdir("d")
    Path("a.png").touch()
    monkeypatch.chdir(tmp_path)
    assert list(find_pictures(Path("d"))) == [deep / "a.png"]
    (deep / "a.png").unlink()
    os.removedirs(deep)  # what cleans up after tests would not go down so far


def test_a_folder_that_takes_files_is_told_from_others(tmp_path: Path) -> None:
    try_folder(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        try_folder(tmp_path / "file" / "folder")
