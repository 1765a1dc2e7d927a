"""Values as a person writes them in the language: what interpolation, failed expectations and the command line show.

    ()  true  -3  1.5  "a\\n"  [1, 2]  { a: 1, b: "x" }  {}  Some("x")  None  implement  blob <hash>  run 0

What has a literal is shown as that literal, on one line: parsed, it gives the value again, but for a dec without a
fraction, which is shown as an int. A label or a name of a variant that the language could not write stands in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from shepherd_dsl.core.jsontext import int_text
from shepherd_dsl.core.value import Agent, Blob, Con, Dec, Handle, Record, Unit, Value
from shepherd_dsl.core.wire_print import dec_text

_LABEL: Final = re.compile(r"(?!_\Z|_*[A-Z])[A-Za-z_][A-Za-z0-9_]*")
_VARIANT: Final = re.compile(r"_*[A-Z][A-Za-z0-9_]*")

_ESCAPED: Final = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\$(?=\{)')
_SHORT: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "$": "\\$"}


class _Raw(str):
    """Text that is already as it should be shown."""

    __slots__ = ()


_COMMA: Final = _Raw(", ")
_END_LIST: Final = _Raw("]")
_END_CON: Final = _Raw(")")
_END_RECORD: Final = _Raw(" }")


def quoted(text: str) -> str:
    r"""A text between quotation marks, with the escapes of the language: for `"`, `\`, `${`, control characters, and
    for what ends a line or turns the direction of writing."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    char = found.group()
    return _SHORT.get(char) or f"\\u{{{ord(char):x}}}"


def blob_name(blob: Blob) -> str:
    """`blob <hash>`."""
    return f"blob {blob.hash}"


def display(value: Value, *, blob: Callable[[Blob], str] = blob_name) -> str:
    """A value on one line, a text in quotes; `blob` names the blobs in it. Total: one loop, so any depth is shown."""
    out: list[str] = []
    todo: list[Value | _Raw] = [value]
    put, push = out.append, todo.append
    while todo:
        top = todo.pop()
        kind = type(top)
        if kind is _Raw:
            put(top)  # type: ignore[arg-type]
        elif kind is str:
            put(quoted(top))  # type: ignore[arg-type]
        elif kind is bool:
            put("true" if top else "false")
        elif kind is int:
            put(int_text(top))  # type: ignore[arg-type]
        elif isinstance(top, tuple):
            put("[")
            push(_END_LIST)
            _push(todo, [("", inner) for inner in top])
        elif isinstance(top, Con):
            put(top.name if _VARIANT.fullmatch(top.name) else quoted(top.name))
            if top.args:
                put("(")
                push(_END_CON)
                _push(todo, [("", inner) for inner in top.args])
        elif isinstance(top, Record):
            put("{ " if top.fields else "{}")
            if top.fields:
                push(_END_RECORD)
                _push(todo, [(f"{_label(label)}: ", inner) for label, inner in top.fields])
        elif isinstance(top, Unit):
            put("()")
        elif isinstance(top, Dec):
            put(dec_text(top))
        elif isinstance(top, Blob):
            put(blob(top))
        elif isinstance(top, Agent):
            put(top.name)
        elif isinstance(top, Handle):
            put(f"run {top.index}")
    return "".join(out)


def _push(todo: list[Value | _Raw], parts: list[tuple[str, Value]]) -> None:
    """Put on `todo` the parts, each after its lead, with commas between, so that the first comes next."""
    for at in range(len(parts) - 1, -1, -1):
        lead, inner = parts[at]
        todo.append(inner)
        if lead:
            todo.append(_Raw(lead))
        if at:
            todo.append(_COMMA)


def _label(label: str) -> str:
    return label if _LABEL.fullmatch(label) else quoted(label)
