"""Grants: which operations a run may ask for, with which arguments, how often (`core.md`, "A run").

A grant is a list of layers; every layer must allow an operation, and a layer allows it when one of its clauses does.
Spawning appends the request as a new layer, so a grant only narrows.
"""

from __future__ import annotations

from typing import Literal

import attrs

from shepherd_dsl.core.value import Con, Record, Value

PatternKind = Literal["any", "is", "text", "path", "words"]


@attrs.frozen(slots=True)
class Pattern:
    """What one argument must look like.

    `any` matches everything; `is` one value; `text` a text against a glob (`*` any characters); `path` a normalised
    path against a glob (`*` within a folder, `**` across folders); `words` a command, word by word (a last `*` any
    further words). `glob` is the pattern's text, `value` the value of `is`.
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
