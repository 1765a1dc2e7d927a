"""Every single step of a case, for laws that speak of steps."""

from __future__ import annotations

from collections.abc import Iterator

from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.machine import Asked, answer, outer_stop, step
from shepherd_dsl.core.oracle import query_of
from shepherd_dsl.core.run import Running
from tests.support.generate import MAX_ANSWERS, Case


def steps_of(chosen: Case, *, local: bool = False) -> Iterator[tuple[Machine, Machine]]:
    """The machine before and after every step and every answer of a case, without the outer owner's own operations.

    Local steps are left out, but for the last of each row, unless `local`.
    """
    m = chosen.start()
    for _ in range(MAX_ANSWERS):
        while True:
            after = step(m)
            if after is None:
                break
            quiet = after.size == m.size and isinstance(after.runs[m.stack[0]].code, Running)
            if local or not quiet:
                yield m, after
            m = after
        stop = outer_stop(m)
        if not isinstance(stop, Asked):
            return
        after = answer(m, *chosen.oracle(query_of(m, stop)))
        yield m, after
        m = after


def below(m: Machine, id: str) -> list[str]:
    """The runs below a run: those it owns, those they own, …"""
    found, todo = [], list(m.runs[id].kids)
    while todo:
        top = todo.pop()
        found.append(top)
        todo.extend(m.runs[top].kids)
    return found


def family(m: Machine, id: str) -> set[str]:
    """A run, all below it and all above it."""
    found = {id}
    at = m.runs[id].owner
    while at is not None:
        found.add(at)
        at = m.runs[at].owner
    return found | set(below(m, id))
