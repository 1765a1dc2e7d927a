"""Law `first_divergence`: replaying an edited program reuses the longest prefix on which both ask the same."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from attrs import evolve

from shepherd_dsl.core.event_equal import event_difference
from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return
from shepherd_dsl.core.program import Def, Program
from shepherd_dsl.core.replay import first_divergence
from tests.support.generate import BLOBS, cases, ran_alone, run_case


def edited(program: Program, random: Random) -> Program:
    """The program with one literal text or number of one agent changed."""
    names = sorted(name for name in program.defs if not name.endswith("'"))
    for _ in range(20):
        name = random.choice(names)
        count = Change(-1)
        rewrite(program.defs[name].body, count)
        if count.seen:
            body = rewrite(program.defs[name].body, Change(random.randrange(count.seen)))
            defs = {**program.defs, name: Def(program.defs[name].params, body)}
            return Program(defs, program.ops, program.steps)
    return program


class Change:
    """Changes the literal text or number that comes as number `wanted`, and counts them."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.seen = 0

    def __call__(self, value: object) -> object:
        if type(value) not in (str, int):
            return value
        self.seen += 1
        if self.seen - 1 != self.wanted:
            return value
        return value + 1 if isinstance(value, int) else f"{value}!"


def rewrite(comp: Comp, leaf: Callable[[object], object]) -> Comp:
    """The computation with `leaf` applied to its literals."""

    def expr(part: Expr) -> Expr:
        if isinstance(part, Lit):
            return Lit(leaf(part.value))  # type: ignore[arg-type]
        return Prim(part.name, tuple(expr(arg) for arg in part.args)) if isinstance(part, Prim) else part

    match comp:
        case Return():
            return Return(expr(comp.expr))
        case Let():
            return Let(comp.name, rewrite(comp.bound, leaf), rewrite(comp.body, leaf))
        case If():
            return If(expr(comp.cond), rewrite(comp.then, leaf), rewrite(comp.orelse, leaf))
        case Call():
            return Call(comp.agent, tuple(expr(arg) for arg in comp.args))
        case Do():
            return Do(comp.op, tuple(expr(arg) for arg in comp.args))


def test_the_prefix_reused_is_the_longest_on_which_both_do_the_same() -> None:
    early = whole = 0
    for seed in cases(250):
        done = ran_alone(seed)
        other = edited(done.case.program, Random(seed))
        mine, theirs = done.log, run_case(evolve(done.case, program=other), world=False).log
        common = 0
        for (run, event), (another, made) in zip(mine, theirs, strict=False):
            if run != another or event_difference(event, made, ignore_program=True):
                break
            common += 1
        found = first_divergence(other, mine, done.case.files, read_blob=BLOBS.__getitem__)
        assert found.followed == common, seed
        assert bool(found.problem) == (common < len(mine)), seed
        if found.expected is not None:
            run, event = found.expected
            assert (run, event_difference(event, theirs[common][1], ignore_program=True)) == (theirs[common][0], "")
        early += 1 < common < len(mine)
        whole += common == len(mine)
    assert early > 20
    assert whole > 5
