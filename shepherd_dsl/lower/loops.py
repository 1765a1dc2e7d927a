"""`for`: a local function that calls itself in tail position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shepherd_dsl.core.expr import Comp, Expr, If, Return, Var
from shepherd_dsl.core.program import Def
from shepherd_dsl.lower.core import NOTHING, call, lit, prim
from shepherd_dsl.lower.walk import leaves
from shepherd_dsl.syntax import tree

if TYPE_CHECKING:
    from shepherd_dsl.lower.frame import Frame, Then


def lower(frame: Frame, expr: tree.For, then: Then, used: bool) -> Comp:
    """A `for` whose list of values, or unit, goes to `then`; a body that may leave carries `then` at the loop's end."""
    from shepherd_dsl.lower.frame import RETURN, RETURN_UNIT, Then

    items = frame.value(expr.iterable)
    inline = leaves(expr) or then in (RETURN, RETURN_UNIT)
    end = then if inline else RETURN
    name = frame.unit.helper("for")
    over, at, found = frame.fresh("items"), frame.fresh("at"), frame.fresh("found")
    params = (over, at, found) if used else (over, at)

    def again(value: Expr | None) -> Comp:
        after: list[Expr] = [Var(over), prim("add", Var(at), lit(1))]
        if used:
            after.append(Var(found) if value is None else prim("append", Var(found), value))
        return call(name, *after)

    def turn() -> Comp:
        frame.bind(expr, frame.let(Return(prim("get", Var(over), Var(at))), expr.name.text))
        body = Then(lambda value: again(value), cheap=True)
        if expr.where is None:
            return frame.block(expr.body, body, used=used)
        test = frame.value(expr.where)
        return If(test, frame.block(expr.body, body, used=used), again(None))

    done = prim("lt", Var(at), prim("len", Var(over)))
    last: Expr = Var(found) if used else NOTHING
    frame.unit.local[name] = Def(params, If(done, frame.apart(turn), frame.apart(lambda: end.of(last))))
    start = call(name, items, lit(0), *([lit(())] if used else []))
    if inline:
        return start
    return then.of(frame.let(start, "found" if used else "_"))
