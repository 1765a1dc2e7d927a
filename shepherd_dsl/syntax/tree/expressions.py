"""Expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from shepherd_dsl.syntax.tree.node import node

if TYPE_CHECKING:
    from shepherd_dsl.syntax.span import Span
    from shepherd_dsl.syntax.tree.grants import AnyGrant
    from shepherd_dsl.syntax.tree.node import Name
    from shepherd_dsl.syntax.tree.patterns import OpPattern, Pattern
    from shepherd_dsl.syntax.tree.statements import Block


@node
class IntLit:
    """`42`. Negative only in patterns."""

    value: int
    span: Span


@node
class DecLit:
    """`1.50`; `text` is what was written, without `_`. Negative only in patterns."""

    text: str
    span: Span


@node
class BoolLit:
    """`true`, `false`."""

    value: bool
    span: Span


@node
class UnitLit:
    """`()`."""

    span: Span


@node
class TextLit:
    """`"a ${e} b"` or a text in three quotes; escapes are resolved, indentation is taken off.

    Its parts are texts, none of them empty or beside another, and the interpolated expressions.
    """

    parts: tuple[str | Expr, ...]
    multiline: bool
    span: Span

    @property
    def plain(self) -> str | None:
        """The text, if nothing is interpolated."""
        if not self.parts:
            return ""
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, str) else None


@node
class Var:
    """A variable, a parameter, an agent or a primitive, by name (begins in lower case)."""

    name: str
    span: Span


@node
class Construct:
    """`Some(x)`, `None`: names that begin in upper case build variants."""

    name: Name
    args: tuple[Expr, ...]
    span: Span


@node
class ListExpr:
    """`[a, b]`."""

    items: tuple[Expr, ...]
    span: Span


@node
class FieldInit:
    """`id: 1` in a record."""

    name: Name
    value: Expr
    span: Span


@node
class RecordExpr:
    """`{ id: 1 }`."""

    fields: tuple[FieldInit, ...]
    span: Span


@node
class Field:
    """`target.name`."""

    target: Expr
    name: Name
    span: Span


@node
class Index:
    """`target[index]`."""

    target: Expr
    index: Expr
    span: Span


@node
class Call:
    """`callee(args)`: a plain call, in the same run and the same files."""

    callee: Expr
    args: tuple[Expr, ...]
    span: Span


UnaryOp: TypeAlias = Literal["-", "not"]
BinaryOp: TypeAlias = Literal["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or", "matches"]


@node
class Unary:
    """`-e`, `not e`."""

    op: UnaryOp
    operand: Expr
    span: Span


@node
class Binary:
    """`left op right`; `and` and `or` leave the right side alone where they can; `text matches "glob"`."""

    op: BinaryOp
    left: Expr
    right: Expr
    span: Span


@node
class Lambda:
    """`s => s.score`, `(a, x) => a + x`."""

    params: tuple[Name, ...]
    body: Expr
    span: Span


@node
class If:
    """`if c { … } else if d { … } else { … }`; a second `if` stands alone in an unbraced block."""

    cond: Expr
    then: Block
    orelse: Block | None
    span: Span


@node
class Arm:
    """`pattern when guard => body`; a body without braces is a block of one statement."""

    pattern: Pattern
    guard: Expr | None
    body: Block
    span: Span


@node
class Match:
    """`match subject { arm… }`."""

    subject: Expr
    arms: tuple[Arm, ...]
    span: Span


@node
class For:
    """`for x in xs where c { … }`; as a value, the list of the body's values."""

    name: Name
    iterable: Expr
    where: Expr | None
    body: Block
    span: Span


@node
class Do:
    """`do op(args)` unwraps the outcome; `try do op(args)` (`trying`) gives `Ok | Err | Unknown`."""

    op: Name
    args: tuple[Expr, ...]
    trying: bool
    span: Span


@node
class Spawn:
    """`spawn agent(args) grants (g, …)`; `grants` is None where nothing is narrowed. `agent` may be a variable."""

    agent: Name
    args: tuple[Expr, ...]
    grants: tuple[AnyGrant, ...] | None
    span: Span


@node
class Await:
    """`await r`: drives r to its end and gives its value."""

    run: Expr
    span: Span


@node
class AwaitAll:
    """`await all runs`: several runs in flight; the list of their values, in the order of the list."""

    runs: Expr
    span: Span


@node
class Fork:
    """`fork r at step` gives a run; `fork r at step by k` (`count`) a list of k runs."""

    run: Expr
    step: Expr
    count: Expr | None
    span: Span


ObserveKind: TypeAlias = Literal["intent", "outcome", "denied", "injected"]


@node
class ObserveClause:
    """`outcome op(p) -> q when c, acc => e`, also `intent op(p)`, `denied op(p)`, `injected q`.

    `op` is None for `injected`; `value` is the pattern of the answer (`outcome`) or of the message (`injected`).
    """

    kind: ObserveKind
    op: OpPattern | None
    value: Pattern | None
    guard: Expr | None
    accumulator: Name
    body: Expr
    span: Span


@node
class Observe:
    """`observe r from n starting e { clauses }`: a fold over the run's events; without `starting` it starts at 0.

    The first clause that fits an event gives the next accumulator; an event that no clause fits leaves it.
    """

    run: Expr
    start: Expr
    starting: Expr | None
    clauses: tuple[ObserveClause, ...]
    span: Span


@node
class Inject:
    """`inject v into r`."""

    value: Expr
    run: Expr
    span: Span


@node
class Revert:
    """`revert r to step`; its value is the report `{ undone, compensated, failed, irreversible }`."""

    run: Expr
    step: Expr
    span: Span


@node
class Discard:
    """`discard r`; its value is the report of `Revert`."""

    run: Expr
    span: Span


@node
class Merge:
    """`merge r else { … }` is done or runs the block; `merge r` alone gives `Merged | Conflict(paths)`."""

    run: Expr
    orelse: Block | None
    span: Span


@node
class Failed:
    """`failed(run)`, `failed(run, text)`: the run ended in an error, whose text is `text`."""

    run: Expr
    text: Expr | None
    span: Span


@node
class Asked:
    """`asked(run, op)`, `asked(run, op(patterns))`: the run's trace has such an intent."""

    run: Expr
    op: OpPattern
    span: Span


Literals: TypeAlias = IntLit | DecLit | BoolLit | UnitLit | TextLit
Expr: TypeAlias = (
    IntLit
    | DecLit
    | BoolLit
    | UnitLit
    | TextLit
    | Var
    | Construct
    | ListExpr
    | RecordExpr
    | Field
    | Index
    | Call
    | Unary
    | Binary
    | Lambda
    | If
    | Match
    | For
    | Do
    | Spawn
    | Await
    | AwaitAll
    | Fork
    | Observe
    | Inject
    | Revert
    | Discard
    | Merge
    | Failed
    | Asked
)
