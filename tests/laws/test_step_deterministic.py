"""Law `step_deterministic`: given the oracle, a tree of runs has one future."""

from __future__ import annotations

import pytest
from attrs import evolve

from shepherd_dsl.core.event_equal import event_difference
from shepherd_dsl.core.machine import step
from tests.support.generate import case, cases, log_of, ran, run_case
from tests.support.same import difference, log_difference
from tests.support.stepping import steps_of


@pytest.mark.parametrize("part", range(4))
def test_a_program_run_twice_is_the_same_tree(part: int) -> None:
    for seed in list(cases(160))[part::4]:
        first, again = ran(seed), run_case(case(seed))
        assert log_difference(first.log, again.log) == "", seed
        for left, right in zip(first.stops, again.stops, strict=True):
            # Program texts are made anew, so states are compared as far as they do not hold them.
            assert sorted(left.runs) == sorted(right.runs), seed
            for id in left.runs:
                assert type(left.runs[id].code) is type(right.runs[id].code), (seed, id)
                assert left.runs[id].files == right.runs[id].files, (seed, id)
                assert left.runs[id].handles == right.runs[id].handles, (seed, id)
                assert left.runs[id].kids == right.runs[id].kids, (seed, id)


def test_a_step_taken_twice_is_the_same_step() -> None:
    for seed in cases(12):
        for before, after in steps_of(case(seed), local=True):
            again = step(before)
            if again is None:
                continue  # an answer from outside
            assert difference(after, again) == "", seed
            assert after.log is None or event_difference(after.log.commit.event, again.log.commit.event) == ""  # type: ignore[union-attr]


def test_another_answer_is_another_future() -> None:
    """The law would hold of a machine that ignored its oracle: this one does not."""
    logs = {seed: log_of(run_case(case(seed)).last) for seed in cases(40)}
    others = 0
    for seed, log in logs.items():
        if log_difference(log, run_case(evolve(case(seed), seed=seed + 1)).log):
            others += 1
    assert others > len(logs) // 4
