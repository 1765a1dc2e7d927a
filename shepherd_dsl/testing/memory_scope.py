"""Scopes without a disk, for tests of what drives them.

A test plays the process: it calls `write`, `link`, `make_folder` and `remove` where a command would have done so, and
the next `changes` reports it, as for any scope.
"""

from __future__ import annotations

from pathlib import Path

from shepherd_dsl.core.content import PutBlob, ReadBlob, whole
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash


class MemoryScope:
    """The files of one run; see `scope.protocol.Scope`.

    `folder` names nothing real: this is for handlers that start no process. `synced` counts the calls of `sync`.
    """

    def __init__(self, run: str, files: Files, *, read_blob: ReadBlob) -> None:
        self.folder = self.place = Path("/nonexistent/shepherd-memory-scope") / run
        self.namespaces: tuple[int, ...] = ()
        self.files = files
        self.skipped: tuple[str, ...] = ()
        self.synced = 0
        self._read_blob = read_blob
        self._now = files
        self._fresh: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        """The bytes at `path` as a process would find them. Raises FileNotFoundError."""
        entry = self._now.get(path)
        if entry is None or entry == EMPTY_FOLDER:
            raise FileNotFoundError(path)
        found = self._fresh.get(entry.hash)
        return found if found is not None else whole(self._read_blob(entry.hash))

    def write(self, path: str, data: bytes, *, mode: int = 0o100644) -> None:
        """A process writes a file, with the folders it needs."""
        self._put(path, mode, data)

    def link(self, path: str, target: str) -> None:
        """A process makes a symbolic link."""
        self._put(path, LINK, target.encode("utf-8"))

    def make_folder(self, path: str) -> None:
        """A process makes a folder."""
        self._now = self._now.apply(((path, EMPTY_FOLDER),))

    def remove(self, path: str) -> None:
        """A process removes a file, or a folder with all it holds."""
        self._now = self._now.apply(((path, None), *((below, None) for below, _ in self._now.under(path))))

    def sync(self, files: Files) -> None:
        """Makes the scope hold `files`."""
        self.synced += 1
        self.files = self._now = files
        self._fresh.clear()

    def changes(self, write_blob: PutBlob) -> Change:
        """What was played since the last `sync` or `changes`; contents that are new go to `write_blob`."""
        change: list[tuple[str, Entry | None]] = []
        for path, entry in self.files.diff(self._now):
            if entry is not None and entry.hash in self._fresh:
                entry = Entry(entry.mode, write_blob(self._fresh[entry.hash]))
            change.append((path, entry))
        self.files = self._now = self.files.apply(tuple(change))
        self._fresh.clear()
        return tuple(change)

    def close(self) -> None:
        """Nothing is held."""

    def _put(self, path: str, mode: int, data: bytes) -> None:
        entry = Entry(mode, git_blob_hash(data))
        self._fresh[entry.hash] = data
        self._now = self._now.apply(((path, entry),))


class MemoryBackend:
    """Makes `MemoryScope`s; see `scope.protocol.ScopeBackend`. `scopes` has the open ones by run."""

    name = "memory"

    def __init__(self, *, read_blob: ReadBlob) -> None:
        self.scopes: dict[str, MemoryScope] = {}
        self._read_blob = read_blob

    def open(self, run: str, files: Files) -> MemoryScope:
        """The scope of `run`, brought to `files`."""
        scope = self.scopes.get(run)
        if scope is None:
            scope = self.scopes[run] = MemoryScope(run, files, read_blob=self._read_blob)
        else:
            scope.sync(files)
        return scope

    def fork(self, run: str, copy: str) -> None:
        """Nothing to do: files are shared values."""

    def remove(self, run: str) -> None:
        """Forgets the scope of `run`."""
        self.scopes.pop(run, None)

    def close(self, *, ended: bool = False) -> None:
        """Forgets all."""
        self.scopes.clear()
