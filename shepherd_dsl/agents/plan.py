"""From a planned run to a task.

A run whose arguments hold no run is a root run by itself. Otherwise the root is an agent made for it, `main`: it spawns
the runs in the order of the arguments, hands them over, awaits the last one and merges its files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from shepherd_dsl.agents import loop
from shepherd_dsl.agents.agent import Agent
from shepherd_dsl.agents.build import Built, build, unlimited
from shepherd_dsl.agents.convert import to_value
from shepherd_dsl.agents.reference import info_of
from shepherd_dsl.agents.run import Planned, Run
from shepherd_dsl.check.grants import INBOX, RUN_FAMILY
from shepherd_dsl.check.types import Type
from shepherd_dsl.core.expr import Comp, Do, Expr, Lit, Prim, Var
from shepherd_dsl.core.grant import Clause, Request, request_value
from shepherd_dsl.core.value import Agent as AgentValue
from shepherd_dsl.core.value import Con, Handle, Record, Value, handles_in
from shepherd_dsl.errors import UserError
from shepherd_dsl.lower import runtime
from shepherd_dsl.lower.core import call, lit, prim
from shepherd_dsl.runtime.trees import Task


@attrs.frozen(slots=True, eq=False)
class Plan:
    """A task, the agents in it, and the type of what it ends with."""

    task: Task
    built: Built
    result: Type
    hint: object


def plan(run: Run[Any], workspace: Path) -> Plan:
    """What starting `run` means. Raises UserError for an argument that does not fit, ProgramError for a grant."""
    order = _in_order(run)
    built = build(_planned(one).agent for one in order)
    last = _planned(run)
    signature = last.agent.signature()
    names = {"agent": last.agent.name, "source": last.agent.file, **info_of(built, workspace)}
    if len(order) == 1:
        info = built.infos[last.agent.name]
        task = Task(
            program=built.program,
            agent=info.name,
            args=tuple(_arguments(last, {})),
            request=info.request,
            info=names,
        )
        return Plan(task, built, signature.result, signature.hint)
    return Plan(_main(order, built, names), built, signature.result, signature.hint)


def _planned(run: Run[Any]) -> Planned:
    state = run._state
    if not isinstance(state, Planned):
        raise UserError("python.run", "a run that an agent holds cannot be started outside of it")
    return state


def _in_order(run: Run[Any]) -> list[Run[Any]]:
    """The run and those inside its arguments, each before the one it is handed to."""
    found: list[Run[Any]] = []

    def visit(one: Run[Any]) -> None:
        if any(one is other for other in found):
            return
        _arguments(_planned(one), None, visit)
        found.append(one)

    visit(run)
    return found


def _arguments(planned: Planned, numbers: dict[int, int] | None, visit: Any = None) -> list[Value]:
    """The arguments as values; a run is a handle with its number, or 0 where it is only visited."""

    def hold(run: Run[Any]) -> Handle:
        if numbers is None:
            visit(run)
            return Handle(0)
        return Handle(numbers[id(run)])

    name = planned.agent.name
    pairs = zip(planned.args, planned.agent.signature().params, strict=True)
    return [to_value(given, found, f"`{name}({label})`", hold) for given, (label, found, _) in pairs]


def _main(order: list[Run[Any]], built: Built, names: dict[str, str]) -> Task:
    numbers = {id(one): at for at, one in enumerate(order)}
    args: list[Value] = []
    bindings: list[tuple[str, Comp]] = []
    for at, one in enumerate(order):
        planned = _planned(one)
        info = built.infos[planned.agent.name]
        given = prim("list", *[_expr(value, args) for value in _arguments(planned, numbers)])
        spawn = Do("run.spawn", (Lit(AgentValue(info.name)), given, lit(request_value(info.request))))
        bindings += [("outcome", spawn), (f"run{at}", call(runtime.UNWRAP, Var("outcome"), lit("run.spawn")))]
    name = "main"
    while name in built.program.defs:
        name += "_"
    main = loop.main(bindings, Var(f"run{len(order) - 1}"), [f"a{at}" for at in range(len(args))])
    defs = {**built.program.defs, name: main, **loop.reached([main])}
    program = attrs.evolve(built.program, defs=dict(sorted(defs.items())))
    return Task(program=program, agent=name, args=tuple(args), request=_request(order, built), info=names)


def _request(order: list[Run[Any]], built: Built) -> Request:
    """All that the runs may ask for. Limits stay theirs: here, several runs would share them."""
    agents: list[Agent[..., Any]] = [_planned(one).agent for one in order]
    asked = [clause for one in agents for clause in built.infos[one.name].request]
    return unlimited([Clause(RUN_FAMILY), INBOX, *asked])


def _expr(value: Value, args: list[Value]) -> Expr:
    """The expression of an argument: what holds no run becomes an argument of `main` itself."""
    if next(handles_in(value), None) is None:
        args.append(value)
        return Var(f"a{len(args) - 1}")
    match value:
        case Handle(index):
            return Var(f"run{index}")
        case tuple():
            return prim("list", *[_expr(inner, args) for inner in value])
        case Record(fields):
            parts = [part for label, inner in fields for part in (lit(label), _expr(inner, args))]
            return Prim("record", tuple(parts))
        case Con(name, inners):
            return prim("con", lit(name), *[_expr(inner, args) for inner in inners])
    raise AssertionError("a run is in one of these")
