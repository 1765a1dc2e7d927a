"""Whether two machines are the same, by comparison of everything a machine is made of."""

from __future__ import annotations

from typing import Any

import attrs

from shepherd_dsl.core.event_equal import event_difference
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.run import Commit, commits
from shepherd_dsl.core.value import Agent, Blob, Con, Dec, Handle, Record, Unit, equal

VALUES = (Unit, Dec, Blob, Record, Con, Agent, Handle)


def same_state(left: Any, right: Any) -> bool:
    """Equality of code, environments and frames: linked tuples, attrs objects, values, program text by identity."""
    todo = [(left, right)]
    while todo:
        a, b = todo.pop()
        if a is b:
            continue
        if type(a) is not type(b):
            return False
        if isinstance(a, VALUES):
            if not equal(a, b):
                return False
        elif isinstance(a, tuple):
            if len(a) != len(b):
                return False
            todo.extend(zip(a, b, strict=True))
        elif isinstance(a, Files):
            if a.hash != b.hash:
                return False
        elif attrs.has(type(a)):
            todo.extend((getattr(a, field.name), getattr(b, field.name)) for field in attrs.fields(type(a)))
        elif a != b:
            return False
    return True


def difference(left: Machine, right: Machine) -> str:
    """Where two machines differ first; empty where they are the same."""
    if left.size != right.size or sorted(left.runs) != sorted(right.runs):
        return "other runs or another length of the log"
    if not same_state(left.stack, right.stack):
        return "other stack"
    if sorted(left.used.items()) != sorted(right.used.items()):
        return "other counts"
    for id in sorted(left.runs):
        a, b = left.runs[id], right.runs[id]
        for field in attrs.fields(type(a)):
            if field.name == "trace":
                problem = trace_difference(a.trace, b.trace)
                if problem:
                    return f"{id}: {problem}"
            elif not same_state(getattr(a, field.name), getattr(b, field.name)):
                return f"{id}: other {field.name}"
    return ""


def trace_difference(left: Commit | None, right: Commit | None) -> str:
    """Where two traces differ first, in their events or in the state after them."""
    mine, others = commits(left), commits(right)
    for a, b in zip(mine, others, strict=False):
        problem = event_difference(a.event, b.event)
        if problem:
            return f"event {a.index}: {problem}"
        for label in ("run", "index", "seq", "code", "files", "handles", "inbox", "made"):
            if not same_state(getattr(a, label), getattr(b, label)):
                return f"event {a.index}: other {label}"
    return "" if len(mine) == len(others) else "other length"


def log_difference(left: object, right: object) -> str:
    """Where two logs, lists of (run id, event), differ first."""
    for at, ((run, event), (other, made)) in enumerate(zip(left, right, strict=False)):  # type: ignore[call-overload]
        if run != other:
            return f"entry {at}: run {run} or {other}"
        problem = event_difference(event, made)
        if problem:
            return f"entry {at} of {run}: {problem}"
    return "" if len(left) == len(right) else "other length"  # type: ignore[arg-type]
