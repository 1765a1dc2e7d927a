"""Primitives that exchange JSON with models: `json_print`, `json_parse`, `decode`."""

from __future__ import annotations

import re
from typing import Any, Final

from shepherd_dsl.core import jsontext
from shepherd_dsl.core.fault import KINDS, Fault, too_large, wrong
from shepherd_dsl.core.jsontext import int_from, int_text, quote
from shepherd_dsl.core.limits import DEC_SCALE, INT_BITS, INT_DIGITS, LIST_ITEMS, TEXT_CHARS, VALUE_DEPTH
from shepherd_dsl.core.prim_text import bounded
from shepherd_dsl.core.value import NONE, UNIT, Con, Dec, Record, Unit, Value, dec, ok, some
from shepherd_dsl.core.wire import dec_text

_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?")


def json_print(value: Value) -> Value:
    """Plain JSON: records as objects, lists as arrays, unit as null, decs as numbers.

    `Some(v)` is `v` and `None` null; any other variant is `"C"` without arguments, `{"C":v}` with one, `{"C":[v…]}`
    with more. Fault `type` on blobs, agents and runs, `depth` and `size` beyond the limits.
    """
    bounded("json_print", value)
    out: list[str] = []
    _print(value, 0, out)
    text = "".join(out)
    if len(text) > TEXT_CHARS:
        raise too_large("json_print", f"a text has at most {TEXT_CHARS} characters")
    return text


def _print(value: Value, level: int, out: list[str]) -> None:
    if level > VALUE_DEPTH:
        raise Fault("depth", f"json_print: nesting deeper than {VALUE_DEPTH}")
    match value:
        case str():
            out.append(quote(value))
        case bool():
            out.append("true" if value else "false")
        case int():
            out.append(int_text(value))
        case Unit():
            out.append("null")
        case Dec():
            out.append(dec_text(value))
        case tuple():
            _print_list(value, level, out)
        case Record():
            out.append("{")
            for at, (label, inner) in enumerate(value.fields):
                out.append(f"{',' if at else ''}{quote(label)}:")
                _print(inner, level + 1, out)
            out.append("}")
        case Con("Some", (inner,)):
            _print(inner, level + 1, out)
        case Con("None", ()):
            out.append("null")
        case Con(name, ()):
            out.append(quote(name))
        case Con(name, args):
            out.append(f"{{{quote(name)}:")
            if len(args) == 1:
                _print(args[0], level + 1, out)
            else:
                _print_list(args, level, out)
            out.append("}")
        case _:
            raise Fault("type", f"json_print: a value of the kind {KINDS[type(value)]} has no JSON")


def _print_list(items: tuple[Value, ...], level: int, out: list[str]) -> None:
    out.append("[")
    for at, inner in enumerate(items):
        if at:
            out.append(",")
        _print(inner, level + 1, out)
    out.append("]")


def json_parse(text: Value) -> Value:
    """`Ok` of the value of a JSON text, or `Err` of what is wrong with it.

    Objects become records, arrays lists, null unit; a number becomes an int, with a fraction or an exponent a dec, both
    exactly. A key given twice, a lone surrogate, nesting deeper than 100 and numbers beyond the limits are errors.
    """
    if type(text) is not str:
        raise wrong("json_parse", 1, "a text", text)
    try:
        return ok(_from_json(jsontext.read(text, depth=VALUE_DEPTH, number=_number)))
    except jsontext.JsonError as error:
        return Con("Err", (f"not JSON: {error}",))


def _number(written: str) -> int | Dec:
    found = _NUMBER.fullmatch(written)
    if found is None:
        raise ValueError("not a number")
    sign, whole, part, minus, power = found.groups()
    if part is None and power is None:
        return _int(sign, whole)
    part = part or ""
    coef = _int(sign, (whole + part).lstrip("0") or "0")
    if coef == 0:
        return Dec(0, 0)
    power = (power or "").lstrip("0")
    shift = int(power or "0") if len(power) < 7 else 10**6
    scale = len(part) + (shift if minus == "-" else -shift)
    if scale < -INT_DIGITS or scale > DEC_SCALE + INT_DIGITS:
        raise ValueError("a number too large")
    made = dec(coef, scale)
    if made.scale > DEC_SCALE or made.coef.bit_length() > INT_BITS:
        raise ValueError("a number too large")
    return made


def _int(sign: str, digits: str) -> int:
    if len(digits) > INT_DIGITS:
        raise ValueError("a number too large")
    number = int_from(digits)
    if number.bit_length() > INT_BITS:
        raise ValueError("a number too large")
    return -number if sign else number


def _from_json(data: Any) -> Value:
    if data is None:
        return UNIT
    if type(data) is list:
        if len(data) > LIST_ITEMS:
            raise too_large("json_parse", f"a list has at most {LIST_ITEMS} elements")
        return tuple([_from_json(item) for item in data])
    if type(data) is dict:
        return Record(tuple([(label, _from_json(data[label])) for label in sorted(data)]))
    return data  # type: ignore[no-any-return]


class _Misfit(Exception):
    """The value does not fit the type; `steps` lead to the place, innermost first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.steps: list[str] = []


def decode(schema: Value, value: Value) -> Value:
    """`Ok` of the value that parsed JSON says for a type, or `Err` of a text that says where it does not fit.

    Fault `type` where `schema` is no type, `depth` where it or the value nests deeper than 100.
    """
    try:
        return ok(_decode(schema, value, 0))
    except _Misfit as misfit:
        place = "".join(reversed(misfit.steps)) or "the top"
        return Con("Err", (f"at {place}: {misfit.what}",))


def _decode(schema: Value, value: Value, level: int) -> Value:
    if level > VALUE_DEPTH:
        raise Fault("depth", f"decode: nesting deeper than {VALUE_DEPTH}")
    match schema:
        case "Unit" if type(value) is Unit:
            return value
        case "Bool" if type(value) is bool:
            return value
        case "Int" if type(value) is int:
            return value
        case "Int" if type(value) is Dec and value.scale == 0:
            return value.coef
        case "Dec" if type(value) is Dec:
            return value
        case "Dec" if type(value) is int:
            return Dec(value, 0)
        case "Text" if type(value) is str:
            return value
        case "Unit" | "Bool" | "Int" | "Dec" | "Text":
            raise _Misfit(f"expected {schema}, got {KINDS[type(value)]}")
        case Con("List", (inner,)):
            if type(value) is not tuple:
                raise _Misfit(f"expected a list, got {KINDS[type(value)]}")
            return tuple([_inside(f"[{at}]", inner, item, level) for at, item in enumerate(value)])
        case Con("Option", (inner,)):
            return NONE if type(value) is Unit else some(_decode(inner, value, level + 1))
        case Con("Rec", (fields,)) if type(fields) is tuple:
            return _decode_record(fields, value, level)
        case Con("Var", (cases,)) if type(cases) is tuple:
            return _decode_variant(cases, value, level)
    raise wrong("decode", 1, "a type", schema)


def _inside(step: str, schema: Value, value: Value, level: int) -> Value:
    try:
        return _decode(schema, value, level + 1)
    except _Misfit as misfit:
        misfit.steps.append(step)
        raise


def _pairs(items: tuple[Value, ...]) -> dict[str, Value]:
    """What `Rec` and `Var` hold: a list of `[name, …]`, each name once."""
    found: dict[str, Value] = {}
    for item in items:
        if type(item) is not tuple or len(item) != 2 or type(item[0]) is not str or item[0] in found:
            raise wrong("decode", 1, "a type: pairs of a name and a type, each name once", item)
        found[item[0]] = item[1]
    return found


def _decode_record(items: tuple[Value, ...], value: Value, level: int) -> Value:
    types = _pairs(items)
    if type(value) is not Record:
        raise _Misfit(f"expected a record, got {KINDS[type(value)]}")
    given = dict(value.fields)
    for label in given:
        if label not in types:
            raise _Misfit(f"unknown label {quote(label)}")
    fields: list[tuple[str, Value]] = []
    for label in sorted(types):
        if label in given:
            fields.append((label, _inside(f".{label}", types[label], given[label], level)))
        elif _is_option(types[label]):
            fields.append((label, NONE))
        else:
            raise _Misfit(f"missing label {quote(label)}")
    return Record(tuple(fields))


def _is_option(schema: Value) -> bool:
    return type(schema) is Con and schema.name == "Option" and len(schema.args) == 1


def _decode_variant(items: tuple[Value, ...], value: Value, level: int) -> Value:
    cases = _pairs(items)
    if type(value) is str:
        name, given = value, None
    elif type(value) is Record and len(value.fields) == 1:
        name, given = value.fields[0]
    else:
        raise _Misfit(f"expected a variant, got {KINDS[type(value)]}")
    types = cases.get(name)
    if types is None:
        raise _Misfit(f"expected one of {', '.join(sorted(cases))}, got {quote(name)}")
    if type(types) is not tuple:
        raise wrong("decode", 1, "a type: a variant with a list of types", types)
    if given is None or not types:
        if given is not None:
            raise _Misfit(f"{name} has no arguments: write the text {quote(name)}")
        if types:
            raise _Misfit(f"{name} has {len(types)} arguments, got none")
        return Con(name)
    if len(types) == 1:
        return Con(name, (_inside(f".{name}", types[0], given, level),))
    if type(given) is not tuple or len(given) != len(types):
        got = f"a list of {len(given)}" if type(given) is tuple else KINDS[type(given)]
        raise _Misfit(f"expected a list of the {len(types)} arguments of {name}, got {got}")
    pairs = enumerate(zip(types, given, strict=True))
    return Con(name, tuple([_inside(f".{name}[{at}]", inner, item, level) for at, (inner, item) in pairs]))
