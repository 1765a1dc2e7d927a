"""An agent without a body: the library's loop, given its instruction, its context, its tools and what they do.

An operation is a name in the program and never a value (`core.md`), so the tools become a chain of tests over the
operations that the signature grants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shepherd_dsl.check.env import AgentSig, EffectSig
from shepherd_dsl.check.grants import names
from shepherd_dsl.check.schema import object_schema, plain, schema_text
from shepherd_dsl.check.types import TEXTS, Param, Type, rec, show_clause
from shepherd_dsl.core.expr import Comp, Do, Expr, If, Lit, Prim, Return, Var
from shepherd_dsl.core.value import Value, record
from shepherd_dsl.lower.core import con_arg, is_con, lit, prim

if TYPE_CHECKING:
    from shepherd_dsl.lower.frame import Frame

MODEL = "model.chat"


def tools(sig: AgentSig, effects: Mapping[str, EffectSig]) -> tuple[EffectSig, ...]:
    """The operations a model is offered: what the signature grants, in its order, but for asking a model itself."""
    found: dict[str, EffectSig] = {}
    for clause in sig.grants:
        for name, effect in effects.items():
            if names(clause.op, name) and name != MODEL and all(plain(t) for _, t in effect.params):
                found.setdefault(name, effect)
    return tuple(found.values())


def tool_value(sig: AgentSig, effect: EffectSig) -> Value:
    """A tool as a `model.chat` request holds it."""
    clauses = [clause for clause in sig.grants if names(clause.op, effect.name)]
    about = effect.doc
    if all(clause.args or clause.limit is not None for clause in clauses):
        about = f"{about} Allowed: {', '.join(show_clause(clause) for clause in clauses)}.".strip()
    return record(name=effect.name, about=about, schema=schema_text(object_schema(effect.params)))


def lower(frame: Frame, sig: AgentSig, params: list[str], effects: Mapping[str, EffectSig],
          library: Mapping[str, AgentSig]) -> Comp:  # fmt: skip
    """The body of an agent that has none."""
    from shepherd_dsl.lower.frame import Fn

    offered = tools(sig, effects)
    pieces: list[Expr] = []
    for (name, found), param in zip(sig.params, params, strict=True):
        shown = Var(param) if found in TEXTS else prim("json_print", Var(param))
        pieces += [lit(f"{chr(10) * 2 if pieces else ''}{name}:\n"), shown]
    context: Expr = Prim("text", tuple(pieces)) if pieces else lit("Begin.")
    wanted = frame.fresh("call")

    def use(_: str) -> Comp:
        name, given = prim("field", Var(wanted), lit("name")), prim("field", Var(wanted), lit("args"))
        result: Comp = Return(prim("text", lit("error (tool): there is no tool "), name))
        for effect in reversed(offered):
            result = If(prim("eq", name, lit(effect.name)), frame.apart(lambda e=effect: one(e, given)), result)  # type: ignore[misc]
        return result

    def one(effect: EffectSig, given: Expr) -> Comp:
        reader = library["tool_args"]
        types: dict[Param, Type] = {reader.type_params[0]: rec(dict(effect.params))}
        args = frame.let(frame.call_with(reader, types, [given]), "args")

        def do() -> Comp:
            fields = tuple(prim("field", con_arg(args, 0), lit(label)) for label, _ in effect.params)
            outcome = frame.let(Do(effect.name, fields), "outcome")
            return frame.call_with(library["tool_text"], {}, [outcome])

        return If(is_con(args, "Ok", 1), frame.apart(do), Return(con_arg(args, 0)))

    function = Fn(frame.function("use", [wanted], use))
    loop = library["perform"]
    given_tools = Lit(tuple(tool_value(sig, effect) for effect in offered))
    return frame.call_with(loop, {loop.type_params[0]: sig.result}, [lit(sig.doc), context, given_tools, function])
