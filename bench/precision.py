"""Compare two files of a style photo by photo, such as those in int8 and float32.

python bench/precision.py PHOTOS wave starry_night [--other -int8] [--most 300] [--side 512]

For each style it prints the mean difference of both files, in levels of 255, over some of a
folder's photos, the share of photos that differ by more than 2, what one in a hundred exceeds, and
the worst. Files in int8 are made by up to 48 photos of a folder, so compare many more of that one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from faststyle.contract import LARGEST_MEAN
from faststyle.files import evenly_chosen, find_pictures
from faststyle.images import open_colors
from faststyle.stylizer import Stylizer, load


def mean_difference(one: Stylizer, other: Stylizer, *, photo: Path, side: int) -> float:
    """Return how far both paintings of a photo are apart, in levels of 255."""
    picture = open_colors(photo)
    picture.thumbnail((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture)
    return float(np.abs(one(pixels).astype(int) - other(pixels)).mean())


def main() -> None:
    """Print a table with a row for each style."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("styles", nargs="+")
    parser.add_argument("--other", default="-int8", help="what to add to names for the other file")
    parser.add_argument("--most", type=int, default=300)
    parser.add_argument("--side", type=int, default=512, help="longer side of photos")
    options = parser.parse_args()
    photos = evenly_chosen(sorted(find_pictures(options.photos)), most=options.most)
    print(f"| {len(photos)} photos | mean | above {LARGEST_MEAN:g} | one in 100 above | worst |")
    print("|---|---|---|---|---|")
    for style in options.styles:
        one, other = (load(f"{style}{end}", device="cpu") for end in ("", options.other))
        differences = np.array(
            [
                mean_difference(one, other, photo=photo, side=options.side)
                for photo in tqdm(photos, desc=style, leave=False)
            ]
        )
        share = 100 * (differences > LARGEST_MEAN).mean()
        print(
            f"| *{style}* | {differences.mean():.2f} | {share:.0f} % | "
            f"{np.percentile(differences, 99):.1f} | {differences.max():.1f}, "
            f"{photos[differences.argmax()].name} |"
        )


if __name__ == "__main__":
    main()
