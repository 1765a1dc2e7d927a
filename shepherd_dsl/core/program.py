"""Core programs: named agents, declared operations, and the bound on local steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.format import FORMAT_VERSION as FORMAT_VERSION

DEFAULT_STEPS = 1_000_000
MOST_STEPS = 2**53 - 1
"""The most steps that a user may ask for: what every reader of JSON takes exactly."""

EffectClass = Literal["pure", "reversible", "compensable", "irreversible"]


@attrs.frozen(slots=True)
class Operation:
    """A declared operation: how its effect can be taken back (`core.md`, "Taking back").

    `undo` names the compensating operation; it is set exactly where `effect_class` is `compensable`.
    """

    effect_class: EffectClass
    undo: str | None = None


@attrs.frozen(slots=True, eq=False)
class Def:
    """One agent: its parameters, in order, and its body."""

    params: tuple[str, ...]
    body: Comp


@attrs.frozen(slots=True, eq=False)
class Program:
    """A core program. `steps` bounds the local steps between two events (`core.md`: the fault `steps`).

    Operations that the program does not declare count as `irreversible`.
    """

    defs: Mapping[str, Def]
    ops: Mapping[str, Operation]
    steps: int = DEFAULT_STEPS
