"""Run one model in every client: how far each is from faststyle, and what a frame takes.

    python bench/clients.py

prints the table of docs/MODEL.md. Environments with OpenCV and the packages of examples/node and
examples/web are installed into a temporary folder; npm, Node and Chromium must be there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import faststyle

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLES = REPOSITORY / "examples"
PHOTO = REPOSITORY / "data" / "photos" / "chelsea.jpg"
STYLE = "wave"
FRAME = 512
ROUNDS = 10

TIMED_OPENCV = """
import json, sys, time
import cv2
import numpy as np
model, layout, photo, frame, result = sys.argv[1:]
def run(network, path):
    picture = np.ascontiguousarray(cv2.imread(path)[np.newaxis, :, :, ::-1])
    if layout == "nchw-float":
        picture = np.ascontiguousarray(picture.transpose(0, 3, 1, 2)) / np.float32(255)
    start = time.perf_counter()
    network.setInput(picture, "image")
    (stylized,) = network.forward()
    return stylized, 1000 * (time.perf_counter() - start)
network = cv2.dnn.readNetFromONNX(model)
if photo:
    stylized, _ = run(network, photo)
    if layout == "nchw-float":
        stylized = np.rint(255 * stylized).astype(np.uint8).transpose(1, 2, 0)
    cv2.imwrite(result, stylized[:, :, ::-1])
if frame:
    times = [run(network, frame)[1] for _ in range(ROUNDS + 1)][1:]
    print(json.dumps(sorted(times)[len(times) // 2]))
"""

TIMED_ONNXRUNTIME = """
import json, sys, time
import numpy as np
import onnxruntime
from PIL import Image
model, frame = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
photo = np.asarray(Image.open(frame))[np.newaxis]
times = []
for _ in range(ROUNDS + 1):
    start = time.perf_counter()
    session.run(["stylized"], {"image": photo})
    times.append(1000 * (time.perf_counter() - start))
print(json.dumps(sorted(times[1:])[ROUNDS // 2]))
"""

TIMED_NODE = """
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";
const [model, frame] = process.argv.slice(2);
const session = await InferenceSession.create(model);
const data = await sharp(frame).raw().toBuffer();
const image = new Tensor("uint8", data, [1, FRAME, FRAME, 3]);
const times = [];
for (let round = 0; round <= ROUNDS; round++) {
  const start = performance.now();
  await session.run({ image });
  times.push(performance.now() - start);
}
console.log(times.slice(1).sort((a, b) => a - b)[ROUNDS / 2]);
"""


class Outcome(NamedTuple):
    """What a client gave."""

    picture: Path
    milliseconds: float


class Bench(NamedTuple):
    """Files that all clients use."""

    folder: Path
    photo: Path
    frame: Path

    def model(self, *options: str) -> Path:
        """Export the style with options."""
        path = self.folder / f"{'_'.join(options) or 'default'}.onnx"
        if not path.exists():
            _run(sys.executable, "-m", "faststyle", "export", STYLE, "-o", path, *options)
        return path


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        bench = _prepare(Path(name))
        expected = np.asarray(Image.open(bench.photo))
        stylized = faststyle.load(STYLE, device="cpu")(expected).astype(int)
        print("| client | file | largest difference | differing values | ms |")
        print("|---|---|---|---|---|")
        for client, file, measure in _clients(bench):
            outcome = measure()
            result = np.asarray(Image.open(outcome.picture).convert("RGB")).astype(int)
            difference = np.abs(result - stylized)
            share = (difference > 0).mean()
            cells = (
                client,
                file,
                f"{difference.max()}/255",
                f"{100 * share:.2g} %" if share else "none",
                f"{outcome.milliseconds:.0f}",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


def _prepare(folder: Path) -> Bench:
    bench = Bench(folder, folder / "photo.png", folder / "frame.png")
    photo = Image.open(PHOTO).convert("RGB")
    photo.save(bench.photo)
    photo.resize((FRAME, FRAME)).save(bench.frame)
    return bench


def _clients(bench: Bench) -> Iterator[tuple[str, str, Callable[[], Outcome]]]:
    width, height = Image.open(bench.photo).size
    yield "onnxruntime, Python", "default", lambda: _python(bench)
    yield "onnxruntime-node", "default", lambda: _node(bench)
    new = _environment(bench.folder / "opencv5", "opencv-python-headless>=5,<6")
    yield "OpenCV 5", "default", lambda: _opencv(bench, new)
    yield "OpenCV 5", "nchw-float", lambda: _opencv(bench, new, layout="nchw-float")
    old = _environment(bench.folder / "opencv4", "opencv-python-headless>=4,<5")
    size = f"{width}x{height}"
    yield (
        "OpenCV 4",
        "nchw-float, fixed size",
        lambda: _opencv(bench, old, layout="nchw-float", size=size),
    )
    site = _site(bench.folder)
    yield "onnxruntime-web, all cores", "default", lambda: _web(bench, site)
    yield "onnxruntime-web, 1 thread", "default", lambda: _web(bench, site, "--no-isolation")


def _python(bench: Bench) -> Outcome:
    result = bench.folder / "python.png"
    script = EXAMPLES / "python" / "stylize.py"
    _run(sys.executable, script, bench.model(), bench.photo, result)
    timed = TIMED_ONNXRUNTIME.replace("ROUNDS", str(ROUNDS))
    return Outcome(result, _number(sys.executable, "-c", timed, bench.model(), bench.frame))


def _node(bench: Bench) -> Outcome:
    folder, result = bench.folder / "node", bench.folder / "node.png"
    shutil.copytree(EXAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    _run("npm", "ci", cwd=folder)
    _run("node", "stylize.mjs", bench.model(), bench.photo, result, cwd=folder)
    timed = TIMED_NODE.replace("ROUNDS", str(ROUNDS)).replace("FRAME", str(FRAME))
    (folder / "timed.mjs").write_text(timed)
    return Outcome(result, _number("node", "timed.mjs", bench.model(), bench.frame, cwd=folder))


def _opencv(bench: Bench, python: Path, *, layout: str = "", size: str = "") -> Outcome:
    """Run OpenCV; a file of a fixed size is another for the frame that is timed."""
    result = bench.folder / "opencv.png"
    options = ["--layout", layout] if layout else []
    script = TIMED_OPENCV.replace("ROUNDS", str(ROUNDS))
    painted, timed = (
        bench.model(*options, *(["--size", each] if size else []))
        for each in (size, f"{FRAME}x{FRAME}")
    )
    _run(python, "-c", script, painted, layout, bench.photo, "", result)
    return Outcome(result, _number(python, "-c", script, timed, layout, "", bench.frame, ""))


def _site(folder: Path) -> Path:
    """Build the page beside the files that it shows."""
    site = folder / "site" / "examples" / "web"
    ignored = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(EXAMPLES / "web", site, ignore=ignored)
    for shared in ("faststyle/styles", "data/photos"):
        shutil.copytree(REPOSITORY / shared, folder / "site" / shared)
    _run("npm", "ci", cwd=site)
    _run("npm", "run", "build", cwd=site)
    return site


def _web(bench: Bench, site: Path, *options: str) -> Outcome:
    result = bench.folder / "web.png"
    steps = [f"style={STYLE}", f"photo={bench.photo}", f"download={result}", f"benchmark={ROUNDS}"]
    printed = _run("node", "test/drive.mjs", *options, *steps, cwd=site)
    done = json.loads(printed.splitlines()[-1])["steps"]
    return Outcome(result, done[-1]["milliseconds"])


def _environment(folder: Path, package: str) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", package)
    return python


def _number(*command: str | Path, cwd: Path | None = None) -> float:
    return float(_run(*command, cwd=cwd))


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
