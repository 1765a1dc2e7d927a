"""Law `run_locally_is_iterated_step`: the loop that takes a run to its stop is `local_step`, over and over."""

from __future__ import annotations

from collections import Counter

from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import Running
from shepherd_dsl.core.step import LocalStop, local_step, run_locally
from tests.support.generate import STEPS, case, cases
from tests.support.same import same_state
from tests.support.stepping import steps_of


def iterated(program: Program, code: Running, seen: Counter[str]) -> tuple[int, LocalStop]:
    """The stop by single steps, and the count of steps since the last event with the one that stopped."""
    while True:
        seen[type(code.comp).__name__] += 1
        after = local_step(program, code)
        if not isinstance(after, Running):
            seen[type(after).__name__] += 1
            return code.steps + 1, after
        assert after.steps == code.steps + 1
        code = after


def test_the_loop_is_the_iterated_step() -> None:
    seen: Counter[str] = Counter()
    for seed in cases(120):
        chosen = case(seed)
        for before, _ in steps_of(chosen, local=seed % 10 == 0):
            code = before.runs[before.stack[0]].code
            if isinstance(code, Running):
                steps, stop = run_locally(chosen.program, code)
                steps_again, stop_again = iterated(chosen.program, code, seen)
                assert steps == steps_again, seed
                assert steps <= STEPS + 1
                assert same_state(stop, stop_again), seed
    for rule in ("Return", "Let", "If", "Call", "Do", "Ends", "Faults", "Asks"):
        assert seen[rule], f"no case reached {rule}"
