"""Lowering of patterns: tests, then bindings, then the body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from shepherd_dsl.check.constant import constant
from shepherd_dsl.check.declare import argument_pattern
from shepherd_dsl.check.env import EffectSig
from shepherd_dsl.check.patterns import about_outcome
from shepherd_dsl.check.types import VALUE
from shepherd_dsl.core.expr import Comp, Expr, If, Return
from shepherd_dsl.core.grant import Pattern
from shepherd_dsl.lower.core import call, con_arg, is_con, lit, prim
from shepherd_dsl.syntax import tree

if TYPE_CHECKING:
    from shepherd_dsl.lower.frame import Frame, Then

Make = Callable[[], Comp]


def arms(frame: Frame, expr: tree.Match, subject: Expr, then: Then, used: bool) -> Comp:
    """The arms of a `match` on an atom, in order."""

    def arm(index: int) -> Comp:
        if index == len(expr.arms):
            return Return(prim("fail", lit("match"), lit("no arm of a match takes this value")))
        found = expr.arms[index]
        rest = miss(frame, tests(frame, found.pattern) + (found.guard is not None), lambda: arm(index + 1))
        return fit(
            frame,
            found.pattern,
            subject,
            lambda: guarded(frame, found.guard, lambda: frame.block(found.body, then, used=used), rest),
            rest,
        )

    return arm(0)


def miss(frame: Frame, uses: int, rest: Make, kind: str = "else") -> Make:
    """What happens where something does not fit, made ready to be written `uses` times."""
    if uses <= 1:
        return lambda: frame.apart(rest)
    name: list[str] = []

    def shared() -> Comp:
        if not name:
            name.append(frame.function(kind, (), lambda _: rest()))
        return call(name[0])

    return shared


def guarded(frame: Frame, guard: tree.Expr | None, body: Make, rest: Make) -> Comp:
    """`body` where the guard holds."""
    if guard is None:
        return body()
    return If(frame.value(guard), frame.apart(body), rest())


def tests(frame: Frame, pattern: tree.Pattern) -> int:
    """How many tests a pattern makes."""
    match pattern:
        case tree.LiteralPattern():
            return 1
        case tree.ConPattern(_, args, _):
            return 1 + sum(tests(frame, arg) for arg in args)
        case tree.RecordPattern(fields, _):
            return _dynamic(frame, pattern) * (1 + len(fields)) + sum(tests(frame, f.pattern) for f in fields)
    return 0


def _dynamic(frame: Frame, pattern: tree.Pattern) -> bool:
    return frame.type_of(pattern) == VALUE


def fit(frame: Frame, pattern: tree.Pattern, subject: Expr, body: Make, rest: Make) -> Comp:
    """`body` with the names of the pattern bound where `subject` fits it, else `rest`."""
    return frame.apart(lambda: _fit(frame, [(pattern, subject)], body, rest))


def _fit(frame: Frame, todo: list[tuple[tree.Pattern, Expr]], body: Make, rest: Make) -> Comp:
    while todo:
        (pattern, subject), *todo = todo
        conditions: list[Expr] = []
        inner: list[tuple[tree.Pattern, Expr]] = []
        match pattern:
            case tree.NamePattern():
                frame.named(pattern, subject)
            case tree.LiteralPattern(value, _):
                found = constant(value)
                assert found is not None
                conditions = [prim("eq", subject, lit(found))]
            case tree.ConPattern(name, args, _):
                conditions = [is_con(subject, name.text, len(args))]
                inner = [(arg, con_arg(subject, index)) for index, arg in enumerate(args)]
            case tree.RecordPattern(fields, _):
                if _dynamic(frame, pattern):
                    conditions = [prim("eq", prim("kind", subject), lit("record"))]
                    conditions += [prim("contains", prim("labels", subject), lit(f.name.text)) for f in fields]
                inner = [(f.pattern, prim("field", subject, lit(f.name.text))) for f in fields]
        if conditions:
            after = [*inner, *todo]
            return _all(frame, conditions, partial(_fit, frame, after, body, rest), rest)
        todo = [*inner, *todo]
    return body()


def _all(frame: Frame, conditions: Sequence[Expr], body: Make, rest: Make) -> Comp:
    result = frame.apart(body)
    for condition in reversed(conditions):
        result = If(condition, result, rest())
    return result


# Operations ----------------------------------------------------------------------------------------------------------


def operation(frame: Frame, written: tree.OpPattern, op: Expr, args: Expr, body: Make, rest: Make) -> Comp:
    """`body` where an intent `op(args)` fits an operation pattern, else `rest` (cheap, written several times)."""
    sig = frame.effect(written)
    if sig is None:
        return body()
    conditions: list[Expr] = [prim("eq", op, lit(sig.name))]
    todo: list[tuple[tree.Pattern, Expr]] = []
    if written.args is not None:
        conditions.append(prim("eq", prim("len", args), lit(len(sig.params))))
        for index, pattern in enumerate(written.args):
            subject = prim("get", args, lit(index))
            if isinstance(pattern, tree.LiteralPattern):
                conditions += literal_conditions(sig, index, pattern, subject)
            else:
                todo.append((pattern, subject))
    return _all(frame, conditions, lambda: _fit(frame, todo, body, rest), rest)


def literal_conditions(sig: EffectSig, index: int, pattern: tree.LiteralPattern, subject: Expr) -> list[Expr]:
    """What holds of an argument that fits a literal pattern, as grants read it."""
    label, wanted = sig.params[index]
    found = argument_pattern(None, pattern, label, wanted)
    assert found is not None
    return argument_conditions(found, subject)


def argument_conditions(pattern: Pattern, subject: Expr) -> list[Expr]:
    """What holds of an argument that fits a grant pattern."""
    if pattern.kind == "any":
        return []
    if pattern.kind == "is":
        assert pattern.value is not None
        return [prim("eq", subject, lit(pattern.value))]
    text = prim("eq", prim("kind", subject), lit("text"))
    return [text, prim(f"match_{pattern.kind}", subject, lit(pattern.glob))]


def uses(frame: Frame, written: tree.OpPattern | None, value: tree.Pattern | None, guard: tree.Expr | None) -> int:
    """An upper bound on how often `rest` is written for a clause."""
    count = 0 if guard is None else 1
    if written is not None and written.op is not None:
        count += 1 + (0 if written.args is None else 1 + sum(2 + tests(frame, p) for p in written.args
                                                             if not isinstance(p, tree.LiteralPattern))
                      + 2 * len(written.args))  # fmt: skip
    if value is not None:
        count += 1 + tests(frame, value)
    return count


def answer(frame: Frame, pattern: tree.Pattern | None, outcome: Expr, body: Make, rest: Make) -> Comp:
    """`body` where an outcome fits the pattern after `->`, else `rest`."""
    if pattern is None:
        return body()
    if about_outcome(pattern):
        return fit(frame, pattern, outcome, body, rest)
    return If(is_con(outcome, "Ok", 1), fit(frame, pattern, con_arg(outcome, 0), body, rest), rest())
