"""Inference: whether one type fits where another is wanted, and the least type that holds two.

Holes are filled greedily, left to right. A hole that values flowed into widens as more flow in (`A`, then `A | B`)
until something reads from it; from then on it is firm. So what a `match` was found to cover stays covered.
"""

from __future__ import annotations

from collections.abc import Sequence

from shepherd_dsl.check.grants import uncovered
from shepherd_dsl.check.types import (
    BLOB,
    CONTENT,
    NEVER,
    TEXTS,
    VALUE,
    AgentOf,
    Basic,
    Hole,
    ListOf,
    Rec,
    RunOf,
    Type,
    Variant,
    parts,
    resolve,
    variant,
)

_Trail = list[tuple[Hole, Type | None, bool]]


def fits(actual: Type, wanted: Type) -> bool:
    """Whether an `actual` may stand where a `wanted` is expected; fills holes on success, and only then."""
    trail: _Trail = []
    if _fits(actual, wanted, trail):
        return True
    _undo(trail)
    return False


def join(left: Type, right: Type) -> Type | None:
    """The least type that both fit, or None; fills holes on success, and only then."""
    trail: _Trail = []
    found = _join(left, right, trail)
    if found is None:
        _undo(trail)
    return found


def _undo(trail: _Trail) -> None:
    for hole, bound, firm in reversed(trail):
        hole.bound, hole.firm = bound, firm


def _set(hole: Hole, bound: Type | None, firm: bool, trail: _Trail) -> None:
    trail.append((hole, hole.bound, hole.firm))
    hole.bound, hole.firm = bound, firm


def _last_hole(found: Type) -> Hole | None:
    """The innermost hole on the chain from `found` to what it stands for."""
    last: Hole | None = None
    while isinstance(found, Hole):
        last = found
        if found.bound is None:
            break
        found = found.bound
    return last


def _occurs(hole: Hole, inside: Type) -> bool:
    top = resolve(inside)
    return top is hole or any(_occurs(hole, inner) for inner in parts(top))


def _fits(actual: Type, wanted: Type, trail: _Trail) -> bool:
    source, target = _last_hole(actual), _last_hole(wanted)
    a, w = resolve(actual), resolve(wanted)
    if a is w:
        return True
    if NEVER in (a, w):
        return True
    if isinstance(w, Hole):
        if _occurs(w, a):
            return False
        _set(w, a, False, trail)
        return True
    if isinstance(a, Hole):
        if _occurs(a, w):
            return False
        _set(a, w, True, trail)
        return True
    if target is not None and not target.firm:
        mark = len(trail)
        if _fits_known(a, w, trail):
            return True
        _undo(trail[mark:])
        del trail[mark:]
        wider = _join(w, a, trail)
        if wider is None:
            return False
        _set(target, wider, False, trail)
        return True
    if source is not None and not source.firm:
        _set(source, source.bound, True, trail)
    return _fits_known(a, w, trail)


def _fits_known(a: Type, w: Type, trail: _Trail) -> bool:
    if w == VALUE or a == w:
        return True
    match a, w:
        case Basic(), Basic():
            return (a in TEXTS and w in TEXTS) or (w == CONTENT and (a in TEXTS or a == BLOB))
        case (ListOf(x), ListOf(y)) | (RunOf(x), RunOf(y)):
            return _fits(x, y, trail)
        case Rec(xs), Rec(ys):
            return [label for label, _ in xs] == [label for label, _ in ys] and all(
                _fits(x, y, trail) for (_, x), (_, y) in zip(xs, ys, strict=True)
            )
        case Variant(xs), Variant():
            return all((into := w.get(name)) is not None and _all_fit(args, into, trail) for name, args in xs)
        case AgentOf(), AgentOf():
            return (
                _all_fit(w.params, a.params, trail)
                and _fits(a.result, w.result, trail)
                and not uncovered(w.grants, a.grants)
            )
    return False


def _all_fit(actual: Sequence[Type], wanted: Sequence[Type], trail: _Trail) -> bool:
    return len(actual) == len(wanted) and all(_fits(x, y, trail) for x, y in zip(actual, wanted, strict=True))


def _join(left: Type, right: Type, trail: _Trail) -> Type | None:
    for a, w in ((left, right), (right, left)):
        mark = len(trail)
        if _fits(a, w, trail):
            return w
        _undo(trail[mark:])
        del trail[mark:]
    a, b = resolve(left), resolve(right)
    match a, b:
        case ListOf(x), ListOf(y):
            item = _join(x, y, trail)
            return None if item is None else ListOf(item)
        case RunOf(x), RunOf(y):
            item = _join(x, y, trail)
            return None if item is None else RunOf(item)
        case Rec(xs), Rec(ys) if [label for label, _ in xs] == [label for label, _ in ys]:
            inner = _join_all([x for _, x in xs], [y for _, y in ys], trail)
            return None if inner is None else Rec(tuple((n, f) for (n, _), f in zip(xs, inner, strict=True)))
        case Variant(xs), Variant(ys):
            cases = dict(xs)
            for name, args in ys:
                if name in cases:
                    both = _join_all(cases[name], args, trail)
                    if both is None:
                        return None
                    cases[name] = both
                else:
                    cases[name] = args
            return variant(cases)
    return None


def _join_all(left: Sequence[Type], right: Sequence[Type], trail: _Trail) -> tuple[Type, ...] | None:
    if len(left) != len(right):
        return None
    found: list[Type] = []
    for x, y in zip(left, right, strict=True):
        both = _join(x, y, trail)
        if both is None:
            return None
        found.append(both)
    return tuple(found)
