"""The surface tree: what a `.shep` file says, before any meaning is given to it.

Every node has a `span` of character offsets into the source it was parsed from. Nodes compare by identity, so that
they may be keys of side tables; `same(a, b)` compares two trees and leaves the spans out.

    Module ── Import | EffectDecl | TypeDecl | AgentDecl | TestDecl
    Type   ── TypeName | RecordType | VariantType | FunctionType | AgentType
    Stmt   ── Let | Return | Fail | Expect | Supervise | Pass | Answer | Deny | ExprStmt
    Expr   ── literals, Var, Construct, ListExpr, RecordExpr, Field, Index, Call, Unary, Binary, Lambda, If, Match, For,
              Do, Spawn, Await, AwaitAll, Fork, Observe, Inject, Revert, Discard, Merge, Failed, Asked
    Pattern ─ Wildcard | NamePattern | LiteralPattern | ConPattern | RecordPattern
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Literal, TypeAlias, TypeVar, dataclass_transform

import attrs


@attrs.frozen(slots=True, order=True)
class Span:
    """Characters `start` to `end` (exclusive) of a source text."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The smallest span that holds both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


class Lines:
    """Line and column of offsets in one source text; both count from 1, columns in characters."""

    __slots__ = ("_starts", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        starts = [0]
        at = source.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = source.find("\n", at + 1)
        self._starts = starts

    def position(self, offset: int) -> tuple[int, int]:
        """`(line, column)` of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def text(self, line: int) -> str:
        """A line without its end."""
        start = self._starts[line - 1]
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.source)
        return self.source[start:end].removesuffix("\r")

    def start(self, line: int) -> int:
        """The offset at which a line starts."""
        return self._starts[line - 1]

    def __len__(self) -> int:
        return len(self._starts)


T = TypeVar("T")


def _shown(self: object) -> str:
    names = (name for name in getattr(type(self), "__match_args__", ()) if name not in ("span", "source"))
    return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


@dataclass_transform(frozen_default=True, eq_default=False)
def node(cls: type[T]) -> type[T]:
    """A class of nodes: frozen, slotted, equal only to itself, shown without its span.

    One `__repr__` for all: making sixty of them would take a third of the time in which this module is imported.
    """
    made = attrs.frozen(cls, slots=True, eq=False, repr=False)
    made.__repr__ = _shown  # type: ignore[method-assign]
    return made


@node
class Name:
    """A name as written; operations are dotted (`tracker.comment`)."""

    text: str
    span: Span


# Types ---------------------------------------------------------------------------------------------------------------


@node
class TypeName:
    """`Int`, `Exit`, `List[Text]`, `Run[Exit]`, or a type parameter."""

    name: Name
    args: tuple[Type, ...]
    span: Span


@node
class FieldType:
    """`id: Int` in a record type."""

    name: Name
    type: Type
    span: Span


@node
class RecordType:
    """`{ id: Int, … }`."""

    fields: tuple[FieldType, ...]
    span: Span


@node
class CaseType:
    """`A(T, U)` or `A` in a variant type."""

    name: Name
    args: tuple[Type, ...]
    span: Span


@node
class VariantType:
    """`A(T) | B`. A single case without arguments is a `TypeName`."""

    cases: tuple[CaseType, ...]
    span: Span


@node
class FunctionType:
    """`(T, U) => R`, the type of a lambda: code without an effect, given to a call."""

    params: tuple[Type, ...]
    result: Type
    span: Span


@node
class AgentType:
    """`agent(T, U) grants (g, …) -> R`, the type of an agent value."""

    params: tuple[Type, ...]
    result: Type
    grants: tuple[Grant, ...]
    span: Span


Type: TypeAlias = TypeName | RecordType | VariantType | FunctionType | AgentType


# Patterns ------------------------------------------------------------------------------------------------------------


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


# Grants --------------------------------------------------------------------------------------------------------------


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


# Expressions ---------------------------------------------------------------------------------------------------------


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


# Statements ----------------------------------------------------------------------------------------------------------


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


# Declarations --------------------------------------------------------------------------------------------------------


@node
class Import:
    """`import "path.shep"`, relative to the file that imports."""

    path: str
    span: Span


@node
class Param:
    """`name: Type`."""

    name: Name
    type: Type
    span: Span


@node
class EffectClass:
    """`pure`, `reversible`, `irreversible`, `compensable by undo` (`undo` is None for the others)."""

    kind: Literal["pure", "reversible", "compensable", "irreversible"]
    undo: Name | None
    span: Span


@node
class EffectDecl:
    """`effect op(params) -> Result class`, perhaps followed by a text saying what it does (what a model is told).

    `cls` is None where it was left out, which is an error that the checker reports.
    """

    name: Name
    params: tuple[Param, ...]
    result: Type
    cls: EffectClass | None
    doc: TextLit | None
    span: Span


@node
class TypeDecl:
    """`type Name = Type`."""

    name: Name
    type: Type
    span: Span


@node
class AgentDecl:
    """`agent name<T>(params) -> Result grants g, … "doc" { body }`.

    Without a body the agent is performed by a model, and `doc` is its instruction. `doc` has no interpolation.
    """

    name: Name
    type_params: tuple[Name, ...]
    params: tuple[Param, ...]
    result: Type
    grants: tuple[AnyGrant, ...]
    doc: TextLit | None
    body: Block | None
    span: Span


@node
class ScriptValue:
    """A scripted answer `Ok(value)`."""

    value: Expr
    span: Span


@node
class ScriptError:
    """`error(code, text)`: the scripted answer is `Err({code, text})`."""

    code: Expr
    text: Expr
    span: Span


@node
class ScriptUnknown:
    """`unknown`: nobody knows whether it happened."""

    span: Span


ScriptAnswer: TypeAlias = ScriptValue | ScriptError | ScriptUnknown


@node
class ScriptLine:
    """`op(patterns) -> answer, answer…`: one answer a call that fits, in turn; the last one goes on for ever.

    The first line that fits a call answers it.
    """

    op: OpPattern
    answers: tuple[ScriptAnswer, ...]
    span: Span


@node
class TestDecl:
    """`test "name" with { script } { body }`; without `with` the script is empty."""

    __test__ = False  # pytest: not a test class

    name: str
    script: tuple[ScriptLine, ...]
    body: Block
    span: Span


Item: TypeAlias = Import | EffectDecl | TypeDecl | AgentDecl | TestDecl


@node
class Module:
    """A file: its items in the order of the source."""

    file: str
    source: str
    items: tuple[Item, ...]
    span: Span


Node: TypeAlias = Module | Item | Stmt | Expr | Pattern | Type | AnyGrant | Name | Block


def same(a: object, b: object) -> bool:
    """Whether two trees say the same: equal but for spans, and for a module's `file` and `source`."""
    todo = [(a, b)]
    while todo:
        x, y = todo.pop()
        if type(x) is not type(y):
            return False
        if isinstance(x, tuple) and isinstance(y, tuple):
            if len(x) != len(y):
                return False
            todo.extend(zip(x, y, strict=True))
        elif attrs.has(cls := type(x)):
            todo.extend(
                (getattr(x, field.name), getattr(y, field.name))
                for field in attrs.fields(cls)
                if field.name not in ("span", "file", "source")
            )
        elif x != y:
            return False
    return True
