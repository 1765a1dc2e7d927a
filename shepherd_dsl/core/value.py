"""Values of the core (`core.md`, "Values, expressions, computations").

    v ::= unit | true | false | int | dec | text | blob(hash, size) | [v…] | {l: v…} | C(v…) | agent a | run h

Python's own types stand for the simple ones: `bool`, `int`, `str`, and `tuple` for lists. `==` is *not* equality of
values (`True == 1` in Python): use `equal`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeAlias

import attrs


@attrs.frozen(slots=True)
class Unit:
    """The only value of type `Unit`."""


@attrs.frozen(slots=True)
class Dec:
    """The exact decimal `coef / 10**scale`, with `scale` the smallest that fits (never negative)."""

    coef: int
    scale: int


@attrs.frozen(slots=True)
class Blob:
    """Bytes held outside the value, named by their Git blob hash (40 hex digits); `size` is in bytes."""

    hash: str
    size: int


@attrs.frozen(slots=True)
class Record:
    """A record; `fields` is sorted by label and labels are unique. Build one with `record`."""

    fields: tuple[tuple[str, Value], ...]

    def get(self, label: str) -> Value | None:
        """The value under `label`, or None where there is no such field."""
        for name, value in self.fields:
            if name == label:
                return value
        return None


@attrs.frozen(slots=True)
class Con:
    """A variant: constructor `name` applied to `args`."""

    name: str
    args: tuple[Value, ...] = ()


@attrs.frozen(slots=True)
class Agent:
    """An agent value is its name."""

    name: str


@attrs.frozen(slots=True)
class Handle:
    """`run h`: an index into the holder's own table of runs."""

    index: int


Value: TypeAlias = Unit | bool | int | Dec | str | Blob | tuple["Value", ...] | Record | Con | Agent | Handle

UNIT = Unit()
NONE = Con("None")
UNKNOWN = Con("Unknown")


def some(value: Value) -> Con:
    """`Some(value)`."""
    return Con("Some", (value,))


def ok(value: Value) -> Con:
    """The outcome `Ok(value)`."""
    return Con("Ok", (value,))


def error(code: str, text: str) -> Record:
    """The error value `{code, text}`: what `Err` carries and what a failed run ends with."""
    return Record((("code", code), ("text", text)))


def err(code: str, text: str) -> Con:
    """The outcome `Err({code, text})`."""
    return Con("Err", (error(code, text),))


def record(fields: Iterable[tuple[str, Value]] = (), /, **named: Value) -> Record:
    """A record of the given fields, sorted by label.

    Raises ValueError where a label is given twice.
    """
    pairs = sorted([*fields, *named.items()], key=lambda pair: pair[0])
    for (left, _), (right, _) in pairwise(pairs):
        if left == right:
            raise ValueError(f"record label given twice: {left}")
    return Record(tuple(pairs))


def dec(coef: int, scale: int = 0) -> Dec:
    """The normalised decimal `coef / 10**scale`; `scale` may be negative."""
    if coef == 0:
        return Dec(0, 0)
    if scale < 0:
        return Dec(coef * 10 ** (-scale), 0)
    while scale > 0 and coef % 10 == 0:
        coef //= 10
        scale -= 1
    return Dec(coef, scale)


_HOLDERS = frozenset((tuple, Record, Con))
_SMALL = 4096  # so many parts are compared before those already compared are remembered


def equal(left: Value, right: Value) -> bool:
    """Structural equality. Values of different kinds are unequal (`1` is not `true`). No recursion: any depth goes."""
    todo: list[tuple[Value, Value]] = [(left, right)]
    compared = 0
    seen: set[tuple[int, int]] = set()  # sharing makes values of 2^60 parts in a few steps
    while todo:
        a, b = todo.pop()
        if a is b:
            continue
        kind = type(a)
        if kind is not type(b):
            return False
        compared += 1
        if compared > _SMALL and kind in _HOLDERS:
            if (id(a), id(b)) in seen:
                continue
            seen.add((id(a), id(b)))
        if kind is tuple:
            if len(a) != len(b):  # type: ignore[arg-type]
                return False
            todo.extend(zip(a, b, strict=True))  # type: ignore[arg-type]
        elif kind is Record:
            fa, fb = a.fields, b.fields  # type: ignore[union-attr]
            if len(fa) != len(fb):
                return False
            for (la, va), (lb, vb) in zip(fa, fb, strict=True):
                if la != lb:
                    return False
                todo.append((va, vb))
        elif kind is Con:
            if a.name != b.name or len(a.args) != len(b.args):  # type: ignore[union-attr]
                return False
            todo.extend(zip(a.args, b.args, strict=True))  # type: ignore[union-attr]
        elif a != b:
            return False
    return True


def children(value: Value) -> tuple[Value, ...]:
    """The values directly inside `value`, left to right."""
    if type(value) is tuple:
        return value
    if type(value) is Record:
        return tuple(inner for _, inner in value.fields)
    if type(value) is Con:
        return value.args
    return ()


def handles_in(value: Value) -> Iterator[int]:
    """The handles inside `value`, left to right, repeated ones too."""
    todo: list[Value] = [value]
    while todo:
        top = todo.pop()
        if type(top) is Handle:
            yield top.index
        else:
            todo.extend(reversed(children(top)))


def depth(value: Value) -> int:
    """The number of nested containers in `value`; 0 for a value that contains none. A shared part is measured once."""
    deepest: dict[int, int] = {}  # the depth of each container seen, by its identity
    todo: list[tuple[Value, bool]] = [(value, False)]
    while todo:
        top, measured = todo.pop()
        inner = children(top)
        if not inner or (not measured and id(top) in deepest):
            continue
        if measured:
            deepest[id(top)] = 1 + max(deepest.get(id(item), 0) for item in inner)
        else:
            todo.append((top, True))
            todo.extend((item, False) for item in inner if type(item) in _HOLDERS)
    return deepest.get(id(value), 0)
