"""What hand-made scenes of the core share: a machine run to its end and checked, and what its runs recorded."""

from __future__ import annotations

from shepherd_dsl.core.event import Event
from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.machine import advance, start
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import check
from shepherd_dsl.core.run import commits
from shepherd_dsl.core.value import Con, Value, ok
from tests.support.build import ALL, do, p, ret, seq
from tests.support.generate import BASE, BLOBS

W, F, G, S = (p("con_arg", f"${name}", 0) for name in "wfgs")


def begin(made: Program, *args: Value) -> Machine:
    return advance(start(made, "main", args, ALL, BASE, read_blob=BLOBS.__getitem__))


def plain(query: Query) -> tuple[Con, tuple[()]]:
    return ok(f"{query.op}{query.trace.index}"), ()


def run(made: Program, oracle=plain) -> Machine:  # type: ignore[no-untyped-def]
    m = run_to_end(begin(made), oracle)
    log = [(commit.run, commit.event) for commit in log_since(m, 0)]
    assert check(made, log, BASE, read_blob=BLOBS.__getitem__).accepted
    return m


def events(m: Machine, id: str) -> list[Event]:
    return [commit.event for commit in commits(m.runs[id].trace)]


def kinds(m: Machine, id: str) -> list[str]:
    return [type(event).__name__ for event in events(m, id)]


def result(m: Machine) -> Value:
    return m.runs["root"].code.value  # type: ignore[union-attr]


def unwrap(value: Value) -> Value:
    assert isinstance(value, Con)
    assert value.name == "Ok", value
    return value.args[0]


def unwrapped_error(value: Value) -> Value:
    assert isinstance(value, Con)
    assert value.name == "Err", value
    return value.args[0].get("code")  # type: ignore[union-attr]


POST = (("n",), seq(("a", do("post", "one")), ("b", do("post", "two")), ("c", do("ask", "q")), ret("done")))
POST0 = ((), POST[1])


def passes(handle: object, count: int) -> list[Comp]:
    return [part for _ in range(count) for part in (do("run.next", handle), do("run.pass", handle))]
