"""Fetch MS-COCO photos to train on: ``python data/prepare.py [--split train2017]``.

Needs only Python's own library and tqdm. An interrupted download goes on where it
stopped, and the folder of photos appears only once it is complete.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from tqdm import tqdm

SOURCE = "http://images.cocodataset.org/zips"
SPLITS = {"val2017": "5,000 photos, 0.8 GB", "train2017": "118,000 photos, 19 GB"}
CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a byte


class FetchError(Exception):
    """The photos cannot be had; the message is one line with the remedy."""


def main(arguments: list[str] | None = None) -> int:
    """Fetch a split and return the exit status."""
    parser = argparse.ArgumentParser(description="Fetch MS-COCO photos to train on.")
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="val2017",
        help="; ".join(f"{name}: {size}" for name, size in SPLITS.items()) + " (default: val2017)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent / "coco",
        metavar="DIR",
        help="folder to put the photos in (default: data/coco)",
    )
    options = parser.parse_args(arguments)
    try:
        folder = prepare(options.split, out=options.out)
    except FetchError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("prepare: stopped; run it again to go on from here", file=sys.stderr)
        return 130
    print(f"photos in {folder}; train with --content {folder}")
    return 0


def prepare(split: str, *, out: Path, source: str = SOURCE) -> Path:
    """Download and unpack a split unless it is there already.

    Args:
        split: name of the archive, without its ending.
        out: folder that the folder of photos is made in.
        source: address of the folder of archives.

    Returns:
        The folder of photos.

    Raises:
        FetchError: the download or the disk failed.
    """
    folder, archive = out / split, out / f"{split}.zip"
    if folder.is_dir():
        archive.unlink(missing_ok=True)
        return folder
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not archive.exists():
            partial = archive.with_suffix(".zip.part")
            _with_bar(f"downloading {split}", "B", download, f"{source}/{split}.zip", partial)
            partial.replace(archive)
        _with_bar(f"unpacking {split}", "photo", unpack, archive, folder)
        archive.unlink()
    except urllib.error.URLError as error:
        raise FetchError(
            f"{source}/{split}.zip: cannot be fetched ({error.reason}); check the connection "
            "and run this again, or train on any other folder of photos"
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        archive.unlink(missing_ok=True)
        raise FetchError(f"{archive}: damaged and removed; run this again") from error
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(f"{error}; run this again to go on from here") from error
    return folder


Advance = Callable[[int, int], None]
"""Called with what is done and what there is in all."""


def download(address: str, partial: Path, *, on_progress: Advance) -> None:
    """Download a file, going on after the bytes that are there already.

    Raises:
        OSError: the connection or the disk failed; URLError is one.
        HTTPException: the server broke off.
    """
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={done}-"})  # noqa: S310
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and done:
            return  # every byte is there
        raise
    with response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            done = 0  # the server sends the whole file again
        total = done + int(response.headers.get("Content-Length", 0))
        with open(partial, "ab" if done else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                on_progress(done, total)
    if done < total:
        raise OSError(f"{address}: the connection ended early")


def unpack(archive: Path, folder: Path, *, on_progress: Advance) -> None:
    """Unpack the JPEG files of an archive into a folder that appears when all are there.

    Raises:
        BadZipFile, zlib.error, EOFError: the archive is damaged.
        OSError: the disk failed.
    """
    partial = folder.with_name(f"{folder.name}.part")
    with zipfile.ZipFile(archive) as content:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        names = [name for name in content.namelist() if name.lower().endswith(".jpg")]
        for done, name in enumerate(names, start=1):
            with content.open(name) as packed, open(partial / Path(name).name, "wb") as file:
                shutil.copyfileobj(packed, file)
            on_progress(done, len(names))
    partial.rename(folder)


def _with_bar(
    label: str, unit: str, work: Callable[..., None], source: str | Path, target: Path
) -> None:
    # No bar goes into a file, which it would fill.
    with tqdm(desc=label, unit=unit, unit_scale=unit == "B", disable=None) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        work(source, target, on_progress=advance)


if __name__ == "__main__":
    raise SystemExit(main())
