"""Who lent a run, in copies and in copies of copies: `M.lender`, and `M.meant` for what a copy holds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import WORLD, Discarded, Done, commits, copy_id, maker_of, split_copy
from shepherd_dsl.core.value import Con, ok
from tests.support.build import ALL
from tests.support.generate import BASE, Case, cases, ran, run_case
from tests.support.lending import (
    copied_though_gone,
    copied_while_holding,
    copied_with_its_lender,
    copied_with_its_maker,
    lent_twice,
)
from tests.support.scenes import kinds, run


def makers(id: str) -> tuple[str, ...]:
    """Who may have made a run: the copy of who made its original, where there is one, else who made the fork."""
    parts = split_copy(id)
    if parts is None:
        return (maker_of(id),)
    fork, old = parts
    return (*[copy_id(fork, maker) for maker in makers(old)], maker_of(fork))


def lent_otherwise(m: Machine) -> list[str]:
    """The runs that somebody lent to a run that another had made."""
    found = []
    for one in m.runs.values():
        if one.owner is None or one.owner == WORLD:
            continue
        line = (one.owner, *one.givers)
        for holder, giver in pairwise(line):
            if giver != next(maker for maker in makers(holder) if maker in m.runs):
                found.append(one.id)
    return found


SCENES = (copied_with_its_maker, copied_with_its_lender, copied_though_gone, copied_while_holding, lent_twice)


@pytest.mark.parametrize(
    ("scene", "lent", "owner"),
    [
        (copied_with_its_maker, "root.1(root.0.2(root.0.0))", "root.1(root.0)"),
        (copied_with_its_lender, "root.1(root.0.0)", "root.1(root.0)"),
        (copied_though_gone, "root.3(root.2(root.0.0))", "root.3(root.2(root.0))"),
        (lent_twice, "root.1.1(root.0)", "root.1"),
    ],
)
def test_what_was_lent_goes_back_to_who_lent_it_there(scene: Callable[[], Program], lent: str, owner: str) -> None:
    m = run(scene())
    found = m.runs[lent]
    assert "Reverted" in kinds(m, lent)
    # The holder has ended, so the lender owns the run again, and has discarded it at its own end.
    lines = [(found.owner, found.givers), (type(m.runs[owner].code), type(found.code))]
    assert lines == [(owner, ()), (Done, Discarded)]


@pytest.mark.parametrize("scene", [copied_with_its_lender, copied_though_gone])
def test_a_copy_does_with_what_it_lent_what_its_original_does(scene: Callable[[], Program]) -> None:
    m = run(scene())
    ends = {id: code for id in m.runs if "root.0" in id and isinstance(code := m.runs[id].code, Done)}
    values = [code.value for id, code in ends.items() if id.rstrip(")").endswith("root.0")]
    assert values
    assert all(value == ok(Con("Intent", ("ask", ("leaf",), ()))) for value in values)


def test_a_copy_holds_the_copy_of_what_its_original_held() -> None:
    m = run(copied_while_holding())
    copies = ("root.1(root.0.2)", "root.1(root.0.3(root.0.2))", "root.1(root.0).4(root.1(root.0.2))")
    # In every event that they recorded themselves, from `forked` on.
    found = {commit.handles for id in copies for commit in commits(m.runs[id].trace) if commit.run == id}
    assert found == {("root.1(root.0.0)",)}
    assert all("Reverted" in kinds(m, id) for id in copies[1:])


def test_who_lent_a_run_made_the_one_it_was_lent_to() -> None:
    lent = copies = 0
    scenes = [run_case(Case(-at, scene(), "main", (), ALL, BASE), world=False) for at, scene in enumerate(SCENES, 1)]
    for case in (*scenes, *map(ran, cases(120))):
        for m in case.stops:
            wrong = lent_otherwise(m)
            assert wrong == [], case.case.seed
            lent += sum(bool(one.givers) for one in m.runs.values())
            copies += sum(bool(one.givers) and "(" in one.id for one in m.runs.values())
    print(f"{lent} runs that were lent, {copies} of them copies")
    assert copies > 20
