"""The value of a text from what was written: escapes resolved, shared indentation taken off."""

from __future__ import annotations

import re

from shepherd_dsl.syntax.lexer import escape_value

_ESCAPE = re.compile(r'\\(?:[nrt"\\$]|u\{[0-9A-Fa-f]{1,6}\})')
_HOLE = "\0"  # stands for an interpolation; NUL itself is an error in a source


def unescape(raw: str) -> str:
    """A piece of a text with its escapes resolved; those that are wrong (already reported) stay as they are."""
    if "\\" not in raw:
        return raw
    return _ESCAPE.sub(lambda match: match.group() if (c := escape_value(match.group())) is None else c, raw)


def dedent(chunks: list[str]) -> list[str]:
    """The literal pieces of a text in three quotes, between which its interpolations stand.

    A first line and a last line that are blank go away with their line ends; of the others, and of the last line, the
    longest common blank beginning is taken off. A first line with something on it stays as it is.
    """
    lines = _HOLE.join(chunk.replace(_HOLE, "\ufffd").replace("\r\n", "\n") for chunk in chunks).split("\n")
    head, rest = lines[:1], lines[1:]
    if not rest:
        return head[0].split(_HOLE)
    measured = [line for line in rest[:-1] if line.strip(" \t")] + rest[-1:]
    indent = len(_common([line[: len(line) - len(line.lstrip(" \t"))] for line in measured]))
    rest = [line[indent:] if line.strip(" \t") else "" for line in rest[:-1]] + [rest[-1][indent:]]
    if not rest[-1].strip(" \t"):
        rest.pop()
    if not head[0].strip(" \t"):
        head = []
    return "\n".join(head + rest).split(_HOLE)


def _common(texts: list[str]) -> str:
    """The longest common beginning."""
    low, high = min(texts), max(texts)
    length = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[:length]
