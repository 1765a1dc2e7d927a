"""`for`: a local function that calls itself in tail position.

Lists are tuples, so that putting the values one by one behind a list of n would copy n of them each time. They are
gathered in parts of at most `PART`, and the parts joined at the end: the work is as n log n, with 4 local steps an
element beside those of the body (5 with `where`), the same for all n but for some 14 steps a part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shepherd_dsl.core.expr import Comp, Expr, If, Return, Var
from shepherd_dsl.core.program import Def
from shepherd_dsl.lower.core import NOTHING, call, lit, prim
from shepherd_dsl.lower.runtime import JOINED
from shepherd_dsl.lower.walk import leaves
from shepherd_dsl.syntax import tree

if TYPE_CHECKING:
    from shepherd_dsl.lower.frame import Frame, Then


PART = 256
"""The most values that are gathered in one part."""


def lower(frame: Frame, expr: tree.For, then: Then, used: bool) -> Comp:
    """A `for` whose list of values, or unit, goes to `then`; a body that may leave carries `then` at the loop's end."""
    from shepherd_dsl.lower.frame import RETURN, RETURN_UNIT, Then

    items = frame.value(expr.iterable)
    inline = leaves(expr) or then in (RETURN, RETURN_UNIT)
    end = then if inline else RETURN
    name = frame.unit.helper("for")
    over, at = frame.fresh("items"), frame.fresh("at")
    # `part` holds what the items before `at` gave that `parts` does not; the next part begins at the item `to`.
    to, parts, part = (frame.fresh(wanted) for wanted in ("to", "parts", "part")) if used else ("", "", "")
    params = (over, at, to, parts, part) if used else (over, at)

    def again(value: Expr | None) -> Comp:
        after = (Var(over), prim("add", Var(at), lit(1)))
        if not used:
            return call(name, *after)
        return call(name, *after, Var(to), Var(parts), Var(part) if value is None else prim("append", Var(part), value))

    def turn() -> Comp:
        frame.bind(expr, frame.let(Return(prim("get", Var(over), Var(at))), expr.name.text))
        body = Then(lambda value: again(value), cheap=True)
        if expr.where is None:
            return frame.block(expr.body, body, used=used)
        test = frame.value(expr.where)
        return If(test, frame.block(expr.body, body, used=used), again(None))

    def next_part() -> Comp:
        following = prim("add", Var(at), lit(PART))
        begun = (prim("append", Var(parts), Var(part)), lit(()))
        return If(
            prim("lt", following, length),
            call(name, Var(over), Var(at), following, *begun),
            call(name, Var(over), Var(at), length, *begun),
        )

    def last() -> Comp:
        if not used:
            return end.of(NOTHING)
        count = prim("add", prim("len", Var(parts)), lit(1))
        whole = call(JOINED, prim("append", Var(parts), Var(part)), lit(0), count)
        return whole if end is RETURN else end.of(frame.let(whole, "found"))

    length = prim("len", Var(over))
    turned, ended = frame.apart(turn), frame.apart(last)
    if used:
        loop = If(prim("lt", Var(at), Var(to)), turned, If(prim("lt", Var(at), length), next_part(), ended))
    else:
        loop = If(prim("lt", Var(at), length), turned, ended)
    frame.unit.local[name] = Def(params, loop)
    start = call(name, items, lit(0), *([lit(0), lit(()), lit(())] if used else []))
    if inline:
        return start
    return then.of(frame.let(start, "found" if used else "_"))
