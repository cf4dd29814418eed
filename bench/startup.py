"""Time ``faststyle stylize`` of one photo from the shell, beside bare onnxruntime.

python bench/startup.py [--photo FILE] [--style NAME] [--rounds 10]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faststyle.gallery import style_path

BARE = """
import sys
import numpy, onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
photo = numpy.asarray(Image.open(sys.argv[1]).convert("RGB"))[None]
Image.fromarray(session.run(None, {"image": photo})[0][0]).save(sys.argv[3], quality=95)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    photos = Path(__file__).parent.parent / "data" / "photos"
    parser.add_argument("--photo", default=str(photos / "astronaut.jpg"))
    parser.add_argument("--style", default="starry_night")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/out.jpg"
        stylize = ["stylize", options.photo, "-o", out, "--style", options.style, "--overwrite"]
        commands = {
            "faststyle stylize": ["-m", "faststyle", *stylize],
            "bare onnxruntime": ["-c", BARE, options.photo, str(style_path(options.style)), out],
            "imports alone": ["-c", "import numpy, onnxruntime, PIL.Image"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, *command], check=True, capture_output=True)
                times[name].append(time.perf_counter() - start)
    for name, each in times.items():
        print(
            f"{name:<18} median {statistics.median(each):.3f} s, "
            f"from {min(each):.3f} to {max(each):.3f}"
        )


if __name__ == "__main__":
    main()
