"""What a scope over FUSE holds: what it held before, and what the server says of the places that were touched since."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from shepherd_dsl.core.content import Content, PutBlob
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash, normal_path, path_of_os
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.fuse_client import FuseServer
from shepherd_dsl.scope.ignore import Ignored
from shepherd_dsl.scope.opened import read_file
from shepherd_dsl.scope.survey import Seen


class _Row(NamedTuple):
    """What the server says of a place: `file` has the bytes, unless they are in the memory of a process."""

    mode: int
    number: int
    hash: str | None
    target: bytes
    file: bytes | None
    stamp: int
    mtime: int


class TouchedSurvey:
    """One look at a scope that held `files`, and things at the paths `skipped`, which are not carried.

    `at` is its folder. Bytes that are not known go to `put_blob`. A path that is `ignored` counts only where it is
    `tracked`. OSError passes through.
    """

    def __init__(
        self,
        server: FuseServer,
        scope: int,
        at: Beneath,
        files: Files,
        skipped: tuple[str, ...],
        *,
        put_blob: PutBlob,
        ignored: Ignored,
        tracked: Callable[[str], bool],
    ) -> None:
        self._server, self._scope, self._at = server, scope, at
        self._put_blob, self._ignored, self._tracked = put_blob, ignored, tracked
        self._files = files
        self._skipped = set(skipped)
        self._counted: dict[str, bool] = {"": True}
        self._change: dict[str, Entry | None] = {}
        self._folders: set[str] = set()
        self._hashes: list[tuple[int, int, str]] = []
        self._until = 0
        self.replaced: dict[str, Entry] = {}
        self.seen: dict[str, Seen | None] = {}

    def take(self) -> tuple[Files, tuple[str, ...]]:
        """What the folder holds, and the paths of what is not carried. `replaced` then has the files for whose bytes
        others were kept, and `seen` what was looked at, with its time; None where nothing is any more."""
        said = self._server.ask("changed", scope=self._scope)
        self._until = said["at"]
        todo: list[tuple[str, int]] = []
        for raw, row in said["rows"]:
            path = path_of_os(raw)
            above = path.rpartition("/")[0]
            if not self._counts(above):
                continue
            self._folders.add(above)
            self._forget(path)
            if row is not None and path:
                self._take_in(path, _Row(*row), todo)
            elif row is not None:
                todo.append(("", row[1]))
        while todo:
            listed = self._server.ask("list", scope=self._scope, folders=[number for _, number in todo])
            found, todo = todo, []
            for (folder, _), rows in zip(found, listed["rows"], strict=True):
                self._folders.add(folder)
                for name, *row in rows:
                    self._take_in(f"{folder}{'/' * bool(folder)}{path_of_os(name)}", _Row(*row), todo)
        files = self._files.apply(tuple(self._change.items()))
        # Deepest first: a folder that holds an empty one is not empty.
        for path in sorted(self._folders, key=lambda path: -path.count("/")):
            if path and not files.is_folder(path):
                files = files.apply(((path, EMPTY_FOLDER),))
        return files, tuple(sorted(self._skipped))

    def note(self) -> None:
        """Let the server know that what was touched until the look is known, and the hashes that were found."""
        self._server.ask("note", scope=self._scope, until=self._until, hashes=self._hashes, written=[])

    def _counts(self, folder: str) -> bool:
        """Whether what is in a folder counts: neither it nor one above it is left out."""
        known = self._counted.get(folder)
        if known is None:
            known = self._counts_itself(folder)
            self._counted[folder] = known
        return known

    def _counts_itself(self, folder: str) -> bool:
        names = folder.split("/")
        for depth in range(1, len(names) + 1):
            path = "/".join(names[:depth])
            known = self._counted.get(path)
            if known is None:
                known = normal_path(path) is not None and (not self._ignored(path, True) or self._tracked(path))
                self._counted[path] = known
            if not known:
                return False
        return True

    def _forget(self, path: str) -> None:
        """What was at a path and below it is to be looked at anew."""
        if normal_path(path) is not None or not path:
            if self._files.get(path) is not None:
                self._change[path] = self.seen[path] = None
            for below, _ in self._files.under(path):
                self._change[below] = self.seen[below] = None
        if self._skipped:
            below = f"{path}/" if path else ""
            self._skipped = {item for item in self._skipped if item != path and not item.startswith(below)}

    def _take_in(self, path: str, row: _Row, todo: list[tuple[str, int]]) -> None:
        is_folder = stat.S_ISDIR(row.mode)
        if self._ignored(path, is_folder) and not self._tracked(path):
            return
        if normal_path(path) is None or not (is_folder or stat.S_IFMT(row.mode) in (stat.S_IFREG, stat.S_IFLNK)):
            self._skipped.add(path)
        elif is_folder:
            todo.append((path, row.number))
        else:
            try:
                entry = self._change[path] = self._entry(path, row)
                self.seen[path] = Seen(entry, (row.mtime,), False)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except PermissionError:
                self._skipped.add(path)

    def _entry(self, path: str, row: _Row) -> Entry:
        mode = LINK if stat.S_ISLNK(row.mode) else row.mode
        if row.hash is not None:
            return Entry(mode, row.hash)
        data = row.target if mode == LINK else self._read(path, row)
        hash = git_blob_hash(data)
        old = self._files.get(path)
        found = hash if old is not None and old.hash == hash else self._put_blob(data)
        entry = Entry(mode, found)
        if found != hash:
            self.replaced[path] = entry
        elif mode != LINK and row.file is not None:
            self._hashes.append((row.number, row.stamp, hash))
        return entry

    def _read(self, path: str, row: _Row) -> Content:
        if row.file is None:
            return self._at.read(path)[0]
        return read_file(Path(self._server.data, os.fsdecode(row.file)))
