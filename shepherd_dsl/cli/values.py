"""Values as a person writes them in the language."""

from __future__ import annotations

from collections.abc import Iterator

from shepherd_dsl.cli.text import cells, plain
from shepherd_dsl.core.display import display
from shepherd_dsl.core.value import Blob, Con, Record, Value


def shown(value: Value) -> str:
    """A value on one line: `{ code: 0, out: "…" }`, `Some(1)`, `[1, 2]`, `()`."""
    return display(value, blob=_blob)


def _blob(blob: Blob) -> str:
    return f"blob {blob.hash[:10]} ({blob.size} bytes)"


def laid_out(value: Value, *, width: int, lead: str = "") -> Iterator[str]:
    """A value over as many lines as it needs, after `lead`: on one where it fits into `width` columns, else a line for
    each part; a text of several lines stands as it is, each line behind `│`."""
    yield from _laid(value, lead=lead, indent=len(lead) - len(lead.lstrip()), width=width)


def _laid(value: Value, *, lead: str, indent: int, width: int) -> Iterator[str]:
    pad = " " * indent
    if not _has_lines(value):
        line = lead + plain(shown(value))
        if cells(line) <= width or not isinstance(value, tuple | Record | Con):
            yield line
            return
    inner: list[tuple[str, Value]]
    match value:
        case str():
            yield lead.rstrip()
            for line in value.splitlines():
                yield f"{pad}  │ {plain(line)}".rstrip()
            return
        case tuple():
            opening, closing, inner = "[", "]", [("", item) for item in value]
        case Record():
            opening, closing, inner = "{", "}", [(f"{label}: ", field) for label, field in value.fields]
        case Con() if len(value.args) == 1 and isinstance(value.args[0], Record | tuple) and value.args[0] != ():
            *lines, last = _laid(value.args[0], lead=f"{lead}{value.name}(", indent=indent, width=width)
            yield from lines
            yield f"{last})"
            return
        case Con() if value.args:
            opening, closing, inner = f"{value.name}(", ")", [("", item) for item in value.args]
        case _:
            yield lead + plain(shown(value))
            return
    yield lead + opening
    for label, part in inner:
        yield from _laid(part, lead=f"{pad}  {label}", indent=indent + 2, width=width)
    yield pad + closing


def _has_lines(value: Value) -> bool:
    """Whether a text of several lines stands in it."""
    match value:
        case str():
            return "\n" in value.rstrip("\n")
        case tuple():
            return any(map(_has_lines, value))
        case Record():
            return any(_has_lines(field) for _, field in value.fields)
        case Con():
            return any(map(_has_lines, value.args))
        case _:
            return False
