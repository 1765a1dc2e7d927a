"""What stands at the top of a file, and the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from shepherd_dsl.syntax.tree.expressions import Expr
from shepherd_dsl.syntax.tree.grants import AnyGrant
from shepherd_dsl.syntax.tree.node import Name, node
from shepherd_dsl.syntax.tree.patterns import Pattern
from shepherd_dsl.syntax.tree.statements import Block, Stmt
from shepherd_dsl.syntax.tree.types import Type

if TYPE_CHECKING:
    from shepherd_dsl.syntax.span import Span
    from shepherd_dsl.syntax.tree.expressions import TextLit
    from shepherd_dsl.syntax.tree.patterns import OpPattern


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
