"""The outermost owner may act between any two steps: a run need not be driven on to be taken back.

Part of `check_complete`: what the machine then records is a log of the program.
"""

from __future__ import annotations

from random import Random

from shepherd_dsl.core.event import Reverted
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.machine import Asked, advance, answer, outer_stop, step, world_asks
from shepherd_dsl.core.oracle import query_of
from shepherd_dsl.core.replay import check, replay
from shepherd_dsl.core.run import ROOT, WORLD, Driving
from shepherd_dsl.core.value import Handle, Value
from tests.support.generate import BLOBS, Case, case, cases, log_of


def somewhere(chosen: Case, dice: Random) -> Machine:
    """The tree after some answers and some single steps, as a rule at no stop."""
    m = advance(chosen.start())
    for _ in range(dice.randrange(12)):
        stop = outer_stop(m)
        if not isinstance(stop, Asked):
            break
        m = answer(m, *chosen.oracle(query_of(m, stop)))
        for _ in range(dice.randrange(30)):
            m = step(m) or m
        if dice.random() < 0.4:
            break
        m = advance(m)
    return m


def test_the_world_acts_between_any_two_steps() -> None:
    acted = {"run.revert": 0, "run.discard": 0, "run.inject": 0}
    within = 0
    for seed in cases(150):
        chosen, dice = case(seed), Random(seed)
        m = somewhere(chosen, dice)
        trace = m.runs[ROOT].trace
        assert trace is not None
        within += step(m) is not None
        op = dice.choice(sorted(acted))
        args: tuple[Value, ...] = (Handle(0),)
        if op == "run.revert":
            args = (Handle(0), dice.randrange(trace.index + 1))
        elif op == "run.inject":
            args = (Handle(0), "from outside")
        m = world_asks(m, op, args)
        acted[op] += 1
        for _ in range(6):
            m = advance(m)
            stop = outer_stop(m)
            if not isinstance(stop, Asked):
                break
            m = answer(m, *chosen.oracle(query_of(m, stop)))
        log = log_of(m)
        verdict = check(chosen.program, log, chosen.files, read_blob=BLOBS.__getitem__)
        assert verdict.accepted, (seed, verdict)
        again = replay(chosen.program, log, chosen.files, read_blob=BLOBS.__getitem__)
        assert again.size == len(log), seed
    assert min(acted.values()) > 20
    assert within > 40


def reverted_to(m: Machine, to: int) -> Machine | None:
    """The tree after the world's revert; None where it is refused, or a compensation must be made first."""
    after: Machine | None = world_asks(m, "run.revert", (Handle(0), to))
    while after is not None and not isinstance(after.runs[WORLD].code, Driving):
        after = step(after)
    if after is None:
        return None
    head = after.runs[ROOT].trace
    assert head is not None
    return after if isinstance(head.event, Reverted) else None


def test_revert_undo_undo_is_revert() -> None:
    """The outer owner's own operations record nothing of the run's, so going back and forth arrives where it began."""
    done = 0
    for seed in cases(80):
        chosen, dice = case(seed), Random(seed)
        m = somewhere(chosen, dice)
        trace = m.runs[ROOT].trace
        assert trace is not None
        reverted = reverted_to(m, dice.randrange(trace.index + 1))
        back = reverted and reverted_to(reverted, trace.index)
        if reverted is None or back is None:
            continue
        head = reverted.runs[ROOT].trace
        assert head is not None
        again = reverted_to(back, head.index)
        assert again is not None, seed
        assert again.runs[ROOT].files.hash == reverted.runs[ROOT].files.hash, seed
        assert back.runs[ROOT].files.hash == trace.files.hash, seed
        done += 1
    assert done > 10
