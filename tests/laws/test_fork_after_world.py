"""The whole tree is forked at an event that the outermost owner put there, as at any other of the root run.

Part of `check_complete`, `replay_exact` and `outcome_answers_intent`: the fork's log is a log of the program, and the
outermost owner's operation has its outcome in it. Rule: `forkRoot`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from shepherd_dsl.core.event import End, Forked, Injected, Outcome, Reverted, Undo
from shepherd_dsl.core.forest import Machine, last_inside
from shepherd_dsl.core.machine import Asked, advance, answer, outer_stop, step, world_asks
from shepherd_dsl.core.oracle import query_of, run_to_end
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import Verdict, check, replay
from shepherd_dsl.core.root_fork import fork_root, fork_root_at
from shepherd_dsl.core.run import ROOT, WORLD
from shepherd_dsl.core.value import Handle, ok
from shepherd_dsl.core.wire_log import log_text
from tests.laws.test_world_between_steps import somewhere
from tests.support.build import do, drive, p, program, ret, seq, spawn
from tests.support.generate import BASE, BLOBS, case, cases, log_of
from tests.support.scenes import POST0, W, begin, events, kinds, passes, plain, result

Act = Callable[[Machine], Machine]


def supervised() -> Program:
    """A worker that posts twice and asks, below the root run, which asks too and reads a message at the end."""
    last = (("d", drive(W)), ("i", do("inbox.take")), ret(p("list", "$d", "$i")))
    return program(10_000, worker=POST0, main=((), seq(do("post", 0), ("w", spawn("worker")), *passes(W, 2), *last)))


def verdict(made: Program, m: Machine) -> Verdict:
    return check(made, log_of(m), BASE, read_blob=BLOBS.__getitem__)


def text(m: Machine) -> str:
    return log_text(log_of(m))


def asked(op: str, *args: object) -> Act:
    return lambda m: world_asks(m, op, (Handle(0), *args))  # type: ignore[arg-type]


def done(m: Machine) -> Machine:
    """The tree when the outermost owner has its outcome: what it takes back is answered."""
    m = advance(m)
    while m.stack[0] == WORLD:
        stop = outer_stop(m)
        assert isinstance(stop, Asked)
        m = advance(answer(m, ok("undone")))
    return m


def last_index(m: Machine) -> int:
    trace = m.runs[ROOT].trace
    assert trace is not None
    return trace.index


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (asked("run.revert", 2), Reverted),
        (asked("run.revert", 0), Reverted),
        (asked("run.revert", 8), Reverted),
        (asked("run.discard"), End),
        (asked("run.inject", "a message"), Injected),
    ],
)
def test_a_tree_is_forked_where_the_outermost_owner_acted(act: Act, kind: type) -> None:
    made = supervised()
    begun = begin(made)
    for _ in range(3):
        begun = advance(answer(begun, *plain(query_of(begun, outer_stop(begun)))))  # type: ignore[arg-type]
    acted = done(act(begun))
    at = max(at for at, event in enumerate(events(acted, ROOT)) if isinstance(event, kind))
    assert last_inside(acted) is not None
    for m in (acted, run_to_end(acted, plain)):
        forked = fork_root_at(m, at)
        assert isinstance(events(forked, ROOT)[at + 1], Forked)
        assert kinds(forked, WORLD) == ["Intent", "Outcome"]
        assert events(forked, WORLD) == events(m, WORLD)
        assert verdict(made, forked).accepted
        again = replay(made, log_of(forked), BASE, read_blob=BLOBS.__getitem__)
        assert text(again) == text(forked)
        assert again.runs[ROOT].files.hash == acted.runs[ROOT].files.hash
        ended = run_to_end(forked, plain)
        assert verdict(made, ended).accepted
        if kind is not End:
            assert type(ended.runs[ROOT].code) is type(run_to_end(acted, plain).runs[ROOT].code)
        twice = fork_root_at(ended, at + 1)
        assert verdict(made, run_to_end(twice, plain)).accepted


def test_a_message_is_in_the_fork_that_goes_from_it() -> None:
    made = supervised()
    m = done(asked("run.inject", "hello")(begin(made)))
    at = last_index(m)
    assert isinstance(events(m, ROOT)[at], Injected)
    assert result(run_to_end(fork_root_at(m, at), plain)) == result(run_to_end(m, plain))


def test_a_fork_goes_from_the_root_runs_last_event_whatever_the_outermost_owner_recorded_since() -> None:
    """What it was refused stays in the log of a tree that stands there; a fork at the event before is without it."""
    made = supervised()
    begun = begin(made)
    refused = asked("run.revert", 99)(begun)
    forked = fork_root(refused)
    assert forked is not None
    assert log_text(log_of(forked)[: refused.size]) == text(refused)
    assert verdict(made, run_to_end(forked, plain)).accepted
    assert text(fork_root_at(refused, last_index(refused))) == text(fork_root_at(begun, last_index(begun)))


def test_an_operation_of_the_outermost_owner_is_given_up_where_the_tree_is_forked_within_it() -> None:
    made = supervised()
    begun = begin(made)
    m = advance(answer(begun, ok("posted")))
    m = advance(asked("run.revert", 0)(m))
    while not isinstance(events(m, ROOT)[-1], Undo):
        m = advance(answer(m, ok("undone")))
    assert m.stack[0] == WORLD
    forked = fork_root(m)
    assert forked is not None
    assert text(forked) == text(fork_root_at(m, last_index(m)))
    assert kinds(forked, WORLD) == ["Intent"]
    assert verdict(made, forked).accepted
    back = done(asked("run.discard")(forked))
    assert kinds(back, WORLD) == ["Intent", "Intent", "Outcome"]
    assert verdict(made, back).accepted


def test_no_tree_is_forked_within_a_step_or_after_an_event_of_another_run() -> None:
    made = supervised()
    begun = begin(made)
    m = asked("run.inject", "hello")(begun)
    log = log_of(fork_root_at(m, last_index(m)))
    within = [entry for at, entry in enumerate(log) if at != m.size - 1]
    assert log[m.size - 1][0] == WORLD
    assert isinstance(log[m.size - 1][1], Outcome)
    told = check(made, within, BASE, read_blob=BLOBS.__getitem__)
    assert not told.accepted
    assert told.entry == m.size - 1
    below = answer(begun, ok("posted"))
    while below.log is not None and below.log.commit.run == ROOT:
        below = step(below) or pytest.fail("no other run records anything")
    assert fork_root(below) is None
    assert fork_root(asked("run.revert", 99)(below)) is None


def test_trees_made_by_chance_are_forked_where_the_outermost_owner_acted() -> None:
    acted = {Reverted: 0, Injected: 0, End: 0}
    for seed in cases(120):
        chosen, dice = case(seed), Random(seed)
        m = somewhere(chosen, dice)
        op, kind = dice.choice([("run.revert", Reverted), ("run.inject", Injected), ("run.discard", End)])
        more = {"run.revert": [dice.randrange(last_index(m) + 1)], "run.inject": ["from outside"], "run.discard": []}
        m = world_asks(m, op, (Handle(0), *more[op]))
        while m.stack[0] == WORLD:
            after = step(m)
            stop = None if after else outer_stop(m)
            m = after or answer(m, *chosen.oracle(query_of(m, stop)))  # type: ignore[arg-type]
        if not isinstance(events(m, ROOT)[-1], kind):
            continue  # refused
        acted[kind] += 1
        for forked in (fork_root_at(m, last_index(m)), fork_root(m)):
            assert forked is not None
            told = check(chosen.program, log_of(forked), chosen.files, read_blob=BLOBS.__getitem__)
            assert told.accepted, (seed, told)
            again = replay(chosen.program, log_of(forked), chosen.files, read_blob=BLOBS.__getitem__)
            assert text(again) == text(forked), seed
    assert min(acted.values()) > 10
