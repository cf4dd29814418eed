"""The command line: one module for each command, loaded when it is called."""

from __future__ import annotations

import argparse
import importlib
import io
import keyword
import os
import sys
import warnings
from collections.abc import Sequence

from faststyle.cli.tables import printable
from faststyle.errors import FaststyleError
from faststyle.version import __version__

COMMANDS = {
    "stylize": "repaint a photo, or a folder of photos, in a style",
    "styles": "list the bundled styles",
    "info": "show everything a model says of itself",
    "train": "learn a style from one picture and a folder of photos",
    "sweep": "try intensities and stroke sizes in short runs, on one contact sheet",
    "export": "turn a training checkpoint into an ONNX model",
    "import": "turn a checkpoint of pytorch/examples into an ONNX model of ours",
    "optimize": "repaint one photo by optimizing its pixels, the reference of fast models",
    "texture": "make a texture of any size from a picture",
    "evaluate": "compare models by the losses of what they paint",
    "bench": "time models side by side, and tell what else they take",
    "distill": "make a thin loss network out of VGG-19 weights",
}

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    That is 0, 1 after an error, 2 for wrong usage, `INTERRUPTED` after Ctrl-C, or what the command
    returns where a signal ends it.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if sys.stderr is None:  # it was closed, and what is printed to it would go to standard output
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (for as long as the process runs)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may not know every letter
    # Of files that are half damaged; what cannot be read at all is an error of ours.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    command = _choose(arguments[:1])
    try:
        name = f"{command}_" if keyword.iskeyword(command) else command
        module = importlib.import_module(f"faststyle.cli.{name}")
        parser = argparse.ArgumentParser(
            prog=f"faststyle {command}",
            description=f"{COMMANDS[command][:1].upper()}{COMMANDS[command][1:]}.",
        )
        module.configure(parser)
        status: int = module.run(parser.parse_args(arguments[1:]))
        if sys.stdout is not None:  # it may be closed
            sys.stdout.flush()
        return status
    except FaststyleError as error:
        print(f"faststyle: {printable(str(error))}", file=sys.stderr)
        return 1
    except MemoryError:
        print("faststyle: not enough memory; take less, or smaller pictures", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("faststyle: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; leave nothing for Python to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        reason = error.strerror or error
        text = printable(f"{where}{reason}; check the path and its permissions")
        print(f"faststyle: {text}", file=sys.stderr)
        return 1


def _choose(arguments: list[str]) -> str:
    """Return the command's name, or end with the help or the version."""
    parser = argparse.ArgumentParser(
        prog="faststyle",
        description="Repaint photos in the style of one picture.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n"
        + "".join(f"  {name:<9} {summary}\n" for name, summary in COMMANDS.items())
        + "\nfaststyle COMMAND --help shows the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"faststyle {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    command: str = parser.parse_args(arguments).command
    return command
