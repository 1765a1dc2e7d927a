"""Makes a case smaller while something stays true of it: agents' statements, agents and answers are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import TypeAlias

import attrs

from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.program import Def, Program
from shepherd_dsl.core.value import Agent, Con, Record, Value
from tests.support.generate import MAX_ANSWERS, Case


@attrs.frozen(slots=True, eq=False)
class Small:
    """A case, how many answers it gets, and whether the outer owner acts of its own."""

    case: Case
    answers: int = MAX_ANSWERS
    world: bool = True


Holds: TypeAlias = Callable[[Small], bool]


def shrunk(small: Small, holds: Holds, *, seconds: float = 60) -> Small:
    """The smallest case that was found of which `holds` is true, as it is of `small`, within a time."""
    end = monotonic() + seconds

    def try_(one: Small) -> bool:
        return monotonic() < end and holds(one)

    if small.world and try_(attrs.evolve(small, world=False)):
        small = attrs.evolve(small, world=False)
    low, high = 0, small.answers
    while low < high:
        middle = (low + high) // 2
        if try_(attrs.evolve(small, answers=middle)):
            high = middle
        else:
            low = middle + 1
    small = attrs.evolve(small, answers=high)
    going = True
    while going and monotonic() < end:
        going = False
        # The helpers that recurse stay whole: with less in them they need not end.
        for name in [name for name in small.case.program.defs if not name.endswith("'")]:
            step = _one_pass(small, name, try_)
            going = going or step is not small
            small = step
    return without_unused(small)


def _one_pass(small: Small, name: str, try_: Holds) -> Small:
    """Each statement of one agent left out once, where it can be."""
    at = 0
    while True:
        definition = small.case.program.defs[name]
        bodies = list(_smaller(definition.body))
        if at >= len(bodies):
            return small
        one = _with_body(small, name, Def(definition.params, bodies[at]))
        if try_(one):
            small = one
        else:
            at += 1


def _smaller(body: Comp) -> Iterator[Comp]:
    """Bodies with one statement less, or with one branch for an `if`; the larger cuts first."""
    match body:
        case Let(name, bound, rest):
            yield rest
            yield from (Let(name, bound, shorter) for shorter in _smaller(rest))
            yield from (Let(name, shorter, rest) for shorter in _smaller(bound))
        case If(cond, then, orelse):
            yield then
            yield orelse
            yield from (If(cond, shorter, orelse) for shorter in _smaller(then))
            yield from (If(cond, then, shorter) for shorter in _smaller(orelse))


def _with_body(small: Small, name: str, definition: Def) -> Small:
    return _with_defs(small, {**small.case.program.defs, name: definition})


def _with_defs(small: Small, defs: dict[str, Def]) -> Small:
    program = small.case.program
    return attrs.evolve(small, case=attrs.evolve(small.case, program=Program(defs, program.ops, program.steps)))


def without_unused(small: Small) -> Small:
    """The case without the agents that no agent names which can be reached."""
    defs = small.case.program.defs
    seen, todo = set(), [small.case.agent]
    while todo:
        name = todo.pop()
        if name in defs and name not in seen:
            seen.add(name)
            todo += _named(defs[name].body)
    return _with_defs(small, {name: found for name, found in defs.items() if name in seen})


def _named(body: Comp) -> Iterator[str]:
    match body:
        case Return(expr):
            yield from _in_expr(expr)
        case Let(_, bound, rest):
            yield from _named(bound)
            yield from _named(rest)
        case If(cond, then, orelse):
            yield from _in_expr(cond)
            yield from _named(then)
            yield from _named(orelse)
        case Call(agent, args):
            for expr in (agent, *args):
                yield from _in_expr(expr)
        case Do(_, args):
            for expr in args:
                yield from _in_expr(expr)


def _in_expr(expr: Expr) -> Iterator[str]:
    match expr:
        case Lit(value):
            yield from _in_value(value)
        case Prim(_, args):
            for arg in args:
                yield from _in_expr(arg)
        case Var():
            pass


def _in_value(value: Value) -> Iterator[str]:
    match value:
        case Agent():
            yield value.name
        case tuple():
            for item in value:
                yield from _in_value(item)
        case Con():
            yield from _in_value(value.args)
        case Record():
            for _, item in value.fields:
                yield from _in_value(item)
