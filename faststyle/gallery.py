"""The bundled styles: ONNX files inside the package."""

from __future__ import annotations

from pathlib import Path

from faststyle.errors import ModelError, UnknownStyleError

_FOLDER = Path(__file__).parent / "styles"

_INT8 = "-int8"

_QUALITY = "-quality"


def style_names() -> list[str]:
    """List the bundled styles by name, each once, whatever files there are of it."""
    return [name for name in _file_names() if not name.endswith((_INT8, _QUALITY))]


def int8_name(style: str) -> str | None:
    """Return the name of a bundled style in int8, or None if there is no such file of it."""
    return _bundled(style + _INT8)


def quality_name(style: str) -> str | None:
    """Return the name of a bundled style by the preset ``quality``, or None as `int8_name` does."""
    return _bundled(style + _QUALITY)


def _bundled(name: str) -> str | None:
    return name if name in _file_names() else None


def resolve(style: str | Path) -> Path:
    """Return the model file that a name or a path stands for; bundled names come first.

    Raises:
        UnknownStyleError: it is neither a bundled style nor the path of an ``.onnx`` file.
        ModelError: it is a folder.
    """
    path = Path(style)
    if str(style) not in _file_names():
        if path.is_dir():
            file = path / "model.onnx"
            raise ModelError(f"{path}: is a folder; name a file in it, such as {file}")
        if path.suffix.lower() == ".onnx" or path.is_file():
            return path
    return style_path(str(style), otherwise="name an .onnx file")


def style_path(name: str, *, otherwise: str = "pass an .onnx file with --model") -> Path:
    """Return the model file of a bundled style.

    Args:
        name: of the style.
        otherwise: what else could be named, for the message.

    Raises:
        UnknownStyleError: no bundled style has that name.
    """
    if name in _file_names():
        return _FOLDER / f"{name}.onnx"
    style = name.removesuffix(_INT8)
    if style in style_names():
        raise UnknownStyleError(
            f"{style} is not bundled in int8, which would paint some photos too differently; take "
            f"{style}, or export it so with --max-difference"
        )
    raise UnknownStyleError(
        f"no bundled style is called {name!r}: choose from {', '.join(style_names())}, "
        f"or {otherwise}"
    )


def _file_names() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.onnx"))
