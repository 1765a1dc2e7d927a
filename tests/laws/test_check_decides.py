"""Law `check_decides`: the checker comes to a verdict on every log, for a tree makes few steps that record nothing.

Each such step makes a weight of the tree less, as in `lean/Shepherd/Laws/CheckSound/Weight.lean`, and the weight is
below a number that is computed from the program and the length of the log.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from attrs import evolve

from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.machine import Asked, answer, outer_stop, step
from shepherd_dsl.core.oracle import query_of
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import check
from shepherd_dsl.core.run import Code, Discarded, Running, Undoing, Waiting
from tests.support.generate import BLOBS, MAX_ANSWERS, Case, case, cases, ran, world_act


def quiet_bound(program: Program, length: int) -> int:
    return program.steps + length + 3


def is_due(m: Machine, code: Undoing) -> bool:
    return code.to is None and not isinstance(m.runs[code.run].code, Discarded)


def may_begin(m: Machine, code: Code) -> int:
    return isinstance(code, Waiting) or (
        isinstance(code, Undoing) and isinstance(code.origin, Running) and not is_due(m, code)
    )


def steps_left(m: Machine, code: Code) -> int:
    if isinstance(code, Running):
        return max(m.program.steps - code.steps, 0) + 1
    if isinstance(code, Undoing) and (isinstance(code.origin, Waiting) or is_due(m, code)):
        return 0
    return m.program.steps + 1


def weight(m: Machine) -> int:
    return sum(may_begin(m, run.code) for run in m.runs.values()) + steps_left(m, m.runs[m.stack[0]].code)


def walk(chosen: Case, seen: Counter[str]) -> None:
    """Every step of a case, answers and operations of the outer owner between them."""
    m = chosen.start()
    for count in range(MAX_ANSWERS):
        row = 0
        heavy = weight(m)
        while (after := step(m)) is not None:
            light = weight(after)
            assert heavy < quiet_bound(m.program, m.size), chosen.seed
            if after.size == m.size:
                assert light < heavy, (chosen.seed, m.size)
                active = m.stack[0]
                seen[f"{type(m.runs[active].code).__name__} {type(after.runs[active].code).__name__}"] += 1
                row += 1
            else:
                row = 0
            seen["longest"] = max(seen["longest"], row)
            m, heavy = after, light
        act = world_act(chosen.seed, m, count)
        stop = outer_stop(m)
        if act is not None:
            m = act(m)
            seen["world"] += 1
        elif isinstance(stop, Asked):
            m = answer(m, *chosen.oracle(query_of(m, stop)))
        else:
            return


def test_every_step_that_records_nothing_makes_the_tree_lighter() -> None:
    """With the program's own bound on local steps, and with one that some runs use up."""
    seen: Counter[str] = Counter()
    for seed in cases(40):
        chosen = case(seed)
        walk(chosen, seen)
        walk(evolve(chosen, program=evolve(chosen.program, steps=4)), seen)
    for change in ("Running Running", "Running Undoing", "Waiting Driving", "Waiting Passing", "Waiting Undoing"):
        assert seen[change], change
    assert seen["world"]
    assert seen["longest"] > 4


def test_every_log_gets_a_verdict() -> None:
    """Whatever is in it: entries left out, twice, in another order, of another case."""
    verdicts: Counter[bool] = Counter()
    for seed in cases(60):
        done, other = ran(seed), ran(seed + 1)
        random = Random(seed)
        log = list(done.log)
        at = random.randrange(len(log))
        for edited in (
            log[:at] + log[at + 1 :],
            log[:at] + log[at:] + log[at:],
            random.sample(log, len(log)),
            log[:1] + random.sample(log[1:], len(log) - 1),
            log[:at] + list(other.log[at:]),
            list(other.log),
        ):
            found = check(done.case.program, tuple(edited), done.case.files, read_blob=BLOBS.__getitem__)
            assert found.accepted or 0 <= found.entry < len(edited), seed
            verdicts[found.accepted] += 1
    assert verdicts[True]
    assert verdicts[False]
