"""Reading canonical text: JSON, values, and what the readers of events and programs share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, Union, cast

from shepherd_dsl.core import jsontext
from shepherd_dsl.core.jsontext import int_from, is_scalar_text, quote
from shepherd_dsl.core.limits import DEC_SCALE, INT_BITS, INT_DIGITS, WIRE_DEPTH
from shepherd_dsl.core.program import FORMAT_VERSION
from shepherd_dsl.core.value import UNIT, Agent, Blob, Con, Dec, Handle, Record, Value

Json: TypeAlias = Union[bool, int, str, list["Json"], dict[str, "Json"], None]  # noqa: UP007 (a forward reference)
"""What canonical text can say: JSON without fractions and exponents."""

_PLAIN_DEPTH: Final = 200
"""Texts with at most so many opening brackets go to `json.loads`, which then cannot meet a recursion limit."""

_JSON_DEPTH: Final = 20_000
"""Nesting of brackets in any text that is read; the parts have stricter limits of their own."""

_DEC: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]*[1-9]))?")
_HASH: Final = re.compile(r"[0-9a-f]{40}")
_OPENING: Final = "[{"


class WireError(Exception):
    """Not in wire form: `what` is wrong at the JSON path `at` (`$.intent.args[0]`)."""

    def __init__(self, what: str, *steps: str | int) -> None:
        super().__init__(what)
        self.what = what
        self.steps: list[str | int] = list(steps)  # innermost first: callers append on the way out

    @property
    def at(self) -> str:
        """The JSON path of the place."""
        return "$" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in reversed(self.steps))

    def __str__(self) -> str:
        return f"at {self.at}: {self.what}"


def parse(text: str) -> Json:
    """The JSON structure of a text. Raises WireError where it is no JSON, has a key twice or a lone surrogate."""
    if "\\u" not in text and sum(map(text.count, _OPENING)) <= _PLAIN_DEPTH and is_scalar_text(text):
        try:
            return cast(Json, _PLAIN.decode(text))
        except ValueError:  # its messages differ between versions of Python: say it in our own words
            pass
    try:
        return cast(Json, jsontext.read(text, depth=_JSON_DEPTH, number=_integer))
    except jsontext.JsonError as error:
        raise WireError(str(error)) from None


def _integer(digits: str) -> int:
    if not digits.removeprefix("-").isdigit():
        raise ValueError("a number with a fraction or an exponent")
    if len(digits) > INT_DIGITS + 1:
        raise ValueError("an integer too large")
    return int_from(digits)


def _refuse(_: str) -> Any:
    raise ValueError


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


_PLAIN: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_refuse, parse_constant=_refuse)


def value_from(data: object) -> Value:
    """The value that a canonical JSON structure says. Raises WireError."""
    return within(data, WIRE_DEPTH)


def within(data: Any, room: int) -> Value:
    """The value that `data` says, which may nest `room` deep. Raises WireError."""
    kind = type(data)
    if kind is str:
        if not is_scalar_text(data):
            raise WireError("lone surrogate in the text")
        return cast(str, data)
    if kind is int:
        return _int(data)
    if kind is bool:
        return cast(bool, data)
    if data is None:
        return UNIT
    if kind is list:
        return _values(data, room)
    if kind is dict and len(data) == 1:
        for tag, body in data.items():
            reader = _TAGGED.get(tag)
            if reader is not None:
                try:
                    return reader(body, room)
                except WireError as error:
                    error.steps.append(tag)
                    raise
        raise WireError(f"no value has the key {quote(str(tag))}")
    raise WireError(f"expected a value, got {shown(data)}")


def _int(number: int) -> int:
    if number.bit_length() > INT_BITS:
        raise WireError("an integer too large")
    return number


def _values(data: list[Any], room: int) -> tuple[Value, ...]:
    if room <= 0:
        raise WireError(f"nesting deeper than {WIRE_DEPTH}")
    found: list[Value] = []
    try:
        for item in data:
            found.append(within(item, room - 1))
    except WireError as error:
        error.steps.append(len(found))
        raise
    return tuple(found)


def _record(body: Any, room: int) -> Record:
    if type(body) is not dict:
        raise WireError(f"expected an object, got {shown(body)}")
    if room <= 0:
        raise WireError(f"nesting deeper than {WIRE_DEPTH}")
    fields: list[tuple[str, Value]] = []
    for label in sorted(body):
        try:
            fields.append((text_from(label), within(body[label], room - 1)))
        except WireError as error:
            error.steps.append(label)
            raise
    return Record(tuple(fields))


def _con(body: Any, room: int) -> Con:
    if type(body) is not list or not body:
        raise WireError(f"expected a list with a name, got {shown(body)}")
    if room <= 0:
        raise WireError(f"nesting deeper than {WIRE_DEPTH}")
    found: list[Any] = []
    try:
        found.append(text_from(body[0]))
        for item in body[1:]:
            found.append(within(item, room - 1))
    except WireError as error:
        error.steps.append(len(found))
        raise
    return Con(found[0], tuple(found[1:]))


def _dec(body: Any, room: int) -> Dec:
    found = _DEC.fullmatch(text_from(body))
    if found is None or body == "-0":
        raise WireError(f"not a normal decimal: {quote(body[:40])}")
    sign, whole, part = found.groups("")
    if len(whole) + len(part) > INT_DIGITS or len(part) > DEC_SCALE:
        raise WireError("a decimal too large")
    coef = _int(int_from(whole + part))
    return Dec(-coef if sign else coef, len(part))


def _blob(body: Any, room: int) -> Blob:
    if type(body) is not list or len(body) != 2:
        raise WireError(f"expected [hash, size], got {shown(body)}")
    return Blob(part(body, 0, hash_from), part(body, 1, natural_from))


_TAGGED: Final[dict[str, Callable[[Any, int], Value]]] = {
    "rec": _record,
    "con": _con,
    "dec": _dec,
    "blob": _blob,
    "agent": lambda body, room: Agent(text_from(body)),
    "run": lambda body, room: Handle(natural_from(body)),
}


# What all readers share


def inside(step: str | int, reader: Callable[[Any, int], Any], data: Any, room: int, *outer: str | int) -> Any:
    """What `reader` makes of `data`; its errors are placed at `step` within `outer`, innermost first."""
    try:
        return reader(data, room)
    except WireError as error:
        error.steps.extend((step, *outer))
        raise


def part(body: Any, key: str | int, reader: Callable[[Any], Any]) -> Any:
    """What `reader` makes of what stands under `key`; its errors are placed there."""
    try:
        return reader(body[key])
    except WireError as error:
        error.steps.append(key)
        raise


def keys(data: object, *names: str) -> None:
    """Refuse what is no object with exactly these keys."""
    if type(data) is not dict:
        raise WireError(f"expected an object, got {shown(data)}")
    if data.keys() != set(names):
        _complain(data.keys(), names)


def _complain(found: Iterable[Any], names: tuple[str, ...]) -> None:
    unknown = sorted(str(name) for name in found if name not in names)
    missing = sorted(set(names) - set(found))
    raise WireError(f"unknown key {quote(unknown[0])}" if unknown else f"no key {quote(missing[0])}")


def list_from(data: Any) -> list[Any]:
    """A list, its elements unread."""
    if type(data) is not list:
        raise WireError(f"expected a list, got {shown(data)}")
    return data


def args_from(data: Any) -> tuple[Value, ...]:
    """The arguments of an operation."""
    return _values(list_from(data), WIRE_DEPTH)


def text_from(data: Any) -> str:
    """A text of Unicode scalar values."""
    if type(data) is not str:
        raise WireError(f"expected a text, got {shown(data)}")
    if not is_scalar_text(data):
        raise WireError("lone surrogate in the text")
    return data


def natural_from(data: Any) -> int:
    """An int from 0 on."""
    if type(data) is not int or data < 0:
        raise WireError(f"expected a number from 0 on, got {shown(data)}")
    return _int(data)


def version_from(data: Any) -> int:
    """The one format version there is."""
    if type(data) is not int or data != FORMAT_VERSION:
        raise WireError(f"expected the format version {FORMAT_VERSION}, got {shown(data)}")
    return data


def hash_from(data: Any) -> str:
    """A hash of 40 hexadecimal digits."""
    if type(data) is not str or _HASH.fullmatch(data) is None:
        raise WireError("expected a hash of 40 hexadecimal digits")
    return data


def shown(data: object) -> str:
    """What `data` is, for the text of an error."""
    if data is None:
        return "null"
    names: dict[type, str] = {
        bool: "a boolean",
        int: "a number",
        float: "a fraction",
        str: "a text",
        list: "a list",
    }
    if type(data) is dict:
        return "an object with " + (", ".join(quote(str(k)) for k in sorted(data, key=str)[:4]) or "no key")
    return names.get(type(data), type(data).__name__)
