"""Canonical text of values, events and programs (`spec/contract.md`), byte for byte, and back.

Printing is total: one loop without recursion, so any depth and any integer prints. Reading takes what is canonical in
kind (keys may come in any order, with spaces between) and refuses the rest with a `WireError` that says where.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, Union, cast

from shepherd_dsl.core import jsontext
from shepherd_dsl.core.event import (
    By,
    Change,
    Denied,
    End,
    Entry,
    Event,
    Forked,
    Injected,
    Intent,
    Outcome,
    Reverted,
    Start,
    Undo,
)
from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.jsontext import int_from, int_text, is_scalar_text, quote
from shepherd_dsl.core.limits import DEC_SCALE, INT_BITS, INT_DIGITS, WIRE_DEPTH
from shepherd_dsl.core.program import FORMAT_VERSION, Def, EffectClass, Operation, Program
from shepherd_dsl.core.value import UNIT, Agent, Blob, Con, Dec, Handle, Record, Unit, Value

Json: TypeAlias = Union[bool, int, str, list["Json"], dict[str, "Json"], None]  # noqa: UP007 (a forward reference)
"""What canonical text can say: JSON without fractions and exponents."""

_PLAIN_DEPTH: Final = 200
"""Texts with at most so many opening brackets go to `json.loads`, which then cannot meet a recursion limit."""

_JSON_DEPTH: Final = 20_000
"""Nesting of brackets in any text that is read; the parts have stricter limits of their own."""

_DEC: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]*[1-9]))?")
_HASH: Final = re.compile(r"[0-9a-f]{40}")
_MODE: Final = re.compile(r"[0-7]{6}")
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


# Printing


class _Raw(str):
    """Text that is already canonical."""

    __slots__ = ()


_COMMA: Final = _Raw(",")
_END_LIST: Final = _Raw("]")
_END_OBJECT: Final = _Raw("}")
_END_CON: Final = _Raw("]}")
_END_RECORD: Final = _Raw("}}")


def _text(todo: list[Any]) -> str:
    """The canonical text of what stands in `todo`, last first: values, JSON, and canonical text as `_Raw`."""
    out: list[str] = []
    put, pop, push = out.append, todo.pop, todo.append
    while todo:
        top = pop()
        kind = type(top)
        if kind is _Raw:
            put(top)
        elif kind is str:
            put(quote(top))
        elif kind is Con:
            put('{"con":[' + quote(top.name))
            push(_END_CON)
            for inner in reversed(top.args):
                push(inner)
                push(_COMMA)
        elif kind is Record:
            put('{"rec":{')
            push(_END_RECORD)
            comma = ""
            for label, inner in reversed(top.fields):
                if comma:
                    push(_COMMA)
                push(inner)
                push(_Raw(quote(label) + ":"))
                comma = ","
        elif kind is tuple or kind is list:
            put("[")
            push(_END_LIST)
            comma = ""
            for inner in reversed(top):
                if comma:
                    push(_COMMA)
                push(inner)
                comma = ","
        elif kind is int:
            put(int_text(top))
        elif kind is bool:
            put("true" if top else "false")
        elif kind is Unit or top is None:
            put("null")
        elif kind is Dec:
            put('{"dec":"' + dec_text(top) + '"}')
        elif kind is Blob:
            put(f'{{"blob":["{top.hash}",{top.size}]}}')
        elif kind is Agent:
            put('{"agent":' + quote(top.name) + "}")
        elif kind is Handle:
            put(f'{{"run":{top.index}}}')
        elif kind is dict:
            put("{")
            push(_END_OBJECT)
            comma = ""
            for key in sorted(top, reverse=True):
                if comma:
                    push(_COMMA)
                push(top[key])
                push(_Raw(quote(key) + ":"))
                comma = ","
        else:
            raise TypeError(f"canonical text has no {kind.__name__}")
    return "".join(out)


def canonical(data: Any) -> str:
    """The canonical text of a JSON structure (lists or tuples, dicts with text keys; values may stand in it too).

    Raises TypeError for what canonical text does not have: floats, bytes, keys that are no texts.
    """
    return _text([data])


def value_text(value: Value) -> str:
    """The canonical text of a value. Equal values have the same text, unequal ones different texts."""
    return _text([value])


def dec_text(number: Dec) -> str:
    """The digits of a decimal: `-0.05`, `12`, `1.5`; no exponent and no zero that could be left out."""
    digits = int_text(abs(number.coef))
    sign = "-" if number.coef < 0 else ""
    if number.scale == 0:
        return sign + digits
    digits = digits.zfill(number.scale + 1)
    return f"{sign}{digits[: -number.scale]}.{digits[-number.scale :]}"


def event_text(event: Event) -> str:
    """The canonical text of an event."""
    if type(event) is Intent:
        return f'{{"intent":{{"args":{_text([event.args])},"op":{quote(event.op)}}}}}'
    if type(event) is Outcome:
        files = ",".join([_change_text(path, entry) for path, entry in event.files])
        return f'{{"outcome":{{"answer":{_text([event.answer])},"by":"{event.by}","files":[{files}]}}}}'
    return _text([_event_data(event)])


def _change_text(path: str, entry: Entry | None) -> str:
    return f"[{quote(path)},null]" if entry is None else f'[{quote(path)},["{entry.mode:06o}","{entry.hash}"]]'


def _event_data(event: Event) -> dict[str, Any]:
    match event:
        case Start():
            return {
                "start": {
                    "version": event.version,
                    "program": event.program,
                    "agent": event.agent,
                    "args": event.args,
                    "grant": event.grant,
                    "files": event.files,
                }
            }
        case Denied():
            return {"denied": {"op": event.op, "args": event.args}}
        case Injected():
            return {"injected": {"value": event.value}}
        case Forked():
            return {"forked": {"of": event.of, "at": event.at}}
        case Undo():
            return {"undo": {"at": event.at, "op": event.op, "args": event.args}}
        case Reverted():
            return {"reverted": {"to": event.to}}
        case End():
            return {"end": {"kind": event.kind, "value": event.value}}
    raise TypeError(f"not an event: {type(event).__name__}")


def program_text(program: Program) -> str:
    """The canonical text of a program; its hash is the program's digest."""
    ops: dict[str, Any] = {
        name: {"class": op.effect_class} if op.undo is None else {"class": op.effect_class, "undo": op.undo}
        for name, op in program.ops.items()
    }
    defs = {name: {"params": list(item.params), "body": _comp_data(item.body)} for name, item in program.defs.items()}
    return _text([{"version": FORMAT_VERSION, "steps": program.steps, "ops": ops, "defs": defs}])


def comp_text(comp: Comp) -> str:
    """The canonical text of a computation."""
    return _text([_comp_data(comp)])


def _comp_data(comp: Comp) -> Any:
    """The JSON structure of a computation, values standing in it as they are; no recursion."""
    root: list[Any] = [None]
    todo: list[tuple[Comp | Expr, Any, Any]] = [(comp, root, 0)]  # what to write, into which holder, under which key
    while todo:
        term, holder, key = todo.pop()
        made: Any
        match term:
            case Var():
                made = {"var": term.name}
            case Lit():
                made = {"val": term.value}
            case Prim():
                made = {"prim": _slots(term.name, term.args, todo)}
            case Return():
                made = {"return": None}
                todo.append((term.expr, made, "return"))
            case Let():
                lets: list[Any] = []
                inner: Comp = term
                while type(inner) is Let:
                    pair: list[Any] = [inner.name, None]
                    lets.append(pair)
                    todo.append((inner.bound, pair, 1))
                    inner = inner.body
                made = {"lets": lets, "in": None}
                todo.append((inner, made, "in"))
            case If():
                parts: list[Any] = [None, None, None]
                made = {"if": parts}
                todo += [(term.cond, parts, 0), (term.then, parts, 1), (term.orelse, parts, 2)]
            case Call():
                args = _slots(None, term.args, todo)
                todo.append((term.agent, args, 0))
                made = {"call": args}
            case Do():
                made = {"do": _slots(term.op, term.args, todo)}
        holder[key] = made
    return root[0]


def _slots(head: str | None, args: tuple[Expr, ...], todo: list[tuple[Comp | Expr, Any, Any]]) -> list[Any]:
    """`head` and a free place for each of `args`, whose filling is put into `todo`."""
    slots: list[Any] = [head, *([None] * len(args))]
    todo.extend((arg, slots, index) for index, arg in enumerate(args, start=1))
    return slots


def value_json(value: Value) -> Json:
    """The canonical JSON structure of a value."""
    return parse(value_text(value))


def event_json(event: Event) -> Json:
    """The canonical JSON structure of an event."""
    return parse(event_text(event))


def program_json(program: Program) -> Json:
    """The canonical JSON structure of a program."""
    return parse(program_text(program))


# Reading


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
    return _value(data, WIRE_DEPTH)


def _value(data: Any, room: int) -> Value:
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
    raise WireError(f"expected a value, got {_shown(data)}")


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
            found.append(_value(item, room - 1))
    except WireError as error:
        error.steps.append(len(found))
        raise
    return tuple(found)


def _record(body: Any, room: int) -> Record:
    if type(body) is not dict:
        raise WireError(f"expected an object, got {_shown(body)}")
    if room <= 0:
        raise WireError(f"nesting deeper than {WIRE_DEPTH}")
    fields: list[tuple[str, Value]] = []
    for label in sorted(body):
        try:
            fields.append((_str(label), _value(body[label], room - 1)))
        except WireError as error:
            error.steps.append(label)
            raise
    return Record(tuple(fields))


def _con(body: Any, room: int) -> Con:
    if type(body) is not list or not body:
        raise WireError(f"expected a list with a name, got {_shown(body)}")
    if room <= 0:
        raise WireError(f"nesting deeper than {WIRE_DEPTH}")
    found: list[Any] = []
    try:
        found.append(_str(body[0]))
        for item in body[1:]:
            found.append(_value(item, room - 1))
    except WireError as error:
        error.steps.append(len(found))
        raise
    return Con(found[0], tuple(found[1:]))


def _dec(body: Any, room: int) -> Dec:
    found = _DEC.fullmatch(_str(body))
    if found is None or body == "-0":
        raise WireError(f"not a normal decimal: {quote(body[:40])}")
    sign, whole, part = found.groups("")
    if len(whole) + len(part) > INT_DIGITS or len(part) > DEC_SCALE:
        raise WireError("a decimal too large")
    coef = _int(int_from(whole + part))
    return Dec(-coef if sign else coef, len(part))


def _blob(body: Any, room: int) -> Blob:
    if type(body) is not list or len(body) != 2:
        raise WireError(f"expected [hash, size], got {_shown(body)}")
    return Blob(_hash(body[0]), _natural(body[1]))


_TAGGED: Final[dict[str, Callable[[Any, int], Value]]] = {
    "rec": _record,
    "con": _con,
    "dec": _dec,
    "blob": _blob,
    "agent": lambda body, room: Agent(_str(body)),
    "run": lambda body, room: Handle(_natural(body)),
}


def event_from(data: object) -> Event:
    """The event that a canonical JSON structure says. Raises WireError."""
    if type(data) is not dict or len(data) != 1:
        raise WireError(f"expected an event, got {_shown(data)}")
    for tag, body in data.items():
        reader = _EVENTS.get(tag)
        if reader is None:
            raise WireError(f"no event has the key {quote(str(tag))}")
        try:
            return reader(body)
        except WireError as error:
            error.steps.append(tag)
            raise
    raise AssertionError


def _start(body: Any) -> Start:
    _keys(body, "version", "program", "agent", "args", "grant", "files")
    return Start(
        _part(body, "version", _version),
        _part(body, "program", _hash),
        _part(body, "agent", _str),
        _part(body, "args", _args),
        _part(body, "grant", value_from),
        _part(body, "files", _hash_or_none),
    )


def _asked(kind: type[Intent] | type[Denied]) -> Callable[[Any], Event]:
    def reader(body: Any) -> Event:
        _keys(body, "op", "args")
        return kind(_part(body, "op", _str), _part(body, "args", _args))

    return reader


def _injected(body: Any) -> Injected:
    _keys(body, "value")
    return Injected(_part(body, "value", value_from))


def _outcome(body: Any) -> Outcome:
    _keys(body, "answer", "by", "files")
    return Outcome(_part(body, "answer", _answer), _part(body, "files", change_from), _part(body, "by", _by))


def _forked(body: Any) -> Forked:
    _keys(body, "of", "at")
    return Forked(_part(body, "of", _str), _part(body, "at", _natural))


def _undo(body: Any) -> Undo:
    _keys(body, "at", "op", "args")
    return Undo(_part(body, "at", _natural), _part(body, "op", _str), _part(body, "args", _args))


def _reverted(body: Any) -> Reverted:
    _keys(body, "to")
    return Reverted(_part(body, "to", _natural))


def _end(body: Any) -> End:
    _keys(body, "kind", "value")
    kind = _part(body, "kind", _str)
    if kind not in ("done", "failed", "discarded"):
        raise WireError('expected "done", "failed" or "discarded"', "kind")
    return End(cast(Any, kind), _part(body, "value", value_from))


_EVENTS: Final[dict[str, Callable[[Any], Event]]] = {
    "start": _start,
    "intent": _asked(Intent),
    "denied": _asked(Denied),
    "injected": _injected,
    "outcome": _outcome,
    "forked": _forked,
    "undo": _undo,
    "reverted": _reverted,
    "end": _end,
}


def change_from(data: object) -> Change:
    """The change of files that a canonical JSON structure says. Raises WireError."""
    found: list[tuple[str, Entry | None]] = []
    for index, item in enumerate(_list(data)):
        try:
            if type(item) is not list or len(item) != 2:
                raise WireError(f"expected [path, entry], got {_shown(item)}")
            path = _str(item[0])
            if found and path <= found[-1][0]:
                raise WireError("paths not sorted, or one given twice", 0)
            found.append((path, None if item[1] is None else _entry(item[1])))
        except WireError as error:
            error.steps.append(index)
            raise
    return tuple(found)


def _entry(data: Any) -> Entry:
    if type(data) is not list or len(data) != 2:
        raise WireError(f"expected [mode, hash], got {_shown(data)}", 1)
    mode, name = data
    if type(mode) is not str or _MODE.fullmatch(mode) is None:
        raise WireError("expected a mode of six octal digits", 0, 1)
    folder = mode == "040000"
    if not folder and not mode.startswith("100") and mode != "120000":
        raise WireError(f"no file has the mode {mode}", 0, 1)
    if folder != (name == ""):
        raise WireError("a folder has no hash, and everything else has one", 1, 1)
    return Entry(int(mode, 8), name if folder else _hash(name))


def _by(data: Any) -> By:
    if data not in ("world", "owner", "machine"):
        raise WireError('expected "world", "owner" or "machine"')
    return cast(By, data)


def _answer(data: Any) -> Con:
    found = value_from(data)
    if type(found) is Con:
        if found.name in ("Ok", "Err") and len(found.args) == 1:
            return found
        if found.name == "Unknown" and not found.args:
            return found
    raise WireError("expected an outcome: Ok(v), Err(e) or Unknown")


def program_from(data: object) -> Program:
    """The program that a canonical JSON structure says. Raises WireError."""
    _keys(data, "version", "steps", "ops", "defs")
    body = cast(dict[str, Any], data)
    _part(body, "version", _version)
    steps = _part(body, "steps", _natural)
    ops = _part(body, "ops", lambda item: _named(item, _operation))
    return Program(_part(body, "defs", lambda item: _named(item, _def)), ops, steps)


def _operation(data: Any) -> Operation:
    effect_class = data.get("class") if type(data) is dict else None
    if effect_class == "compensable":
        _keys(data, "class", "undo")
        return Operation("compensable", _part(data, "undo", _str))
    _keys(data, "class")
    if effect_class not in ("pure", "reversible", "irreversible"):
        raise WireError("expected pure, reversible, compensable or irreversible", "class")
    return Operation(cast(EffectClass, effect_class))


def _def(data: Any) -> Def:
    _keys(data, "params", "body")
    params = _part(data, "params", lambda item: tuple(map(_str, _list(item))))
    if len(set(params)) != len(params):
        raise WireError("a parameter given twice", "params")
    return Def(params, _part(data, "body", comp_from))


def comp_from(data: object) -> Comp:
    """The computation that a canonical JSON structure says. Raises WireError."""
    return _comp(data, WIRE_DEPTH)


def _comp(data: Any, room: int) -> Comp:
    """Bodies of `lets` and else-branches are followed in a loop: a long program is not a deep one."""
    if room <= 0:
        raise WireError(f"nesting deeper than {WIRE_DEPTH}")
    outer: list[Callable[[Comp], Comp]] = []  # what is still to be put around, outermost first
    steps: list[tuple[str | int, ...]] = []
    after_lets = False
    try:
        while True:
            if type(data) is not dict:
                raise WireError(f"expected a computation, got {_shown(data)}")
            if "lets" in data:
                if after_lets:
                    raise WireError("`in` is itself a `lets`")
                _keys(data, "lets", "in")
                outer.extend(_part(data, "lets", lambda item: _bindings(item, room - 1)))
                steps.append(("in",))
                data, after_lets = data["in"], True
            elif "if" in data:
                _keys(data, "if")
                parts = data["if"]
                if type(parts) is not list or len(parts) != 3:
                    raise WireError(f"expected [e, c, c], got {_shown(parts)}", "if")
                cond = _at(0, _expr, parts[0], room - 1, "if")
                then = _at(1, _comp, parts[1], room - 1, "if")
                outer.append(_else_of(cond, then))
                steps.append((2, "if"))
                data, after_lets = parts[2], False
            else:
                found = _plain_comp(data, room)
                break
    except WireError as error:
        for step in reversed(steps):
            error.steps.extend(step)
        raise
    for put_around in reversed(outer):
        found = put_around(found)
    return found


def _else_of(cond: Expr, then: Comp) -> Callable[[Comp], Comp]:
    return lambda orelse: If(cond, then, orelse)


def _let_of(name: str, bound: Comp) -> Callable[[Comp], Comp]:
    return lambda body: Let(name, bound, body)


def _bindings(data: Any, room: int) -> list[Callable[[Comp], Comp]]:
    pairs = _list(data)
    if not pairs:
        raise WireError("`lets` without a binding")
    found = []
    for index, pair in enumerate(pairs):
        if type(pair) is not list or len(pair) != 2:
            raise WireError(f"expected [name, computation], got {_shown(pair)}", index)
        found.append(_let_of(_at(0, lambda d, _: _str(d), pair[0], room, index), _at(1, _comp, pair[1], room, index)))
    return found


def _plain_comp(data: dict[str, Any], room: int) -> Comp:
    if len(data) == 1:
        for tag, body in data.items():
            if tag == "return":
                return Return(_at(tag, _expr, body, room - 1))
            if tag == "call":
                if type(body) is not list or not body:
                    raise WireError(f"expected [agent, e…], got {_shown(body)}", tag)
                found = [_at(index, _expr, item, room - 1, tag) for index, item in enumerate(body)]
                return Call(found[0], tuple(found[1:]))
            if tag == "do":
                op, args = _headed(tag, body, room)
                return Do(op, args)
    raise WireError(f"expected a computation, got {_shown(data)}")


def _expr(data: Any, room: int) -> Expr:
    if room <= 0:
        raise WireError(f"nesting deeper than {WIRE_DEPTH}")
    if type(data) is dict and len(data) == 1:
        for tag, body in data.items():
            if tag == "var":
                return Var(_at(tag, lambda d, _: _str(d), body, room))
            if tag == "val":
                return Lit(_at(tag, _value, body, WIRE_DEPTH))
            if tag == "prim":
                name, args = _headed(tag, body, room)
                return Prim(name, args)
    raise WireError(f"expected an expression, got {_shown(data)}")


def _headed(tag: str, body: Any, room: int) -> tuple[str, tuple[Expr, ...]]:
    if type(body) is not list or not body:
        raise WireError(f"expected [name, e…], got {_shown(body)}", tag)
    head = _at(0, lambda d, _: _str(d), body[0], room, tag)
    return head, tuple([_at(index, _expr, item, room - 1, tag) for index, item in enumerate(body[1:], start=1)])


def _at(step: str | int, reader: Callable[[Any, int], Any], data: Any, room: int, *outer: str | int) -> Any:
    try:
        return reader(data, room)
    except WireError as error:
        error.steps.extend((step, *outer))
        raise


def _part(body: dict[str, Any], key: str, reader: Callable[[Any], Any]) -> Any:
    try:
        return reader(body[key])
    except WireError as error:
        error.steps.append(key)
        raise


def _named(data: Any, reader: Callable[[Any], Any]) -> Mapping[str, Any]:
    if type(data) is not dict:
        raise WireError(f"expected an object, got {_shown(data)}")
    return {_str(name): _part(data, name, reader) for name in sorted(data)}


def _keys(data: object, *names: str) -> None:
    if type(data) is not dict:
        raise WireError(f"expected an object, got {_shown(data)}")
    if data.keys() != set(names):
        _complain(data.keys(), names)


def _complain(found: Iterable[Any], names: tuple[str, ...]) -> None:
    unknown = sorted(str(name) for name in found if name not in names)
    missing = sorted(set(names) - set(found))
    raise WireError(f"unknown key {quote(unknown[0])}" if unknown else f"no key {quote(missing[0])}")


def _list(data: Any) -> list[Any]:
    if type(data) is not list:
        raise WireError(f"expected a list, got {_shown(data)}")
    return data


def _args(data: Any) -> tuple[Value, ...]:
    return _values(_list(data), WIRE_DEPTH)


def _str(data: Any) -> str:
    if type(data) is not str:
        raise WireError(f"expected a text, got {_shown(data)}")
    if not is_scalar_text(data):
        raise WireError("lone surrogate in the text")
    return data


def _natural(data: Any) -> int:
    if type(data) is not int or data < 0:
        raise WireError(f"expected a number from 0 on, got {_shown(data)}")
    return _int(data)


def _version(data: Any) -> int:
    if type(data) is not int or data != FORMAT_VERSION:
        raise WireError(f"expected the format version {FORMAT_VERSION}, got {_shown(data)}")
    return data


def _hash(data: Any) -> str:
    if type(data) is not str or _HASH.fullmatch(data) is None:
        raise WireError("expected a hash of 40 hexadecimal digits")
    return data


def _hash_or_none(data: Any) -> str:
    return "" if data == "" else _hash(data)


def _shown(data: object) -> str:
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
