"""Finding models by the names that people type, and telling them which they may have meant."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from faststyle.errors import UnknownStyleError
from faststyle.gallery import int8_name, quality_name, resolve, style_names, style_path


def find_model(name: str) -> Path:
    """Return the file of a bundled style, or an ONNX file that is named by its path.

    Raises:
        UnknownStyleError: there is neither.
        ModelError: it is a folder.
    """
    return _found(name, resolve)


def find_style(name: str) -> Path:
    """Return the file of a bundled style.

    Raises:
        UnknownStyleError: none has that name.
    """
    return _found(name, style_path)


def _found(name: str, find: Callable[[str], Path]) -> Path:
    try:
        return find(name)
    except UnknownStyleError as error:
        close = get_close_matches(name.lower(), _bundled_names(), n=1)
        if not close or close[0] == name.partition("-")[0]:  # it is said already what that lacks
            raise
        raise UnknownStyleError(
            f"{error}; did you mean {close[0]}? (faststyle styles shows which have -quality and "
            "-int8 forms)"
        ) from error


def _bundled_names() -> list[str]:
    styles = style_names()
    quality = [name for name in map(quality_name, styles) if name is not None]
    int8 = [name for name in map(int8_name, (*styles, *quality)) if name is not None]
    return [*styles, *quality, *int8]
