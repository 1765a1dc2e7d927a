"""What is said of a log that a program cannot have produced: how far it was followed, why no further, what was due."""

from __future__ import annotations

import attrs
import pytest

from shepherd_dsl.core.event import End, Injected, Intent, Outcome
from shepherd_dsl.core.forest import log_since
from shepherd_dsl.core.replay import Log, Replayed, check, first_divergence, follow, replay
from shepherd_dsl.core.value import UNIT, Handle, ok
from tests.support.build import do, program, ret, seq
from tests.support.generate import BASE, BLOBS
from tests.support.scenes import run

MADE = program(main=((), seq(("a", do("ask", 1)), ("b", do("ask", 2)), ret("$b"))))
LOG = tuple((commit.run, commit.event) for commit in log_since(run(MADE), 0))
"""start, intent, outcome, intent, outcome, end"""


def followed(log: Log) -> Replayed:
    return follow(MADE, log, BASE, read_blob=BLOBS.__getitem__)


def test_a_whole_log_is_followed() -> None:
    for size in range(1, len(LOG) + 1):
        found = followed(LOG[:size])
        assert (found.followed, found.problem, found.expected) == (size, "", None)
        assert found.machine is not None
        assert check(MADE, LOG[:size], BASE, read_blob=BLOBS.__getitem__).accepted
        assert replay(MADE, LOG[:size], BASE, read_blob=BLOBS.__getitem__).size == size


@pytest.mark.parametrize(
    ("at", "run", "event", "problem"),
    [
        (1, "root", Intent("ask", (3,)), "`intent`: `args` differs"),
        (1, "root", Intent("fire", (1,)), "`intent`: `op` differs"),
        (1, "root", End("done", 1), "the log has `end`, the program `intent`"),
        (1, "root.0", Intent("ask", (1,)), "the log has an event of run root.0, the program one of run root"),
    ],
)
def test_what_the_program_does_there_is_told(at: int, run: str, event: Intent | End, problem: str) -> None:
    found = followed((*LOG[:at], (run, event), *LOG[at + 1 :]))
    assert (found.followed, found.problem) == (at, problem)
    assert found.expected is not None
    assert found.expected[0] == LOG[at][0]
    assert type(found.expected[1]) is type(LOG[at][1])


@pytest.mark.parametrize(
    ("at", "run", "event", "problem"),
    [
        (2, "root", Injected(1), "the program waits for the outcome of `ask` of run root"),
        (2, "root", Outcome(ok(1), (), "machine"), "only the world can answer `ask` of run root here"),
        (2, "root", Outcome(ok(Handle(0)), (), "world"), "an answer from outside contains no run"),
        (2, "world", Injected(1), "only an operation of the world can stand here"),
        (2, "world", Intent("run.fork", ()), "only an operation of the world can stand here"),
        (6, "root", Injected(1), "the root run has ended"),
    ],
)
def test_nothing_is_told_where_the_program_waits_or_has_ended(
    at: int, run: str, event: Injected | Outcome | Intent, problem: str
) -> None:
    found = followed((*LOG[:at], (run, event)))
    assert (found.followed, found.problem, found.expected) == (at, problem, None)
    verdict = check(MADE, (*LOG[:at], (run, event)), BASE, read_blob=BLOBS.__getitem__)
    assert (verdict.accepted, verdict.entry, verdict.problem) == (False, at, problem)
    with pytest.raises(ValueError, match=f"entry {at}: "):
        replay(MADE, (*LOG[:at], (run, event)), BASE, read_blob=BLOBS.__getitem__)


def test_an_edited_program_is_followed_as_far_as_it_asks_the_same() -> None:
    other = program(main=((), seq(("a", do("ask", 1)), ("b", do("ask", 3)), ret("$b"))))
    found = first_divergence(other, LOG, BASE, read_blob=BLOBS.__getitem__)
    assert (found.followed, found.problem) == (3, "`intent`: `args` differs")
    assert found.expected is not None
    assert isinstance(found.expected[1], Intent)
    assert found.expected[1].args == (3,)
    assert follow(other, LOG, BASE, read_blob=BLOBS.__getitem__).problem == "`start`: `program` differs"


START = LOG[0][1]


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        ((), ""),
        (LOG[1:], "a log begins with the `start` of the root run"),
        ((("root.0", START), *LOG[1:]), "a log begins with the `start` of the root run"),
        ((("root", attrs.evolve(START, grant=())), *LOG[1:]), "the root run has one layer of grant"),
        ((("root", attrs.evolve(START, grant=((), ()))), *LOG[1:]), "the root run has one layer of grant"),
        ((("root", attrs.evolve(START, grant=UNIT)), *LOG[1:]), "the root run has one layer of grant"),
        ((("root", attrs.evolve(START, grant=(UNIT,))), *LOG[1:]), "expected a list of clauses"),
        ((("root", attrs.evolve(START, agent="other")), *LOG[1:]), "the program has no agent `other`"),
        ((("root", attrs.evolve(START, args=(1,))), *LOG[1:]), "`main` takes 0 arguments, not 1"),
    ],
)
def test_what_starts_nothing_is_followed_nowhere(log: Log, problem: str) -> None:
    found = followed(log)
    assert (found.machine, found.followed, found.problem, found.expected) == (None, 0, problem, None)
    with pytest.raises(ValueError, match=problem or "the log is empty"):
        replay(MADE, log, BASE, read_blob=BLOBS.__getitem__)
