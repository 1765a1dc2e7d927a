"""Text on a terminal: how wide it is, cut and padded to columns, free of control characters."""

from __future__ import annotations

import re
import shutil
from typing import Final

_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
"""Sequences that steer a terminal: colours, movements, titles."""


def plain(text: str) -> str:
    """`text` on one line, without what steers a terminal, so that what a run printed cannot move the cursor."""
    if text.isprintable():
        return text
    text = _SEQUENCE.sub("", text)
    return "".join(char if char.isprintable() else " " for char in text)


def cells(text: str) -> int:
    """How many columns a terminal needs for `text`: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def fit(text: str, limit: int) -> str:
    """`text` cut to at most `limit` columns, with `…` where something was cut."""
    if cells(text) <= limit:
        return text
    if limit < 1:
        return ""
    if text.isascii():
        return text[: limit - 1] + "…"
    kept, used = [], 0
    for char in text:
        used += cells(char)
        if used > limit - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def pad(text: str, width: int) -> str:
    """`text` with spaces up to `width` columns."""
    return text + " " * (width - cells(text))


def terminal_width() -> int:
    """The columns of the terminal, or `COLUMNS`; 110 where neither is known."""
    return max(shutil.get_terminal_size((110, 24)).columns, 20)


def count(number: int, noun: str) -> str:
    """`1 event`, `2 events`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
