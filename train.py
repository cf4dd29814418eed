"""``faststyle train`` as a script: see ``python train.py --help``."""

import sys

from faststyle.cli import main

raise SystemExit(main(["train", *sys.argv[1:]]))
