"""Law `revert_restores`: after a revert to k, code and files of r and of the runs it owned then are those after k.

What "those after k" were is remembered from the machine as it then was, not looked up in the trace.
"""

from __future__ import annotations

from collections import Counter

import attrs

from shepherd_dsl.core.event import Reverted
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.run import Commit, Passing, Run, Undoing, Waiting, live_commits, question_of, settled
from tests.support.generate import case, cases
from tests.support.same import same_state
from tests.support.stepping import below, steps_of


@attrs.frozen(slots=True, eq=False)
class Then:
    """A run as it was when a step ended."""

    files: Files
    owner: str | None
    givers: tuple[str, ...]
    kids: tuple[str, ...]
    handles: tuple[str, ...]
    inbox: tuple[object, ...]
    live: list[int]
    run: Run


def as_it_is(run: Run) -> Then:
    live = [commit.seq for commit in live_commits(run.trace)]
    return Then(run.files, run.owner, run.givers, run.kids, run.handles, run.inbox, live, run)


def test_a_revert_puts_back_code_files_and_the_runs_owned_then() -> None:
    seen: Counter[str] = Counter()
    for seed in cases(350):
        # The state of a run and of all below it, after the step whose last event was that run's event number k.
        kept: dict[tuple[str, int], dict[str, Then]] = {}
        for before, after in steps_of(case(seed)):
            new = log_since(after, before.size)
            reverted = [commit for commit in new if isinstance(commit.event, Reverted)]
            if reverted:
                top = reverted[-1]
                assert isinstance(top.event, Reverted)
                then = kept.get((top.run, top.event.to))
                if then is not None:
                    compare(after, top, then, seen, seed)
            if new and type(after.runs[new[-1].run].code).__name__ != "Undoing":
                id = new[-1].run
                state = {one: as_it_is(after.runs[one]) for one in [id, *below(after, id)]}
                kept.setdefault((id, new[-1].index), state)
    assert seen["reverts"] > 60
    assert seen["with runs below"] > 10
    assert seen["owned again"]
    assert seen["discarded"]


def compare(m: Machine, top: Commit, then: dict[str, Then], seen: Counter[str], seed: int) -> None:
    seen["reverts"] += 1
    seen["with runs below"] += len(then) > 1
    for id, was in then.items():
        now = m.runs[id]
        where = (seed, top.run, top.index, id)
        assert now.files == was.files, where
        assert now.handles == was.handles, where
        assert now.inbox == was.inbox, where
        assert [commit.seq for commit in live_commits(now.trace)] == was.live, where
        if id != top.run:
            assert (now.owner, now.givers) == (was.owner, was.givers), where
        if isinstance(was.run.code, Passing):
            assert same_state(now.code, was.run.code), where
        elif not isinstance(was.run.code, Undoing) and not isinstance(settled(was.run.code), Waiting):
            assert type(settled(now.code)) is type(settled(was.run.code)), where
        if isinstance(settled(was.run.code), Waiting) and not isinstance(was.run.code, Undoing):
            assert same_state(settled(now.code), settled(was.run.code)), where
            assert question_of(now.trace) is not None, where
    others = [id for id in below(m, top.run) if id not in then]
    for id in others:
        assert type(m.runs[id].code).__name__ == "Discarded", (seed, id)
    seen["discarded"] += bool(others)
    seen["owned again"] += len(then) > 1 and bool(others)
