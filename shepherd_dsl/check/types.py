"""Types of the surface language.

Types are structural: two records with the same fields are the same type, and so are two variants with the same cases.
`type` declarations are abbreviations. `Option[T]` is the variant `Some(T) | None`. Types do not refer to themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import attrs

from shepherd_dsl.core.grant import Clause, Pattern


@attrs.frozen(slots=True)
class Basic:
    """A type without parts.

    `Unit Bool Int Dec Text Blob`; `Path` and `Command` are `Text` with another kind of grant pattern; `Content` is
    `Text` or `Blob` (what a file may hold); `Value` is any value, to be matched on. `Never`, which no program writes,
    is the type of `fail` and of what was reported as wrong: it fits everywhere.
    """

    name: str


@attrs.frozen(slots=True)
class ListOf:
    """`List[item]`."""

    item: Type


@attrs.frozen(slots=True)
class RunOf:
    """`Run[result]`: a handle on a run that ends with a `result`."""

    result: Type


@attrs.frozen(slots=True)
class Rec:
    """A record; fields sorted by label."""

    fields: tuple[tuple[str, Type], ...]

    def get(self, label: str) -> Type | None:
        """The type of the field `label`, None where there is none."""
        return dict(self.fields).get(label)


@attrs.frozen(slots=True)
class Variant:
    """A variant; cases (constructor, types of its arguments) sorted by constructor."""

    cases: tuple[tuple[str, tuple[Type, ...]], ...]

    def get(self, name: str) -> tuple[Type, ...] | None:
        """The argument types of the constructor `name`, None where there is none."""
        return dict(self.cases).get(name)


@attrs.frozen(slots=True)
class AgentOf:
    """An agent or a function: what it takes, what it gives, and what it may ask for while it runs."""

    params: tuple[Type, ...]
    result: Type
    grants: tuple[Clause, ...] = ()


@attrs.frozen(slots=True)
class Param:
    """A type parameter of the agent `owner`, inside its own body."""

    name: str
    owner: str = ""


@attrs.define(slots=True, eq=False)
class Hole:
    """A type still to be found. `firm` says that something already relied on `bound`, so it may not widen any more."""

    bound: Type | None = None
    firm: bool = False


Type: TypeAlias = Basic | ListOf | RunOf | Rec | Variant | AgentOf | Param | Hole

UNIT = Basic("Unit")
BOOL = Basic("Bool")
INT = Basic("Int")
DEC = Basic("Dec")
TEXT = Basic("Text")
BLOB = Basic("Blob")
PATH = Basic("Path")
COMMAND = Basic("Command")
CONTENT = Basic("Content")
VALUE = Basic("Value")
NEVER = Basic("Never")

BASICS: Mapping[str, Basic] = {t.name: t for t in (UNIT, BOOL, INT, DEC, TEXT, BLOB, PATH, COMMAND, CONTENT, VALUE)}
TEXTS = frozenset({TEXT, PATH, COMMAND})


def rec(fields: Mapping[str, Type]) -> Rec:
    """The record type with these fields."""
    return Rec(tuple(sorted(fields.items())))


def variant(cases: Mapping[str, tuple[Type, ...]]) -> Variant:
    """The variant type with these cases."""
    return Variant(tuple(sorted(cases.items())))


def option(item: Type) -> Variant:
    """`Option[item]`."""
    return Variant((("None", ()), ("Some", (item,))))


ERROR = rec({"code": TEXT, "text": TEXT})


def outcome(result: Type) -> Variant:
    """What `try do` gives: `Ok(result) | Err(Error) | Unknown`."""
    return Variant((("Err", (ERROR,)), ("Ok", (result,)), ("Unknown", ())))


def option_item(found: Type) -> Type | None:
    """`T` where `found` is `Option[T]`, else None."""
    if isinstance(found, Variant) and len(found.cases) == 2:
        (none, no_args), (some, args) = found.cases
        if none == "None" and some == "Some" and not no_args and len(args) == 1:
            return args[0]
    return None


def resolve(found: Type) -> Type:
    """`found` with holes at its top followed to what they stand for."""
    while isinstance(found, Hole) and found.bound is not None:
        found = found.bound
    return found


def parts(found: Type) -> tuple[Type, ...]:
    """The types directly inside `found`, in a fixed order."""
    match found:
        case ListOf(item) | RunOf(item):
            return (item,)
        case Rec(fields):
            return tuple(inner for _, inner in fields)
        case Variant(cases):
            return tuple(inner for _, args in cases for inner in args)
        case AgentOf(params, result, _):
            return (*params, result)
        case Hole(bound=inner) if inner is not None:
            return (inner,)
    return ()


def contains(found: Type, kind: type | tuple[type, ...]) -> bool:
    """Whether a type of this Python class occurs anywhere in `found`."""
    top = resolve(found)
    return isinstance(top, kind) or any(contains(inner, kind) for inner in parts(top))


def substitute(found: Type, bindings: Mapping[Param, Type]) -> Type:
    """`found` with type parameters replaced."""
    top = resolve(found)
    match top:
        case Param():
            return bindings.get(top, top)
        case ListOf(item):
            return ListOf(substitute(item, bindings))
        case RunOf(item):
            return RunOf(substitute(item, bindings))
        case Rec(fields):
            return Rec(tuple((label, substitute(inner, bindings)) for label, inner in fields))
        case Variant(cases):
            return Variant(tuple((name, tuple(substitute(arg, bindings) for arg in args)) for name, args in cases))
        case AgentOf(params, result, grants):
            return AgentOf(tuple(substitute(p, bindings) for p in params), substitute(result, bindings), grants)
    return top


def settle(found: Type, *, default: Type = UNIT) -> Type:
    """`found` without holes: a hole that nothing decided becomes `default`."""
    top = resolve(found)
    match top:
        case Hole():
            return default
        case ListOf(item):
            return ListOf(settle(item, default=default))
        case RunOf(item):
            return RunOf(settle(item, default=default))
        case Rec(fields):
            return Rec(tuple((label, settle(inner, default=default)) for label, inner in fields))
        case Variant(cases):
            return Variant(tuple((name, tuple(settle(arg, default=default) for arg in args)) for name, args in cases))
        case AgentOf(params, result, grants):
            return AgentOf(tuple(settle(p, default=default) for p in params), settle(result, default=default), grants)
    return top


def holes(found: Type) -> Iterator[Hole]:
    """The undecided holes inside `found`, left to right."""
    top = resolve(found)
    if isinstance(top, Hole):
        yield top
    else:
        for inner in parts(top):
            yield from holes(inner)


def show_pattern(pattern: Pattern) -> str:
    """A grant pattern as a program writes it."""
    from shepherd_dsl.core.display import display, quoted

    if pattern.kind == "any":
        return "_"
    if pattern.kind == "is":
        return display(pattern.value) if pattern.value is not None else "_"
    return quoted(pattern.glob)


def show_clause(clause: Clause) -> str:
    """A grant clause as a program writes it."""
    args = f"({', '.join(show_pattern(p) for p in clause.args)})" if clause.args else ""
    limit = "" if clause.limit is None else f" at most {clause.limit}"
    return f"{clause.op}{args}{limit}"


def an(found: Type) -> str:
    """A type in quotes with its article."""
    shown = show(found)
    return f"{'an' if shown[:1] in 'AEIOaeio' else 'a'} `{shown}`"


def show(found: Type) -> str:
    """A type as a program writes it; an undecided one is `_`."""
    top = resolve(found)
    match top:
        case Basic(name) | Param(name, _):
            return name
        case ListOf(item):
            return f"List[{show(item)}]"
        case RunOf(item):
            return f"Run[{show(item)}]"
        case Rec(fields):
            return "{ " + ", ".join(f"{label}: {show(inner)}" for label, inner in fields) + " }" if fields else "{}"
        case Variant(cases):
            inner = option_item(top)
            if inner is not None:
                return f"Option[{show(inner)}]"
            return " | ".join(
                name + (f"({', '.join(show(arg) for arg in args)})" if args else "") for name, args in cases
            )
        case AgentOf(params, result, grants):
            tail = f" grants {', '.join(show_clause(c) for c in grants)}" if grants else ""
            return f"agent({', '.join(show(p) for p in params)}) -> {show(result)}{tail}"
    return "_"
