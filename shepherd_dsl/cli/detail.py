"""One event in full, for `shepherd show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shepherd_dsl.cli.difference import difference
from shepherd_dsl.cli.output import paint, plain
from shepherd_dsl.cli.values import shown
from shepherd_dsl.core.event import (
    Denied,
    End,
    Forked,
    Injected,
    Intent,
    Outcome,
    Reverted,
    Start,
    Undo,
)
from shepherd_dsl.core.value import Con, Record, Value
from shepherd_dsl.trace.protocol import Recorded


def detail(item: Recorded, reader: Any, *, on: bool) -> Iterator[str]:
    """The lines that show an event whole."""

    def field(name: str, value: Value) -> Iterator[str]:
        yield f"  {paint(f'{name}:', 'bold', on=on)}{_inline(value)}"
        yield from _block(value)

    event = item.event
    match event:
        case Start():
            yield f"start {event.agent}   program {event.program[:10]}   files {event.files[:10]}"
            for place, arg in enumerate(event.args):
                yield from field(f"argument {place + 1}", arg)
            yield from _grant(event.grant)
        case Intent() | Denied():
            yield f"{type(event).__name__.lower()} {event.op}"
            for place, arg in enumerate(event.args):
                yield from field(f"argument {place + 1}", arg)
        case Undo():
            yield f"undo of event {event.at}: {event.op}"
            for place, arg in enumerate(event.args):
                yield from field(f"argument {place + 1}", arg)
        case Outcome():
            trace = reader.trace(item.run)
            question: Any = trace[item.index - 1]
            place = item.index - 1
            while isinstance(question.event, Injected):
                place -= 1
                question = trace[place]
            yield f"outcome of event {question.index}: {question.event.op}   by {event.by}"
            for number, arg in enumerate(question.event.args):
                yield from field(f"argument {number + 1}", arg)
            yield from field(event.answer.name, event.answer.args[0] if event.answer.args else ())
            if event.files:
                yield ""
                yield from difference(question.files, item.files, reader.blob, stat=False, on=on)
        case Injected():
            yield "injected by its owner"
            yield from field("message", event.value)
        case Forked():
            yield f"forked from event {event.at} of {event.of}"
        case Reverted():
            yield f"reverted to event {event.to}"
        case End():
            yield f"end: {event.kind}"
            yield from field("value", event.value)


def _inline(value: Value) -> str:
    if isinstance(value, str) and "\n" in value:
        return ""
    if isinstance(value, Record | Con | tuple):
        return ""
    return f" {plain(value) if isinstance(value, str) else shown(value)}"


def _block(value: Value, indent: int = 4) -> Iterator[str]:
    """A value over several lines: records by field, texts as they are."""
    pad = " " * indent
    if isinstance(value, str):
        if "\n" in value:
            for line in value.splitlines():
                yield pad + plain(line)
    elif isinstance(value, Record):
        for label, inner in value.fields:
            yield f"{pad}{label}:{_inline(inner)}"
            yield from _block(inner, indent + 2)
    elif isinstance(value, Con):
        yield f"{pad}{value.name}"
        for inner in value.args:
            if _inline(inner):
                yield f"{pad} {_inline(inner)}"
            yield from _block(inner, indent + 2)
    elif isinstance(value, tuple):
        for inner in value:
            yield f"{pad}-{_inline(inner)}"
            yield from _block(inner, indent + 2)


def _grant(grant: Value) -> Iterator[str]:
    for layer in grant if isinstance(grant, tuple) else ():
        parts = []
        for clause in layer if isinstance(layer, tuple) else ():
            if isinstance(clause, Record):
                parts.append(_clause(clause))
        yield "  grants: " + ", ".join(parts)


def _clause(clause: Record) -> str:
    patterns, limit = clause.get("args"), clause.get("limit")
    inner = ""
    if isinstance(patterns, tuple) and patterns:
        shown = [shown(p.args[0]) if isinstance(p, Con) and p.args else "_" for p in patterns]
        inner = f"({', '.join(shown)})"
    times = f" at most {limit.args[0]}" if isinstance(limit, Con) and limit.args else ""
    return f"{clause.get('op')}{inner}{times}"
