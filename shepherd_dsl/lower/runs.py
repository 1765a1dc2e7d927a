"""Lowering of what is done with runs, and of the fold over a run's events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shepherd_dsl.check.env import AgentSig
from shepherd_dsl.core.expr import Comp, Expr, If, Lit, Prim, Return, Var
from shepherd_dsl.core.program import Def
from shepherd_dsl.core.value import Agent
from shepherd_dsl.lower import patterns, runtime
from shepherd_dsl.lower.core import FALSE, NOTHING, TRUE, call, con_arg, is_con, lit, prim
from shepherd_dsl.syntax import tree

if TYPE_CHECKING:
    from shepherd_dsl.lower.frame import Frame


def value(frame: Frame, expr: tree.Expr, name: str, used: bool) -> Expr:
    """The core expression for an expression about runs."""
    match expr:
        case tree.Spawn():
            return _spawn(frame, expr, name)
        case tree.Await(run, _):
            return frame.let(call(runtime.AWAIT, frame.value(run)), name)
        case tree.AwaitAll(of, _):
            return frame.let(call(runtime.AWAIT_ALL, frame.value(of)), name)
        case tree.Fork(run, step, None, _):
            return frame.operation("run.fork", frame.values([run, step]), name)
        case tree.Fork(run, step, count, _):
            assert count is not None
            found = frame.values([run, step, count])
            return frame.let(call(runtime.FORKS, *found, lit(())), name)
        case tree.Inject(message, run, _):
            text, target = frame.values([message, run])
            return frame.operation("run.inject", [target, text], name)
        case tree.Revert(run, step, _):
            return frame.operation("run.revert", frame.values([run, step]), name)
        case tree.Discard(run, _):
            return frame.operation("run.discard", [frame.value(run)], name)
        case tree.Merge(run, None, _):
            merged = frame.operation("run.merge", [frame.value(run)], name)
            return merged if used else frame.let(call(runtime.MERGED, merged), name)
        case tree.Merge():
            from shepherd_dsl.lower.frame import RETURN_UNIT

            return frame.let(frame.apart(lambda: frame.control(expr, RETURN_UNIT, used=False)), "_")
        case tree.Failed():
            return failed(frame, expr)
        case tree.Asked():
            return asked(frame, expr)
        case tree.Observe():
            return _observe(frame, expr, name)
    raise TypeError(f"not an expression about runs: {type(expr).__name__}")


def _spawn(frame: Frame, expr: tree.Spawn, name: str) -> Expr:
    ref = frame.tables.refs[expr.agent]
    if isinstance(ref, AgentSig):
        agent: Expr = Lit(Agent(frame.unit.agent(ref, frame.insts(ref, expr))))
    else:
        known = frame.env[ref]  # type: ignore[index]
        agent = frame.atom(known)  # type: ignore[arg-type]
    args = Prim("list", tuple(frame.values(expr.args)))
    return frame.operation("run.spawn", [agent, args, frame.request(expr)], name)


# Questions about runs ------------------------------------------------------------------------------------------------


def failed(frame: Frame, expr: tree.Failed) -> Expr:
    """Whether the run failed, with that text if one is given."""
    run = frame.value(expr.run)
    wanted = None if expr.text is None else frame.value(expr.text)
    found = frame.let(call(runtime.FAILED, run), "failed")
    if wanted is None:
        return is_con(found, "Some", 1)
    return prim("eq", found, prim("con", lit("Some"), wanted))


def asked(frame: Frame, expr: tree.Asked) -> Expr:
    """Whether the run's trace has such an intent; the run is driven to its end first."""
    run = frame.atom(frame.value(expr.run), "run")
    frame.let(call(runtime.DRIVE, run), "_")
    events = frame.operation("run.trace", [run, lit(0)], "events")
    over, at = frame.fresh("events"), frame.fresh("at")

    def body(name: str) -> Comp:
        event = Var(event_name)
        after = call(name, Var(over), prim("add", Var(at), lit(1)))
        hit = frame.apart(
            lambda: patterns.operation(
                frame, expr.op, con_arg(event, 0), con_arg(event, 1), lambda: Return(TRUE), lambda: after
            )
        )
        frame.bindings.append((event_name, Return(prim("get", Var(over), Var(at)))))
        return If(is_con(event, "Intent", 2), hit, after)

    event_name = frame.fresh("event")
    helper = frame.unit.helper("asked")
    turn = frame.apart(lambda: body(helper))
    frame.unit.local[helper] = Def((over, at), If(prim("lt", Var(at), prim("len", Var(over))), turn, Return(FALSE)))
    return frame.let(call(helper, events, lit(0)), "asked")


# Observe -------------------------------------------------------------------------------------------------------------


def _observe(frame: Frame, expr: tree.Observe, name: str) -> Expr:
    """A fold over the events; `op` and `args` are those of the last intent or undo, which an outcome answers."""
    run, start = frame.values([expr.run, expr.start])
    total = lit(0) if expr.starting is None else frame.value(expr.starting)
    events = frame.operation("run.trace", [run, start], "events")
    helper = frame.unit.helper("observe")
    over, at, acc = frame.fresh("events"), frame.fresh("at"), frame.fresh("found")
    op, args, event = frame.fresh("op"), frame.fresh("args"), frame.fresh("event")
    seen = Var(event)

    def on(result: Expr, new_op: Expr, new_args: Expr) -> Comp:
        return call(helper, Var(over), prim("add", Var(at), lit(1)), result, new_op, new_args)

    def clauses(kind: str, the_op: Expr, the_args: Expr, keep: bool) -> Comp:
        new_op, new_args = (the_op, the_args) if keep else (Var(op), Var(args))
        found = [clause for clause in expr.clauses if clause.kind == kind]

        def clause(index: int) -> Comp:
            if index == len(found):
                return on(Var(acc), new_op, new_args)
            one = found[index]
            rest = patterns.miss(
                frame, patterns.uses(frame, one.op, one.value, one.guard), lambda: clause(index + 1), "observe_else"
            )

            def body() -> Comp:
                return patterns.guarded(frame, one.guard, lambda: on(frame.value(one.body), new_op, new_args), rest)

            def value_fits() -> Comp:
                if one.value is None:
                    return body()
                if kind == "injected":
                    return patterns.fit(frame, one.value, con_arg(seen, 0), body, rest)
                return patterns.answer(frame, one.value, con_arg(seen, 0), body, rest)

            frame.bind(one, Var(acc))
            if one.op is None:
                return frame.apart(value_fits)
            return frame.apart(lambda: patterns.operation(frame, one.op, the_op, the_args, value_fits, rest))  # type: ignore[arg-type]

        return clause(0)

    def turn() -> Comp:
        frame.bindings.append((event, Return(prim("get", Var(over), Var(at)))))
        rest = on(Var(acc), Var(op), Var(args))
        undo = If(is_con(seen, "Undo", 3), on(Var(acc), con_arg(seen, 1), con_arg(seen, 2)), rest)
        injected = If(is_con(seen, "Injected", 1), clauses("injected", NOTHING, NOTHING, False), undo)
        denied = If(is_con(seen, "Denied", 2), clauses("denied", con_arg(seen, 0), con_arg(seen, 1), False), injected)
        outcome = If(is_con(seen, "Outcome", 2), clauses("outcome", Var(op), Var(args), False), denied)
        return If(is_con(seen, "Intent", 2), clauses("intent", con_arg(seen, 0), con_arg(seen, 1), True), outcome)

    frame.unit.local[helper] = Def(
        (over, at, acc, op, args),
        If(prim("lt", Var(at), prim("len", Var(over))), frame.apart(turn), Return(Var(acc))),
    )
    return frame.let(call(helper, events, lit(0), total, lit(""), lit(())), name)
