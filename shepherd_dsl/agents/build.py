"""From Python agents to a core program.

The signatures are written out in the language and go through its checker, so that grants and types mean what they mean
everywhere; an agent with only a docstring is lowered as any agent without a body is. The others get the loop of
`loop.py` as their body.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs

from shepherd_dsl.agents import loop
from shepherd_dsl.agents.agent import Agent
from shepherd_dsl.check import load_source
from shepherd_dsl.check.builtins import MACHINE_OPS
from shepherd_dsl.check.env import EffectSig
from shepherd_dsl.check.types import show
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.program import Def, Program
from shepherd_dsl.errors import UserError
from shepherd_dsl.lower import AgentInfo, lower
from shepherd_dsl.lower.core import called

_NAME = re.compile(r"[a-z][A-Za-z0-9_]*\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "$": "\\$", "\0": "\\u{0}"}


@attrs.frozen(slots=True, eq=False)
class Built:
    """Python agents and the core program they make up.

    `infos` say what a caller of each must know, `effects` are the operations that can be asked for with `do`. `source`
    is the text that declares all this in the language.
    """

    program: Program
    agents: Mapping[str, Agent[..., Any]]
    infos: Mapping[str, AgentInfo]
    effects: Mapping[str, EffectSig]
    source: str


def build(roots: Iterable[Agent[..., Any]]) -> Built:
    """The program of these agents and of all that they name. The same agents always give the same program.

    Raises UserError where two agents share a name, or a name or an annotation will not do, and ProgramError where the
    checker refuses a grant or a declaration.
    """
    return _build(tuple(reached(roots)))


def reached(roots: Iterable[Agent[..., Any]]) -> list[Agent[..., Any]]:
    """These agents and those that they name, by name."""
    found: dict[str, Agent[..., Any]] = {}
    todo = list(roots)
    while todo:
        top = todo.pop()
        known = found.get(top.name)
        if known is top:
            continue
        if known is not None:
            raise UserError(
                "python.name",
                f"two agents are called `{top.name}`: {known.reference} and {top.reference}",
                hint='Give one of them another name in the program: @agent(name="…").',
            )
        if not _NAME.match(top.name):
            raise UserError(
                "python.name",
                f"`{top.name}` cannot be the name of an agent: it begins with a small letter",
                where=top.reference,
                hint='Give it another name in the program: @agent(name="…").',
            )
        found[top.name] = top
        todo += top.mentions()
    return [found[name] for name in sorted(found)]


@lru_cache(maxsize=32)
def _build(agents: tuple[Agent[..., Any], ...]) -> Built:
    source = source_of(agents)
    loaded = load_source(source, file="<python>", root=Path())
    lowered = lower(loaded)
    effects = {name: sig for name, sig in loaded.effects.items() if name != loop.STEP}
    effects["inbox.take"] = MACHINE_OPS["inbox.take"]
    run_ops = {name: len(sig.params) for name, sig in MACHINE_OPS.items() if name.startswith("run.")}
    defs: dict[str, Def] = {}
    for one in agents:
        info = lowered.agents[one.name]
        if one.performed:
            defs.update(_reachable(info.name, lowered.program.defs))
        else:
            defs[info.name] = loop.body(info.name, [f"a{at}" for at in range(len(info.params))])
    if not all(one.performed for one in agents):
        defs.update(loop.definitions({name: len(sig.params) for name, sig in effects.items()}, run_ops))
    program = attrs.evolve(lowered.program, defs=dict(sorted(defs.items())))
    return Built(program, {one.name: one for one in agents}, lowered.agents, dict(sorted(effects.items())), source)


def _reachable(name: str, defs: Mapping[str, Def]) -> dict[str, Def]:
    found: dict[str, Def] = {}
    todo = [name]
    while todo:
        top = todo.pop()
        if top not in found:
            found[top] = defs[top]
            todo += called(defs[top].body)
    return found


def source_of(agents: Iterable[Agent[..., Any]]) -> str:
    """The declarations of these agents in the language."""
    agents = list(agents)
    texts: dict[str, None] = {}
    for one in agents:
        for declared in one.using:
            texts[declared.text.strip()] = None
    parts = [f"effect {loop.STEP}(name: Text) -> Value pure", *texts, *map(_declaration, agents)]
    return "\n\n".join(parts) + "\n"


def _declaration(one: Agent[..., Any]) -> str:
    signature = one.signature()
    labels = [label if one.performed else f"a{at}" for at, (label, _, _) in enumerate(signature.params)]
    params = ", ".join(f"{label}: {show(found)}" for label, (_, found, _) in zip(labels, signature.params, strict=True))
    grants = [f"all({grant.name})" if isinstance(grant, Agent) else grant.strip() for grant in one.grants]
    if not one.performed:
        grants.insert(0, loop.STEP)
    head = f"agent {one.name}({params}) -> {show(signature.result)}"
    if grants:
        head += "\n  grants " + ",\n    ".join(grants)
    if one.performed:
        return f'{head}\n  "{_escaped(one.doc)}"'
    return head + '\n{\n  fail "a Python function does this"\n}'


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in text)


def unlimited(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """The clauses without limits, each once, in order."""
    found: dict[Clause, None] = {}
    for clause in clauses:
        found[attrs.evolve(clause, limit=None)] = None
    return tuple(found)
