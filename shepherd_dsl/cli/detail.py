"""One event in full, for `shepherd show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shepherd_dsl.cli.difference import difference
from shepherd_dsl.cli.output import paint
from shepherd_dsl.cli.rows import BY
from shepherd_dsl.cli.run_names import RunNames
from shepherd_dsl.cli.text import plain, terminal_width
from shepherd_dsl.cli.values import laid_out, shown
from shepherd_dsl.core.event import Denied, End, Event, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.value import Con, Record, Value
from shepherd_dsl.trace.protocol import Recorded, TreeReader
from shepherd_dsl.trace.revisions import shown_run


def detail(item: Recorded, reader: TreeReader, *, on: bool) -> Iterator[str]:
    """The lines that show an event whole; the files that an outcome changed as unified diffs."""
    names = RunNames(reader)
    event = names.event(item)
    yield paint(plain(_title(item, reader)), "bold", on=on)
    match event:
        case Start():
            yield from _arguments(event.args)
            yield from _grant(event.grant)
            yield f"  program  {event.program}"
            yield f"  files    {event.files}"
        case Intent() | Denied() | Undo():
            yield from _arguments(event.args)
        case Outcome():
            question = question_of(item, reader)
            asked = names.event(question)
            assert isinstance(asked, Intent | Undo)
            yield from _arguments(asked.args)
            yield from laid_out(event.answer, width=terminal_width(), lead="  answer   ")
            if event.files:
                yield ""
                yield from difference(question.files, item.files, reader.content, stat=False, on=on)
        case Injected() | End():
            yield from laid_out(event.value, width=terminal_width(), lead="  value    ")


def note_lines(name: str, text: str, *, on: bool) -> Iterator[str]:
    """A note beside an event; those that the driver keeps in words."""
    from shepherd_dsl.core.wire_value import WireError, parse, value_from
    from shepherd_dsl.runtime.attempts import BEGUN, HELD, LATE, MARK

    yield ""
    if name == MARK and text in (BEGUN, HELD):
        yield paint("attempt", "dim", on=on)
        yield {
            BEGUN: "    a handler was called for this; if the driver then stopped, nobody knows whether it happened",
            HELD: "    a handler was stopped in time: nothing of it lasts, and the run calls it again",
        }[text]
    elif name == LATE:
        yield paint("late answer: given after this had been taken back, so the run never saw it", "dim", on=on)
        try:
            yield from laid_out(value_from(parse(text)), width=terminal_width(), lead="    ")
        except (WireError, RecursionError):
            yield f"    {plain(text)}"
    else:
        yield paint(f"note {plain(name)}", "dim", on=on)
        yield from (f"    {plain(line)}" for line in text.splitlines())


def question_of(item: Recorded, reader: TreeReader) -> Recorded:
    """The intent or undo that an outcome answers. Messages may have been injected between the two."""
    trace = reader.trace(item.run)
    place = item.index - 1
    while not isinstance(trace[place].event, Intent | Undo):
        place -= 1
    return trace[place]


def _title(item: Recorded, reader: TreeReader) -> str:
    event: Event = item.event
    match event:
        case Start():
            return f"start of {event.agent}"
        case Intent():
            return f"intent {event.op}"
        case Denied():
            return f"denied {event.op}: the grant of the run does not allow it"
        case Outcome():
            question = question_of(item, reader)
            asked: Any = question.event
            return f"outcome of event {question.index}, {asked.op}, answered by {BY[event.by]}"
        case Undo():
            return f"undo of event {event.at}: {event.op}"
        case Injected():
            return "injected by the run's owner"
        case Forked():
            return f"fork of run {shown_run(reader.name, event.of)} at event {event.at}"
        case Reverted():
            return f"reverted to event {event.to}"
        case End():
            return f"end: {event.kind}"


def _arguments(args: tuple[Value, ...]) -> Iterator[str]:
    for place, arg in enumerate(args):
        name = "argument" if len(args) == 1 else f"argument {place + 1}"
        yield from laid_out(arg, width=terminal_width(), lead=f"  {name:<8} ")


def _grant(grant: Value) -> Iterator[str]:
    """The layers of a grant, outermost first: an operation must be in each of them."""
    for layer in grant if isinstance(grant, tuple) else ():
        # Every run may take its messages; that is no grant anyone wrote.
        clauses = [
            _clause(clause)
            for clause in (layer if isinstance(layer, tuple) else ())
            if isinstance(clause, Record) and clause.get("op") != "inbox.take"
        ]
        yield "  grants   " + plain(", ".join(clauses) or "nothing")


def _clause(clause: Record) -> str:
    patterns, limit = clause.get("args"), clause.get("limit")
    inner = ""
    if isinstance(patterns, tuple) and patterns:
        texts = [shown(pattern.args[0]) if isinstance(pattern, Con) and pattern.args else "_" for pattern in patterns]
        inner = f"({', '.join(texts)})"
    times = f" at most {limit.args[0]}" if isinstance(limit, Con) and limit.args else ""
    return f"{clause.get('op')}{inner}{times}"
