"""Logs, oracle scripts and verdicts in canonical form: what passes between two implementations of the core.

log     [{"run":id,"event":{…}}…]                                   the events of a tree, in their order
script  [{"run":id,"at":n,"answer":v,"files":[…]}…]                 what the oracle says to `run` when it has n events
verdict {"accepted":true,"followed":n} or
        {"accepted":false,"followed":n,"problem":text,"expected":{"run":id,"event":{…}}|null}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from shepherd_dsl.core.event import Change, Event
from shepherd_dsl.core.jsontext import quote
from shepherd_dsl.core.value import Con
from shepherd_dsl.core.wire_event import answer_from, change_from, event_from
from shepherd_dsl.core.wire_print import change_text, event_text, value_text
from shepherd_dsl.core.wire_value import WireError, keys, list_from, natural_from, part, text_from

Entry: TypeAlias = tuple[str, Event]
"""An event of a log and the id of the run it belongs to."""

Script: TypeAlias = Mapping[tuple[str, int], tuple[Con, Change]]
"""A finite oracle: (id of the run that asks, how many events it has) ↦ (answer, change to its files)."""


def entry_text(entry: Entry) -> str:
    """The canonical text of one event of a log."""
    run, event = entry
    return f'{{"event":{event_text(event)},"run":{quote(run)}}}'


def log_text(log: Sequence[Entry]) -> str:
    """The canonical text of a log."""
    return f"[{','.join(map(entry_text, log))}]"


def entry_from(data: object) -> Entry:
    """One event of a log. Raises WireError."""
    keys(data, "run", "event")
    return part(data, "run", text_from), part(data, "event", event_from)


def log_from(data: object) -> tuple[Entry, ...]:
    """The log that a canonical JSON structure says. Raises WireError."""
    items = list_from(data)
    return tuple([part(items, at, entry_from) for at in range(len(items))])


def script_text(script: Script) -> str:
    """The canonical text of an oracle script, sorted by run and by number of events."""
    rows = [
        f'{{"answer":{value_text(answer)},"at":{at},"files":{change_text(files)},"run":{quote(run)}}}'
        for (run, at), (answer, files) in sorted(script.items(), key=_place)
    ]
    return f"[{','.join(rows)}]"


def _place(row: tuple[tuple[str, int], Any]) -> tuple[str, int]:
    return row[0]


def script_from(data: object) -> Script:
    """The oracle script that a canonical JSON structure says. Raises WireError, also where a place is given twice."""
    items = list_from(data)
    found: dict[tuple[str, int], tuple[Con, Change]] = {}
    for at in range(len(items)):
        place, said = part(items, at, _row)
        if place in found:
            raise WireError("the same run and number of events given twice", at)
        found[place] = said
    return found


def _row(data: Any) -> tuple[tuple[str, int], tuple[Con, Change]]:
    keys(data, "run", "at", "answer", "files")
    place = part(data, "run", text_from), part(data, "at", natural_from)
    return place, (part(data, "answer", answer_from), part(data, "files", change_from))


def verdict_text(followed: int, problem: str, expected: Entry | None) -> str:
    """The canonical text of a verdict: accepted where there is no `problem`."""
    if not problem:
        return f'{{"accepted":true,"followed":{followed}}}'
    shown = "null" if expected is None else entry_text(expected)
    return f'{{"accepted":false,"expected":{shown},"followed":{followed},"problem":{quote(problem)}}}'
