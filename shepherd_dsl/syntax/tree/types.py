"""Types as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from shepherd_dsl.syntax.tree.node import node

if TYPE_CHECKING:
    from shepherd_dsl.syntax.span import Span
    from shepherd_dsl.syntax.tree.grants import Grant
    from shepherd_dsl.syntax.tree.node import Name


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
