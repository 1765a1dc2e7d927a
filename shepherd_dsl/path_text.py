"""Paths of files as a person reads them in a list: one name, one spelling, on one line."""

from __future__ import annotations

from typing import Final

from shepherd_dsl.core.names import os_name

_ESCAPES: Final = {
    "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"
}  # fmt: skip


def path_text(path: str) -> str:
    """`path` as it is, or quoted as Git quotes it (in double quotes, as a string of C) where it has what a terminal
    does not show as it is: control characters, those that turn the direction of writing, bytes that are no UTF-8,
    quotes, backslashes, blanks at either end. Two paths never look alike by that."""
    if path.isprintable() and path == path.strip() and '"' not in path and "\\" not in path:
        return path
    return '"' + "".join(_escaped(char) for char in path) + '"'


def shortened(path: str, most: int = 160) -> str:
    """`path` with at most so many characters: of a longer one, its beginning and its end."""
    if len(path) <= most:
        return path
    half = most // 2
    return f"{path[: most - half - 1]}…{path[-half:]}"


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if char.isprintable() else "".join(f"\\{byte:03o}" for byte in os_name(char))
