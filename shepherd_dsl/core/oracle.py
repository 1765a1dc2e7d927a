"""The oracle: everything outside a tree of runs, as one function (`core.md`, "Who answers")."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from shepherd_dsl.core.event import Change
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.machine import Asked, Finished, advance, answer, outer_stop
from shepherd_dsl.core.run import Commit
from shepherd_dsl.core.value import Con, Value


@attrs.frozen(slots=True, eq=False)
class Query:
    """What the oracle sees: id and whole trace of the run that asks, and what it asks; nothing of other runs."""

    run: str
    trace: Commit
    op: str
    args: tuple[Value, ...]


Oracle: TypeAlias = Callable[[Query], tuple[Con, Change]]
"""ω(id and trace of the run that asks, op, args) = (answer, change to the files of that run)."""


def query_of(m: Machine, stop: Asked) -> Query:
    """The query for an outer stop."""
    trace = m.runs[stop.run].trace
    assert trace is not None, "a run that asks has a trace"
    return Query(stop.run, trace, stop.op, stop.args)


def outer(m: Machine, oracle: Oracle) -> Machine | None:
    """One answer from outside (`outer ω` in `lean/`); None where the root run has ended."""
    stop = outer_stop(m)
    if isinstance(stop, Finished):
        return None
    return answer(m, *oracle(query_of(m, stop)))


def run_to_end(m: Machine, oracle: Oracle, *, max_answers: int = 1_000_000) -> Machine:
    """The machine when its root run has ended, all questions answered by `oracle`.

    Stops early, at an outer stop, after `max_answers` answers: a program may ask for ever.
    """
    m = advance(m)
    for _ in range(max_answers):
        after = outer(m, oracle)
        if after is None:
            return m
        m = advance(after)
    return m
