"""Which pictures to stylize, and where each result goes, so that no two meet."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from faststyle.errors import InputError
from faststyle.files import PICTURE_FORMATS, find_pictures, is_picture, something_else

ENDINGS = tuple(
    form for ending in PICTURE_FORMATS for form in (ending, ending.upper(), ending.title())
)
"""File name endings of pictures as people write them."""


class Job(NamedTuple):
    """A picture and the file to write."""

    source: Path
    destination: Path


Named = Mapping[Path, Sequence[str]]
"""Names of pictures that were named one by one, by their paths without endings."""


@dataclass(frozen=True)
class Naming:
    """How files of results are named."""

    ending: str = ""
    """File name ending, such as ``.png``; empty keeps that of the picture."""
    suffix: str = ""
    """What is put between the name and the ending."""

    def name(self, source: Path, *, named: Named | None = None) -> str:
        """Name the result of a picture: differently from that of any other.

        Only pictures that differ in nothing but the ending could meet under a new one; they keep
        the old one in their names, so ``a.jpg`` beside ``a.webp`` becomes ``a.jpg.png``.

        Args:
            source: the picture.
            named: those that were named one by one, it among them; None for all of its folder.
                What else lies there may be results of an earlier run.
        """
        ending = self.ending or source.suffix
        stem = source.stem
        if ending != source.suffix and _meets_another(source, named):
            stem = source.name
            while _pictures_called(source.parent / stem, named):
                stem += "_"
        return f"{stem}{self.suffix}{ending}"


@dataclass(frozen=True)
class Place:
    """One thing that was named: a picture, a folder, or a pattern."""

    root: Path
    """The folder that results keep their places in."""
    pattern: str | None = None
    """A pattern of the paths of pictures, if it is one."""
    picture: Path | None = None
    """The picture, if it is one."""

    @property
    def name(self) -> str:
        """Folder that results are put into where several things are named, if it has a name."""
        if self.picture is not None or (self.pattern is not None and self.root == Path()):
            return ""
        return Path(os.path.normpath(self.root.absolute())).name  # a link has its own name

    def pictures(self, *, without: Path) -> Iterator[Path]:
        """List the pictures as they are found, leaving out the folder of results."""
        if self.picture is not None:
            yield self.picture
        elif self.pattern is None:
            yield from find_pictures(self.root, without=without)
        else:
            results = without.resolve()
            inside = results.is_relative_to(self.root.resolve())
            # By name, as those of a folder are.
            for name in sorted(glob.glob(self.pattern, recursive=True)):  # noqa: PTH207  (text)
                path = Path(name)
                ours = inside and _real(path).is_relative_to(results)
                if is_picture(path) and not something_else(path) and not ours:
                    yield path


def find_places(names: Sequence[str]) -> list[Place]:
    """Tell pictures, folders and patterns apart.

    Raises:
        InputError: there is no such thing.
    """
    places = []
    for name in names:
        path = Path(name)
        if not name:
            raise InputError("an empty name: name photos, folders or patterns")
        if path.is_dir():
            places.append(Place(path))
        elif path.exists():
            places.append(Place(path.parent, picture=path))
        elif glob.has_magic(name):
            places.append(Place(_fixed_part(path), pattern=name))
        else:
            raise InputError(f"{name}: no such file or folder; check the path")
    return places


def plan(
    places: Sequence[Place], output: Path, *, naming: Naming, below: str = ""
) -> Iterator[Job]:
    """Pair each picture with the file to write, in a folder, as they are found.

    A folder's pictures keep their places below it; of several folders, each has one of its name.

    Args:
        places: what was named.
        output: the folder to write to, which may lie inside one of them.
        naming: how results are named.
        below: the folder inside it that these results go to.

    Raises:
        InputError: results would take the places of pictures, or of one another.
    """
    if not output.is_dir() and (output.exists() or is_picture(output)):
        kind = "is a file" if output.exists() else "has the name of a picture"
        raise InputError(f"{output}: {kind}; name a folder for so many pictures")
    names = _names(places, naming=naming)
    folders = [Path(below) / folder for folder in _folders(places, names=names)]
    for place, folder in zip(places, folders, strict=True):
        results = output / folder
        if place.picture is None and results.is_dir() and results.samefile(place.root):
            raise InputError(f"{results}: is the folder of the photos; write to another one")
    _spare_photos(
        (place.picture, output / folder / names[place.picture])
        for place, folder in zip(places, folders, strict=True)
        if place.picture is not None
    )
    return _pair(places, folders, output, naming=naming, names=names)


def _spare_photos(pairs: Iterable[tuple[Path, Path]]) -> None:
    """Refuse a photo's result in the place of another photo; its own place is refused later.

    Raises:
        InputError: names the result.
    """
    results = dict(pairs)
    taken = {photo: each for photo, each in results.items() if _exists(each)}
    photos = {_real(photo) for photo in results} if taken else set()
    for photo, result in taken.items():
        if _real(result) in photos and _real(result) != _real(photo):
            raise InputError(f"{result}: is one of the photos; write to another folder")


def named(pictures: Iterable[Path]) -> Named:
    """Sort pictures that were named one by one."""
    found: dict[Path, list[str]] = {}
    for picture in pictures:
        found.setdefault(picture.with_suffix(""), []).append(picture.name)
    return found


def _names(places: Sequence[Place], *, naming: Naming) -> dict[Path, str]:
    """Name the results of the pictures that were named one by one."""
    pictures = [place.picture for place in places if place.picture is not None]
    known = named(pictures)
    return {picture: naming.name(picture, named=known) for picture in pictures}


def _pair(
    places: Sequence[Place],
    folders: Sequence[Path],
    output: Path,
    *,
    naming: Naming,
    names: Mapping[Path, str],
) -> Iterator[Job]:
    matched: set[Path] = set()
    for place, folder in zip(places, folders, strict=True):
        for source in place.pictures(without=output):
            if place.pattern is not None:  # of which several may match a photo, or one by links
                found = _real(source.parent) / source.name
                if found in matched:
                    continue
                matched.add(found)
            kept = source.parent.relative_to(place.root)
            name = names[source] if place.picture is not None else naming.name(source)
            yield Job(source, output / folder / kept / name)


def _folders(places: Sequence[Place], *, names: Mapping[Path, str]) -> list[Path]:
    """Return the folder, below that of results, for each thing that was named."""
    roots = [place.root.resolve() for place in places]
    if len(places) == 1 or (
        len(set(roots)) == 1 and all(place.pattern is not None for place in places)
    ):
        return [Path()] * len(places)
    folders = [Path(place.name) for place in places]
    named = all(place.name or place.picture is not None for place in places)
    if named and _apart(places, folders, names=names):
        return folders
    try:
        common = os.path.commonpath(roots)
    except ValueError as error:  # on Windows
        raise InputError(
            "photos of one name on several drives; stylize one after another"
        ) from error
    folders = [root.relative_to(common) for root in roots]
    if not _apart(places, folders, names=names):
        raise InputError("the same photos are named twice; name each once")
    return folders


def _apart(places: Sequence[Place], folders: Sequence[Path], *, names: Mapping[Path, str]) -> bool:
    """Tell whether no two things have one place, on systems that do not tell A from a either.

    Patterns of one folder may have one.
    """
    taken: set[tuple[str, object]] = set()
    for index, (folder, place) in enumerate(zip(folders, places, strict=True)):
        path = folder / names[place.picture] if place.picture is not None else folder
        whose = index if place.pattern is None else place.root.resolve()
        taken.add((str(path).casefold(), whose))
    return len({path for path, _ in taken}) == len(taken)


def _fixed_part(pattern: Path) -> Path:
    """Return the folder that all paths of a pattern lie in."""
    fixed: list[str] = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)


def _meets_another(source: Path, named: Named | None) -> bool:
    names = _pictures_called(source.with_suffix(""), named)
    return not all(_is(name, source) for name in names) or source.suffix not in ENDINGS


def _is(name: str, source: Path) -> bool:
    """Tell whether a name is the picture's own, spelled otherwise where case does not count."""
    if name == source.name:
        return True
    alike = name.casefold() == source.name.casefold()
    return alike and (source.parent / name).samefile(source)


def _pictures_called(stem: Path, named: Named | None) -> Sequence[str]:
    """Return the names of the pictures that have a name but for its ending."""
    if named is not None:
        return named.get(stem, ())
    names = (f"{stem.name}{ending}" for ending in ENDINGS)
    return [name for name in names if _exists(stem.parent / name)]


def _exists(path: Path) -> bool:
    """Tell whether there is such a file; Path.exists() fails on names that are too long."""
    return os.path.exists(path)  # noqa: PTH110


def _real(path: Path) -> Path:
    """Follow all links but those in circles, on which Path.resolve() fails."""
    return Path(os.path.realpath(path))
