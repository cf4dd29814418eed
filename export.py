"""``faststyle export`` as a script: see ``python export.py --help``."""

import sys

from faststyle.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["export", *sys.argv[1:]]))
