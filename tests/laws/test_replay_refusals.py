"""Logs that no run of the program can have made are refused with the entry and the reason."""

from __future__ import annotations

import attrs

from shepherd_dsl.core.event import Event, Forked, Injected, Intent, Outcome, Start
from shepherd_dsl.core.forest import log_since
from shepherd_dsl.core.machine import advance, answer, start, world_asks
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import follow
from shepherd_dsl.core.value import Handle, err, ok
from tests.support.build import ALL, do, p, program, ret, seq, spawn
from tests.support.generate import BASE, BLOBS
from tests.support.scenes import W

Log = tuple[tuple[str, Event], ...]

ASKS = program(100, main=((), seq(("a", do("ask", 1)), ret("$a"))))


def logged(made: Program, *answers: object) -> Log:
    m = advance(start(made, "main", (), ALL, BASE, read_blob=BLOBS.__getitem__))
    for value in answers:
        m = advance(answer(m, ok(value)))  # type: ignore[arg-type]
    return tuple((commit.run, commit.event) for commit in log_since(m, 0))


def refusal(made: Program, log: Log) -> tuple[int, str, bool]:
    """The entry, the reason, and whether there is a machine up to there."""
    found = follow(made, log, BASE, read_blob=BLOBS.__getitem__)
    return found.followed, found.problem, found.machine is not None


def instead(made: Program, log: Log) -> tuple[int, str, str]:
    """The entry, the reason, and what the program does there, as a text."""
    found = follow(made, log, BASE, read_blob=BLOBS.__getitem__)
    return found.followed, found.problem, str(found.expected)


def test_the_root_run_has_one_layer() -> None:
    (run, first), *rest = logged(ASKS, 5)
    assert isinstance(first, Start)
    for grant in ((), (first.grant[0], first.grant[0]), 3):  # type: ignore[index]
        log = ((run, attrs.evolve(first, grant=grant)), *rest)
        assert refusal(ASKS, log) == (0, "the root run has one layer of grant", False)


def test_a_log_begins_with_the_start_of_the_root_run() -> None:
    log = logged(ASKS, 5)
    for wrong in (log[1:], (("root.0", log[0][1]), *log[1:]), (("world", log[0][1]),)):
        assert refusal(ASKS, wrong) == (0, "a log begins with the `start` of the root run", False)


def test_only_what_the_world_asks_stands_in_its_trace() -> None:
    log = logged(ASKS, 5)
    for event in (Injected("x"), Outcome(ok(1), (), "world")):
        assert refusal(ASKS, (*log[:2], ("world", event))) == (2, "only an operation of the world can stand here", True)


def test_what_is_no_answer_is_named() -> None:
    log = logged(ASKS, 5)
    assert refusal(ASKS, (*log[:2], ("root", Injected("x")))) == (
        2,
        "the program waits for the outcome of `ask` of run root",
        True,
    )
    for by in ("owner", "machine"):
        given = Outcome(ok(1), (), by)  # type: ignore[arg-type]
        assert refusal(ASKS, (*log[:2], ("root", given))) == (
            2,
            "only the world can answer `ask` of run root here",
            True,
        )
    assert refusal(ASKS, (*log, ("root", Injected("x")))) == (len(log), "the root run has ended", True)


def test_the_world_acts_between_two_steps() -> None:
    """A step that makes two events is not interrupted: an operation of the world after its first is refused."""
    made = program(100, worker=((), ret(1)), main=((), seq(("w", spawn("worker")), ret(1))))
    log = logged(made)
    act: Log = (("world", Intent("run.inject", (Handle(0), "x"))),)
    refused = 0
    for at in range(1, len(log)):
        entry, problem, expected = instead(made, (*log[:at], *act))
        refused += entry == at
        assert (entry, bool(problem), expected) in ((at, True, str(log[at])), (at + 1, False, "None"))
    assert refused


def test_no_fork_from_outside_stands_within_a_step() -> None:
    """What the world puts in is three events of one step: its question, the message, the answer."""
    begun = advance(start(ASKS, "main", (), ALL, BASE, read_blob=BLOBS.__getitem__))
    log = tuple((commit.run, commit.event) for commit in log_since(world_asks(begun, "run.inject", (Handle(0), 1)), 0))
    assert [run for run, _ in log[2:]] == ["world", "root", "world"]
    entry, problem, expected = instead(ASKS, (*log[:4], ("root", Forked("root", 2))))
    assert (entry, problem) == (4, "the log has an event of run root, the program one of run world")
    assert expected == str(log[4])


def test_what_the_world_cannot_ask_is_refused_and_what_the_program_does_is_named() -> None:
    log = logged(ASKS, 5)
    act: Log = (("world", Intent("run.pass", (Handle(0),))),)
    here = "only an operation of the world can stand here"
    other = "the log has an event of run world, the program one of run root"
    for at, problem, expected in ((1, other, log[1]), (2, here, None), (3, other, log[3]), (4, here, None)):
        assert instead(ASKS, (*log[:at], *act)) == (at, problem, str(expected))


def test_the_outcome_of_another_run_is_none_of_the_one_that_asks() -> None:
    """Nothing is expected there: the program waits, and whatever the world had answered, it could not be this."""
    worker = ((), seq(("a", do("ask", 1)), ret("$a")))
    parts = (("w", spawn("worker")), do("run.next", W), do("run.pass", W), ret(1))
    made = program(1_000, worker=worker, main=((), seq(*parts)))
    log = logged(made, 5)
    at = next(index for index, (_, event) in enumerate(log) if isinstance(event, Outcome) and event.by == "world")
    assert [run for run, _ in log[at : at + 2]] == ["root.0", "root"]
    waits = "the program waits for the outcome of `ask` of run root.0"
    assert instead(made, (*log[:at], *log[at + 1 :])) == (at, waits, "None")


def test_a_pick_of_a_run_that_was_not_listed_is_none() -> None:
    runs = tuple((name, spawn("w")) for name in "abc")
    nexts = [do("run.next", p("con_arg", f"${name}", 0)) for name in "abc"]
    pick = ("x", do("run.pick", p("list", p("con_arg", "$a", 0), p("con_arg", "$b", 0))))
    made = program(1_000, w=((), seq(do("ask", 1), ret(1))), main=((), seq(*runs, *nexts, pick, ret("$x"))))
    log = logged(made, 1)
    at = max(index for index, (_, event) in enumerate(log) if isinstance(event, Outcome) and event.by == "world")
    assert refusal(made, log) == (len(log), "", True)
    assert log[at][1].answer == ok(Handle(1))  # type: ignore[union-attr]
    for answered in (ok(Handle(0)), ok(Handle(1))):
        changed = (*log[:at], ("root", Outcome(answered, (), "world")))
        assert refusal(made, changed) == (at + 1, "", True)
    index = err("index", "the index picked is not in the list")
    for answered, picked in ((ok("x"), index), (ok(-2), index), (ok(1), ok(Handle(1)))):
        changed = (*log[:at], ("root", Outcome(answered, (), "world")))
        expected = str(("root", Outcome(picked, (), "world")))
        assert instead(made, changed) == (at, "`outcome`: `answer` differs", expected)
    changed = (*log[:at], ("root", Outcome(ok(Handle(2)), (), "world")))
    assert refusal(made, changed) == (at, "an answer from outside contains no run", True)


def test_what_the_world_asks_for_is_replayed() -> None:
    m = advance(start(ASKS, "main", (), ALL, BASE, read_blob=BLOBS.__getitem__))
    m = advance(answer(advance(world_asks(m, "run.inject", (Handle(0), "x"))), ok(5)))
    log = tuple((commit.run, commit.event) for commit in log_since(m, 0))
    assert refusal(ASKS, log) == (len(log), "", True)
