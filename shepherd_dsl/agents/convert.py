"""Values: from Python objects to those of the core, and back.

A type of the language says what is wanted; an annotation, where there is one, which classes to build.
"""

from __future__ import annotations

import dataclasses
import enum
import shlex
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from shepherd_dsl.agents.data import Data, Variant
from shepherd_dsl.agents.kinds import bare, fields_of, item_of, optional, result_of
from shepherd_dsl.agents.run import Run
from shepherd_dsl.check.types import (
    BOOL,
    COMMAND,
    CONTENT,
    DEC,
    INT,
    TEXTS,
    UNIT,
    VALUE,
    ListOf,
    Rec,
    RunOf,
    Type,
    option_item,
    resolve,
    show,
)
from shepherd_dsl.check.types import Variant as VariantType
from shepherd_dsl.core.limits import VALUE_DEPTH
from shepherd_dsl.core.value import NONE, Agent, Blob, Con, Dec, Handle, Record, Unit, Value, dec, record, some
from shepherd_dsl.core.value import UNIT as UNIT_VALUE
from shepherd_dsl.errors import UserError

Hold = Callable[[Run[Any]], Handle]
"""The handle that stands for a run. Raises UserError where the run cannot be named here."""

Held = Callable[[Handle, Type, object], Run[Any]]
"""The run that a handle stands for, the type of its result, and the annotation of it if there is one."""


def to_value(given: object, wanted: Type, where: str, hold: Hold, *, depth: int = 0) -> Value:
    """The core value of a Python object as a value of type `wanted`.

    Raises UserError `python.value`, naming the place inside, where it is none.
    """
    top = resolve(wanted)
    if depth > VALUE_DEPTH:
        raise _wrong(where, given, top, f"it nests more than {VALUE_DEPTH} deep, or contains itself")
    if top == VALUE:
        return _any_value(given, where, hold, depth)
    if top in TEXTS or top == CONTENT:
        if top == COMMAND and isinstance(given, list | tuple) and all(isinstance(word, str) for word in given):
            given = shlex.join(given)
        return _text(given, top, where)
    if top == BOOL and isinstance(given, bool):
        return given
    if top == INT and isinstance(given, int) and not isinstance(given, bool):
        return int(given)
    if top == UNIT and given is None:
        return UNIT_VALUE
    if top == DEC and isinstance(given, int | Decimal) and not isinstance(given, bool):
        return _dec(given, where)
    if isinstance(top, ListOf) and isinstance(given, list | tuple):
        return tuple([to_value(x, top.item, f"{where}[{i}]", hold, depth=depth + 1) for i, x in enumerate(given)])
    if isinstance(top, RunOf) and isinstance(given, Run):
        return hold(given)
    if isinstance(top, Rec):
        return _record(given, top, where, hold, depth)
    if isinstance(top, VariantType):
        return _variant(given, top, where, hold, depth)
    raise _wrong(where, given, top)


def _text(given: object, wanted: Type, where: str) -> str:
    if not isinstance(given, str):
        raise _wrong(where, given, wanted)
    try:
        given.encode("utf-8")
    except UnicodeEncodeError:
        raise _wrong(where, "a text with half a surrogate pair", wanted) from None
    return str(given)


def _dec(given: int | Decimal, where: str) -> Dec:
    if isinstance(given, int):
        return dec(given)
    if not given.is_finite():
        raise _wrong(where, given, DEC)
    sign, digits, exponent = given.as_tuple()
    assert isinstance(exponent, int)
    coef = int("".join(map(str, digits)))
    return dec(-coef if sign else coef, -exponent)


def _record(given: object, wanted: Rec, where: str, hold: Hold, depth: int) -> Record:
    have = _parts(given)
    if have is None:
        raise _wrong(where, given, wanted)
    unknown = sorted(set(have) - {label for label, _ in wanted.fields})
    if unknown:
        raise _wrong(where, given, wanted, f"there is no field `{unknown[0]}`")
    found = []
    for label, inner in wanted.fields:
        if label not in have and option_item(resolve(inner)) is None:
            raise _wrong(where, given, wanted, f"the field `{label}` is missing")
        found.append((label, to_value(have.get(label), inner, f"{where}.{label}", hold, depth=depth + 1)))
    return record(found)


def _variant(given: object, wanted: VariantType, where: str, hold: Hold, depth: int) -> Con:
    inner = option_item(wanted)
    if inner is not None:
        return NONE if given is None else some(to_value(given, inner, where, hold, depth=depth + 1))
    if isinstance(given, enum.Enum):
        given = Variant(given.name)
    elif isinstance(given, str):
        given = Variant(given)
    args = wanted.get(given.name) if isinstance(given, Variant) else None
    if not isinstance(given, Variant) or args is None or len(args) != len(given.args):
        raise _wrong(where, given, wanted)
    pairs = zip(given.args, args, strict=True)
    return Con(
        given.name,
        tuple([to_value(x, t, f"{where}.{given.name}[{i}]", hold, depth=depth + 1) for i, (x, t) in enumerate(pairs)]),
    )


def _any_value(given: object, where: str, hold: Hold, depth: int) -> Value:
    match given:
        case None:
            return UNIT_VALUE
        case enum.Enum():
            return Con(given.name)
        case bool():
            return given
        case int():
            return int(given)
        case str():
            return _text(given, VALUE, where)
        case Decimal():
            return _dec(given, where)
        case Run():
            return hold(given)
        case Blob() | Agent():
            return given
        case Variant(name, args):
            inner = [_deeper(x, f"{where}.{name}[{i}]", hold, depth) for i, x in enumerate(args)]
            return Con(name, tuple(inner))
    have = _parts(given)
    if have is not None:
        return record((label, _deeper(inner, f"{where}.{label}", hold, depth)) for label, inner in have.items())
    if isinstance(given, list | tuple):
        return tuple([_deeper(inner, f"{where}[{i}]", hold, depth) for i, inner in enumerate(given)])
    raise _wrong(where, given, VALUE)


def _deeper(given: object, where: str, hold: Hold, depth: int) -> Value:
    return to_value(given, VALUE, where, hold, depth=depth + 1)


def _parts(given: object) -> dict[str, object] | None:
    """The fields of what stands for a record; None for anything else."""
    if isinstance(given, Mapping):
        return dict(given) if all(isinstance(label, str) for label in given) else None
    if dataclasses.is_dataclass(given) and not isinstance(given, type):
        return {field.name: getattr(given, field.name) for field in dataclasses.fields(given) if field.init}
    kind: Any = type(given)
    if attrs.has(kind) and not isinstance(given, Unit | Dec | Con | Record | Handle):
        return {f.alias or f.name: getattr(given, f.name) for f in attrs.fields(kind) if f.init}
    if isinstance(given, tuple) and hasattr(given, "_fields"):
        return dict(zip(given._fields, given, strict=True))
    return None


def _wrong(where: str, given: object, wanted: Type, why: str = "") -> UserError:
    shown = given if isinstance(given, str) and given.startswith("a text with") else _shown(given)
    hint = ""
    if isinstance(given, float):
        hint = "There are no floats: use Decimal, or int."
    elif isinstance(given, bytes):
        hint = "Decode it, or keep it in a file."
    what = "a value" if wanted == VALUE else f"a value of type {show(wanted)}"
    return UserError(
        "python.value", f"{shown} is not {what}" + (f": {why}" if why else ""), where=where, hint=hint
    )  # fmt: skip


def _shown(given: object) -> str:
    """An object for a message, short. What has no plain form is named by its class: a repr may hold an address."""
    if given is None or isinstance(given, bool | int | float | str | Decimal):
        text = repr(given)
        return text if len(text) <= 60 else f"{text[:57]}…"
    return f"a {type(given).__name__}"


# ── back ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def from_value(value: Value, found: Type, hint: object, held: Held) -> Any:
    """The Python object of a core value; `hint` is an annotation, or None where there is none."""
    top = resolve(found)
    match value:
        case Unit():
            return None
        case bool() | int() | str():
            return value
        case Dec(coef, scale):
            return Decimal(coef).scaleb(-scale) if coef.bit_length() < 64 else _long_decimal(coef, scale)
        case tuple():
            item = top.item if isinstance(top, ListOf) else VALUE
            inner = item_of(hint)
            listed = [from_value(one, item, inner, held) for one in value]
            return tuple(listed) if typing.get_origin(bare(hint)) is tuple else listed
        case Handle():
            return held(value, top.result if isinstance(top, RunOf) else VALUE, result_of(hint))
        case Record(fields):
            return _build(fields, top, hint, held)
        case Con():
            return _from_variant(value, top, hint, held)
    return value


def _long_decimal(coef: int, scale: int) -> Decimal:
    """Exact, whatever the precision of the current context is."""
    return Decimal((int(coef < 0), tuple(map(int, str(abs(coef)))), -scale))


def _build(fields: tuple[tuple[str, Value], ...], found: Type, hint: object, held: Held) -> Any:
    annotations = fields_of(hint)
    parts = {}
    for label, inner in fields:
        known = found.get(label) if isinstance(found, Rec) else None
        annotation = None if annotations is None else annotations.get(label)
        parts[label] = from_value(inner, VALUE if known is None else known, annotation, held)
    if annotations is None or set(parts) != set(annotations):
        return Data(parts)
    maker: Any = bare(hint)
    return maker(**parts)


def _from_variant(value: Con, found: Type, hint: object, held: Held) -> Any:
    if option_item(found) is not None:
        inner = option_item(found)
        assert inner is not None
        return None if value.name == "None" else from_value(value.args[0], inner, optional(hint), held)
    plain = bare(hint)
    if isinstance(plain, type) and issubclass(plain, enum.Enum) and value.name in plain.__members__:
        return plain[value.name]
    types = (found.get(value.name) if isinstance(found, VariantType) else None) or ()
    args = [from_value(arg, types[at] if at < len(types) else VALUE, None, held) for at, arg in enumerate(value.args)]
    return Variant(value.name, tuple(args))
