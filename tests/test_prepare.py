"""The download of training photos, from a server on this machine."""

from __future__ import annotations

import importlib.util
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare", REPOSITORY / "data" / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("val2017/1.jpg", "val2017/2.jpg", "../outside.jpg", "val2017/notes.txt"):
            archive.writestr(name, name * 1000)
    return buffer.getvalue()


class _Server(ThreadingHTTPServer):
    content = b""
    ranges: list[str]
    breaks_after: int | None = None
    resumes = True


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers["Range"])
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if not self.server.resumes:
            start = 0
        body = self.server.content[start:]
        if self.server.resumes and not body:
            self.send_error(416)
            return
        self.send_response(206 if self.server.resumes else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.content, server.ranges = _archive(), []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _source(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_photos_are_downloaded_and_unpacked(
    prepare: ModuleType, server: _Server, tmp_path: Path
) -> None:
    folder = prepare.prepare("val2017", out=tmp_path / "coco", source=_source(server))
    assert folder == tmp_path / "coco" / "val2017"
    assert sorted(path.name for path in folder.iterdir()) == ["1.jpg", "2.jpg", "outside.jpg"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        *("1.jpg", "2.jpg", "coco", "outside.jpg", "val2017")
    ]
    prepare.prepare("val2017", out=tmp_path / "coco", source=_source(server))
    assert len(server.ranges) == 1


@pytest.mark.parametrize("resumes", [True, False])
def test_a_broken_download_goes_on(
    prepare: ModuleType, server: _Server, tmp_path: Path, resumes: bool
) -> None:
    server.resumes, server.breaks_after = resumes, 1000
    with pytest.raises(prepare.FetchError, match="ended early; run this again"):
        prepare.prepare("val2017", out=tmp_path, source=_source(server))
    assert [path.name for path in tmp_path.iterdir()] == ["val2017.zip.part"]
    server.breaks_after = None
    folder = prepare.prepare("val2017", out=tmp_path, source=_source(server))
    assert (folder / "1.jpg").read_bytes() == b"val2017/1.jpg" * 1000
    assert server.ranges == ["bytes=0-", "bytes=1000-"]


def test_a_complete_download_is_not_fetched_again(
    prepare: ModuleType, server: _Server, tmp_path: Path
) -> None:
    (tmp_path / "val2017.zip.part").write_bytes(server.content)
    assert prepare.prepare("val2017", out=tmp_path, source=_source(server)).is_dir()


def test_a_damaged_archive_is_removed(prepare: ModuleType, server: _Server, tmp_path: Path) -> None:
    server.content = b"not a zip file"
    with pytest.raises(prepare.FetchError, match="damaged and removed; run this again"):
        prepare.prepare("val2017", out=tmp_path, source=_source(server))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_photo_removes_the_archive(
    prepare: ModuleType, server: _Server, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("val2017/1.jpg", bytes(range(256)) * 1000)
    content = bytearray(buffer.getvalue())
    content[60:200] = bytes(140)
    server.content = bytes(content)
    with pytest.raises(prepare.FetchError, match="damaged and removed; run this again"):
        prepare.prepare("val2017", out=tmp_path, source=_source(server))
    assert not (tmp_path / "val2017.zip").exists()


def test_no_connection_is_one_line(
    prepare: ModuleType, server: _Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _source(server)
    server.server_close()
    server.shutdown()
    with pytest.raises(prepare.FetchError, match=r"cannot be fetched .*check the connection"):
        prepare.prepare("val2017", out=tmp_path, source=source)
    (tmp_path / "file").touch()
    assert prepare.main(["--out", str(tmp_path / "file" / "coco")]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("prepare: ")
