"""A trace store in memory: the same names, commits and errors as the real one, and nothing on disk.

For tests that need a store and not its durability. It holds to `shepherd_dsl.conformance.store` like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from shepherd_dsl.core.content import Content, whole
from shepherd_dsl.core.event import Forked
from shepherd_dsl.core.files import git_blob_hash
from shepherd_dsl.core.wire import event_text
from shepherd_dsl.errors import CorruptError, LockedError, RevisionError, StoreError
from shepherd_dsl.trace.hashes import LogHashes
from shepherd_dsl.trace.objects import blobs_of
from shepherd_dsl.trace.protocol import LogEntry, Recorded

ROOT = "root"


class _Tree:
    """The one copy of a tree that its writer and its readers share."""

    def __init__(self, name: str, program: str, info: Mapping[str, str]) -> None:
        self.name = name
        self.program = program
        self.info = dict(info)
        self.log: list[Recorded] = []
        self.traces: dict[str, list[Recorded]] = {}
        self.notes: dict[tuple[str, int], dict[str, str]] = {}
        self.hashes = LogHashes(program=program)
        self.locked = False


class MemoryStore:
    """All trees, in memory (`TraceStore`). `clock` gives milliseconds since 1970; by default it stands still at 0."""

    def __init__(self, *, clock: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self._trees: dict[str, _Tree] = {}
        self._blobs: dict[str, bytes] = {}
        self._mutex = threading.RLock()

    def create(self, *, program: str, info: Mapping[str, str]) -> MemoryWriter:
        """A new tree under the next free number."""
        with self._mutex:
            name = str(len(self._trees) + 1)
            tree = self._trees[name] = _Tree(name, program, info)
            return MemoryWriter(tree, self._blobs, self._clock, self._mutex)

    def reopen(self, name: str) -> MemoryWriter:
        """Go on with a tree. Raises RevisionError, LockedError."""
        with self._mutex:
            return MemoryWriter(self._tree(name), self._blobs, self._clock, self._mutex)

    def fork(self, name: str, *, at: int, forked: Callable[[], Sequence[LogEntry]], info: Mapping[str, str]) -> str:
        """A new tree that shares the log up to event `at` of the root run. Raises RevisionError, StoreError."""
        with self._mutex:
            old = self._tree(name)
            cut = next((n for n, r in enumerate(old.log) if (r.run, r.index) == (ROOT, at)), None)
            if cut is None:
                raise RevisionError(
                    "revision.event",
                    f"run root has no event {at} of its own",
                    where=name,
                    hint=f"it has the events 0 to {len(old.traces.get(ROOT, ())) - 1}",
                )
            entries = forked()
            new_name = str(len(self._trees) + 1)
            tree = self._trees[new_name] = _Tree(new_name, old.program, info)
            writer = MemoryWriter(tree, self._blobs, self._clock, self._mutex)
            try:
                tree.hashes.extend([LogEntry(r.run, r.event, r.files) for r in old.log[: cut + 1]])
                for recorded in old.log[: cut + 1]:
                    tree.log.append(recorded)
                    writer.trace_of(recorded.run, recorded).append(recorded)
                tree.notes = {
                    place: dict(texts)
                    for place, texts in old.notes.items()
                    if place[1] < len(tree.traces.get(place[0], ()))
                }
                writer.append(entries)
            except BaseException:
                del self._trees[new_name]
                raise
            writer.close()
            return new_name

    def read(self, name: str) -> MemoryReader:
        """A view of a tree as it is now. Raises RevisionError."""
        with self._mutex:
            return MemoryReader(self._tree(name), self._blobs)

    def names(self) -> Sequence[str]:
        """The names of all trees that have an event."""
        with self._mutex:
            return tuple(name for name, tree in self._trees.items() if tree.log)

    def latest(self) -> str | None:
        """The name of the newest tree that has an event, None where there is none."""
        return next(reversed(self.names()), None)

    def _tree(self, name: str) -> _Tree:
        tree = self._trees.get(name)
        if tree is None or (not tree.log and not tree.locked):
            names = ", ".join(self.names())
            raise RevisionError("revision.tree", f"there is no run {name}", hint=f"the runs: {names or 'none yet'}")
        return tree


class MemoryWriter:
    """Writes one tree (`TreeWriter`)."""

    def __init__(
        self,
        tree: _Tree,
        blobs: dict[str, bytes],
        clock: Callable[[], int],
        mutex: threading.RLock,
    ) -> None:
        """Take the tree's lock. Raises LockedError."""
        if tree.locked:
            raise LockedError(
                "store.locked",
                f"tree {tree.name} is being written by another writer of this process",
                where=tree.name,
                hint="close that one first",
            )
        tree.locked = True
        self.name = tree.name
        self._tree = tree
        self._blobs = blobs
        self._clock = clock
        self._mutex = mutex
        self._closed = False

    def append(self, entries: Sequence[LogEntry], *, durable: bool = True) -> None:
        """Record the entries of whole steps, all or none. Raises StoreError."""
        with self._mutex:
            self._check_open()
            for entry in entries:
                for blob in blobs_of(entry.event, event_text(entry.event)):
                    self._need(blob, entry.run)
                for path, held in entry.files.items() if self._is_new(entry) else ():
                    if held.hash:
                        self._need(held.hash, f"{entry.run}: {path}")
            hashes = self._tree.hashes.extend(entries)
            now = self._clock()
            for entry, commit in zip(entries, hashes, strict=True):
                trace = self.trace_of(entry.run, entry)
                recorded = Recorded(entry.run, len(trace), entry.event, entry.files, commit, now or None)
                trace.append(recorded)
                self._tree.log.append(recorded)

    def trace_of(self, run: str, entry: LogEntry | Recorded) -> list[Recorded]:
        """The trace of a run, begun with what it inherits where `entry` is its first."""
        traces = self._tree.traces
        if run not in traces:
            event = entry.event
            inherited = traces[event.of][: event.at + 1] if isinstance(event, Forked) else []
            traces[run] = [Recorded(run, old.index, old.event, old.files, old.commit, old.time_ms) for old in inherited]
        return traces[run]

    def _is_new(self, entry: LogEntry) -> bool:
        trace = self._tree.traces.get(entry.run)
        return not trace or trace[-1].files.hash != entry.files.hash

    def _need(self, blob: str, where: str) -> None:
        if blob not in self._blobs:
            raise StoreError(
                "store.blob",
                f"the blob {blob} was never put, so the event that names it cannot be recorded",
                where=where,
                hint="put_blob comes before the append that names it",
            )

    def put_blob(self, data: Content) -> str:
        """Keep bytes under their Git blob hash."""
        with self._mutex:
            self._check_open()
            name = git_blob_hash(data)
            self._blobs[name] = whole(data)
            return name

    def has_blob(self, hash: str) -> bool:
        """Whether the store has a blob."""
        return hash in self._blobs

    def blob(self, hash: str) -> bytes:
        """The bytes of a blob. Raises CorruptError where they are missing."""
        return _blob(self._blobs, hash)

    def content(self, hash: str) -> Content:
        """The content of a blob. Errors as `blob`."""
        return self.blob(hash)

    def note(self, run: str, index: int, name: str, text: str) -> None:
        """Keep a text beside an event, under a name."""
        with self._mutex:
            self._check_open()
            self._tree.notes.setdefault((run, index), {})[name] = text

    def pack(self) -> None:
        """Nothing to do."""
        self._check_open()

    def close(self) -> None:
        """Give the lock back."""
        if not self._closed:
            self._closed = True
            self._tree.locked = False

    def __len__(self) -> int:
        return len(self._tree.log)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(
                "store.closed",
                f"the writer of tree {self.name} is closed",
                where=self.name,
                hint="this is a bug: report it",
            )


class MemoryReader:
    """A view of one tree (`TreeReader`): what it held when the view was taken."""

    def __init__(self, tree: _Tree, blobs: dict[str, bytes]) -> None:
        self.name = tree.name
        self.program = tree.program
        self.info: Mapping[str, str] = dict(tree.info)
        self._log = tuple(tree.log)
        self._traces = {run: tuple(trace) for run, trace in tree.traces.items()}
        self._notes = {place: dict(texts) for place, texts in tree.notes.items()}
        self._blobs = blobs

    def entries(self) -> Iterator[Recorded]:
        """All entries in log order."""
        return iter(self._log)

    def tail(self, count: int) -> Sequence[Recorded]:
        """The last `count` entries in log order."""
        return self._log[max(0, len(self._log) - count) :]

    def trace(self, run: str) -> Sequence[Recorded]:
        """The events of a run. Raises RevisionError where there is no such run."""
        if run not in self._traces:
            raise RevisionError(
                "revision.run",
                f"tree {self.name} has no run {run}",
                where=self.name,
                hint=f"its runs: {', '.join(self._traces)}",
            )
        return self._traces[run]

    def runs(self) -> Sequence[str]:
        """The ids of all runs, in the order of their first entries."""
        return tuple(self._traces)

    def notes(self, run: str, index: int) -> Mapping[str, str]:
        """The texts kept beside an event, by name."""
        return self._notes.get((run, index), {})

    def blob(self, hash: str) -> bytes:
        """The bytes of a blob. Raises CorruptError where they are missing."""
        return _blob(self._blobs, hash)

    def content(self, hash: str) -> Content:
        """The content of a blob. Errors as `blob`."""
        return self.blob(hash)

    def __len__(self) -> int:
        return len(self._log)


def _blob(blobs: Mapping[str, bytes], name: str) -> bytes:
    try:
        return blobs[name]
    except KeyError:
        raise CorruptError(
            "store.object_missing", f"the blob {name} is missing", where=name, hint="put it first"
        ) from None
