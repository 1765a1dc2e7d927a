"""Replay, check and first divergence: what a recorded log says about a program (`core.md`, theorems 5, 7, 8, 16).

A log is the list of (run id, event) of a tree, in order. The machine is run again; where it waits for the outside, the
log's next entry must be an answer, or an operation of the world. So one loop serves all: `replay` rebuilds the tree,
`check` says whether some oracle makes the program produce the log, `first_divergence` how far an edited program
follows it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TypeAlias

import attrs

from shepherd_dsl.core.content import ReadBlob
from shepherd_dsl.core.event import Event, Forked, Intent, Outcome, Start
from shepherd_dsl.core.event_equal import event_difference
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import request_from
from shepherd_dsl.core.machine import (
    AnswerError,
    Asked,
    Finished,
    advance,
    answer,
    outer_stop,
    start,
    world_asks,
)
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.root_fork import fork_root
from shepherd_dsl.core.run import ROOT, WORLD, Commit
from shepherd_dsl.core.value import Con, equal, ok

Log: TypeAlias = Sequence[tuple[str, Event]]


@attrs.frozen(slots=True, eq=False)
class Replayed:
    """How far a log could be followed.

    `machine` has followed the first `followed` entries, and no more unless the last of them stands within a step or
    there is a `problem`; None where nothing was started. `problem` says why it went no further; it is empty where the
    whole log was followed. `expected` is what the program does at that place, None where it waits or has ended.
    """

    machine: Machine | None
    followed: int
    problem: str
    expected: tuple[str, Event] | None = None


def follow(program: Program, log: Log, files: Files, *, read_blob: ReadBlob, other_program: bool = False) -> Replayed:
    """Run `program` against `log` on the base `files`, as far as they agree.

    With `other_program` the digest in `start` events is not compared: the program is another one, on purpose.
    """
    if not log:
        return Replayed(None, 0, "")
    run, first = log[0]
    if run != ROOT or not isinstance(first, Start):
        return Replayed(None, 0, "a log begins with the `start` of the root run")
    layers = first.grant
    if not isinstance(layers, tuple) or len(layers) != 1:
        return Replayed(None, 0, "the root run has one layer of grant")
    try:
        request = request_from(layers[0])
        m = start(program, first.agent, first.args, request, files, read_blob=read_blob)
    except (ValueError, Fault) as why:
        return Replayed(None, 0, str(why))
    done = 0
    moves = sorted([*outer_forks(log), *_world_acts(log)])
    while True:
        until = moves[0] if moves else len(log)
        m = advance(m, until=until)
        for commit in log_since(m, done):
            if done == until:
                break
            problem = _differs(log[done], commit, other_program)
            if problem:
                return Replayed(m, done, problem, (commit.run, commit.event))
            done += 1
        if done == len(log):
            return Replayed(m, done, "")
        if moves and done == moves[0]:
            del moves[0]
            m = _moved(m, log[done], done)
            continue
        after = _outside(m, log, done)
        if isinstance(after, str):
            return Replayed(m, done, after)
        m = after


def _world_acts(log: Log) -> list[int]:
    """Where the world asked for an operation of its own."""
    return [at for at, (run, event) in enumerate(log) if run == WORLD and isinstance(event, Intent)]


def outer_forks(log: Log) -> list[int]:
    """Where the tree was forked from outside: the first entry of each row of `forked` in which runs keep their ids.

    A copy that a run made has an id of its own. The row ends with the root run's entry, or with the log.
    """
    found = []
    within = False
    for at, (run, event) in enumerate(log):
        if not isinstance(event, Forked) or event.of != run:
            within = False
            continue
        if not within:
            found.append(at)
        within = run != ROOT
    return found


def _moved(m: Machine, entry: tuple[str, Event], at: int) -> Machine:
    """The machine after what the outside does of its own in the log's entry `at`; as it is where that cannot be here.

    The outside acts between two steps, not within one; a fork is made where `fork_root` makes one.
    """
    if m.size > at:
        return m
    _, event = entry
    if isinstance(event, Intent):
        with contextlib.suppress(AnswerError):
            return world_asks(m, event.op, event.args)
        return m
    return fork_root(m) or m


def _differs(entry: tuple[str, Event], commit: Commit, other_program: bool) -> str:
    """Why the log's entry is not the commit that the machine made; empty where it is."""
    run, event = entry
    if run != commit.run:
        return f"the log has an event of run {run}, the program one of run {commit.run}"
    return event_difference(event, commit.event, ignore_program=other_program)


def _outside(m: Machine, log: Log, at: int) -> Machine | str:
    """The machine after the log's entry `at`, which must come from outside; or why it cannot."""
    run, event = log[at]
    try:
        if run == WORLD:
            return "only an operation of the world can stand here"
        stop = outer_stop(m)
        if isinstance(stop, Finished):
            return "the root run has ended"
        if not isinstance(event, Outcome) or run != stop.run:
            return f"the program waits for the outcome of `{stop.op}` of run {stop.run}"
        if event.by != "world":
            return f"only the world can answer `{stop.op}` of run {stop.run} here"
        return answer(m, _as_given(stop, event), event.files)
    except AnswerError as why:
        return str(why)


def _as_given(stop: Asked, event: Outcome) -> Con:
    """The oracle's answer behind a recorded outcome: for `run.pick`, the index of the run."""
    if stop.op != "run.pick" or event.answer.name != "Ok" or len(event.answer.args) != 1:
        return event.answer
    runs = stop.args[0]
    assert isinstance(runs, tuple)
    for index, run in enumerate(runs):
        if equal(run, event.answer.args[0]):
            return ok(index)
    return event.answer


def replay(program: Program, log: Log, files: Files, *, read_blob: ReadBlob) -> Machine:
    """The tree that `log` records: code, files and traces (theorem `replay_exact`; after a crash, `recover`).

    The log may end anywhere between two steps. Raises ValueError, naming the first entry, where the program cannot have
    produced it.
    """
    result = follow(program, log, files, read_blob=read_blob)
    if result.problem:
        raise ValueError(f"entry {result.followed}: {result.problem}")
    if result.machine is None:
        raise ValueError("the log is empty: nothing was started")
    return result.machine


@attrs.frozen(slots=True)
class Verdict:
    """Whether some well-formed oracle makes the program produce the log; else the first entry it cannot, and why."""

    accepted: bool
    entry: int
    problem: str


def check(program: Program, log: Log, files: Files, *, read_blob: ReadBlob) -> Verdict:
    """The checker (theorems `check_sound`, `check_complete`, `check_decides`): linear in the log."""
    result = follow(program, log, files, read_blob=read_blob)
    return Verdict(not result.problem, result.followed, result.problem)


def first_divergence(program: Program, log: Log, files: Files, *, read_blob: ReadBlob) -> Replayed:
    """How far another program follows a log: the longest prefix on which both ask the same (`first_divergence`)."""
    return follow(program, log, files, read_blob=read_blob, other_program=True)
