"""Taking back, by hand: what the generated programs reach too seldom to rely on."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.event import Change, Outcome, Undo
from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.machine import start
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.run import ROOT, commits
from shepherd_dsl.core.unwind import Plan, plan
from shepherd_dsl.core.value import Con, Record, Value, ok
from tests.support.build import ALL, do, drive, p, program, ret, seq, spawn, unwrap


def answers(query: Query) -> tuple[Con, Change]:
    """`post` gives its own argument back, so that a compensation says which post it undoes."""
    return ok(query.args[0] if query.args else True), ()


def run(main: Comp, **agents: tuple[tuple[str, ...], Comp]) -> Machine:
    m = start(program(main=((), main), **agents), "main", (), ALL, Files.empty(), read_blob={}.__getitem__)
    return run_to_end(m, answers)


POSTER = (("name",), seq(do("post", p("text", "$name", "1")), do("post", p("text", "$name", "2")), ret("$name")))


def one(handle: str) -> Comp:
    """Let the run do one intent."""
    return seq(do("run.next", handle), do("run.pass", handle))


def test_debts_of_several_runs_are_paid_newest_first_across_them() -> None:
    def boss(*order: str) -> tuple[tuple[str, ...], Comp]:
        steps = [one(f"${name}h") for name in order]
        return (
            ("n",),
            seq(
                ("a", spawn("poster", "a")),
                ("ah", ret(unwrap("a"))),
                ("b", spawn("poster", "b")),
                ("bh", ret(unwrap("b"))),
                *steps,
                do("ask", "wait"),
                ret("over"),
            ),
        )

    for order, paid in (
        ("abab", ["b2", "a2", "b1", "a1"]),
        ("abba", ["a2", "b2", "b1", "a1"]),
        ("baab", ["b2", "a2", "a1", "b1"]),
    ):
        m = run(
            seq(
                ("w", spawn("boss", 0)),
                ("wh", ret(unwrap("w"))),
                *[one("$wh") for _ in order],
                ("s", do("run.next", "$wh")),
                ("d", do("run.discard", "$wh")),
                ret("$d"),
            ),
            boss=boss(*order),
            poster=POSTER,
        )
        undone = [commit.event.args[0] for commit in log_since(m, 0) if isinstance(commit.event, Undo)]
        assert undone == paid, order


def test_an_operation_that_is_not_declared_counts_as_irreversible() -> None:
    m = start(
        program(main=((), seq(do("mystery.op", 1), ret(0)))),
        "main",
        (),
        (Clause("mystery.op"),),
        Files.empty(),
        read_blob={}.__getitem__,
    )
    m = run_to_end(m, answers)
    made = plan(m, ROOT, 0)
    assert isinstance(made, Plan)
    assert made.irreversible == ("mystery.op",)


def test_a_refused_revert_names_the_last_event() -> None:
    m = run(seq(do("ask", 1), ret(0)))
    last = commits(m.runs[ROOT].trace)[-1].index
    refused = plan(m, ROOT, last + 1)
    assert isinstance(refused, Con)
    error = refused.args[0]
    assert isinstance(error, Record)
    assert error.get("code") == "step"
    assert error.get("text") == f"there is no event {last + 1}; the last one is {last}"


NONSENSE: list[tuple[str, tuple[object, ...]]] = [
    ("run.next", ()),
    ("run.next", ("$h", 1)),
    ("run.pass", ()),
    ("run.answer", ("$h",)),
    ("run.deny", ("$h", 7)),
    ("run.deny", ("$h",)),
    ("run.inject", ("$h",)),
    ("run.trace", ("$h",)),
    ("run.trace", ("$h", "0")),
    ("run.trace", (0, 0)),
    ("run.fork", ("$h",)),
    ("run.fork", ("$h", True)),
    ("run.revert", ("$h",)),
    ("run.revert", ("$h", "0")),
    ("run.discard", ()),
    ("run.discard", ("$h", 0)),
    ("run.discard", (3,)),
    ("run.merge", ()),
    ("run.merge", ("$h", "$h")),
    ("run.pick", ()),
    ("run.pick", ((),)),
    ("run.spawn", ("poster", (), ())),
]


@pytest.mark.parametrize(("op", "args"), NONSENSE)
def test_nonsense_is_answered_with_an_error_and_changes_nothing(op: str, args: tuple[object, ...]) -> None:
    m = run(
        seq(("w", spawn("poster", "a")), ("h", ret(unwrap("w"))), ("r", do(op, *args)), ("d", drive("$h")), ret("$d")),
        poster=POSTER,
    )
    found: list[Value] = []
    for commit in log_since(m, 0):
        event = commit.event
        if commit.run == ROOT and isinstance(event, Outcome) and event.by == "machine" and event.answer.name == "Err":
            found.append(event.answer.args[0])
    assert len(found) == 1
    error = found[0]
    assert isinstance(error, Record)
    assert error.get("code") in ("type", "own"), error
    assert [id for id in m.runs if id not in ("world", ROOT)] == ["root.0"]
    assert m.runs["root.0"].trace is not None
    assert [type(commit.event).__name__ for commit in commits(m.runs["root.0"].trace)][-1] == "End"
