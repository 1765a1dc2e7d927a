"""The scope protocol: the files of a run, made real in a folder.

The machine holds a run's files as a value (`core.files.Files`). A scope is where that value stands as real files, for
handlers that start processes. It is derived: after a crash it is rebuilt from the trace.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from shepherd_dsl.core.content import PutBlob
from shepherd_dsl.core.event import Change
from shepherd_dsl.core.files import Files


class Scope(Protocol):
    """The files of one run in a folder of their own.

    `folder` is where this process finds the files. Another process finds them at `place`, once it has entered
    `namespaces` (descriptors for `setns`, in this order; none where the two are the same). `sync(files)` makes the
    folder equal to `files` (it knows what it held before, so the cost is the difference). `changes(write_blob)` finds
    what processes changed since, hands new contents to `write_blob` and returns the change; the scope then holds the
    changed files. Where `write_blob` keeps other bytes (it may take out a secret) and gives their hash, the file
    becomes what was kept. Sockets, FIFOs and devices are not carried; `skipped` lists their paths after `changes`. When
    files were changed is carried as well as it is known (`scope.times`).

    No process should be at work in `folder` during a call. ScopeError says that files cannot be made, read or written;
    after a `sync` that failed, `changes` raises it (`scope.interrupted`) until the next `sync`. An exception of
    `write_blob` leaves the scope as it was. `conformance.scope` says the rest.
    """

    files: Files
    skipped: tuple[str, ...]

    @property
    def folder(self) -> Path: ...

    @property
    def place(self) -> Path: ...

    @property
    def namespaces(self) -> tuple[int, ...]: ...

    def sync(self, files: Files) -> None: ...

    def changes(self, write_blob: PutBlob) -> Change: ...

    def close(self) -> None: ...


class ScopeBackend(Protocol):
    """Makes scopes for one tree of runs. `name` is the backend's name (`copy`, `overlay`, …).

    `open(run, files)` gives the scope of a run, holding `files`; opening the same run again gives its scope as it was
    left, brought to `files`. `fork(run, copy)` makes `copy`'s scope start as `run`'s, cheaply where it can; whether it
    also begins with what is not carried (what is ignored, FIFOs) is for the backend to say. `close` lets go of
    everything; with `ended` the tree is not about to go on, and what stands of it goes, since it can be made anew.
    """

    name: str

    def open(self, run: str, files: Files) -> Scope: ...

    def fork(self, run: str, copy: str) -> None: ...

    def remove(self, run: str) -> None: ...

    def close(self, *, ended: bool = False) -> None: ...
