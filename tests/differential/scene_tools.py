"""How a scene made by hand becomes requests: a program, what the oracle says, what the outermost owner does."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import reduce
from typing import Any

from shepherd_dsl.core.event import Change, Entry, Event
from shepherd_dsl.core.expr import Comp, Expr
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.grant import Clause, Request, request_value
from shepherd_dsl.core.machine import Finished, advance, answer, outer_stop, start
from shepherd_dsl.core.oracle import Query, query_of
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.root_fork import fork_root_at
from shepherd_dsl.core.value import Agent, Con, Value
from shepherd_dsl.core.wire import value_text
from shepherd_dsl.core.wire_log import Script, script_text
from shepherd_dsl.reference.requests import request
from tests.differential.cases import Log, run_request
from tests.support.build import OPS, call, do, p, ret, seq
from tests.support.generate import BASE, BLOBS, HASHES
from tests.support.scenes import plain

Answers = Callable[[Query], tuple[Con, Change]]
Act = Callable[[Machine], Machine]
Body = tuple[tuple[str, ...], Comp]
ENTRIES = tuple(Entry(0o100644, name) for name in HASHES)
USUAL = tuple(Clause(op) for op in ("run.*", "inbox.take", "file.*", "ask", "post"))
"""What is granted unless a scene says more: a short request makes a short log."""
MAX_TURNS = 200


def played(
    made: Program,
    oracle: Answers = plain,
    *,
    grant: Request = USUAL,
    acts: Mapping[int, Act] | None = None,
    turns: int = MAX_TURNS,
) -> Machine:
    """The tree of `main` at its end, or after so many stops; `acts` is what the outermost owner does itself at them."""
    m = advance(start(made, "main", (), grant, BASE, read_blob=BLOBS.__getitem__))
    for turn in range(turns):
        stop = outer_stop(m)
        act = (acts or {}).get(turn)
        if act is not None:
            m = act(m)
        elif isinstance(stop, Finished):
            break
        else:
            m = answer(m, *oracle(query_of(m, stop)))
        m = advance(m)
    return m


def asked(made: Program, m: Machine, grant: Request = USUAL) -> str:
    """The request to run what led to a tree."""
    return run_request(made, "main", (), grant, BASE, BLOBS, m)


def told(made: Program, script: Script, grant: Request = USUAL) -> str:
    """The request to run `main` with these answers, well-formed or not."""
    agent, args, granted = '"main"', "[]", value_text(request_value(grant))
    return request(
        "run", made, BASE, BLOBS, agent=agent, args=args, grant=granted, script=script_text(script), acts="[]"
    )


def forked(m: Machine, *places: int) -> Act:
    """The act that forks another tree from outside, and the fork again, whatever there is."""
    return lambda _: reduce(fork_root_at, places, m)


def in_turn(*answers: tuple[Con, Change], ops: Container[str] = (*OPS, "mail", "run.pick")) -> Answers:
    """The oracle that gives these answers to some operations one after the other, and else plain ones."""
    left = list(answers)
    return lambda query: left.pop(0) if left and query.op in ops else plain(query)


def inner(name: str) -> Expr:
    """What the outcome in a variable carries."""
    return p("con_arg", f"${name}", 0)


def spawn(agent: str, *args: object, grant: Value | None = None) -> Comp:
    """`do run.spawn(agent, [args…], request)`."""
    return do("run.spawn", Agent(agent), p("list", *args), request_value(USUAL) if grant is None else grant)


def body_of(*parts: Any) -> Comp:
    """One part after the other; a pair names what comes of its part."""
    return seq(*parts)


def to_end(run: object) -> Comp:
    """Drive a run to its end, passing all that it asks."""
    return call("drive'", run)


def kept(*parts: Comp) -> Body:
    """An agent that does these and ends with what came of each."""
    names = [f"x{at}" for at in range(len(parts))]
    return (), body_of(*zip(names, parts, strict=True), ret(p("list", *[f"${name}" for name in names])))


def forge(log: Log, at: int, event: Event) -> Log:
    """The log with another event in one place."""
    return [*log[:at], (log[at][0], event), *log[at + 1 :]]
