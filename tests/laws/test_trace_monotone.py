"""Law `trace_monotone`, `log_monotone`: every trace and the log only grow, reverts included."""

from __future__ import annotations

from shepherd_dsl.core.event import Reverted
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.machine import advance, world_asks
from shepherd_dsl.core.run import ROOT, length, nth
from shepherd_dsl.core.value import Handle
from tests.support.generate import case, cases, ran_alone
from tests.support.stepping import steps_of


def grows(before: Machine, after: Machine) -> bool:
    """Whether every trace of `before`, and its log, is the beginning of that of `after`."""
    for id, run in before.runs.items():
        later = after.runs[id]
        if run.trace is not None and nth(later.trace, run.trace.index) is not run.trace:
            return False
    node = after.log
    while node is not before.log and node is not None:
        node = node.before
    return node is before.log and after.size >= before.size


def test_every_step_only_appends() -> None:
    reverts = 0
    for seed in cases(150):
        before = after = None
        for before, after in steps_of(case(seed)):
            assert grows(before, after), seed
        assert after is not None
        reverts += sum(isinstance(event, Reverted) for _, event in ran_alone(seed).log)
    assert reverts > 20


def test_the_world_takes_back_by_appending() -> None:
    for seed in cases(60):
        m = ran_alone(seed).last
        for at in range(0, length(m.runs[ROOT]), 3):
            after = advance(world_asks(m, "run.revert", (Handle(0), at)))
            assert grows(m, after), (seed, at)
            assert after.size > m.size
