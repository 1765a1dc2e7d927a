"""Events: what a trace is made of (`core.md`, "A run").

`Event` values carry no clock, no machine name and no chance: same program, same answers, same events.
Positions are indices: `start` is event 0, and "after event k" keeps events 0 to k.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from shepherd_dsl.core.value import Con, Value

By = Literal["world", "owner", "machine"]


@attrs.frozen(slots=True)
class Entry:
    """One file of a scope: its mode and the Git blob hash of its bytes.

    `mode` is the full mode: 0o100xxx for a regular file with its permission bits, 0o120000 for a symbolic link (the
    bytes are its target), 0o040000 for a folder that holds nothing (the hash is then empty).
    """

    mode: int
    hash: str


Change: TypeAlias = tuple[tuple[str, "Entry | None"], ...]
"""A change to a scope: (path, new entry or None where the path is removed), sorted by path, each path once."""


@attrs.frozen(slots=True, eq=False)
class Start:
    """First event: what ran, with which arguments, grant and files. `program` and `files` are hashes."""

    version: int
    program: str
    agent: str
    args: tuple[Value, ...]
    grant: Value
    files: str


@attrs.frozen(slots=True, eq=False)
class Intent:
    """The run wants `op(args)`; recorded before anything is done."""

    op: str
    args: tuple[Value, ...]


@attrs.frozen(slots=True, eq=False)
class Outcome:
    """Answers the intent or undo before it. `answer` is `Ok(v)`, `Err({code, text})` or `Unknown`."""

    answer: Con
    files: Change
    by: By


@attrs.frozen(slots=True, eq=False)
class Denied:
    """Recorded instead of an intent: the operation is outside the grant."""

    op: str
    args: tuple[Value, ...]


@attrs.frozen(slots=True, eq=False)
class Injected:
    """The owner put a message in."""

    value: Value


@attrs.frozen(slots=True, eq=False)
class Forked:
    """In a copy, after the inherited events 0 to `at` of the run `of`, which are kept literally."""

    of: str
    at: int


@attrs.frozen(slots=True, eq=False)
class Undo:
    """Compensation of the outcome at index `at` by `op(args)`; recorded before it is done."""

    at: int
    op: str
    args: tuple[Value, ...]


@attrs.frozen(slots=True, eq=False)
class Reverted:
    """Code and files are again those after event `to`."""

    to: int


@attrs.frozen(slots=True, eq=False)
class End:
    """Last event: `done` with a value, `failed` with an error value, or `discarded` (value is unit)."""

    kind: Literal["done", "failed", "discarded"]
    value: Value


Event: TypeAlias = Start | Intent | Outcome | Denied | Injected | Forked | Undo | Reverted | End
