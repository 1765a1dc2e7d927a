"""Recorded runs with one edit: what nobody's program can have produced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shepherd_dsl.core.event import End, Event, Intent, Outcome, Start
from shepherd_dsl.core.value import ok
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.protocol import LogEntry

Log = list[tuple[str, Event]]


def place(log: Log, kind: type[Event], op: str = "") -> int:
    """The first entry of a kind; of an outcome, the one that answers `op`."""
    for at, (run, event) in enumerate(log):
        if not isinstance(event, kind):
            continue
        asked = next((one for who, one in reversed(log[:at]) if who == run and isinstance(one, Intent)), None)
        if not op or (asked is not None and asked.op == op):
            return at
    raise AssertionError(f"no {kind.__name__} {op}")


def changed_outcome(log: Log) -> tuple[Log, int]:
    """The first answer of the machine is another one; so is the first event that cannot be."""
    at = next(at for at, (_, event) in enumerate(log) if isinstance(event, Outcome) and event.by == "machine")
    run, event = log[at]
    assert isinstance(event, Outcome)
    return [*log[:at], (run, Outcome(ok("forged"), event.files, event.by)), *log[at + 1 :]], at


def dropped_event(log: Log) -> tuple[Log, int]:
    """An outcome is missing: the next event cannot come without it."""
    at = place(log, Outcome)
    return [*log[:at], *log[at + 1 :]], at


def swapped_events(log: Log) -> tuple[Log, int]:
    """An outcome stands before its intent."""
    at = place(log, Intent)
    return [*log[:at], log[at + 1], log[at], *log[at + 2 :]], at


def forged_grant(log: Log) -> tuple[Log, int]:
    """The root run is said to have been granted nothing: its first operation would have been denied."""
    run, event = log[0]
    assert isinstance(event, Start)
    forged = Start(event.version, event.program, event.agent, event.args, ((),), event.files)
    return [(run, forged), *log[1:]], place(log, Intent)


def changed_end(log: Log) -> tuple[Log, int]:
    """The last run ended with something else."""
    at = next(at for at in reversed(range(len(log))) if isinstance(log[at][1], End))
    return [*log[:at], (log[at][0], End("done", "forged")), *log[at + 1 :]], at


EDITS: tuple[Callable[[Log], tuple[Log, int]], ...] = (
    changed_outcome,
    dropped_event,
    swapped_events,
    forged_grant,
    changed_end,
)
"""Each gives the edited log and the first entry that is not the program's."""


def forge(folder: Path, name: str, edit: Callable[[Log], tuple[Log, int]]) -> tuple[str, int]:
    """Record an edited copy of a run in the workspace; the copy's name, and the first entry that cannot be."""
    store = Workspace(folder).store()
    reader = store.read(name)
    entries = list(reader.entries())
    log, at = edit([(item.run, item.event) for item in entries])
    writer = store.create(program=reader.program, info=reader.info)
    try:
        files = [entries[min(n, len(entries) - 1)].files for n in range(len(log))]
        writer.append([LogEntry(run, event, after) for (run, event), after in zip(log, files, strict=True)])
        return writer.name, at
    finally:
        writer.close()
