"""The textbook semantics of one run: substitution, with no environment and no stack. Written to be obvious, not fast.

run(agent, args) asks `op(args)`; `resume(term, answer)` puts the outcome in the place of the `do`.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.prim import apply
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.step import check_args, check_size
from shepherd_dsl.core.value import Agent, Con, Value, error


@attrs.frozen(slots=True, eq=False)
class Asks:
    """The term wants `op(args)`; the whole term is kept, for the answer goes into it."""

    op: str
    args: tuple[Value, ...]
    term: Comp


@attrs.frozen(slots=True, eq=False)
class Ended:
    """The term is a value, or has faulted with an error value."""

    kind: str
    value: Value


Stop: TypeAlias = Asks | Ended | None


def put_in(part: Expr | Comp, name: str, value: Value) -> Expr | Comp:
    """`part[value/name]`. Values are closed, so nothing is captured."""
    match part:
        case Var():
            return Lit(value) if part.name == name else part
        case Lit():
            return part
        case Prim():
            return Prim(part.name, tuple(put_in(arg, name, value) for arg in part.args))  # type: ignore[misc]
        case Return():
            return Return(put_in(part.expr, name, value))  # type: ignore[arg-type]
        case Let():
            body = part.body if part.name == name else put_in(part.body, name, value)
            return Let(part.name, put_in(part.bound, name, value), body)  # type: ignore[arg-type]
        case If():
            return If(*[put_in(inner, name, value) for inner in (part.cond, part.then, part.orelse)])  # type: ignore[arg-type]
        case Call():
            agent, *args = [put_in(inner, name, value) for inner in (part.agent, *part.args)]
            return Call(agent, tuple(args))  # type: ignore[arg-type]
        case Do():
            return Do(part.op, tuple(put_in(arg, name, value) for arg in part.args))  # type: ignore[misc]


def value_of(expr: Expr) -> Value:
    """The value of a closed expression. Raises Fault."""
    match expr:
        case Lit():
            return expr.value
        case Prim():
            return apply(expr.name, tuple(value_of(arg) for arg in expr.args))
        case Var():
            raise Fault("name", f"no variable `{expr.name}`")


def reduce(program: Program, term: Comp) -> Comp | Asks | Ended:
    """One reduction of a closed term, where it stands: within the `let`s around it. Raises Fault."""
    match term:
        case Return():
            return Ended("done", value_of(term.expr))
        case Let():
            inner = reduce(program, term.bound)
            if isinstance(inner, Ended):
                return put_in(term.body, term.name, inner.value)  # type: ignore[return-value]
            if isinstance(inner, Asks):
                return Asks(inner.op, inner.args, Let(term.name, inner.term, term.body))
            return Let(term.name, inner, term.body)
        case If():
            cond = value_of(term.cond)
            if cond is not True and cond is not False:
                raise Fault("type", "the condition of an `if` is not a boolean")
            return term.then if cond else term.orelse
        case Call():
            agent = value_of(term.agent)
            if not isinstance(agent, Agent):
                raise Fault("type", "what is called is not an agent")
            found = program.defs.get(agent.name)
            if found is None:
                raise Fault("name", f"no agent `{agent.name}`")
            if len(found.params) != len(term.args):
                raise Fault("name", f"`{agent.name}` takes {len(found.params)} arguments, not {len(term.args)}")
            body: Comp = found.body
            values = [value_of(arg) for arg in term.args]
            for name, value in zip(found.params, values, strict=True):
                body = put_in(body, name, value)  # type: ignore[assignment]
            return body
        case Do():
            args = tuple(value_of(arg) for arg in term.args)
            check_args(term.op, args)
            return Asks(term.op, args, term)


def resume(term: Comp, answer: Con) -> Comp:
    """The term with the outcome in the place of the `do` that asked."""
    if isinstance(term, Let):
        return Let(term.name, resume(term.bound, answer), term.body)
    assert isinstance(term, Do)
    return Return(Lit(answer))


def run(program: Program, term: Comp, fuel: int) -> Stop:
    """The next stop of a closed term; None where there is none within `fuel` reductions."""
    try:
        for _ in range(fuel):
            after = reduce(program, term)
            if isinstance(after, Ended):
                check_size(after.value)
                return after
            if isinstance(after, Asks):
                return after
            term = after
    except Fault as fault:
        return Ended("failed", error(fault.code, fault.text))
    return None


def called(agent: str, args: tuple[Value, ...]) -> Comp:
    """`agent(args…)` as a term."""
    return Call(Lit(Agent(agent)), tuple(Lit(arg) for arg in args))
