"""Unary and binary operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shepherd_dsl.check import codes
from shepherd_dsl.check.calls import number, ordered
from shepherd_dsl.check.infer import join
from shepherd_dsl.check.types import BOOL, DEC, INT, NEVER, TEXT, TEXTS, AgentOf, ListOf, Type, an, contains, show
from shepherd_dsl.syntax import tree

if TYPE_CHECKING:
    from shepherd_dsl.check.body import Body


def infer(body: Body, expr: tree.Unary | tree.Binary) -> Type:
    """The type of an operator applied to its operands."""
    if isinstance(expr, tree.Unary):
        if expr.op == "not":
            body.check(expr.operand, BOOL)
            return BOOL
        found = body.known(expr.operand, "`-` needs it")
        if found != NEVER and not number(found):
            _wrong(body, expr.operand.span, "`-`", found, "a number")
        return found
    match expr.op:
        case "and" | "or":
            body.check(expr.left, BOOL)
            body.check(expr.right, BOOL)
            return BOOL
        case "==" | "!=":
            return _equality(body, expr)
        case "matches":
            return _matches(body, expr)
    left = body.known(expr.left, f"`{expr.op}` needs it")
    right = body.known(expr.right, f"`{expr.op}` needs it")
    if NEVER in (left, right):
        return BOOL if expr.op in ("<", "<=", ">", ">=") else NEVER
    if expr.op in ("<", "<=", ">", ">="):
        return _comparison(body, expr, left, right)
    return _arithmetic(body, expr, left, right)


def _wrong(body: Body, span: tree.Span, what: str, found: Type, expected: str) -> None:
    body.env.report(codes.OPERATOR, span, f"{what} does not take {an(found)}", expected=expected)


def _equality(body: Body, expr: tree.Binary) -> Type:
    left, right = body.infer(expr.left), body.infer(expr.right)
    if join(left, right) is None:
        body.env.report(codes.OPERATOR, expr.span, f"{an(left)} never equals {an(right)}",
                        expected="two sides of one type")  # fmt: skip
    elif contains(left, AgentOf):
        _wrong(body, expr.left.span, f"`{expr.op}`", left, "values that can be compared")
    return BOOL


def _matches(body: Body, expr: tree.Binary) -> Type:
    left = body.known(expr.left, "`matches` needs it")
    if left not in (*TEXTS, NEVER):
        _wrong(body, expr.left.span, "`matches`", left, "a text, path or command")
    body.check(expr.right, TEXT)
    return BOOL


def _comparison(body: Body, expr: tree.Binary, left: Type, right: Type) -> Type:
    for side, found in ((expr.left, left), (expr.right, right)):
        if not ordered(found):
            _wrong(body, side.span, f"`{expr.op}`", found, "two numbers or two texts")
            return BOOL
    if number(left) != number(right):
        _wrong(body, expr.span, f"`{expr.op}`", right, f"a second value of type {show(left)}")
    return BOOL


def _arithmetic(body: Body, expr: tree.Binary, left: Type, right: Type) -> Type:
    if expr.op in ("/", "%"):
        for side, found in ((expr.left, left), (expr.right, right)):
            if found != INT:
                _wrong(body, side.span, f"`{expr.op}`", found, "integers")
        return INT
    if expr.op == "+":
        if left in TEXTS and right in TEXTS:
            return TEXT
        if isinstance(left, ListOf) and isinstance(right, ListOf):
            both = join(left, right)
            if both is not None:
                return both
    for side, found in ((expr.left, left), (expr.right, right)):
        if not number(found):
            allowed = "two numbers, two texts or two lists" if expr.op == "+" else "two numbers"
            _wrong(body, side.span, f"`{expr.op}`", found, allowed)
            return NEVER
    if left == right:
        return left
    return DEC if {left, right} == {INT, DEC} else left
