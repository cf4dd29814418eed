"""The bundled styles: ONNX files inside the package."""

from __future__ import annotations

from pathlib import Path

from faststyle.errors import UnknownStyleError

_FOLDER = Path(__file__).parent / "styles"


def style_names() -> list[str]:
    """List the bundled styles by name."""
    return sorted(path.stem for path in _FOLDER.glob("*.onnx"))


def resolve(style: str | Path) -> Path:
    """Return the model file that a name or a path stands for; bundled names come first.

    Raises:
        UnknownStyleError: it is neither a bundled style nor the path of an ``.onnx`` file.
    """
    path = Path(style)
    if str(style) not in style_names() and (path.suffix.lower() == ".onnx" or path.is_file()):
        return path
    return style_path(str(style))


def style_path(name: str) -> Path:
    """Return the model file of a bundled style.

    Raises:
        UnknownStyleError: no bundled style has that name.
    """
    if name not in style_names():
        raise UnknownStyleError(
            f"no bundled style is called {name!r}: choose from {', '.join(style_names())}, "
            "or pass an .onnx file with --model"
        )
    return _FOLDER / f"{name}.onnx"
