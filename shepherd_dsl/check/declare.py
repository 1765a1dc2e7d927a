"""Declarations: from the items of a file to the names it sees.

Three passes, because items may stand in any order: types, then operations and signatures, then grants (which may name
agents by `all`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs

from shepherd_dsl.check import codes
from shepherd_dsl.check.builtins import BUILTIN_TYPES, MACHINE_OPS, RUN_OPS
from shepherd_dsl.check.constant import constant
from shepherd_dsl.check.env import AgentSig, EffectSig, ModuleEnv
from shepherd_dsl.check.grants import RUN_FAMILY, names, united
from shepherd_dsl.check.schema import plain
from shepherd_dsl.check.types import (
    BASICS,
    COMMAND,
    NEVER,
    PATH,
    TEXT,
    TEXTS,
    AgentOf,
    ListOf,
    Param,
    RunOf,
    Type,
    an,
    contains,
    option,
    rec,
    show,
    variant,
)
from shepherd_dsl.core.grant import Clause, Pattern
from shepherd_dsl.syntax import tree
from shepherd_dsl.syntax.diagnostics import Note

MODEL_CHAT = Clause("model.chat")
"""An agent without a body is performed by a model, so it always holds this."""


def declare(env: ModuleEnv, *, prefix: str, taken: set[str]) -> None:
    """Add the module's own declarations to `env`; what the file imports and the library are there already.

    `prefix` goes before the core names of the module's agents (the library's is `std.`); `taken` are the core names in
    use in the whole program and grows.
    """
    types = _types(env)
    effects = _effects(env, types)
    pending = [_signature(env, types, decl, _core_name(prefix, decl.name.text, taken)) for decl in _agents(env)]
    env.effects.update(effects)
    _check_undo(env, effects)
    _grants(env, pending)


def _agents(env: ModuleEnv) -> list[tree.AgentDecl]:
    found: dict[str, tree.AgentDecl] = {}
    for item in env.module.items:
        if isinstance(item, tree.AgentDecl):
            if item.name.text in found:
                _twice(env, "agent", item.name, found[item.name.text].name)
            else:
                found[item.name.text] = item
    return list(found.values())


def _core_name(prefix: str, name: str, taken: set[str]) -> str:
    wanted = prefix + name
    number = 2
    while wanted in taken:
        wanted = f"{prefix}{name}'{number}"
        number += 1
    taken.add(wanted)
    return wanted


def _twice(env: ModuleEnv, what: str, again: tree.Name, first: tree.Name) -> None:
    env.report(
        codes.TWICE,
        again.span,
        f"the {what} `{again.text}` is declared twice",
        hint="give one of them another name",
        notes=[Note("declared here first", first.span)],
    )


# Types ---------------------------------------------------------------------------------------------------------------


def _types(env: ModuleEnv) -> TypeReader:
    own: dict[str, tree.TypeDecl] = {}
    for item in env.module.items:
        if isinstance(item, tree.TypeDecl):
            name = item.name.text
            if name in BASICS or name in BUILTIN_TYPES or name in ("List", "Option", "Run"):
                env.report(codes.TWICE, item.name.span, f"`{name}` is a built-in type", hint="choose another name")
            elif name in own:
                _twice(env, "type", item.name, own[name].name)
            else:
                own[name] = item
    reader = TypeReader(env, own)
    for name in own:
        reader.declared(name)
    return reader


@attrs.define(slots=True, eq=False)
class TypeReader:
    """Reads written types. `params` are the type parameters in scope."""

    env: ModuleEnv
    own: dict[str, tree.TypeDecl]
    open: list[str] = attrs.field(factory=list)
    done: dict[str, Type] = attrs.field(factory=dict)
    grants_of: Callable[[Sequence[tree.AnyGrant]], tuple[Clause, ...]] = lambda _: ()

    def declared(self, name: str) -> Type:
        """The type that a declaration of this module abbreviates."""
        if name not in self.done:
            decl = self.own[name]
            if name in self.open:
                circle = [*self.open[self.open.index(name) :], name]
                self.env.report(
                    codes.TYPE_CYCLE,
                    decl.name.span,
                    f"the type `{name}` refers to itself",
                    hint="types are finite: keep the inner part as a list with indices, or as text",
                    notes=[Note(" -> ".join(circle))] if len(circle) > 2 else [],
                )
                self.done[name] = NEVER
                return self.done[name]
            self.open.append(name)
            found = self.read(decl.type, {})
            self.open.pop()
            self.done.setdefault(name, found)
            self.env.types[name] = self.done[name]
        return self.done[name]

    def read(self, written: tree.Type, params: dict[str, Param]) -> Type:
        """The type that is written; a part that has no meaning is reported and stands for anything (`Never`)."""
        match written:
            case tree.TypeName(name, args, span):
                return self._named(name, tuple(self.read(arg, params) for arg in args), span, params)
            case tree.RecordType(fields, _):
                self._unique("field", [field.name for field in fields])
                return rec({field.name.text: self.read(field.type, params) for field in fields})
            case tree.VariantType(cases, _):
                self._unique("case", [case.name for case in cases])
                return variant({case.name.text: tuple(self.read(arg, params) for arg in case.args) for case in cases})
            case tree.FunctionType(inputs, result, _):
                return AgentOf(tuple(self.read(p, params) for p in inputs), self.read(result, params))
            case tree.AgentType(inputs, result, grants, _):
                return AgentOf(
                    tuple(self.read(p, params) for p in inputs), self.read(result, params), self.grants_of(grants)
                )

    def _unique(self, what: str, found: Sequence[tree.Name]) -> None:
        seen: dict[str, tree.Name] = {}
        for name in found:
            if name.text in seen:
                _twice(self.env, what, name, seen[name.text])
            seen.setdefault(name.text, name)

    def _named(self, name: tree.Name, args: tuple[Type, ...], span: tree.Span, params: dict[str, Param]) -> Type:
        text = name.text
        wanted = {"List": 1, "Option": 1, "Run": 1}.get(text, 0)
        known = (
            wanted or text in params or text in BASICS or text in BUILTIN_TYPES or text in self.own
            or text in self.env.types
        )  # fmt: skip
        if not known:
            if args:
                return variant({text: args})
            close = near(text, [*BASICS, *BUILTIN_TYPES, *self.own, *self.env.types, *params, "List", "Option", "Run"])
            self.env.report(
                codes.NO_TYPE,
                name.span,
                f"no type is called `{text}`",
                hint=f"did you mean `{close}`?" if close else f"declare it: type {text} = …",
            )
            return NEVER
        if len(args) != wanted:
            self.env.report(
                codes.TYPE_ARGS,
                span,
                f"`{text}` is given {len(args)} type{'s' if len(args) != 1 else ''}",
                expected=f"{text}[T]" if wanted else text,
            )
            return NEVER
        if wanted:
            if text == "Option":
                return option(args[0])
            return ListOf(args[0]) if text == "List" else RunOf(args[0])
        if text in params:
            return params[text]
        if text in self.own:
            return self.declared(text)
        return BASICS.get(text) or BUILTIN_TYPES.get(text) or self.env.types[text]


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, if any is."""
    import difflib

    found = difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=0.7)
    return found[0] if found else None


# Operations ----------------------------------------------------------------------------------------------------------


def _effects(env: ModuleEnv, types: TypeReader) -> dict[str, EffectSig]:
    own: dict[str, EffectSig] = {}
    for item in env.module.items:
        if not isinstance(item, tree.EffectDecl):
            continue
        name = item.name.text
        types._unique("parameter", [p.name for p in item.params])
        params = tuple((p.name.text, types.read(p.type, {})) for p in item.params)
        result = types.read(item.result, {})
        for (_, found), written in zip(params, item.params, strict=True):
            if contains(found, (RunOf, AgentOf)):
                env.report(
                    codes.EFFECT_PARAM,
                    written.type.span,
                    f"an operation cannot take `{show(found)}`",
                    hint="the world gets values; give it what it needs of the run as text or a record",
                )
        if contains(result, (RunOf, AgentOf)):
            env.report(
                codes.EFFECT_PARAM,
                item.result.span,
                f"an operation cannot answer with `{show(result)}`",
                hint="answers of the world hold no runs and no agents",
            )
        if name.startswith(("run.", "inbox.")) or name in MACHINE_OPS:
            env.report(
                codes.EFFECT_NAME, item.name.span, f"`{name}` belongs to the machine", hint="choose another family"
            )
            continue
        if item.cls is None:
            env.report(
                codes.NO_CLASS,
                item.span,
                f"the effect `{name}` does not say how it can be taken back",
                expected="`pure`, `reversible`, `compensable by op` or `irreversible` after the result type",
                hint="if in doubt: irreversible",
            )
        if name in own:
            first = own[name].decl
            assert first is not None
            _twice(env, "effect", item.name, first.name)
            continue
        sig = EffectSig(
            name,
            params,
            result,
            item.cls.kind if item.cls is not None else "irreversible",
            item.cls.undo.text if item.cls is not None and item.cls.undo is not None else None,
            (item.doc.plain or "").strip() if item.doc is not None else "",
            file=env.module.file,
            decl=item,
        )
        known = env.effects.get(name)
        if known is not None and not _same(known, sig):
            env.report(
                codes.TWICE,
                item.name.span,
                f"the effect `{name}` is declared otherwise in {known.file}",
                hint="an operation has one meaning in a program; declare it as there, or choose another name",
                notes=[Note("declared here", known.decl.name.span, known.file)] if known.decl else [],
            )
        own[name] = sig
    return own


def _same(one: EffectSig, other: EffectSig) -> bool:
    return (
        [t for _, t in one.params] == [t for _, t in other.params]
        and one.result == other.result
        and one.effect_class == other.effect_class
        and one.undo == other.undo
    )


def _check_undo(env: ModuleEnv, own: dict[str, EffectSig]) -> None:
    from shepherd_dsl.check.infer import fits

    for sig in own.values():
        if sig.undo is None or sig.decl is None or sig.decl.cls is None or sig.decl.cls.undo is None:
            continue
        span = sig.decl.cls.undo.span
        undo = env.effects.get(sig.undo)
        if undo is None:
            near_name = near(sig.undo, env.effects)
            env.report(
                codes.BAD_UNDO,
                span,
                f"no effect is called `{sig.undo}`",
                hint=f"did you mean `{near_name}`?"
                if near_name
                else f"declare it: effect {sig.undo}(…) -> … irreversible",
            )
        elif len(undo.params) != 1 or not fits(sig.result, undo.params[0][1]):
            taken = ", ".join(show(t) for _, t in undo.params)
            env.report(
                codes.BAD_UNDO,
                span,
                f"`{sig.undo}({taken})` cannot take back `{sig.name}`, whose answer is `{show(sig.result)}`",
                expected=f"an operation with one parameter, of type {show(sig.result)}",
            )


# Agents --------------------------------------------------------------------------------------------------------------


def _signature(env: ModuleEnv, types: TypeReader, decl: tree.AgentDecl, core_name: str) -> AgentSig:
    types._unique("parameter", [p.name for p in decl.params])
    types._unique("type parameter", list(decl.type_params))
    type_params = {name.text: Param(name.text, core_name) for name in decl.type_params}
    types.grants_of = lambda grants: read_grants(env, grants)
    params = tuple((p.name.text, types.read(p.type, type_params)) for p in decl.params)
    result = types.read(decl.result, type_params)
    doc = (decl.doc.plain or "").strip() if decl.doc is not None else ""
    if decl.body is None:
        _check_performed(env, decl, params, result, doc)
    return AgentSig(core_name, params, result, (), tuple(type_params.values()), doc, decl, env)


def _check_performed(
    env: ModuleEnv, decl: tree.AgentDecl, params: Sequence[tuple[str, Type]], result: Type, doc: str
) -> None:
    if not doc:
        env.report(
            codes.PERFORMED,
            decl.name.span,
            f"`{decl.name.text}` has neither a body nor an instruction",
            expected='a body in braces, or a text in """…""" that tells a model what to do',
        )
    for (_, found), written in zip(params, decl.params, strict=True):
        if not plain(found):
            env.report(
                codes.PERFORMED,
                written.type.span,
                f"a model cannot be given {an(found)}",
                hint="an agent without a body takes values that can be written as JSON",
            )
    if not plain(result):
        env.report(
            codes.PERFORMED,
            decl.result.span,
            f"a model cannot answer with {an(result)}",
            hint="an agent without a body gives a value that can be written as JSON",
        )


def _grants(env: ModuleEnv, pending: Sequence[AgentSig]) -> None:
    """Fill in the grants of the module's agents; `all(a)` may name an agent of the same module, in any order."""
    own = {sig.decl.name.text: sig for sig in pending}
    done: dict[str, tuple[Clause, ...]] = {}
    busy: list[str] = []

    def of(name: str, span: tree.Span) -> tuple[Clause, ...] | None:
        if name in done:
            return done[name]
        if name in own:
            if name in busy:
                env.report(codes.ALL, span, f"the grants of `{name}` are asked for while they are being read",
                           hint="two agents cannot each have all the other's grants")  # fmt: skip
                return ()
            busy.append(name)
            decl = own[name].decl
            clauses = read_grants(env, decl.grants, of)
            done[name] = united(clauses, () if decl.body is not None else (MODEL_CHAT,))
            busy.pop()
            return done[name]
        sig = env.agents.get(name)
        return None if sig is None else sig.grants

    for name, sig in own.items():
        clauses = of(name, sig.decl.span) or ()
        env.agents[name] = attrs.evolve(sig, grants=clauses)


Lookup = Callable[[str, tree.Span], "tuple[Clause, ...] | None"]


def read_grants(env: ModuleEnv, grants: Sequence[tree.AnyGrant], lookup: Lookup | None = None) -> tuple[Clause, ...]:
    """The clauses that a list of written grants stands for, each once, in order."""
    found: list[Clause] = []
    for grant in grants:
        if isinstance(grant, tree.AllGrant):
            name = grant.agent.text
            if lookup is not None:
                clauses = lookup(name, grant.agent.span)
            else:
                sig = env.agents.get(name)
                clauses = None if sig is None else sig.grants
            if clauses is None:
                close = near(name, env.agents)
                env.report(codes.ALL, grant.agent.span, f"no agent is called `{name}`",
                           hint=f"did you mean `{close}`?" if close else "")  # fmt: skip
            else:
                found.extend(clauses)
        else:
            clause = _clause(env, grant)
            if clause is not None:
                found.append(clause)
    return united(found)


def _clause(env: ModuleEnv, grant: tree.Grant) -> Clause | None:
    op = grant.op.text
    ops = [*env.effects, *RUN_OPS, "inbox.take"]
    if op == "run":
        op = RUN_FAMILY
    elif op not in ops and not op.endswith(".*") and any(known.startswith(op + ".") for known in ops):
        op += ".*"
    if op not in ops and not any(names(op, known) for known in ops):
        close = near(op, ops)
        env.report(
            codes.NO_OP,
            grant.op.span,
            f"no operation is called `{grant.op.text}`",
            hint=f"did you mean `{close}`?" if close else f"declare it: effect {grant.op.text}(…) -> … irreversible",
        )
        return None
    sig = env.effects.get(op)
    if grant.args is None:
        return Clause(op, (), grant.limit)
    if sig is None:
        env.report(
            codes.GRANT_PATTERN,
            grant.span,
            f"`{grant.op.text}` takes no argument patterns",
            hint="patterns go with one operation of a handler; `at most N` goes with any",
        )
        return Clause(op, (), grant.limit)
    if len(grant.args) > len(sig.params):
        env.report(
            codes.GRANT_PATTERN,
            grant.span,
            f"`{op}` has {len(sig.params)} parameter{'s' if len(sig.params) != 1 else ''}, not {len(grant.args)}",
            hint="fewer patterns than parameters leave the rest free",
        )
    patterns = []
    for written, (label, wanted) in zip(grant.args, sig.params, strict=False):
        pattern = argument_pattern(env, written, label, wanted)
        patterns.append(pattern or Pattern("any"))
    return Clause(op, tuple(patterns), grant.limit)


def argument_pattern(env: ModuleEnv | None, written: tree.Pattern, label: str, wanted: Type) -> Pattern | None:
    """A pattern for an argument of the type `wanted`; None where it cannot be one, which is reported to `env`.

    Path -> path glob, Command -> words, Text -> text glob, others: that value.
    """
    if isinstance(written, tree.Wildcard):
        return Pattern("any")
    if not isinstance(written, tree.LiteralPattern):
        return None
    value = constant(written.value)
    if isinstance(value, str) and (wanted in TEXTS or wanted == BASICS["Content"]):
        return Pattern("path" if wanted == PATH else "words" if wanted == COMMAND else "text", value)
    kinds = {"Int": int, "Bool": bool, "Text": str}
    if value is None or (wanted in (BASICS["Int"], BASICS["Bool"], TEXT) and type(value) is not kinds[show(wanted)]):
        if env is None:
            return None
        env.report(
            codes.GRANT_PATTERN,
            written.span,
            f"the parameter `{label}` is `{show(wanted)}`, and no such value is equal to this",
            expected=f"a literal of type {show(wanted)}, or `_`",
        )
        return None
    return Pattern("is", value=value)
