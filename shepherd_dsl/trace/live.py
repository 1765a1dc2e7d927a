"""Which events of a trace are live (`core.md`: "`live(trace)` leaves out what was reverted").

A `reverted(k)` takes back what came after event k; it is not live itself, nor is what it took back, unless a later
revert goes to a place where that was live: undoing a revert is reverting to the event before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shepherd_dsl.core.event import Outcome, Reverted
from shepherd_dsl.core.value import Con, Record
from shepherd_dsl.errors import CorruptError
from shepherd_dsl.trace.protocol import Recorded


def live(trace: Sequence[Recorded]) -> tuple[int, ...]:
    """The indices of the live events, in order."""
    return tuple(place.index for place in live_backwards(trace))[::-1]


def live_backwards(trace: Sequence[Recorded]) -> Iterator[Recorded]:
    """The live events, newest first, reading no more of the trace than is asked for. Raises CorruptError."""
    index = len(trace) - 1
    while index >= 0:
        recorded = trace[index]
        if isinstance(recorded.event, Reverted):
            if not 0 <= recorded.event.to < index:
                raise CorruptError("store.log", f"event {index} reverts to {recorded.event.to}, which is not before it")
            index = recorded.event.to
        else:
            yield recorded
            index -= 1


def last_green(trace: Sequence[Recorded]) -> int | None:
    """The index of the newest live outcome `Ok(r)`, or `Ok(Ok(r))` of a pass, with `r.code` = 0, as the standard
    library's `last_green` finds it; None where there is none."""
    for recorded in live_backwards(trace):
        event = recorded.event
        if isinstance(event, Outcome) and _is_green(event.answer):
            return recorded.index
    return None


def _is_green(answer: Con) -> bool:
    inner = answer.args[0] if answer.name == "Ok" else None
    if isinstance(inner, Con) and inner.name == "Ok" and len(inner.args) == 1:
        inner = inner.args[0]
    code = inner.get("code") if isinstance(inner, Record) else None
    return type(code) is int and code == 0
