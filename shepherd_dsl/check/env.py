"""What names mean: signatures of operations and agents, the names a module sees, and what checking found out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from shepherd_dsl.check.types import AgentOf, Param, Type
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.program import EffectClass
from shepherd_dsl.syntax import tree
from shepherd_dsl.syntax.diagnostics import Diagnostic, Note

Params: TypeAlias = tuple[tuple[str, Type], ...]


@attrs.frozen(slots=True, eq=False)
class EffectSig:
    """A declared operation. `undo` is set exactly where `effect_class` is `compensable`."""

    name: str
    params: Params
    result: Type
    effect_class: EffectClass
    undo: str | None = None
    doc: str = ""
    type_params: tuple[Param, ...] = ()
    file: str = ""
    decl: tree.EffectDecl | None = None


@attrs.frozen(slots=True, eq=False)
class AgentSig:
    """An agent's signature. `name` is the core's name for it; `grants` leaves out what is always granted."""

    name: str
    params: Params
    result: Type
    grants: tuple[Clause, ...]
    type_params: tuple[Param, ...]
    doc: str
    decl: tree.AgentDecl
    env: ModuleEnv

    def value_type(self) -> AgentOf:
        """The type of the agent as a value."""
        return AgentOf(tuple(t for _, t in self.params), self.result, self.grants)


@attrs.frozen(slots=True, eq=False)
class Builtin:
    """A primitive that programs may call by name; `prim` is the core's name, or `None` where lowering knows better."""

    name: str
    type_params: tuple[Param, ...]
    params: tuple[Type, ...]
    result: Type
    prim: str | None


@attrs.frozen(slots=True, eq=False)
class Local:
    """A variable in a body."""

    name: str
    type: Type
    span: tree.Span


Ref: TypeAlias = Local | AgentSig | Builtin


@attrs.define(slots=True, eq=False)
class Tables:
    """What checking found out about the nodes of the trees, for lowering.

    `refs`: what a `Var`, or the name after `spawn`, means. `types`: types of expressions and of what patterns take
    apart. `insts`: type arguments of a call or spawn of something generic. `effects`: the operation that a `do`, an
    operation pattern or a script line names. `unused`: expressions whose value nothing takes. `reads`: the agents that
    one agent or test names, in order.
    """

    refs: dict[object, Ref] = attrs.field(factory=dict)
    types: dict[object, Type] = attrs.field(factory=dict)
    insts: dict[object, tuple[Type, ...]] = attrs.field(factory=dict)
    effects: dict[object, EffectSig] = attrs.field(factory=dict)
    requests: dict[object, tuple[Clause, ...]] = attrs.field(factory=dict)
    unused: set[object] = attrs.field(factory=set)


@attrs.define(slots=True, eq=False)
class ModuleEnv:
    """The names that one file sees: its own, those of the files it imports, and the standard library's."""

    module: tree.Module
    diagnostics: list[Diagnostic]
    types: dict[str, Type] = attrs.field(factory=dict)
    effects: dict[str, EffectSig] = attrs.field(factory=dict)
    agents: dict[str, AgentSig] = attrs.field(factory=dict)

    def report(
        self,
        code: str,
        span: tree.Span,
        message: str,
        *,
        expected: str = "",
        hint: str = "",
        notes: Sequence[Note] = (),
    ) -> None:
        """Add a diagnostic about this file."""
        self.diagnostics.append(
            Diagnostic(code, span, self.module.file, message, expected=expected, hint=hint, notes=tuple(notes))
        )
