"""Statements and blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from shepherd_dsl.syntax.tree.node import node

if TYPE_CHECKING:
    from shepherd_dsl.syntax.span import Span
    from shepherd_dsl.syntax.tree.expressions import Expr
    from shepherd_dsl.syntax.tree.node import Name
    from shepherd_dsl.syntax.tree.patterns import OpPattern, Pattern
    from shepherd_dsl.syntax.tree.types import Type


@node
class Block:
    """Statements; the value is that of the last one if it is an expression, else unit.

    `braced` is false where a single statement stands without braces (the body of an arm, `else if`).
    """

    stmts: tuple[Stmt, ...]
    braced: bool
    span: Span


@node
class Let:
    """`let name: Type = value`; the name may be `_`."""

    name: Name
    type: Type | None
    value: Expr
    span: Span


@node
class Return:
    """`return e`; `return` alone returns unit."""

    value: Expr | None
    span: Span


@node
class Fail:
    """`fail text`."""

    value: Expr
    span: Span


@node
class Expect:
    """`expect cond`, in a test."""

    cond: Expr
    span: Span


@node
class SuperviseClause:
    """`intent op(p) in r when c => body` or `outcome op(p) in r -> q when c => body`.

    `run` names the supervised run whose stop it is; `value` is the pattern of the answer, for `outcome` alone.
    """

    kind: Literal["intent", "outcome"]
    op: OpPattern
    run: Name | None
    value: Pattern | None
    guard: Expr | None
    body: Block
    span: Span


@node
class Supervise:
    """`supervise a, b { clauses }`: drives the runs to their ends; what no clause fits is passed on."""

    runs: tuple[Expr, ...]
    clauses: tuple[SuperviseClause, ...]
    span: Span


@node
class Pass:
    """`pass`, a verdict on an intent."""

    span: Span


@node
class Answer:
    """`answer v`, a verdict on an intent: the world is not asked."""

    value: Expr
    span: Span


@node
class Deny:
    """`deny text`, a verdict on an intent: the run is given an error."""

    text: Expr
    span: Span


@node
class ExprStmt:
    """An expression on a line of its own."""

    expr: Expr
    span: Span


Stmt: TypeAlias = Let | Return | Fail | Expect | Supervise | Pass | Answer | Deny | ExprStmt
