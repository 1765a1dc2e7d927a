"""`expect`: a test ends at the first expectation that does not hold, with both sides in the error.

The error's code is `expect.N`, where N counts the expectations of the test from 0: the runner knows where they stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shepherd_dsl.core.expr import Comp, Expr, If, Return
from shepherd_dsl.lower import runs, runtime
from shepherd_dsl.lower.core import NOTHING, call, lit, prim
from shepherd_dsl.syntax import tree

if TYPE_CHECKING:
    from shepherd_dsl.lower.frame import Frame

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "matches")


def lower(frame: Frame, stmt: tree.Expect, cond: tree.Expr) -> None:
    """Add the bindings that check an expectation."""
    wanted = True
    while isinstance(cond, tree.Unary) and cond.op == "not":
        cond, wanted = cond.operand, not wanted
    holds, shown = _shown(frame, cond)
    code = f"expect.{len(frame.unit.expects)}"
    frame.unit.expects.append(stmt.span)
    fault: Comp = Return(prim("fail", lit(code), shown))
    yes: Comp = Return(NOTHING)
    frame.let(If(holds, yes, fault) if wanted else If(holds, fault, yes), "_")


def _shown(frame: Frame, cond: tree.Expr) -> tuple[Expr, Expr]:
    """The condition, and what to say of it where it is not as expected."""
    match cond:
        case tree.Binary(op, left, right, _) if op in COMPARISONS:
            one, other = (frame.atom(side) for side in frame.values([left, right]))
            holds = frame.comparison(cond, one, other)
            return holds, prim("text", lit("left: "), _quoted(one), lit("\nright: "), _quoted(other))
        case tree.Failed(run, text, span):
            target = frame.atom(frame.value(run), "run")
            wanted = None if text is None else frame.atom(frame.value(text))
            found = frame.let(call(runtime.DRIVE, target), "stop")
            del span
            holds = frame.let(_failed(found, wanted), "holds")
            return holds, prim("text", lit("the run ended with "), _quoted(found))
        case tree.Asked(run, _, _):
            holds = runs.asked(frame, cond)
            return holds, lit("the run's trace says otherwise")
    return frame.value(cond), lit("")


def _failed(stop: Expr, wanted: Expr | None) -> Comp:
    from shepherd_dsl.lower.core import FALSE, TRUE, con_arg, is_con

    if wanted is None:
        return Return(is_con(stop, "Failed", 1))
    same = prim("eq", prim("field", con_arg(stop, 0), lit("text")), wanted)
    return If(is_con(stop, "Failed", 1), If(same, Return(TRUE), Return(FALSE)), Return(FALSE))


def _quoted(value: Expr) -> Expr:
    """The display of a value, a text in quotes, so that `"1"` and `1` look different: that of a list of it, without the
    brackets."""
    inside = prim("text", prim("list", value))
    return prim("text_slice", inside, lit(1), prim("sub", prim("text_len", inside), lit(1)))
