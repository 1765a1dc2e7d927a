"""Differences between two states of files, as unified diffs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shepherd_dsl.cli.output import paint
from shepherd_dsl.cli.text import plain
from shepherd_dsl.core.content import Large, ReadBlob
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import Files
from shepherd_dsl.path_text import path_text

_LARGEST = 1 << 20
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def changed_paths(old: Files, new: Files) -> list[dict[str, Any]]:
    """The paths that differ, with what they were and are."""
    return [
        {"path": path, "from": _entry_json(old.get(path)), "to": _entry_json(entry)} for path, entry in old.diff(new)
    ]


def _entry_json(entry: Entry | None) -> dict[str, str] | None:
    return None if entry is None else {"mode": f"{entry.mode:06o}", "hash": entry.hash}


def difference(old: Files, new: Files, read_blob: ReadBlob, *, stat: bool, on: bool) -> Iterator[str]:
    """The lines of a unified diff; with `stat`, one line a path."""
    import difflib

    for path, after in old.diff(new):
        before = old.get(path)
        left, right = _lines(before, read_blob), _lines(after, read_blob)
        shown = path_text(path)
        if left is None or right is None:
            yield f"{paint('binary', 'bold', on=on)} {shown} {_kind(before, after)}"
            continue
        body = list(difflib.unified_diff(left, right, path_text(f"a/{path}"), path_text(f"b/{path}"), lineterm=""))
        plus = sum(line.startswith("+") for line in body[2:])
        minus = sum(line.startswith("-") for line in body[2:])
        if stat:
            counts = f"{paint(f'+{plus}', 'green', on=on)} {paint(f'-{minus}', 'red', on=on)}"
            yield f" {shown}  {counts}  {_kind(before, after)}"
            continue
        yield paint(f"{shown}  {_kind(before, after)}", "bold", on=on)
        for line in body:
            style = _STYLES.get(line[:1])
            yield paint(plain(line), style, on=on) if style else plain(line)


def _lines(entry: Entry | None, read_blob: ReadBlob) -> list[str] | None:
    """The lines of a file; none for nothing or a folder, None for what is not text or too large to compare."""
    if entry is None or not entry.hash:
        return []
    data = read_blob(entry.hash)
    if isinstance(data, Large) or len(data) > _LARGEST:
        return None
    try:
        return data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None


def _kind(before: Entry | None, after: Entry | None) -> str:
    if before is None:
        return "new"
    if after is None:
        return "removed"
    if before.mode != after.mode:
        return f"mode {before.mode:06o} → {after.mode:06o}"
    return "changed"
