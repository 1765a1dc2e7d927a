"""What is done with runs: awaiting, forking, merging, observing and supervising them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shepherd_dsl.check import calls, codes, patterns
from shepherd_dsl.check.builtins import MERGED, MESSAGE, REPORT
from shepherd_dsl.check.infer import fits, join
from shepherd_dsl.check.types import (
    BOOL,
    INT,
    NEVER,
    TEXT,
    UNIT,
    VALUE,
    Hole,
    ListOf,
    RunOf,
    Type,
)
from shepherd_dsl.syntax import tree

if TYPE_CHECKING:
    from shepherd_dsl.check.body import Body

AWAIT = ("run.next", "run.pass")


def _needs(body: Body, span: tree.Span, *ops: str) -> None:
    for op in ops:
        calls.require_op(body, op, span)


def _run(body: Body, expr: tree.Expr) -> Type:
    """The result type of a run."""
    found = body.known(expr, "a run is wanted")
    if isinstance(found, RunOf):
        return found.result
    if found != NEVER:
        body.mismatch(expr.span, found, RunOf(Hole()), hint="`spawn agent(…)` makes a run")
    return NEVER


def infer(body: Body, expr: tree.Expr, used: bool) -> Type:
    """The type of an expression about runs."""
    with body.inside(exits=isinstance(expr, tree.Merge)):
        return _infer(body, expr, used)


def _infer(body: Body, expr: tree.Expr, used: bool) -> Type:
    match expr:
        case tree.Spawn():
            return calls.spawn(body, expr)
        case tree.Await(run, span):
            _needs(body, span, *AWAIT)
            return _run(body, run)
        case tree.AwaitAll(of, span):
            _needs(body, span, *AWAIT, "run.pick")
            result: Type = Hole()
            found = body.infer(of, ListOf(RunOf(result)))
            if not fits(found, ListOf(RunOf(result))):
                body.mismatch(
                    of.span, found, ListOf(RunOf(result)), hint="`await all` takes a list of runs of one type"
                )
            return ListOf(result)
        case tree.Fork(run, step, count, span):
            _needs(body, span, "run.fork")
            found = RunOf(_run(body, run))
            body.check(step, INT)
            if count is None:
                return found
            body.check(count, INT)
            return ListOf(found)
        case tree.Inject(value, run, span):
            _needs(body, span, "run.inject")
            body.check(value, MESSAGE)
            _run(body, run)
            return UNIT
        case tree.Revert(run, step, span):
            _needs(body, span, "run.revert")
            _run(body, run)
            body.check(step, INT)
            return REPORT
        case tree.Discard(run, span):
            _needs(body, span, "run.discard")
            _run(body, run)
            return REPORT
        case tree.Merge(run, orelse, span):
            _needs(body, span, "run.merge")
            with body.inside(exits=False):
                _run(body, run)
            if orelse is None:
                return MERGED if used else UNIT
            body.block(orelse, used=False)
            return UNIT
        case tree.Failed(run, text, span):
            _needs(body, span, *AWAIT)
            _run(body, run)
            if text is not None:
                body.check(text, TEXT)
            return BOOL
        case tree.Asked(run, op, span):
            _needs(body, span, *AWAIT, "run.trace")
            _run(body, run)
            with body.scope():
                _operation(body, op)
            return BOOL
        case tree.Observe():
            return _observe(body, expr)
    raise TypeError(f"not an expression about runs: {type(expr).__name__}")


def _operation(body: Body, written: tree.OpPattern) -> None:
    if written.op is None:
        return
    sig = calls.effect(body, written.op)
    if sig is not None:
        patterns.operation(body, written, sig)


def _observe(body: Body, expr: tree.Observe) -> Type:
    _needs(body, expr.span, "run.trace")
    _run(body, expr.run)
    body.check(expr.start, INT)
    total: Type = INT if expr.starting is None else body.infer(expr.starting)
    for clause in expr.clauses:
        with body.scope():
            _event(body, clause.op, clause.value, clause.kind)
            body.bind(clause.accumulator.text, total, clause.accumulator.span, clause)
            if clause.guard is not None:
                body.check(clause.guard, BOOL)
            found = body.infer(clause.body, total)
        both = join(total, found)
        if both is None:
            body.mismatch(clause.body.span, found, total, hint="every clause gives the next value of what is folded")
        else:
            total = both
    return total


def _event(body: Body, op: tree.OpPattern | None, value: tree.Pattern | None, kind: str) -> None:
    if op is not None:
        _operation(body, op)
    if value is None:
        return
    if kind == "injected":
        patterns.check(body, value, MESSAGE)
    else:
        patterns.answer(body, value, body.tables.effects.get(op))


# Supervise -----------------------------------------------------------------------------------------------------------


def supervise(body: Body, stmt: tree.Supervise) -> Type:
    """Check `supervise a, b { … }`."""
    with body.inside(exits=False):
        _needs(body, stmt.span, *AWAIT)
        if len(stmt.runs) > 1:
            _needs(body, stmt.span, "run.pick")
        for run in stmt.runs:
            _run(body, run)
    names = [run.name for run in stmt.runs if isinstance(run, tree.Var)]
    for clause in stmt.clauses:
        if clause.run is not None and clause.run.text not in names:
            expected = f"one of {', '.join(names)}" if names else "a variable after `supervise`"
            message = f"`{clause.run.text}` is not supervised here"
            body.env.report(codes.HANDLES, clause.run.span, message, expected=expected)
        with body.scope():
            _event(body, clause.op, clause.value, clause.kind)
            if clause.guard is not None:
                with body.inside(exits=False):
                    body.check(clause.guard, BOOL)
            before = body.verdict
            sig = body.tables.effects.get(clause.op)
            if clause.kind == "intent":
                body.verdict = VALUE if sig is None or sig.type_params else sig.result
            else:
                body.verdict = None
            body.block(clause.body, used=False)
            body.verdict = before
        if clause.kind == "intent":
            _judged_after_its_end(body, stmt, clause)
    return UNIT


def _judged_after_its_end(body: Body, stmt: tree.Supervise, clause: tree.SuperviseClause) -> None:
    """Report `answer` and `deny` where the clause discarded the run before: no intent is left to judge."""
    only = stmt.runs[0] if len(stmt.runs) == 1 else None
    judged = clause.run.text if clause.run is not None else only.name if isinstance(only, tree.Var) else None
    ended = False
    for one in clause.body.stmts:
        match one:
            case tree.ExprStmt(tree.Discard(tree.Var(name), _), _) if name == judged:
                ended = True
            case tree.Answer() | tree.Deny() if ended:
                message = f"`{type(one).__name__.lower()}` comes after `discard {judged}`, which ended the run"
                hint = "leave the verdict out: the intent went with the run"
                body.env.report(codes.MISPLACED, one.span, message, hint=hint)
                return


def verdict(body: Body, stmt: tree.Pass | tree.Answer | tree.Deny) -> Type:
    """Check a verdict."""
    word = type(stmt).__name__.lower()
    if body.verdict is None or not body.exits:
        body.env.report(codes.MISPLACED, stmt.span, f"`{word}` is a verdict, and there is no intent to judge here",
                        hint="verdicts stand in an `intent` clause of `supervise`")  # fmt: skip
        return NEVER
    with body.inside(exits=False):
        match stmt:
            case tree.Answer(value, span):
                _needs(body, span, "run.answer")
                body.check(value, VALUE if body.verdict is None else body.verdict)
            case tree.Deny(text, span):
                _needs(body, span, "run.deny")
                body.check(text, TEXT)
    return NEVER
