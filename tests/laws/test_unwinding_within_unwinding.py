"""A run is taken back while it takes back itself: its own debts are told their outcomes all the same."""

from __future__ import annotations

from shepherd_dsl.core.event import Intent, Outcome, Undo
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.machine import start
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import ROOT, commits
from shepherd_dsl.core.value import Con, ok
from tests.support.build import ALL, do, program, ret, seq, spawn, unwrap


def scene() -> Program:
    """A run that is discarded while it discards the run that it made: both have posted, and owe a compensation."""
    poster = (("name",), seq(do("post", "$name"), do("ask", "more"), ret("$name")))
    ending = (
        (),
        seq(
            do("post", "own"),
            ("k", spawn("poster", "kid")),
            ("kh", ret(unwrap("k"))),
            do("run.next", "$kh"),
            do("run.pass", "$kh"),
            ret("over"),
        ),
    )
    main = seq(
        ("r", spawn("ending")),
        ("h", ret(unwrap("r"))),
        *[do(op, "$h") for op in ("run.next", "run.pass", "run.next", "run.pass", "run.next")],
        ("back", do("run.discard", "$h")),
        ret("$back"),
    )
    return program(main=((), main), ending=ending, poster=poster)


def test_a_run_that_was_ending_when_it_was_discarded_is_told_of_its_own_compensations() -> None:
    asked: list[tuple[str, str, object]] = []

    def answers(query: Query) -> tuple[Con, tuple[()]]:
        asked.append((query.run, query.op, query.args[0]))
        return ok(query.args[0] if query.args else True), ()

    m = start(scene(), "main", (), ALL, Files.empty(), read_blob={}.__getitem__)
    m = run_to_end(m, answers)
    assert m.runs[ROOT].code.value.args[0].get("compensated") == ("retract", "retract")  # type: ignore[union-attr]
    assert asked == [
        ("root.0", "post", "own"),
        ("root.0.0", "post", "kid"),
        ("root.0.0", "retract", "kid"),
        ("root.0", "retract", "own"),
    ]
    for id in ("root.0", "root.0.0"):
        events = [commit.event for commit in commits(m.runs[id].trace)]
        undo = [at for at, event in enumerate(events) if isinstance(event, Undo)]
        assert all(isinstance(events[at + 1], Outcome) for at in undo), id
        assert sum(isinstance(event, Intent) for event in events) + len(undo) == sum(
            isinstance(event, Outcome) for event in events
        ), id
