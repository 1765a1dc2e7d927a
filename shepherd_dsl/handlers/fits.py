"""Does a value have a type? Pure and total.

Types are values, as `spec/contract.md` says ("Types as values"): the texts `Unit`, `Bool`, `Int`, `Dec`, `Text`, and
`Blob`, `Any` for handlers that need them; `List(t)`, `Option(t)`, `Rec([[label, t]…])`, `Var([[name, [t…]]…])`.
Unlike the primitive `decode`, which reads parsed JSON, this looks at core values as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from shepherd_dsl.core.value import Agent, Blob, Con, Dec, Handle, Record, Unit, Value

_KINDS: dict[type, str] = {
    Unit: "Unit",
    bool: "Bool",
    int: "Int",
    Dec: "Dec",
    str: "Text",
    Blob: "Blob",
    tuple: "List",
    Record: "record",
    Con: "variant",
    Agent: "agent",
    Handle: "run",
}
_PLAIN = {"Unit": Unit, "Bool": bool, "Int": int, "Dec": Dec, "Text": str, "Blob": Blob}


def list_of(item: Value) -> Con:
    """The type `List[item]`."""
    return Con("List", (item,))


def option_of(item: Value) -> Con:
    """The type `Option[item]`."""
    return Con("Option", (item,))


def rec_of(**fields: Value) -> Con:
    """The type of records with exactly these fields."""
    return Con("Rec", (tuple((label, fields[label]) for label in sorted(fields)),))


def var_of(cases: Iterable[tuple[str, tuple[Value, ...]]]) -> Con:
    """The type of variants with these constructors and arguments."""
    return Con("Var", (tuple((name, args) for name, args in cases),))


def misfit(kind: Value, value: Value) -> str | None:
    """Where and why `value` is not of the type `kind`, as `at .items[2].id: expected Int, got Text`; None where it is.

    Raises ValueError where `kind` is not a type: that is a mistake of the handler's author.
    """
    todo: list[tuple[Value, Value, str]] = [(kind, value, "")]
    while todo:
        want, got, path = todo.pop()
        if type(want) is str:
            if want == "Any":
                continue
            if want not in _PLAIN:
                raise ValueError(f"not a type: {want!r}")
            # Exact classes: `True` is an `int` for isinstance.
            if type(got) is not _PLAIN[want]:
                return _expected(path, want, got)
            continue
        if type(want) is not Con or len(want.args) != 1:
            raise ValueError(f"not a type: {want!r}")
        (inner,) = want.args
        if want.name == "List":
            if type(got) is not tuple:
                return _expected(path, "List", got)
            todo.extend((inner, item, f"{path}[{i}]") for i, item in reversed(list(enumerate(got))))
        elif want.name == "Option":
            if type(got) is not Con or (got.name, len(got.args)) not in (("Some", 1), ("None", 0)):
                return _expected(path, "Option", got)
            todo.extend((inner, item, path) for item in got.args)
        elif want.name == "Rec":
            fields = _fields(inner)
            if type(got) is not Record:
                return _expected(path, "a record", got)
            have = dict(got.fields)
            for label in fields:
                if label not in have:
                    return f"at {path or '.'}: the field `{label}` is missing"
            for label in have:
                if label not in fields:
                    return f"at {path or '.'}: the field `{label}` is not part of the type"
            todo.extend((fields[label], have[label], f"{path}.{label}") for label in reversed(list(fields)))
        elif want.name == "Var":
            cases = _cases(inner)
            names = ", ".join(cases)
            if type(got) is not Con:
                return _expected(path, f"one of {names}", got)
            if got.name not in cases:
                return f"at {path or '.'}: expected one of {names}, got {got.name}"
            types = cases[got.name]
            if len(types) != len(got.args):
                return f"at {path or '.'}: {got.name} takes {len(types)} arguments, got {len(got.args)}"
            todo.extend(
                (types[i], got.args[i], f"{path}.{got.name}[{i}]" if len(types) > 1 else f"{path}.{got.name}")
                for i in reversed(range(len(types)))
            )
        else:
            raise ValueError(f"not a type: {want!r}")
    return None


def fits(kind: Value, value: Value) -> bool:
    """Whether `value` is of the type `kind`; ValueError where `kind` is not a type."""
    return misfit(kind, value) is None


def check_type(kind: Value) -> None:
    """ValueError where `kind`, or anything inside it, is not a type."""
    todo = [kind]
    while todo:
        top = todo.pop()
        if type(top) is str and (top == "Any" or top in _PLAIN):
            continue
        if type(top) is not Con or len(top.args) != 1:
            raise ValueError(f"not a type: {top!r}")
        if top.name in ("List", "Option"):
            todo.append(top.args[0])
        elif top.name == "Rec":
            todo.extend(_fields(top.args[0]).values())
        elif top.name == "Var":
            todo.extend(item for types in _cases(top.args[0]).values() for item in types)
        else:
            raise ValueError(f"not a type: {top!r}")


def _expected(path: str, want: str, got: Value) -> str:
    return f"at {path or '.'}: expected {want}, got {_KINDS[type(got)]}"


def _fields(inner: Value) -> dict[str, Value]:
    if type(inner) is not tuple:
        raise ValueError(f"not the fields of a record type: {inner!r}")
    fields: dict[str, Value] = {}
    for pair in inner:
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not str or pair[0] in fields:
            raise ValueError(f"not a field of a record type: {pair!r}")
        fields[pair[0]] = pair[1]
    return fields


def _cases(inner: Value) -> dict[str, tuple[Value, ...]]:
    if type(inner) is not tuple:
        raise ValueError(f"not the cases of a variant type: {inner!r}")
    cases: dict[str, tuple[Value, ...]] = {}
    for pair in inner:
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not tuple:
            raise ValueError(f"not a case of a variant type: {pair!r}")
        if pair[0] in cases:
            raise ValueError(f"the case {pair[0]} is given twice")
        cases[pair[0]] = pair[1]
    return cases
