"""Equality of events, and in words where two differ."""

from __future__ import annotations

from shepherd_dsl.core.event import Event, Outcome, Start
from shepherd_dsl.core.value import equal


def event_difference(recorded: Event, made: Event, *, ignore_program: bool = False) -> str:
    """Why `recorded` is not `made`, in one sentence; empty where they are the same event.

    With `ignore_program` the digest in `start` does not count.
    """
    if recorded is made:
        return ""
    kind = type(made)
    if type(recorded) is not kind:
        return f"the log has `{name_of(recorded)}`, the program `{name_of(made)}`"
    for field in kind.__attrs_attrs__:
        label = field.name
        if ignore_program and kind is Start and label == "program":
            continue
        left, right = getattr(recorded, label), getattr(made, label)
        if left is right:
            continue
        same = left == right if kind is Outcome and label == "files" else equal(left, right)
        if not same:
            return f"`{name_of(made)}`: `{label}` differs"
    return ""


def name_of(event: Event) -> str:
    """The event's name as in canonical text: `start`, `intent`, …"""
    return type(event).__name__.lower()
