"""Grants: which operations a run may ask for, with which arguments, how often (`core.md`, "A run").

A grant is a list of layers; every layer must allow an operation, and a layer allows it when one of its clauses does.
Spawning appends the request as a new layer, so a grant only narrows.
"""

from __future__ import annotations

from typing import Final, Literal

import attrs

from shepherd_dsl.core.match import match_path, match_text, match_words
from shepherd_dsl.core.match_cover import path_covers, text_covers, words_cover
from shepherd_dsl.core.value import NONE, Con, Record, Value, equal, record, some

PatternKind = Literal["any", "is", "text", "path", "words"]


@attrs.frozen(slots=True)
class Pattern:
    """What one argument must look like.

    `any` matches everything; `is` one value; `text` a text against a glob (`*` any characters); `path` a normalised
    path against a glob (`*` within a folder, `**` across folders); `words` a command, word by word (a last `*` any
    further words). `glob` is the pattern's text, `value` the value of `is`. `match.py` says what the globs match.
    """

    kind: PatternKind
    glob: str = ""
    value: Value | None = None


@attrs.frozen(slots=True)
class Clause:
    """`op` (exact, or `family.*`) with one pattern an argument; fewer patterns than arguments leave the rest free.

    `limit` is how many times at most, None for any number.
    """

    op: str
    args: tuple[Pattern, ...] = ()
    limit: int | None = None


Request = tuple[Clause, ...]
"""What a spawn asks for: the clauses of one layer."""

ANY: Final = Pattern("any")

_GLOBS: Final[dict[str, PatternKind]] = {"Text": "text", "Path": "path", "Words": "words"}
_NAMES: Final[dict[PatternKind, str]] = {"text": "Text", "path": "Path", "words": "Words"}


def matches(clause: Clause, op: str, args: tuple[Value, ...]) -> bool:
    """Whether the clause allows `op(args)`, its limit apart. A pattern without an argument must be `any`."""
    if clause.op != op and not (clause.op.endswith(".*") and op.startswith(clause.op[:-1])):
        return False
    patterns = clause.args
    for pattern, arg in zip(patterns, args, strict=False):
        if not pattern_matches(pattern, arg):
            return False
    return all(pattern.kind == "any" for pattern in patterns[len(args) :])


def pattern_matches(pattern: Pattern, arg: Value) -> bool:
    """Whether an argument looks as the pattern says."""
    kind = pattern.kind
    if kind == "any":
        return True
    if kind == "is":
        return pattern.value is not None and equal(pattern.value, arg)
    if type(arg) is not str:
        return False
    if kind == "text":
        return match_text(arg, pattern.glob)
    if kind == "path":
        return match_path(arg, pattern.glob)
    return match_words(arg, pattern.glob)


def covers(outer: Clause, inner: Clause) -> bool:
    """Whether `outer` allows all that `inner` allows, as often. Sound, not complete: False may mean "not proved".

    Limits are compared clause by clause; that several clauses share one limit is the caller's matter.
    """
    if outer.limit is not None and (inner.limit is None or inner.limit > outer.limit):
        return False
    if outer.op != inner.op and not (outer.op.endswith(".*") and inner.op.startswith(outer.op[:-1])):
        return False
    for index, pattern in enumerate(outer.args):
        other = inner.args[index] if index < len(inner.args) else ANY
        if not pattern_covers(pattern, other):
            return False
    return True


def pattern_covers(outer: Pattern, inner: Pattern) -> bool:
    """Whether `outer` matches all that `inner` matches; sound, not complete."""
    if outer.kind == "any":
        return True
    if inner.kind == "is":
        return inner.value is not None and pattern_matches(outer, inner.value)
    if inner.kind == "any" or outer.kind == "is":
        return False
    if outer.kind == "text" and outer.glob.strip("*") == "" != outer.glob:
        return True  # any text
    if outer.kind != inner.kind:
        return False
    if outer.kind == "text":
        return text_covers(outer.glob, inner.glob)
    if outer.kind == "path":
        return path_covers(outer.glob, inner.glob)
    return words_cover(outer.glob, inner.glob)


# Clauses as values (`spec/contract.md`, "Operations on runs")


def pattern_value(pattern: Pattern) -> Con:
    """`Any`, `Is(v)`, `Text(glob)`, `Path(glob)` or `Words(glob)`."""
    if pattern.kind == "any":
        return Con("Any")
    if pattern.kind == "is":
        if pattern.value is None:
            raise ValueError("a pattern `is` without its value")
        return Con("Is", (pattern.value,))
    return Con(_NAMES[pattern.kind], (pattern.glob,))


def pattern_from(value: Value) -> Pattern:
    """The pattern that a value says. Raises ValueError."""
    match value:
        case Con("Any", ()):
            return ANY
        case Con("Is", (inner,)):
            return Pattern("is", value=inner)
        case Con("Text" | "Path" | "Words" as name, (str() as glob,)):
            return Pattern(_GLOBS[name], glob)
    raise ValueError("expected a pattern: Any, Is(v), Text(glob), Path(glob) or Words(glob)")


def clause_value(clause: Clause) -> Record:
    """`{op, args: [pattern…], limit: Some(n) | None}`."""
    limit = NONE if clause.limit is None else some(clause.limit)
    return record(op=clause.op, args=tuple(map(pattern_value, clause.args)), limit=limit)


def clause_from(value: Value) -> Clause:
    """The clause that a value says. Raises ValueError."""
    match value:
        case Record((("args", tuple() as args), ("limit", limit), ("op", str() as op))):
            return Clause(_op(op), tuple(map(pattern_from, args)), _limit(limit))
    raise ValueError("expected a clause: {op: Text, args: List[pattern], limit: Option[Int]}")


def _op(op: str) -> str:
    stem = op[:-2] if op.endswith(".*") else op
    if not stem or "*" in stem:
        raise ValueError("`op` must be the name of an operation or `family.*`")
    return op


def _limit(value: Value) -> int | None:
    match value:
        case Con("None", ()):
            return None
        case Con("Some", (limit,)) if type(limit) is int and limit >= 0:
            return limit
    raise ValueError("`limit` must be Some of an int from 0 on, or None")


def request_value(request: Request) -> Value:
    """The list of the clauses as values."""
    return tuple(map(clause_value, request))


def request_from(value: Value) -> Request:
    """The clauses of a list of values. Raises ValueError."""
    if type(value) is not tuple:
        raise ValueError("expected a list of clauses")
    return tuple(map(clause_from, value))
