"""Law `recover`: the tree is the fold of the log: a crash at any point loses nothing that was recorded."""

from __future__ import annotations

from shepherd_dsl.core.event import Forked
from shepherd_dsl.core.machine import Asked, advance, answer, outer_stop
from shepherd_dsl.core.oracle import query_of
from shepherd_dsl.core.replay import follow
from shepherd_dsl.core.run import ROOT
from tests.support.generate import BLOBS, MAX_ANSWERS, cases, log_of, ran, ran_alone
from tests.support.same import difference, log_difference


def test_after_a_crash_at_any_entry_the_tree_goes_on_as_if_nothing_had_been() -> None:
    for seed in cases(40):
        done = ran_alone(seed)
        log = done.log
        for cut in range(1, len(log) + 1, 1 + len(log) // 12):
            found = follow(done.case.program, log[:cut], done.case.files, read_blob=BLOBS.__getitem__)
            assert found.problem == "", (seed, cut)
            m = found.machine
            assert m is not None
            assert found.followed == cut
            # What was recorded is there, and what the machine did beyond it is what it had done before the crash.
            assert log_difference(log[: m.size], log_of(m)) == "", (seed, cut)
            for _ in range(MAX_ANSWERS):
                m = advance(m)
                stop = outer_stop(m)
                if not isinstance(stop, Asked) or m.size >= done.last.size:
                    break
                m = answer(m, *done.case.oracle(query_of(m, stop)))
            assert difference(done.last, advance(m)) == "", (seed, cut)


def test_a_log_may_end_within_a_fork_of_the_whole_tree() -> None:
    rows = 0
    for seed in cases(400):
        done = ran(seed)
        log = done.log
        for at, (run, event) in enumerate(log):
            if isinstance(event, Forked) and event.of == run and run != ROOT:
                rows += 1
                found = follow(done.case.program, log[: at + 1], done.case.files, read_blob=BLOBS.__getitem__)
                assert found.problem == "", (seed, at)
                assert found.followed == at + 1
                m = found.machine
                assert m is not None
                assert log_difference(log[: m.size], log_of(m)) == "", (seed, at)
    assert rows > 5


def test_an_empty_log_is_nothing_yet() -> None:
    done = ran_alone(0)
    found = follow(done.case.program, (), done.case.files, read_blob=BLOBS.__getitem__)
    assert (found.machine, found.followed, found.problem) == (None, 0, "")
