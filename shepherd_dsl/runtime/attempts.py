"""Attempts: which question a handler is at work on, and which handlers were at work when a driver stopped.

A question can be put to a handler more than once: a revert or a fork opens it again, and then its effect is to happen
anew. So an attempt is named by the event that opened the question: the intent or undo itself, or the `reverted` or
`forked` after it.

What is recorded of attempts stands in notes beside these events. An intent that the driver records itself is taken to
be under way, for its handler is called next; everything else is marked `begun` before its handler is called. `held`
says that nothing of it lasts: it was cancelled in time, and all it did was in files that were dropped.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from shepherd_dsl.core.event import Injected, Intent, Undo
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.machine import Asked, OuterStop, advance, outer_stop
from shepherd_dsl.core.run import WORLD, Commit, question_of
from shepherd_dsl.core.shown import is_machine_op
from shepherd_dsl.trace.protocol import TreeReader

Key: TypeAlias = tuple[str, int]
"""Names an attempt: the run that asks, and the index in its trace of the event that opened the question."""

MARK: Final = "attempt"
BEGUN: Final = "begun"
HELD: Final = "held"
LATE: Final = "late answer"


def opened(machine: Machine, run: str) -> Commit | None:
    """The event that opened the question which `run` waits with; None where it waits with none."""
    trace = machine.runs[run].trace
    if question_of(trace) is None:
        return None
    while trace is not None and isinstance(trace.event, Injected):
        trace = trace.parent
    return trace


def key_of(machine: Machine, asked: Asked) -> Key:
    """The attempt that answers `asked`, which must be open."""
    commit = opened(machine, asked.run)
    assert commit is not None, "what is asked is open"
    return asked.run, commit.index


def waiting(machine: Machine) -> OuterStop | None:
    """The outer stop that the machine comes to without another event; None where it has more to record first."""
    ahead = advance(machine, until=machine.size + 1)
    return outer_stop(ahead) if ahead.size == machine.size else None


@attrs.frozen(slots=True)
class Attempts:
    """What the trace says of attempts: `interrupted`, whose handlers may have been at work when a driver stopped, and
    `held`, which were begun and may be begun again."""

    interrupted: frozenset[Key] = frozenset()
    held: frozenset[Key] = frozenset()


def attempts(machine: Machine, reader: TreeReader) -> Attempts:
    """The attempts of a tree as it was left. `machine` has followed the log of `reader`. What it asks after more events
    was not recorded, so no handler saw it."""
    interrupted: set[Key] = set()
    held: set[Key] = set()
    length = len(reader)
    stop = waiting(machine)
    asked = stop.run if isinstance(stop, Asked) else None
    for run in sorted(machine.runs):
        commit = opened(machine, run)
        if run == WORLD or commit is None or commit.seq >= length:
            continue
        question = question_of(commit)
        assert question is not None
        assert isinstance(question.event, Intent | Undo)
        if is_machine_op(question.event.op):
            continue
        mark = reader.notes(run, commit.index).get(MARK)
        if mark == HELD:
            held.add((run, commit.index))
        elif mark == BEGUN or (run == asked and commit is question):
            interrupted.add((run, commit.index))
    return Attempts(frozenset(interrupted), frozenset(held))
