"""Laws `fork_isolated`, `fork_atomic`: after a fork, steps of one branch change nothing in another; code and files fork
together."""

from __future__ import annotations

from shepherd_dsl.core.event import Forked
from shepherd_dsl.core.forest import log_since
from shepherd_dsl.core.run import copy_id, made, split_copy
from tests.support.generate import case, cases, ran
from tests.support.same import same_state
from tests.support.stepping import family, steps_of


def test_a_step_changes_only_its_run_what_is_below_and_its_owners() -> None:
    """The frame lemma, from which isolation follows: neither branch is above or below the other."""
    beside = 0
    for seed in cases(200):
        for before, after in steps_of(case(seed)):
            active = before.stack[0]
            near = family(before, active)
            for id, run in before.runs.items():
                if after.runs[id] is not run:
                    assert id in near, (seed, active, id)
            beside += any(split_copy(id) is not None and id not in near for id in before.runs)
    assert beside > 200


def test_owners_above_the_next_one_change_only_by_what_they_are_given_back() -> None:
    for seed in cases(100):
        for before, after in steps_of(case(seed)):
            active = before.runs[before.stack[0]]
            at = before.runs[active.owner].owner if active.owner is not None else None
            while at is not None:
                was, now = before.runs[at], after.runs[at]
                if now is not was:
                    assert now.kids != was.kids, (seed, at)
                    assert now.trace is was.trace
                    assert now.code is was.code
                    assert now.files is was.files
                at = was.owner


def test_code_and_files_of_a_copy_are_of_one_event() -> None:
    copies = 0
    for seed in cases(300):
        m = ran(seed).last
        for commit in log_since(m, 0):
            if isinstance(commit.event, Forked) and split_copy(commit.run) is not None:
                copies += 1
                original = commit.parent
                assert original is not None
                assert original.index == commit.event.at
                assert commit.files is original.files
                assert same_state(commit.code, original.code), (seed, commit.run)
                assert commit.inbox == original.inbox
                assert commit.made == original.made
                assert len(commit.handles) == len(original.handles)
    assert copies > 100


def test_a_copy_is_named_after_its_fork_and_its_original() -> None:
    for seed in cases(100):
        m = ran(seed).last
        for commit in log_since(m, 0):
            parts = split_copy(commit.run)
            if isinstance(commit.event, Forked) and parts is not None:
                assert commit.run == copy_id(parts[0], commit.event.of)
                assert made(parts[0].rpartition(".")[0], int(parts[0].rpartition(".")[2])) == parts[0]
