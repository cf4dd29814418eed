"""``python -m faststyle``."""

from faststyle.cli import main

raise SystemExit(main())
