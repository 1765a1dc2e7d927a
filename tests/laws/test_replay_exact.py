"""Law `replay_exact`: replaying a log reproduces the tree: code, files, traces."""

from __future__ import annotations

from shepherd_dsl.core.machine import advance
from shepherd_dsl.core.replay import replay
from tests.support.generate import BLOBS, cases, ran
from tests.support.same import difference


def test_a_replayed_tree_is_the_tree() -> None:
    worlds = 0
    for seed in cases(250):
        done = ran(seed)
        again = replay(done.case.program, done.log, done.case.files, read_blob=BLOBS.__getitem__)
        assert difference(done.last, again) == "", seed
        worlds += any(run == "world" for run, _ in done.log)
    assert worlds


def test_so_is_every_tree_on_the_way() -> None:
    compared = 0
    for seed in cases(60):
        done = ran(seed)
        for stop in done.stops:
            log = done.log[: stop.size]
            if stop.log is None or [id for id, _ in log][-1:] != [stop.log.commit.run]:
                continue  # the outer owner forked the tree later, and this log is not its beginning
            try:
                again = replay(done.case.program, log, done.case.files, read_blob=BLOBS.__getitem__)
            except ValueError:
                assert any(type(event).__name__ == "Forked" and run == "root" for run, event in done.log)
                continue
            if not any(type(event).__name__ == "Forked" and run == "root" for run, event in done.log):
                # A log ends with an event; what follows up to the stop has none.
                assert difference(stop, advance(again)) == "", seed
                compared += 1
    assert compared >= 100
