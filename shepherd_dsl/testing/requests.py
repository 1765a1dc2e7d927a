"""Requests for tests of handlers, with blobs, shown output and notes that can be looked at afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import attrs

from shepherd_dsl.core.value import Blob, Value
from shepherd_dsl.handlers.context import HandlerContext, open_context
from shepherd_dsl.handlers.protocol import Request


@attrs.define(slots=True)
class Recorder:
    """What a handler did with its requests: blobs by Git hash, pieces shown, notes as (name, text)."""

    blobs: dict[str, bytes] = attrs.field(factory=dict)
    pieces: list[str] = attrs.field(factory=list)
    notes: list[tuple[str, str]] = attrs.field(factory=list)

    @property
    def shown(self) -> str:
        """All pieces shown, joined."""
        return "".join(self.pieces)

    def write_blob(self, data: bytes) -> Value:
        """Keep `data` under its Git blob hash."""
        name = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        self.blobs[name] = data
        return Blob(name, len(data))

    def read_blob(self, name: str) -> bytes:
        """The blob `name`; KeyError where there is none."""
        return self.blobs[name]

    def note(self, name: str, text: str) -> None:
        """Keep a note."""
        self.notes.append((name, text))


def make_request(
    op: str,
    *args: Value,
    folder: Path | None = None,
    tree: str = "1",
    run: str = "root",
    position: int = 1,
    recorder: Recorder | None = None,
) -> Request:
    """A request for `op(args…)`; `recorder` receives what the handler keeps and shows."""
    kept = Recorder() if recorder is None else recorder
    return Request(
        tree=tree,
        run=run,
        position=position,
        op=op,
        args=args,
        folder=folder,
        read_blob=kept.read_blob,
        write_blob=kept.write_blob,
        show=kept.pieces.append,
        note=kept.note,
    )


def make_context(
    workspace: Path,
    *,
    config: str = "",
    environ: Mapping[str, str] | None = None,
    assume: bool | None = None,
) -> HandlerContext:
    """A context for `workspace` with the configuration text `config`; the environment is just PATH unless given."""
    from shepherd_dsl.config import parse_config

    found = {"PATH": "/usr/local/bin:/usr/bin:/bin"} if environ is None else dict(environ)
    (workspace / ".shepherd").mkdir(exist_ok=True)
    return open_context(workspace, environ=found, config=parse_config(config), assume=assume)
