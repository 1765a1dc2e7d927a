"""Local steps: the rules that need neither an event nor the world (`core.md`, "A run").

`local_step` is the rule, one step at a time. `run_locally` takes a run to the end of its local steps in one loop and
equals iterated `local_step` (law `run_locally_is_iterated_step`).
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from shepherd_dsl.core.expr import Call, Comp, Expr, If, Let, Lit, Return, Var
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.limits import TEXT_CHARS, VALUE_DEPTH, VALUE_NODES
from shepherd_dsl.core.prim import PRIMITIVES
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import Env, Running, Stack
from shepherd_dsl.core.value import Agent, Con, Value, children, error, handles_in


@attrs.frozen(slots=True, eq=False)
class Ends:
    """The run returns `value` with no frame left."""

    value: Value


@attrs.frozen(slots=True, eq=False)
class Faults:
    """The run faults with the error value `{code, text}`."""

    error: Value


@attrs.frozen(slots=True, eq=False)
class Asks:
    """The run wants `op(args)`."""

    op: str
    args: tuple[Value, ...]
    stack: Stack


LocalStop: TypeAlias = Ends | Faults | Asks


def evaluate(expr: Expr, env: Env) -> Value:
    """The value of an expression. Total up to `Fault`, which is raised."""
    if isinstance(expr, Var):
        name = expr.name
        while env is not None:
            if env[0] == name:
                return env[1]  # type: ignore[no-any-return]
            env = env[2]
        raise Fault("name", f"no variable `{name}`")
    if isinstance(expr, Lit):
        return expr.value
    primitive = PRIMITIVES.get(expr.name)
    if primitive is None:
        raise Fault("name", f"no primitive `{expr.name}`")
    return primitive.apply(*[evaluate(arg, env) for arg in expr.args])


def local_step(program: Program, code: Running) -> Running | LocalStop:
    """One local step of `running c ρ K`, or why there is none."""
    comp, env, stack = code.comp, code.env, code.stack
    steps = code.steps + 1
    try:
        if steps > program.steps:
            raise too_many(program)
        if isinstance(comp, Return):
            value = evaluate(comp.expr, env)
            if stack is None:
                check_size(value)
                return Ends(value)
            name, body, saved, rest = stack
            return Running(body, (name, value, saved), rest, steps)
        if isinstance(comp, Let):
            return Running(comp.bound, env, (comp.name, comp.body, env, stack), steps)
        if isinstance(comp, If):
            return Running(comp.then if condition(comp.cond, env) else comp.orelse, env, stack, steps)
        if isinstance(comp, Call):
            body, bound = enter(program, comp, env)
            return Running(body, bound, stack, steps)
        args = tuple([evaluate(arg, env) for arg in comp.args])
        check_args(comp.op, args)
        return Asks(comp.op, args, stack)
    except Fault as fault:
        return Faults(error(fault.code, fault.text))


def condition(expr: Expr, env: Env) -> bool:
    """The boolean an `if` looks at; anything else is the fault `type`."""
    value = evaluate(expr, env)
    if value is True or value is False:
        return value
    raise Fault("type", "the condition of an `if` is not a boolean")


def too_many(program: Program) -> Fault:
    """The fault `steps`, which says how a program that is not endless gets more."""
    return Fault(
        "steps", f"more than {program.steps} local steps between two events; `shepherd run --steps N` allows N"
    )


def enter(program: Program, call: Call, env: Env) -> tuple[Comp, Env]:
    """The body of the agent called, and its parameters bound to the arguments."""
    agent = evaluate(call.agent, env)
    if not isinstance(agent, Agent):
        raise Fault("type", "what is called is not an agent")
    found = program.defs.get(agent.name)
    if found is None:
        raise Fault("name", f"no agent `{agent.name}`")
    if len(found.params) != len(call.args):
        raise Fault("name", f"`{agent.name}` takes {len(found.params)} arguments, not {len(call.args)}")
    bound: Env = None
    for name, arg in zip(found.params, call.args, strict=True):
        bound = (name, evaluate(arg, env), bound)
    return found.body, bound


def check_size(value: Value, *, depth: int = VALUE_DEPTH) -> None:
    """Faults where a value may not enter the trace: `depth` where it nests too deep, `size` where it is too large.

    Values share their parts, so a few steps can build one whose text would not fit into any memory.
    """
    if type(value) in _FLAT:
        return
    nodes, chars = 0, 0
    level: list[Value] = [value]
    for _ in range(depth + 1):
        nodes += len(level)
        below: list[Value] = []
        for top in level:
            if type(top) is str:
                chars += len(top)
            else:
                below.extend(children(top))
                if nodes + len(below) > VALUE_NODES:
                    raise Fault("size", f"a value in a trace holds at most {VALUE_NODES} values")
        if chars > TEXT_CHARS:
            raise Fault("size", f"a value in a trace holds at most {TEXT_CHARS} characters")
        if not below:
            return
        level = below
    raise Fault("depth", f"a value in a trace nests at most {depth} deep")


_FLAT = (str, int, bool, Agent)


def check_args(op: str, args: tuple[Value, ...]) -> None:
    """Faults where arguments of an operation may not enter the trace: too deep, or handles outside `run.*`."""
    for arg in args:
        if type(arg) in _FLAT:
            continue
        check_size(arg)
        if not op.startswith("run.") and next(handles_in(arg), None) is not None:
            raise Fault("handle", f"`{op}` cannot take a run")


def run_locally(program: Program, code: Running) -> tuple[int, LocalStop]:
    """All local steps until the run ends, faults or asks; with the count of steps since the last event.

    Equal to iterating `local_step`; one loop without intermediate states, because this is where the machine spends
    its time.
    """
    comp, env, stack, steps = code.comp, code.env, code.stack, code.steps
    limit = program.steps
    defs = program.defs
    try:
        while True:
            steps += 1
            if steps > limit:
                raise too_many(program)
            kind = type(comp)
            if kind is Return:
                expr = comp.expr  # type: ignore[union-attr]
                value = expr.value if type(expr) is Lit else evaluate(expr, env)
                if stack is None:
                    check_size(value)
                    return steps, Ends(value)
                name, comp, saved, stack = stack
                env = (name, value, saved)
            elif kind is Let:
                stack = (comp.name, comp.body, env, stack)  # type: ignore[union-attr]
                comp = comp.bound  # type: ignore[union-attr]
            elif kind is If:
                value = evaluate(comp.cond, env)  # type: ignore[union-attr]
                if value is True:
                    comp = comp.then  # type: ignore[union-attr]
                elif value is False:
                    comp = comp.orelse  # type: ignore[union-attr]
                else:
                    raise Fault("type", "the condition of an `if` is not a boolean")
            elif kind is Call:
                agent = evaluate(comp.agent, env)  # type: ignore[union-attr]
                found = defs.get(agent.name) if type(agent) is Agent else None
                if found is None or len(found.params) != len(comp.args):  # type: ignore[union-attr]
                    enter(program, comp, env)  # type: ignore[arg-type]
                bound: Env = None
                for name, arg in zip(found.params, comp.args, strict=True):  # type: ignore[union-attr]
                    bound = (name, evaluate(arg, env), bound)
                env = bound
                comp = found.body  # type: ignore[union-attr]
            else:
                args = tuple([evaluate(arg, env) for arg in comp.args])  # type: ignore[union-attr]
                check_args(comp.op, args)  # type: ignore[union-attr]
                return steps, Asks(comp.op, args, stack)  # type: ignore[union-attr]
    except Fault as fault:
        return steps, Faults(error(fault.code, fault.text))


def resume(answer: Con, stack: Stack) -> Running:
    """The code of a run whose intent got `answer`: it returns the outcome into its frames."""
    return Running(Return(Lit(answer)), None, stack, 0)
