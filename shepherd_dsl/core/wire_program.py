"""Reading programs in canonical form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.limits import WIRE_DEPTH
from shepherd_dsl.core.program import Def, EffectClass, Operation, Program
from shepherd_dsl.core.wire_value import (
    WireError,
    inside,
    keys,
    list_from,
    natural_from,
    part,
    shown,
    text_from,
    version_from,
    within,
)


def program_from(data: object) -> Program:
    """The program that a canonical JSON structure says. Raises WireError."""
    keys(data, "version", "steps", "ops", "defs")
    body = cast(dict[str, Any], data)
    part(body, "version", version_from)
    steps = part(body, "steps", natural_from)
    ops = part(body, "ops", lambda item: _named(item, _operation))
    return Program(part(body, "defs", lambda item: _named(item, _def)), ops, steps)


def _operation(data: Any) -> Operation:
    effect_class = data.get("class") if type(data) is dict else None
    if effect_class == "compensable":
        keys(data, "class", "undo")
        return Operation("compensable", part(data, "undo", text_from))
    keys(data, "class")
    if effect_class not in ("pure", "reversible", "irreversible"):
        raise WireError("expected pure, reversible, compensable or irreversible", "class")
    return Operation(cast(EffectClass, effect_class))


def _def(data: Any) -> Def:
    keys(data, "params", "body")
    params = part(data, "params", lambda item: tuple(map(text_from, list_from(item))))
    if len(set(params)) != len(params):
        raise WireError("a parameter given twice", "params")
    return Def(params, part(data, "body", comp_from))


def comp_from(data: object) -> Comp:
    """The computation that a canonical JSON structure says. Raises WireError."""
    return _comp(data, WIRE_DEPTH)


def _comp(data: Any, room: int) -> Comp:
    """Bodies of `lets` and else-branches are followed in a loop: a long program is not a deep one."""
    if room <= 0:
        raise WireError(f"nesting deeper than {WIRE_DEPTH}")
    outer: list[Callable[[Comp], Comp]] = []  # what is still to be put around, outermost first
    steps: list[str | int] = []  # the way to the computation in hand, outermost first
    place: tuple[str | int, ...] = ()  # and on to the part that is being read, innermost first
    after_lets = False
    try:
        while type(data) is dict and ("lets" in data or "if" in data):
            if "lets" in data:
                if after_lets:
                    raise WireError("`in` is itself a `lets`")
                keys(data, "lets", "in")
                place = ("lets",)
                pairs = list_from(data["lets"])
                if not pairs:
                    raise WireError("`lets` without a binding")
                for index, pair in enumerate(pairs):
                    place = (index, "lets")
                    if type(pair) is not list or len(pair) != 2:
                        raise WireError(f"expected [name, computation], got {shown(pair)}")
                    place = (0, index, "lets")
                    name = text_from(pair[0])
                    place = (1, index, "lets")
                    outer.append(_let_of(name, _comp(pair[1], room - 1)))
                steps.append("in")
                data, after_lets, place = data["in"], True, ()
            else:
                keys(data, "if")
                place = ("if",)
                parts = data["if"]
                if type(parts) is not list or len(parts) != 3:
                    raise WireError(f"expected [e, c, c], got {shown(parts)}")
                place = (0, "if")
                cond = _expr(parts[0], room - 1)
                place = (1, "if")
                outer.append(_else_of(cond, _comp(parts[1], room - 1)))
                steps += ("if", 2)
                data, after_lets, place = parts[2], False, ()
        found = _plain_comp(data, room)
    except WireError as error:
        error.steps.extend(place)
        error.steps.extend(reversed(steps))
        raise
    for put_around in reversed(outer):
        found = put_around(found)
    return found


def _else_of(cond: Expr, then: Comp) -> Callable[[Comp], Comp]:
    return lambda orelse: If(cond, then, orelse)


def _let_of(name: str, bound: Comp) -> Callable[[Comp], Comp]:
    return lambda body: Let(name, bound, body)


def _plain_comp(data: Any, room: int) -> Comp:
    if type(data) is dict and len(data) == 1:
        for tag, body in data.items():
            if tag == "return":
                return Return(inside(tag, _expr, body, room - 1))
            if tag == "call":
                if type(body) is not list or not body:
                    raise WireError(f"expected [agent, e…], got {shown(body)}", tag)
                found = [inside(index, _expr, item, room - 1, tag) for index, item in enumerate(body)]
                return Call(found[0], tuple(found[1:]))
            if tag == "do":
                op = part(data, tag, _head)
                args = [inside(index, _expr, item, room - 1, tag) for index, item in enumerate(body[1:], start=1)]
                return Do(op, tuple(args))
    raise WireError(f"expected a computation, got {shown(data)}")


def _expr(data: Any, room: int) -> Expr:
    if room <= 0:
        raise WireError(f"nesting deeper than {WIRE_DEPTH}")
    if type(data) is dict and len(data) == 1:
        for tag, body in data.items():
            if tag == "var":
                return Var(part(data, tag, text_from))
            if tag == "val":
                return Lit(inside(tag, within, body, room))
            if tag == "prim":
                # Written out, not shared with `do`: one frame a level keeps deep expressions within any stack.
                place: tuple[str | int, ...] = (tag,)
                args: list[Expr] = []
                try:
                    head = _head(body)
                    for index in range(1, len(body)):
                        place = (index, tag)
                        args.append(_expr(body[index], room - 1))
                except WireError as error:
                    error.steps.extend(place)
                    raise
                return Prim(head, tuple(args))
    raise WireError(f"expected an expression, got {shown(data)}")


def _head(body: Any) -> str:
    """The name that `prim` and `do` begin with."""
    if type(body) is not list or not body:
        raise WireError(f"expected [name, e…], got {shown(body)}")
    name: str = part(body, 0, text_from)
    return name


def _named(data: Any, reader: Callable[[Any], Any]) -> Mapping[str, Any]:
    if type(data) is not dict:
        raise WireError(f"expected an object, got {shown(data)}")
    return {text_from(name): part(data, name, reader) for name in sorted(data)}
