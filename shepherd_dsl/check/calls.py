"""Calls, lambdas, operations and spawns: what they need and what they give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from shepherd_dsl.check import codes
from shepherd_dsl.check.builtins import BUILTINS, MACHINE_OPS, RUN_OPS, SPAWN
from shepherd_dsl.check.constant import constant
from shepherd_dsl.check.declare import TypeReader, near, read_grants
from shepherd_dsl.check.env import AgentSig, Builtin, EffectSig
from shepherd_dsl.check.grants import may_ask, uncovered
from shepherd_dsl.check.infer import fits
from shepherd_dsl.check.schema import plain
from shepherd_dsl.check.types import (
    DEC,
    INT,
    NEVER,
    TEXT,
    UNIT,
    AgentOf,
    Hole,
    Param,
    RunOf,
    Type,
    an,
    contains,
    outcome,
    parts,
    resolve,
    settle,
    show,
    show_clause,
    substitute,
)
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.value import Value
from shepherd_dsl.syntax import tree
from shepherd_dsl.syntax.diagnostics import Note

if TYPE_CHECKING:
    from shepherd_dsl.check.body import Body

ORDERED = "Ordered"
NUMBER = "Number"
"""A type parameter of this name stands only for types that can be compared, or only for numbers."""


ASKING = frozenset(f"std.{name}" for name in ("ask", "ask_as", "answered", "read_answer", "perform", "tool_args"))
"""Agents of the library whose type parameters are read from JSON."""


def check_asked(body: Body) -> None:
    """Report what a model is asked for and cannot give, once the types of a body are decided."""
    for span, *types in body.asked:
        for found in types:
            wanted = settle(found, default=TEXT)
            if not plain(wanted) and wanted != NEVER and not contains(wanted, Param):
                body.env.report(codes.NOT_PLAIN, span, f"a model cannot give {an(wanted)}",
                                hint="ask for values that can be written as JSON")  # fmt: skip


def builtin_names() -> Iterable[str]:
    """The primitives a program can call."""
    return BUILTINS


def read_type(body: Body, written: tree.Type) -> Type:
    """A type written inside a body; type parameters are those of the agent."""
    reader = TypeReader(body.env, {})
    reader.grants_of = lambda grants: read_grants(body.env, grants)
    return reader.read(written, body.type_params)


def instantiate(params: Sequence[Param]) -> dict[Param, Type]:
    """A new hole for each type parameter."""
    return {param: Hole() for param in params}


# Calls ---------------------------------------------------------------------------------------------------------------


def call(body: Body, expr: tree.Call, wanted: Type | None) -> Type:
    """The type of a call."""
    callee = expr.callee
    if isinstance(callee, tree.Var) and body.lookup(callee.name) is None:
        sig = body.env.agents.get(callee.name)
        if sig is not None:
            body.tables.refs[callee] = sig
            return _call_agent(body, expr, sig, wanted)
        builtin = BUILTINS.get(callee.name)
        if builtin is not None:
            body.tables.refs[callee] = builtin
            return _call_builtin(body, expr, builtin, wanted)
        body.unknown(callee.name, callee.span)
        for arg in expr.args:
            if not isinstance(arg, tree.Lambda):
                body.infer(arg)
        return NEVER
    found = body.known(callee, "only then can it be called")
    if not isinstance(found, AgentOf):
        if found != NEVER:
            body.env.report(codes.NOT_CALLABLE, callee.span, f"{an(found)} cannot be called",
                            expected="an agent, a primitive or a function")  # fmt: skip
        return NEVER
    require(body, found.grants, expr.span, "this call")
    arguments(body, expr.span, "it", expr.args, found.params)
    return found.result


def _call_agent(body: Body, expr: tree.Call, sig: AgentSig, wanted: Type | None) -> Type:
    holes = instantiate(sig.type_params)
    result = substitute(sig.result, holes)
    if wanted is not None and not isinstance(resolve(result), Hole):
        fits(result, wanted)
    arguments(body, expr.span, f"`{sig.decl.name.text}`", expr.args, [substitute(t, holes) for _, t in sig.params])
    body.tables.insts[expr] = tuple(holes.values())
    if sig.name in ASKING:
        body.asked.append((expr.span, *holes.values()))
    _kinds(body, expr.span, holes)
    require(body, sig.grants, expr.callee.span, f"`{sig.decl.name.text}`", sig)
    return result


def _call_builtin(body: Body, expr: tree.Call, builtin: Builtin, wanted: Type | None) -> Type:
    holes = instantiate(builtin.type_params)
    result = substitute(builtin.result, holes)
    if wanted is not None and not isinstance(resolve(result), Hole):
        fits(result, wanted)
    arguments(body, expr.span, f"`{builtin.name}`", expr.args, [substitute(t, holes) for t in builtin.params])
    body.tables.insts[expr] = tuple(holes.values())
    if builtin.prim is None:
        body.asked.append((expr.span, *holes.values()))
    return result


def _kinds(body: Body, span: tree.Span, holes: dict[Param, Type]) -> None:
    for param, hole in holes.items():
        found = resolve(hole)
        if isinstance(found, Hole) or found == NEVER:
            continue
        if param.name == ORDERED and not ordered(found):
            body.env.report(codes.OPERATOR, span, f"values of type `{show(found)}` have no order",
                            expected="Int, Dec or Text")  # fmt: skip
        if param.name == NUMBER and not number(found):
            body.env.report(codes.OPERATOR, span, f"`{show(found)}` is not a number", expected="Int or Dec")


def ordered(found: Type) -> bool:
    """Whether values of this type can be compared."""
    return number(found) or fits(found, TEXT) or (isinstance(found, Param) and found.name == ORDERED)


def number(found: Type) -> bool:
    """Whether values of this type can be added."""
    return found in (INT, DEC) or (isinstance(found, Param) and found.name == NUMBER)


def arguments(body: Body, span: tree.Span, what: str, args: Sequence[tree.Expr], params: Sequence[Type]) -> None:
    """Check arguments against parameters: lambdas last, since the others say what they are about."""
    if len(args) != len(params):
        body.arity(span, what, len(args), len(params))
        for arg in args:
            if not isinstance(arg, tree.Lambda):
                body.infer(arg)
        return
    for arg, wanted in zip(args, params, strict=True):
        if not isinstance(arg, tree.Lambda):
            body.check(arg, wanted)
    for arg, wanted in zip(args, params, strict=True):
        if isinstance(arg, tree.Lambda):
            _lambda(body, arg, wanted)


def _lambda(body: Body, expr: tree.Lambda, wanted: Type) -> None:
    target = resolve(wanted)
    if not isinstance(target, AgentOf):
        body.env.report(codes.LAMBDA_PLACE, expr.span, "a lambda stands where no function is wanted",
                        expected=f"a value of type {show(wanted)}")  # fmt: skip
        return
    body.tables.types[expr] = target
    if len(expr.params) != len(target.params):
        body.arity(expr.span, "this lambda", len(expr.params), len(target.params))
        return
    with body.scope(), body.inside(exits=False):
        for name, found in zip(expr.params, target.params, strict=True):
            body.bind(name.text, found, name.span, name)
        if resolve(target.result) == UNIT:
            body.infer(expr.body)
        else:
            body.check(expr.body, target.result)


# Operations ----------------------------------------------------------------------------------------------------------


def effect(body: Body, name: tree.Name) -> EffectSig | None:
    """The operation of that name, None (and reported) where there is none."""
    sig = body.env.effects.get(name.text) or MACHINE_OPS.get(name.text)
    if sig is None:
        close = near(name.text, [*body.env.effects, *MACHINE_OPS])
        hint = f"did you mean `{close}`?" if close else f"declare it: effect {name.text}(…) -> … irreversible"
        if name.text in body.env.agents:
            hint = f"`{name.text}` is an agent: call it without `do`"
        body.env.report(codes.NO_OP, name.span, f"no operation is called `{name.text}`", hint=hint)
    return sig


def do(body: Body, expr: tree.Do) -> Type:
    """The type of `do` or `try do`."""
    sig = effect(body, expr.op)
    if sig is not None and sig.name == SPAWN:
        body.env.report(codes.NO_OP, expr.op.span, "a run is not made with `do`", hint="write `spawn agent(…)`")
        sig = None
    with body.inside(exits=False):
        if sig is None:
            for arg in expr.args:
                body.infer(arg)
            return NEVER
        body.tables.effects[expr] = sig
        holes = instantiate(sig.type_params)
        arguments(body, expr.span, f"`{sig.name}`", expr.args, [substitute(t, holes) for _, t in sig.params])
    known: list[Value | None] = [constant(arg) for arg in expr.args]
    require_op(body, sig.name, expr.span if any(v is not None for v in known) else expr.op.span, known)
    result = substitute(sig.result, holes)
    return outcome(result) if expr.trying else result


def require_op(body: Body, op: str, span: tree.Span, args: Sequence[Value | None] = ()) -> None:
    """Report an operation that the signature can be proved not to allow."""
    if may_ask(body.held, op, args):
        return
    named = [clause for clause in body.held if may_ask([Clause(clause.op)], op, ())]
    if named:
        clauses = ", ".join(show_clause(clause) for clause in named)
        body.env.report(codes.NOT_GRANTED, span, f"the grant of `{op}` does not allow these arguments",
                        expected=f"what {clauses} allows")  # fmt: skip
    else:
        grant = "run" if op in RUN_OPS else op
        body.env.report(codes.NOT_GRANTED, span, f"`{op}` is not granted",
                        hint=f"add `{grant}` to the grants of the signature")  # fmt: skip


def require(body: Body, grants: Sequence[Clause], span: tree.Span, what: str, sig: AgentSig | None = None) -> None:
    """Report what a callee is granted and the signature here can be proved not to allow."""
    missing = uncovered(body.held, grants)
    if missing:
        shown = ", ".join(f"`{show_clause(clause)}`" for clause in missing)
        name = sig.decl.name.text if sig is not None else ""
        body.env.report(
            codes.NOT_COVERED,
            span,
            f"{what} may ask for {shown}, which is not granted here",
            hint=f"add `all({name})` to the grants of the signature"
            if name
            else "add it to the grants of the signature",
            notes=[Note("its signature", sig.decl.name.span, sig.env.module.file)] if sig is not None else [],
        )


# Spawn ---------------------------------------------------------------------------------------------------------------


def _holds_run(found: Type) -> bool:
    """Whether a value of this type may hold a run. An agent value holds none, whatever the agent takes and gives."""
    top = resolve(found)
    return isinstance(top, RunOf) or (not isinstance(top, AgentOf) and any(_holds_run(inner) for inner in parts(top)))


def spawn(body: Body, expr: tree.Spawn) -> Type:
    """The type of `spawn agent(args) grants (…)`."""
    require_op(body, "run.spawn", expr.span)
    local = body.lookup(expr.agent.text)
    sig = body.env.agents.get(expr.agent.text)
    for arg in expr.args:
        if isinstance(arg, tree.Lambda):
            body.env.report(codes.LAMBDA_PLACE, arg.span, "a run cannot be started with a lambda",
                            hint="declare an agent that makes the call")  # fmt: skip
            return NEVER
    if local is not None:
        found = resolve(local.type)
        if not isinstance(found, AgentOf):
            body.env.report(codes.NOT_CALLABLE, expr.agent.span, f"{an(found)} cannot be spawned",
                            expected="an agent")  # fmt: skip
            return NEVER
        body.tables.refs[expr.agent] = local
        grants, result, params = found.grants, found.result, found.params
        require(body, grants, expr.agent.span, f"`{expr.agent.text}`")
    elif sig is not None:
        body.tables.refs[expr.agent] = sig
        holes = instantiate(sig.type_params)
        params = tuple(substitute(t, holes) for _, t in sig.params)
        grants, result = sig.grants, substitute(sig.result, holes)
        body.tables.insts[expr] = tuple(holes.values())
        if expr.grants is None:
            require(body, grants, expr.agent.span, f"`{expr.agent.text}`", sig)
    else:
        body.unknown(expr.agent.text, expr.agent.span)
        for arg in expr.args:
            body.infer(arg)
        return NEVER
    arguments(body, expr.span, f"`{expr.agent.text}`", expr.args, params)
    if _holds_run(result):
        name = expr.agent.text
        body.env.report(codes.RUN_LOST, expr.span, f"`{name}` would give {an(result)}, which ends with its maker",
                        hint=f"`{name}(…)` without `spawn` makes it here")  # fmt: skip
    request = grants if expr.grants is None else read_grants(body.env, expr.grants)
    if expr.grants is not None:
        require(body, request, expr.span, "the narrowed grant")
        excess = uncovered(grants, request)
        if excess:
            shown = ", ".join(f"`{show_clause(clause)}`" for clause in excess)
            message = f"`{expr.agent.text}` is not granted {shown} by its signature"
            body.env.report(codes.NOT_COVERED, expr.span, message, hint="grants after `spawn` only narrow")
    body.tables.requests[expr] = request
    return RunOf(result)
