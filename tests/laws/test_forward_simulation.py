"""Law `forward_simulation`: the machine implements the textbook substitution semantics of a run, operations as labels.

Every run of the generated trees that was neither copied nor reverted is played by `support/textbook.py`, which has no
environment and no stack: it asks the same, given the same answers, and ends the same.
"""

from __future__ import annotations

from collections import Counter

from shepherd_dsl.core.event import Denied, End, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.expr import Lit, Return
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import Commit, Running, commits
from shepherd_dsl.core.value import Con, Record, equal
from tests.support import textbook
from tests.support.generate import STEPS, cases, ran
from tests.support.textbook import Asks, Ended


def told(commit: Commit) -> Con:
    """What the run is told by an outcome or a refusal: the answer that its code goes on with."""
    code = commit.code
    assert isinstance(code, Running)
    assert isinstance(code.comp, Return)
    assert isinstance(code.comp.expr, Lit)
    assert isinstance(code.comp.expr.value, Con)
    return code.comp.expr.value


def play(program: Program, trace: list[Commit], seen: Counter[str]) -> str:
    """Why the textbook disagrees with a trace; empty where it does not."""
    first = trace[0].event
    assert isinstance(first, Start)
    term = textbook.called(first.agent, first.args)
    for at, commit in enumerate(trace[1:], start=1):
        event = commit.event
        if isinstance(event, Injected | Outcome):
            continue
        if isinstance(event, End) and event.kind == "discarded":
            return ""
        stop = textbook.run(program, term, 3 * STEPS)
        if isinstance(event, Intent | Denied):
            if not isinstance(stop, Asks) or stop.op != event.op or not equal(stop.args, event.args):
                return f"event {at}: the textbook does otherwise: {stop}"
            seen["asks"] += 1
            later = [one for one in trace[at:] if isinstance(one.event, Outcome | Denied)]
            if not later:
                return ""
            if isinstance(event, Intent) and later[0].event.answer.name == "Err":  # type: ignore[union-attr]
                seen["told an error"] += 1
            if isinstance(later[0].event, Outcome) and not equal(told(later[0]), later[0].event.answer):
                return f"event {at}: the run was told something else than the outcome"
            term = textbook.resume(stop.term, told(later[0]))
        elif isinstance(event, End):
            if isinstance(event.value, Record) and event.value.get("code") == "steps":
                seen["steps"] += 1
                return "" if stop is None else f"event {at}: the textbook comes to a stop"
            seen[event.kind] += 1
            if not isinstance(stop, Ended) or stop.kind != event.kind or not equal(stop.value, event.value):
                return f"event {at}: the textbook ends otherwise: {stop}"
            return ""
    return ""


def test_every_run_does_what_the_textbook_says() -> None:
    seen: Counter[str] = Counter()
    for seed in cases(250):
        done = ran(seed)
        for id in sorted(done.last.runs):
            trace = commits(done.last.runs[id].trace)
            if id == "world" or any(isinstance(one.event, Forked | Reverted | Undo) for one in trace):
                continue
            assert play(done.case.program, trace, seen) == "", (seed, id)
    assert seen["asks"] > 500
    for kind in ("done", "failed", "steps", "told an error"):
        assert seen[kind], kind
