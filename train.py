"""``faststyle train`` as a script: see ``python train.py --help``."""

import sys

from faststyle.cli import main

if __name__ == "__main__":  # data workers import this file again where processes are spawned
    raise SystemExit(main(["train", *sys.argv[1:]]))
