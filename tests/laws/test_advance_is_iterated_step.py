"""Law `advance_is_iterated_step`: a machine taken to its next outer stop is `step`, until there is none."""

from __future__ import annotations

from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.machine import Asked, advance, answer, outer_stop, step
from shepherd_dsl.core.oracle import query_of
from tests.support.generate import case, cases
from tests.support.same import difference


def iterated(m: Machine) -> Machine:
    while True:
        after = step(m)
        if after is None:
            return m
        m = after


def test_advance_is_the_iterated_step() -> None:
    for seed in cases(60):
        chosen = case(seed)
        m = chosen.start()
        for _ in range(20):
            slow, m = iterated(m), advance(m)
            assert difference(slow, m) == "", seed
            assert step(m) is None
            stop = outer_stop(m)
            if not isinstance(stop, Asked):
                break
            m = answer(m, *chosen.oracle(query_of(m, stop)))
