"""A tracker of issues in a file: `tracker.comment` and `tracker.retract`, a real effect that can be compensated.

The file (`[tracker] path`) is outside every scope, as a tracker on the network would be. Each line is a JSON object:

    {"id":1,"issue":42,"key":"1 root.0 7","kind":"comment","text":"done"}
    {"id":1,"key":"1 root.0 9","kind":"retract"}

`key` is tree, run and position of the intent: the same intent, performed twice, posts once, and after a crash `probe`
finds what became of it. Errors: `not_found` (no such comment), `retracted` (by another intent), `tracker` (the file
cannot be read or written).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio.to_thread

from shepherd_dsl.core.value import UNIT, Con, Record, err, ok, record
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.fits import rec_of
from shepherd_dsl.handlers.protocol import OperationSpec, Request

NOTE = rec_of(id="Int")

OPERATIONS: Mapping[str, OperationSpec] = MappingProxyType(
    {
        "tracker.comment": OperationSpec(
            effect_class="compensable",
            params=(("issue", "Int"), ("text", "Text")),
            result=NOTE,
            undo="tracker.retract",
            about="post a comment on an issue",
        ),
        "tracker.retract": OperationSpec(
            effect_class="irreversible", params=(("note", NOTE),), result="Unit", about="take a comment back"
        ),
    }
)

_Line = dict[str, Any]


class TrackerHandler:
    """Performs `tracker.*` on one file; several processes may use it at once."""

    operations = OPERATIONS

    def __init__(self, file: Path) -> None:
        self.file = file

    async def perform(self, request: Request) -> Con:
        """`Ok({id})` for a comment, `Ok(unit)` for a retraction, or an error as above. On disk when it returns."""
        # Not abandoned when cancelled: a comment half posted would be neither there nor not there.
        with anyio.CancelScope(shield=True):
            outcome = await anyio.to_thread.run_sync(self._guarded, request, self._perform)
        return outcome

    async def probe(self, request: Request) -> Con | None:
        """What the file says of the intent; where it says nothing, it did not happen: `Err(not_done)`."""
        return await anyio.to_thread.run_sync(self._guarded, request, self._probe)

    async def aclose(self) -> None:
        """Nothing to close."""

    def _guarded(self, request: Request, act: Callable[[Request], Con]) -> Con:
        try:
            return act(request)
        except (OSError, ValueError, KeyError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "a line is not what the tracker writes"
            return err("tracker", f"{self.file.name}: {reason}")

    def _perform(self, request: Request) -> Con:
        with self._locked() as descriptor:
            lines = _read(descriptor)
            done = _answer(lines, request)
            if done is not None:
                return done
            if request.op == "tracker.comment":
                issue, text = request.args
                made = 1 + sum(line["kind"] == "comment" for line in lines)
                _append(descriptor, {"kind": "comment", "key": _key(request), "id": made, "issue": issue, "text": text})
                return ok(record(id=made))
            number = _number(request)
            if not any(line["kind"] == "comment" and line["id"] == number for line in lines):
                return err("not_found", f"there is no comment {number}")
            if any(line["kind"] == "retract" and line["id"] == number for line in lines):
                return err("retracted", f"the comment {number} was retracted before")
            _append(descriptor, {"kind": "retract", "key": _key(request), "id": number})
            return ok(UNIT)

    def _probe(self, request: Request) -> Con:
        try:
            with self._locked() as descriptor:
                done = _answer(_read(descriptor), request)
        except FileNotFoundError:
            done = None
        return err("not_done", f"{request.op} was not carried out before the crash") if done is None else done

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def open_handler(context: HandlerContext) -> TrackerHandler:
    """The factory of the entry point `tracker`."""
    return TrackerHandler(context.workspace / context.config.tracker.path)


def comments(file: Path) -> tuple[tuple[int, str, bool], ...]:
    """All comments in `file`, in order: the issue, the text, and whether it still stands."""
    if not file.exists():
        return ()
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    gone = {line["id"] for line in lines if line["kind"] == "retract"}
    return tuple((line["issue"], line["text"], line["id"] not in gone) for line in lines if line["kind"] == "comment")


def _key(request: Request) -> str:
    return f"{request.tree} {request.run} {request.position}"


def _number(request: Request) -> int:
    (note,) = request.args
    assert isinstance(note, Record)
    number = note.get("id")
    assert isinstance(number, int)
    return number


def _answer(lines: list[_Line], request: Request) -> Con | None:
    """The outcome of an intent that was carried out before, or None."""
    key = _key(request)
    for line in lines:
        if line["key"] == key:
            return ok(record(id=line["id"])) if line["kind"] == "comment" else ok(UNIT)
    return None


def _read(descriptor: int) -> list[_Line]:
    """All lines; a last one that a crash cut off is removed from the file."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        os.ftruncate(descriptor, len(whole))
    lines: list[_Line] = []
    for text in whole.splitlines():
        line = json.loads(text)
        if not isinstance(line, dict):
            raise ValueError("not an object")
        lines.append(line)
    return lines


def _append(descriptor: int, line: _Line) -> None:
    data = json.dumps(line, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)
