"""What the trace of a Python agent's run says of its function: what it wanted, and what that came to."""

from __future__ import annotations

from collections.abc import Iterator

from shepherd_dsl.agents.loop import STEP
from shepherd_dsl.agents.session import Answered
from shepherd_dsl.core.event import Denied, Intent, Outcome, Start, Undo
from shepherd_dsl.core.expr import Lit, Return
from shepherd_dsl.core.run import Commit, Running, commits, live_commits, question_of
from shepherd_dsl.core.value import Con, Value, err


def turns(head: Commit) -> Iterator[Answered]:
    """The finished turns of the live trace that ends in an open `python.step`, newest first.

    A turn is an answered `python.step` and the events up to the next one: the last outcome among these is what the
    function was told.
    """
    found = live_commits(head)
    for commit in found:
        if isinstance(commit.event, Intent) and commit.event.op == STEP:
            break
    told: Con | None = None
    seen: Con | None = None
    for commit in found:
        match commit.event:
            case Outcome(answer):
                seen = answer
            case Denied(op):
                told = told if told is not None else _denial(commit, op)
            case Undo():
                seen = None
            case Intent(op) if op != STEP:
                told = told if told is not None else seen
                seen = None
            case Intent() if seen is not None:
                want = seen.args[0] if seen.name == "Ok" else seen
                if isinstance(want, Con) and told is not None:
                    yield Answered(commit.index, want, told)
                told, seen = None, None


def open_step(head: Commit) -> int:
    """The index of the open `python.step`."""
    question = question_of(head)
    assert question is not None
    return question.index


def _denial(commit: Commit, op: str) -> Con:
    """What the run was told after `denied`: the machine keeps it in the code that goes on with it."""
    code = commit.code
    if isinstance(code, Running) and isinstance(code.comp, Return) and isinstance(code.comp.expr, Lit):
        value = code.comp.expr.value
        if isinstance(value, Con):
            return value
    return err("denied", f"`{op}` with these arguments is not granted")


def started_with(head: Commit) -> tuple[str, tuple[Value, ...]]:
    """The agent and the arguments that the run was started with."""
    event = commits(head)[0].event
    assert isinstance(event, Start)
    return event.agent, event.args
