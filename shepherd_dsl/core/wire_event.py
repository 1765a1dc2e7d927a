"""Reading events in canonical form."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

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
from shepherd_dsl.core.jsontext import quote
from shepherd_dsl.core.names import normal_path
from shepherd_dsl.core.value import Con
from shepherd_dsl.core.wire_value import (
    WireError,
    args_from,
    hash_from,
    keys,
    list_from,
    natural_from,
    part,
    shown,
    text_from,
    value_from,
    version_from,
)

_MODE: Final = re.compile(r"[0-7]{6}")


def event_from(data: object) -> Event:
    """The event that a canonical JSON structure says. Raises WireError."""
    if type(data) is not dict or len(data) != 1:
        raise WireError(f"expected an event, got {shown(data)}")
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
    keys(body, "version", "program", "agent", "args", "grant", "files")
    return Start(
        part(body, "version", version_from),
        part(body, "program", hash_from),
        part(body, "agent", text_from),
        part(body, "args", args_from),
        part(body, "grant", value_from),
        part(body, "files", hash_from),
    )


def _asked(kind: type[Intent] | type[Denied]) -> Callable[[Any], Event]:
    def reader(body: Any) -> Event:
        keys(body, "op", "args")
        return kind(part(body, "op", text_from), part(body, "args", args_from))

    return reader


def _injected(body: Any) -> Injected:
    keys(body, "value")
    return Injected(part(body, "value", value_from))


def _outcome(body: Any) -> Outcome:
    keys(body, "answer", "by", "files")
    return Outcome(part(body, "answer", answer_from), part(body, "files", change_from), part(body, "by", _by))


def _forked(body: Any) -> Forked:
    keys(body, "of", "at")
    return Forked(part(body, "of", text_from), part(body, "at", natural_from))


def _undo(body: Any) -> Undo:
    keys(body, "at", "op", "args")
    return Undo(part(body, "at", natural_from), part(body, "op", text_from), part(body, "args", args_from))


def _reverted(body: Any) -> Reverted:
    keys(body, "to")
    return Reverted(part(body, "to", natural_from))


def _end(body: Any) -> End:
    keys(body, "kind", "value")
    kind = part(body, "kind", text_from)
    if kind not in ("done", "failed", "discarded"):
        raise WireError('expected "done", "failed" or "discarded"', "kind")
    return End(cast(Any, kind), part(body, "value", value_from))


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
    for index, item in enumerate(list_from(data)):
        try:
            if type(item) is not list or len(item) != 2:
                raise WireError(f"expected [path, entry], got {shown(item)}")
            path = text_from(item[0])
            if normal_path(path) is None:
                raise WireError("not a normal relative path", 0)
            if found and path <= found[-1][0]:
                raise WireError("paths not sorted, or one given twice", 0)
            found.append((path, None if item[1] is None else part(item, 1, _entry)))
        except WireError as error:
            error.steps.append(index)
            raise
    return tuple(found)


def _entry(data: Any) -> Entry:
    if type(data) is not list or len(data) != 2:
        raise WireError(f"expected [mode, hash], got {shown(data)}")
    mode, name = data
    if type(mode) is not str or _MODE.fullmatch(mode) is None:
        raise WireError("expected a mode of six octal digits", 0)
    folder = mode == "040000"
    if not folder and not mode.startswith("10") and mode != "120000":
        raise WireError(f"no file has the mode {mode}", 0)
    if folder != (name == ""):
        raise WireError("a folder has no hash, and everything else has one", 1)
    return Entry(int(mode, 8), name if folder else part(data, 1, hash_from))


def _by(data: Any) -> By:
    if data not in ("world", "owner", "machine"):
        raise WireError('expected "world", "owner" or "machine"')
    return cast(By, data)


def answer_from(data: object) -> Con:
    """The outcome that a canonical JSON structure says. Raises WireError."""
    found = value_from(data)
    if type(found) is Con:
        if found.name in ("Ok", "Err") and len(found.args) == 1:
            return found
        if found.name == "Unknown" and not found.args:
            return found
    raise WireError("expected an outcome: Ok(v), Err(e) or Unknown")
