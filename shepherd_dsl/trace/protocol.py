"""The trace store protocol: what the driver needs of a durable log, and what readers get."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import attrs

from shepherd_dsl.core.content import Content
from shepherd_dsl.core.event import Event
from shepherd_dsl.core.files import Files


@attrs.frozen(slots=True, eq=False)
class LogEntry:
    """One entry of the log of a tree: which run got which event, and the run's files after it."""

    run: str
    event: Event
    files: Files


@attrs.frozen(slots=True, eq=False)
class Recorded:
    """An entry as the store holds it: `index` in its run's trace, its commit (40 hex digits), and the real time
    (milliseconds since 1970, None where it is not known) at which it was recorded."""

    run: str
    index: int
    event: Event
    files: Files
    commit: str
    time_ms: int | None


class TreeWriter(Protocol):
    """The one writer of a tree. Holds the tree's lock until `close`.

    `append` takes the entries of whole steps, in log order, as *one* journal record: after a crash all of them are
    there or none. With `durable` they are on disk when it returns (one fdatasync); without, they become so with the
    next durable append, at the latest on `close`. `put_blob` keeps bytes under their Git blob hash; they are durable
    no later than the first append after it. `blob` gives them back; `content` gives large ones piece by piece.
    """

    name: str

    def append(self, entries: Sequence[LogEntry], *, durable: bool = True) -> None: ...

    def put_blob(self, data: Content) -> str: ...

    def blob(self, hash: str) -> bytes: ...

    def content(self, hash: str) -> Content: ...

    def has_blob(self, hash: str) -> bool: ...

    def note(self, run: str, index: int, name: str, text: str) -> None: ...

    def pack(self) -> None: ...

    def close(self) -> None: ...

    def __len__(self) -> int: ...


class TreeReader(Protocol):
    """A consistent view of one tree, taken without a lock.

    `entries` gives the log in order, `tail` its last entries at the cost of those alone. `trace` gives the events of a
    run, in a copy the inherited ones first; it is read from its end, so `trace[-1]` is cheap however long it is.
    `runs` are in the order of their first entries. `notes` are the texts kept beside an event, by name.
    """

    name: str
    program: str
    info: Mapping[str, str]

    def entries(self) -> Iterator[Recorded]: ...

    def tail(self, count: int) -> Sequence[Recorded]: ...

    def trace(self, run: str) -> Sequence[Recorded]: ...

    def runs(self) -> Sequence[str]: ...

    def notes(self, run: str, index: int) -> Mapping[str, str]: ...

    def blob(self, hash: str) -> bytes: ...

    def content(self, hash: str) -> Content: ...

    def __len__(self) -> int: ...


class TraceStore(Protocol):
    """All trees of a workspace. `create` gives a new tree the next free name. `info` is a small map of texts kept with
    the tree (source file, agent, …), none of which is part of any event.

    `fork` makes a tree whose log is that of `name` up to event `at` of its root run, then what `forked` gives; it is
    there whole or not at all. `names` lists the trees that have an event: numbers in order, then others. `latest` is
    the newest of those made here, else of all.
    """

    def create(self, *, program: str, info: Mapping[str, str]) -> TreeWriter: ...

    def reopen(self, name: str) -> TreeWriter: ...

    def fork(self, name: str, *, at: int, forked: Callable[[], Sequence[LogEntry]], info: Mapping[str, str]) -> str: ...

    def read(self, name: str) -> TreeReader: ...

    def names(self) -> Sequence[str]: ...

    def latest(self) -> str | None: ...
