"""Expressions and computations of the core: three and five, and nothing else.

In the notation of `core.md`:

    e ::= x | v | p(e…)
    c ::= return e | let x = c in c | if e then c else c | call e(e…) | do op(e…)
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from shepherd_dsl.core.value import Value


@attrs.frozen(slots=True, eq=False)
class Var:
    """A variable; the innermost binding of the name counts."""

    name: str


@attrs.frozen(slots=True, eq=False)
class Lit:
    """A value as it stands."""

    value: Value


@attrs.frozen(slots=True, eq=False)
class Prim:
    """A total primitive (`prim.PRIMITIVES`) applied to expressions."""

    name: str
    args: tuple[Expr, ...] = ()


Expr: TypeAlias = Var | Lit | Prim


@attrs.frozen(slots=True, eq=False)
class Return:
    """`return e`."""

    expr: Expr


@attrs.frozen(slots=True, eq=False)
class Let:
    """`let name = bound in body`."""

    name: str
    bound: Comp
    body: Comp


@attrs.frozen(slots=True, eq=False)
class If:
    """`if cond then then else orelse`; `cond` must be a boolean, anything else is the fault `type`."""

    cond: Expr
    then: Comp
    orelse: Comp


@attrs.frozen(slots=True, eq=False)
class Call:
    """`call agent(args…)`, in the same run. `agent` evaluates to an agent value."""

    agent: Expr
    args: tuple[Expr, ...] = ()


@attrs.frozen(slots=True, eq=False)
class Do:
    """`do op(args…)`: the only computation that can touch the world."""

    op: str
    args: tuple[Expr, ...] = ()


Comp: TypeAlias = Return | Let | If | Call | Do
