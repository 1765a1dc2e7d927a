"""Events as values: what `run.trace` gives (`spec/contract.md`, "Operations on runs")."""

from __future__ import annotations

from shepherd_dsl.core.event import Denied, End, Event, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.forest import Machine, handles_today, hold, is_below
from shepherd_dsl.core.run import Commit, Run
from shepherd_dsl.core.shown import map_value
from shepherd_dsl.core.value import NONE, Agent, Con, Handle, Value


def trace_value(m: Machine, reader: Run, id: str, start: int) -> tuple[tuple[str, ...], tuple[Value, ...]]:
    """The reader's table, and the events of run `id` from index `start` on.

    A handle inside stands for a run below `id`, or one the reader holds anyway; any other is shown as `None`.
    """
    table = reader.handles

    def seen_from(commit: Commit) -> object:
        held = handles_today(m, id, commit)

        def leaf(inner: Value) -> Value:
            nonlocal table
            if type(inner) is not Handle:
                return inner
            other = held[inner.index] if inner.index < len(held) else None
            if other is None or other not in m.runs or (other not in table and not is_below(m, other, id)):
                return NONE
            table, index = hold(table, other)
            return Handle(index)

        return leaf

    found: list[Commit] = []
    commit = m.runs[id].trace
    while commit is not None and commit.index >= start:
        found.append(commit)
        commit = commit.parent
    events = [map_value(event_value(commit.event), seen_from(commit)) for commit in reversed(found)]
    return table, tuple(events)


def event_value(event: Event) -> Value:
    """An event as a value, with its run's own handles."""
    match event:
        case Start():
            return Con("Start", (Agent(event.agent), event.args))
        case Intent():
            return Con("Intent", (event.op, event.args))
        case Outcome():
            return Con("Outcome", (event.answer, event.by))
        case Denied():
            return Con("Denied", (event.op, event.args))
        case Injected():
            return Con("Injected", (event.value,))
        case Forked():
            return Con("Forked", (event.at,))
        case Undo():
            return Con("Undo", (event.at, event.op, event.args))
        case Reverted():
            return Con("Reverted", (event.to,))
        case End():
            return Con("End", (event.kind,))
