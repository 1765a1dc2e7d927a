"""Grants as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from shepherd_dsl.syntax.tree.node import node

if TYPE_CHECKING:
    from shepherd_dsl.syntax.span import Span
    from shepherd_dsl.syntax.tree.node import Name
    from shepherd_dsl.syntax.tree.patterns import Pattern


@node
class Grant:
    """`op`, `op("pattern", _)`, `run` (every operation on runs), each perhaps `at most N`.

    `args` is None where no argument list was written. Its patterns are `Wildcard` and `LiteralPattern`.
    """

    op: Name
    args: tuple[Pattern, ...] | None
    limit: int | None
    span: Span


@node
class AllGrant:
    """`all(agent)`: whatever that agent's signature grants."""

    agent: Name
    span: Span


AnyGrant: TypeAlias = Grant | AllGrant
