"""Patterns: what they bind, and whether the arms of a `match` cover every value.

Coverage follows Maranget, "Warnings for pattern matching" (2007): a row is useful if some value reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from shepherd_dsl.check import codes
from shepherd_dsl.check.constant import constant
from shepherd_dsl.check.declare import argument_pattern
from shepherd_dsl.check.env import EffectSig
from shepherd_dsl.check.infer import fits
from shepherd_dsl.check.types import (
    BOOL,
    DEC,
    INT,
    NEVER,
    TEXT,
    UNIT,
    VALUE,
    Hole,
    Rec,
    Type,
    Variant,
    an,
    outcome,
    resolve,
    show,
    substitute,
)
from shepherd_dsl.core.wire import value_text
from shepherd_dsl.syntax import tree

if TYPE_CHECKING:
    from shepherd_dsl.check.body import Body


def check(body: Body, pattern: tree.Pattern, subject: Type) -> None:
    """Check a pattern against what it takes apart and bind its names in the innermost scope."""
    _check(body, pattern, subject, {})


def _check(body: Body, pattern: tree.Pattern, subject: Type, bound: dict[str, tree.Span]) -> None:
    found = resolve(subject)
    body.tables.types[pattern] = found
    match pattern:
        case tree.NamePattern(name, span):
            if name in bound:
                body.env.report(codes.BOUND_TWICE, span, f"`{name}` is bound twice")
            bound[name] = span
            body.bind(name, subject, span, pattern)
        case tree.LiteralPattern(value, span):
            kind = literal_type(value)
            if not _may_be(found, kind):
                _wrong(body, span, found, f"this is {an(kind)}")
        case tree.ConPattern(name, args, span):
            cases: Sequence[Type] | None = None
            if isinstance(found, Variant):
                cases = found.get(name.text)
                if cases is None:
                    known = " | ".join(case for case, _ in found.cases)
                    _wrong(body, span, found, f"there is no case `{name.text}`", expected=known)
                elif len(cases) != len(args):
                    body.arity(span, f"`{name.text}`", len(args), len(cases))
                    cases = None
            elif found == VALUE:
                cases = [VALUE] * len(args)
            elif found != NEVER:
                _wrong(body, span, found, "it has no constructors")
            for index, arg in enumerate(args):
                _check(body, arg, cases[index] if cases is not None else NEVER, bound)
        case tree.RecordPattern(fields, span):
            if not isinstance(found, Rec) and found not in (VALUE, NEVER):
                _wrong(body, span, found, "it is no record")
            for field in fields:
                inner: Type | None = VALUE if found == VALUE else NEVER
                if isinstance(found, Rec):
                    inner = found.get(field.name.text)
                    if inner is None:
                        body.env.report(
                            codes.NO_FIELD, field.name.span, f"`{show(found)}` has no field `{field.name.text}`",
                            expected=f"one of {', '.join(label for label, _ in found.fields)}",
                        )  # fmt: skip
                _check(body, field.pattern, inner or NEVER, bound)


def _may_be(found: Type, kind: Type) -> bool:
    return found == VALUE or fits(kind, found)


def _wrong(body: Body, span: tree.Span, subject: Type, why: str, *, expected: str = "") -> None:
    body.env.report(codes.BAD_PATTERN, span, f"this pattern cannot fit {an(subject)}: {why}", expected=expected)


def literal_type(value: tree.Expr) -> Type:
    """The type of a literal."""
    match value:
        case tree.IntLit():
            return INT
        case tree.DecLit():
            return DEC
        case tree.BoolLit():
            return BOOL
        case tree.UnitLit():
            return UNIT
    return TEXT


def operation(body: Body, written: tree.OpPattern, sig: EffectSig) -> None:
    """Check the argument patterns of an operation and bind their names."""
    body.tables.effects[written] = sig
    if written.args is None:
        return
    if len(written.args) > len(sig.params):
        body.arity(written.span, f"`{sig.name}`", len(written.args), len(sig.params))
    bound: dict[str, tree.Span] = {}
    for pattern, (label, wanted) in zip(written.args, sig.params, strict=False):
        if isinstance(pattern, tree.LiteralPattern):
            argument_pattern(body.env, pattern, label, wanted)
        else:
            _check(body, pattern, substitute(wanted, dict.fromkeys(sig.type_params, VALUE)), bound)


OUTCOME_CASES = ("Ok", "Err", "Unknown")


def answer(body: Body, pattern: tree.Pattern, sig: EffectSig | None) -> None:
    """Check the pattern of an outcome: `Ok(p)`, `Err(p)` or `Unknown` fit the outcome, any other the answer in `Ok`."""
    result = VALUE if sig is None else substitute(sig.result, dict.fromkeys(sig.type_params, VALUE))
    check(body, pattern, outcome(result) if about_outcome(pattern) else result)


def about_outcome(pattern: tree.Pattern) -> bool:
    """Whether a pattern after `->` speaks of the outcome, rather than of the answer in it."""
    return isinstance(pattern, tree.ConPattern) and pattern.name.text in OUTCOME_CASES


# Coverage ------------------------------------------------------------------------------------------------------------

Row: TypeAlias = tuple[tree.Pattern, ...]


def coverage(body: Body, expr: tree.Match, subject: Type) -> None:
    """Report arms that nothing reaches and values that no arm takes."""
    if resolve(subject) == NEVER or isinstance(resolve(subject), Hole):
        return
    rows: list[Row] = []
    for arm in expr.arms:
        row = (arm.pattern,)
        if rows and _missing(rows, [subject], row) is None:
            body.env.report(
                codes.UNREACHABLE, arm.pattern.span, "no value reaches this arm", hint="remove it, or move it up"
            )
        if arm.guard is None:
            rows.append(row)
    missing = _missing(rows, [subject], None)
    if missing is not None:
        body.env.report(
            codes.NOT_EXHAUSTIVE,
            expr.subject.span,
            f"no arm takes `{missing[0]}`",
            hint=f"add an arm: {missing[0]} => …",
        )


def _missing(rows: list[Row], types: list[Type], row: Row | None) -> list[str] | None:
    """Values that no row takes (and that `row` does, if given), shown; None where there are none."""
    if not types:
        return None if rows else []
    first = resolve(types[0])
    head = row[0] if row is not None else None
    for name, inner in _cases(first, rows, head):
        arity = len(inner)
        narrowed = [new for old in rows if (new := _take(old, name, inner)) is not None]
        wanted = _take(row, name, inner) if row is not None else None
        if row is not None and wanted is None:
            continue
        found = _missing(narrowed, [*inner, *types[1:]], wanted)
        if found is not None:
            return [_show(first, name, found[:arity]), *found[arity:]]
    return None


_REST = "_"


def _cases(found: Type, rows: list[Row], head: tree.Pattern | None) -> list[tuple[str, list[Type]]]:
    """The ways a value of this type can begin, as far as the patterns tell them apart."""
    match found:
        case Variant(cases):
            return [(name, list(args)) for name, args in cases]
        case Rec(fields):
            return [(f"{{{','.join(label for label, _ in fields)}}}", [inner for _, inner in fields])]
    if found == NEVER:
        return []
    if found == BOOL:
        return [("true", []), ("false", [])]
    if found == UNIT:
        return [("()", [])]
    heads = [row[0] for row in rows] + ([head] if head is not None else [])
    names: dict[str, list[Type]] = {}
    for pattern in heads:
        key, arity = _key(pattern)
        if key is not None:
            names.setdefault(key, [VALUE] * arity)
    return [*names.items(), (_REST, [])]


def _key(pattern: tree.Pattern) -> tuple[str | None, int]:
    match pattern:
        case tree.LiteralPattern(value, _):
            found = constant(value)
            return (value_text(found) if found is not None else None), 0
        case tree.ConPattern(name, args, _):
            return f"{name.text}/{len(args)}", len(args)
        case tree.RecordPattern(fields, span):
            return f"{{{','.join(f.name.text for f in fields)}}}@{span.start}", len(fields)
    return None, 0


def _take(row: Row, name: str, inner: Sequence[Type]) -> Row | None:
    """What a row says about the parts of a value that begins with `name`; None where it does not take it."""
    head, rest = row[0], row[1:]
    blank: Row = tuple(tree.Wildcard(head.span) for _ in inner)
    match head:
        case tree.Wildcard() | tree.NamePattern():
            return blank + rest
        case tree.ConPattern(con, args, _):
            if con.text == name or _key(head)[0] == name:
                return (*args, *rest) if len(args) == len(inner) else blank + rest
            return None
        case tree.RecordPattern(fields, _):
            if name.startswith("{") and name.endswith("}"):
                return _record_parts(head, name) + rest
            return (*(f.pattern for f in fields), *rest) if _key(head)[0] == name else None
        case tree.LiteralPattern(value, _):
            if isinstance(value, tree.UnitLit):
                return rest if name in ("()", _key(head)[0]) else None
            return rest if _key(head)[0] == name else None


def _record_parts(head: tree.RecordPattern, name: str) -> Row:
    given = {field.name.text: field.pattern for field in head.fields}
    labels = name[1:-1].split(",") if len(name) > 2 else []
    return tuple(given.get(label, tree.Wildcard(head.span)) for label in labels)


def _show(found: Type, name: str, args: list[str]) -> str:
    match found:
        case Rec(fields):
            return "{ " + ", ".join(f"{label}: {arg}" for (label, _), arg in zip(fields, args, strict=True)) + " }"
    if "/" in name and not name.startswith('"'):
        name = name.rpartition("/")[0]
    return name + (f"({', '.join(args)})" if args else "")
