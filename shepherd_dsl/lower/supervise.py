"""`supervise`: a loop that drives runs from stop to stop and asks the clauses at each.

loop:    the next run that stands at an intent; where there is none, what comes after the statement
judge:   the `intent` clauses, in order; the first that fits gives the verdict; none, or no verdict: pass
passed:  `run.pass`, then the first `outcome` clause that fits what the world answered; then the loop again. No clause
         is asked where an `intent` clause has taken the run away from its intent; a refused pass ends the asker
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shepherd_dsl.core.expr import Comp, Expr, If, Prim, Var
from shepherd_dsl.core.program import Def
from shepherd_dsl.lower import patterns, runtime
from shepherd_dsl.lower.core import NOTHING, call, con_arg, is_con, lit, prim
from shepherd_dsl.syntax import tree

if TYPE_CHECKING:
    from shepherd_dsl.lower.frame import Frame, Then


def lower(frame: Frame, stmt: tree.Supervise, then: Then) -> Comp:
    """The computation that supervises the runs and then goes on with `then`."""
    from shepherd_dsl.lower.frame import Then

    runs = [frame.atom(run, "supervised") for run in frame.values(stmt.runs)]
    named = {run.name: runs[index] for index, run in enumerate(stmt.runs) if isinstance(run, tree.Var)}
    loop, judge, passed = (frame.unit.helper(kind) for kind in ("supervise", "intent", "passed"))
    run, op, args = frame.fresh("run"), frame.fresh("op"), frame.fresh("args")
    again = call(loop)

    def turn() -> Comp:
        if len(runs) == 1:
            stop = frame.let(call(runtime.NEXT, runs[0]), "stop")
            on = call(judge, runs[0], con_arg(stop, 0), con_arg(stop, 1))
            return If(is_con(stop, "Intent", 3), on, frame.apart(lambda: then.of(NOTHING)))
        ready = frame.let(call(runtime.READY, Prim("list", tuple(runs)), lit(0), lit(())), "ready")

        def next_one() -> Comp:
            picked = frame.let(call(runtime.PICK, ready), "picked")
            stop = frame.let(call(runtime.NEXT, picked), "stop")
            return call(judge, picked, con_arg(stop, 0), con_arg(stop, 1))

        none = prim("eq", prim("len", ready), lit(0))
        return If(none, frame.apart(lambda: then.of(NOTHING)), frame.apart(next_one))

    def chain(clauses: list[tree.SuperviseClause], outcome: Expr | None, body_then: Then, none: Comp) -> Comp:
        def clause(index: int) -> Comp:
            if index == len(clauses):
                return none
            one = clauses[index]
            count = patterns.uses(frame, one.op, one.value, one.guard) + (one.run is not None)
            rest = patterns.miss(frame, count, lambda: clause(index + 1), "supervise_else")

            def body() -> Comp:
                return patterns.guarded(frame, one.guard, lambda: frame.block(one.body, body_then, used=False), rest)

            def value_fits() -> Comp:
                return body() if outcome is None else patterns.answer(frame, one.value, outcome, body, rest)

            fits = frame.apart(lambda: patterns.operation(frame, one.op, Var(op), Var(args), value_fits, rest))
            return fits if one.run is None else If(prim("eq", Var(run), named[one.run.text]), fits, rest())

        return frame.apart(lambda: clause(0))

    def verdict(stmt: tree.Pass | tree.Answer | tree.Deny) -> Comp:
        match stmt:
            case tree.Answer(value, _):
                frame.operation("run.answer", [Var(run), frame.value(value)], "_")
            case tree.Deny(text, _):
                frame.operation("run.deny", [Var(run), frame.value(text)], "_")
            case tree.Pass():
                return pass_on
        return again

    pass_on = call(passed, Var(run), Var(op), Var(args))
    before = frame.judge
    frame.judge = verdict
    intents = [clause for clause in stmt.clauses if clause.kind == "intent"]
    judged = chain(intents, None, Then(lambda _: pass_on, cheap=True), pass_on)
    frame.judge = before
    # The two functions are written apart, each with parameters of its own: a local function's variables are its own.
    frame.unit.local[judge] = Def((run, op, args), judged)
    run, op, args = frame.fresh("run"), frame.fresh("op"), frame.fresh("args")
    outcomes = [clause for clause in stmt.clauses if clause.kind == "outcome"]
    outcome = frame.fresh("outcome")

    def after() -> Comp:
        frame.bindings.append((outcome, call(runtime.PASS, Var(run))))
        if not outcomes:
            return again
        left = is_con(Var(outcome), "Left", 0)
        return If(left, again, chain(outcomes, Var(outcome), Then(lambda _: again, cheap=True), again))

    frame.unit.local[passed] = Def((run, op, args), frame.apart(after))
    frame.unit.local[loop] = Def((), frame.apart(turn))
    return again
