"""Building core computations: short names, sequences of bindings, free variables, and lifting of local functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.program import Def
from shepherd_dsl.core.value import UNIT, Agent, Value

Binding = tuple[str, Comp]

TRUE = Lit(True)
FALSE = Lit(False)
NOTHING = Lit(UNIT)


def lit(value: Value) -> Lit:
    """A value as it stands."""
    return Lit(value)


def prim(name: str, *args: Expr) -> Prim:
    """A primitive applied."""
    return Prim(name, args)


def call(name: str, *args: Expr) -> Call:
    """A call of the agent of that name."""
    return Call(Lit(Agent(name)), args)


def is_con(value: Expr, name: str, arity: int) -> Prim:
    """Whether a value is that variant."""
    return prim("is_con", value, Lit(name), Lit(arity))


def con_arg(value: Expr, index: int) -> Prim:
    """An argument of a variant."""
    return prim("con_arg", value, Lit(index))


def sequence(bindings: Sequence[Binding], last: Comp) -> Comp:
    """`let` for each binding, in order, around `last`."""
    for name, bound in reversed(bindings):
        last = Let(name, bound, last)
    return last


@attrs.define(slots=True, eq=False)
class Namer:
    """Names that were not used before: `x`, `x'2`, `x'3`."""

    used: dict[str, int] = attrs.field(factory=dict)

    def fresh(self, wanted: str) -> str:
        """A new name, `wanted` if it is free."""
        number = self.used.get(wanted, 0) + 1
        self.used[wanted] = number
        return wanted if number == 1 else f"{wanted}'{number}"


# Lifting -------------------------------------------------------------------------------------------------------------
#
# Local functions (joins, loops, lambdas, specialised copies) are made as definitions that mention variables of the
# agent around them. Every variable of one agent has a name of its own, so a local function can be given the variables
# it needs, and those that the local functions it calls need, as further parameters (Johnsson, 1985).


def lift(main: Def, local: Mapping[str, Def]) -> tuple[Def, dict[str, Def]]:
    """`main` and its local functions with every variable they need as a parameter."""
    calls = {name: [n for n in called(found.body) if n in local] for name, found in local.items()}
    free = {name: _free(found.body, found.params) for name, found in local.items()}
    bound = {name: _bound(found) for name, found in local.items()}
    changed = True
    while changed:
        changed = False
        for name in local:
            for other in calls[name]:
                for variable in free[other]:
                    if variable not in bound[name] and variable not in free[name]:
                        free[name][variable] = None
                        changed = True
    extra = {name: tuple(variables) for name, variables in free.items()}
    lifted = {name: Def((*found.params, *extra[name]), _pass_on(found.body, extra)) for name, found in local.items()}
    return Def(main.params, _pass_on(main.body, extra)), lifted


def _subcomps(comp: Comp) -> tuple[list[Binding], Comp]:
    """The bindings at the head of `comp` and what they end in."""
    spine: list[Binding] = []
    while isinstance(comp, Let):
        spine.append((comp.name, comp.bound))
        comp = comp.body
    return spine, comp


def _exprs(comp: Comp) -> tuple[Expr, ...]:
    match comp:
        case Return(expr):
            return (expr,)
        case If(cond, _, _):
            return (cond,)
        case Call(agent, args):
            return (agent, *args)
        case Do(_, args):
            return args
    return ()


def _flat(comp: Comp) -> Iterable[Comp]:
    """`comp` and all computations inside it."""
    todo = [comp]
    while todo:
        top = todo.pop()
        yield top
        if isinstance(top, Let):
            todo.extend((top.body, top.bound))
        elif isinstance(top, If):
            todo.extend((top.orelse, top.then))


def called(body: Comp) -> dict[str, None]:
    """The agents that a computation calls by name, in the order in which they are met."""
    found: dict[str, None] = {}
    for inner in _flat(body):
        if isinstance(inner, Call) and isinstance(inner.agent, Lit) and isinstance(inner.agent.value, Agent):
            found[inner.agent.value.name] = None
    return found


def _free(body: Comp, params: Sequence[str]) -> dict[str, None]:
    """The free variables, in the order in which they are met. Names are unique, so what is bound anywhere is bound."""
    bound = set(params)
    met: dict[str, None] = {}
    for inner in _flat(body):
        if isinstance(inner, Let):
            bound.add(inner.name)
        for expr in _exprs(inner):
            _variables(expr, met)
    return {name: None for name in met if name not in bound}


def _variables(expr: Expr, met: dict[str, None]) -> None:
    if isinstance(expr, Var):
        met[expr.name] = None
    elif isinstance(expr, Prim):
        for arg in expr.args:
            _variables(arg, met)


def _bound(found: Def) -> set[str]:
    """The variables that a definition binds: its parameters and those of its `let`s."""
    return {*found.params, *(inner.name for inner in _flat(found.body) if isinstance(inner, Let))}


def _pass_on(comp: Comp, extra: Mapping[str, tuple[str, ...]]) -> Comp:
    spine, last = _subcomps(comp)
    match last:
        case If(cond, then, orelse):
            last = If(cond, _pass_on(then, extra), _pass_on(orelse, extra))
        case Call(Lit(Agent(name)), args) if name in extra:
            last = Call(last.agent, (*args, *(Var(variable) for variable in extra[name])))
    for name, bound in reversed(spine):
        last = Let(name, _pass_on(bound, extra), last)
    return last
