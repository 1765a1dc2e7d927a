"""Patterns: of `match`, of operations, of scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from shepherd_dsl.syntax.tree.node import node

if TYPE_CHECKING:
    from shepherd_dsl.syntax.span import Span
    from shepherd_dsl.syntax.tree.expressions import BoolLit, DecLit, IntLit, TextLit, UnitLit
    from shepherd_dsl.syntax.tree.node import Name


@node
class Wildcard:
    """`_`."""

    span: Span


@node
class NamePattern:
    """A variable, which is bound."""

    name: str
    span: Span


@node
class LiteralPattern:
    """`0`, `-1.5`, `"x"`, `true`, `()`. At an argument of an operation a text is a glob, read as grants read it."""

    value: IntLit | DecLit | TextLit | BoolLit | UnitLit
    span: Span


@node
class ConPattern:
    """`Some(x)`, `None`."""

    name: Name
    args: tuple[Pattern, ...]
    span: Span


@node
class FieldPattern:
    """`code: 0` in a record pattern."""

    name: Name
    pattern: Pattern
    span: Span


@node
class RecordPattern:
    """`{ code: 0 }`; fields that are not named may be anything."""

    fields: tuple[FieldPattern, ...]
    span: Span


Pattern: TypeAlias = Wildcard | NamePattern | LiteralPattern | ConPattern | RecordPattern


@node
class OpPattern:
    """`shell.run("pytest *")`, `shell.run(cmd)`, `shell.run` (any arguments: `args` is None), `_` (`op` is None)."""

    op: Name | None
    args: tuple[Pattern, ...] | None
    span: Span
