"""Canonical text of values, events and programs. Total: one loop without recursion, so any depth prints."""

from __future__ import annotations

from typing import Any, Final

from shepherd_dsl.core.event import (
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
from shepherd_dsl.core.jsontext import int_text, quote
from shepherd_dsl.core.program import FORMAT_VERSION, Program
from shepherd_dsl.core.value import Agent, Blob, Con, Dec, Handle, Record, Unit, Value


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
        return (
            f'{{"outcome":{{"answer":{_text([event.answer])},"by":"{event.by}","files":{change_text(event.files)}}}}}'
        )
    return _text([_event_data(event)])


def change_text(change: Change) -> str:
    """The canonical text of a change to a scope."""
    return f"[{','.join([_entry_text(path, entry) for path, entry in change])}]"


def _entry_text(path: str, entry: Entry | None) -> str:
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
