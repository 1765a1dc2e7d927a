"""What a grant permits, and the counts of its limited clauses (`core.md`: `grant`; laws `grant_safe`, `grant_narrows`).

A limited clause is shared by the run it was given to and all that run made, so spawning cannot multiply it.
"""

from __future__ import annotations

from typing import TypeAlias

from rpds import HashTrieMap

from shepherd_dsl.core.grant import matches, request_value
from shepherd_dsl.core.run import Layer
from shepherd_dsl.core.value import Value

Used: TypeAlias = "HashTrieMap[tuple[str, int], int]"


def allowed(used: Used, grant: tuple[Layer, ...], op: str, args: tuple[Value, ...]) -> str | None:
    """None where every layer allows `op(args)` now, else why the outermost layer that does not refuses."""
    for layer in grant:
        exhausted = False
        for index, clause in enumerate(layer.clauses):
            if not matches(clause, op, args):
                continue
            if clause.limit is None or used.get((layer.origin, index), 0) < clause.limit:
                break
            exhausted = True
        else:
            if exhausted:
                return f"`{op}` was granted a limited number of times, and they are used up"
            return f"`{op}` with these arguments is not granted"
    return None


def charge(used: Used, grant: tuple[Layer, ...], op: str, args: tuple[Value, ...]) -> Used:
    """The counts after one more intent: every limited clause that it matches counts it."""
    for layer in grant:
        for index in layer.limited:
            if matches(layer.clauses[index], op, args):
                key = (layer.origin, index)
                used = used.insert(key, used.get(key, 0) + 1)
    return used


def grant_value(grant: tuple[Layer, ...]) -> Value:
    """The grant as the `start` event holds it: its layers, outermost first."""
    return tuple([request_value(layer.clauses) for layer in grant])
