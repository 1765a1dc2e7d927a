"""When the files of a tree of runs were last changed: kept beside the trace, which knows no clocks.

Build tools compare times. So a folder that is brought to files that were held before (`revert`, a fork made of values,
a tree that is taken up again) gets the times that these had then, those of files that stay the same included. Times
belong to files as a whole, not to one file: when a file comes from elsewhere (a merge), it is as new as its coming,
though the same content was there before, for what was built meanwhile is older than it.

    <file>             a line for each change: ["like", "files", {path: time}, [[path, mode, hash, time], …]]
    <file>.imported    where the files of the user's workspace were and when, as the tree's import found them

Files are named by their digests; what a line does not say of the times of `files` is as in those of `like`. The last
part has the times of files that until then were as the tree began with them. Times are nanoseconds. All of it is best
effort: what is lost, or torn by a crash, costs a build that would not have been needed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import attrs
from rpds import HashTrieMap

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import Files
from shepherd_dsl.scope.survey import Seen, load_seen

_MOST: Final = 16 << 20
"""Bytes of a table; one that would be larger is begun anew."""

Before: TypeAlias = Mapping[str, tuple[Entry, int]]


@attrs.frozen(slots=True, eq=False)
class _State:
    """The times of some files: those of `above`, but for `paths`."""

    times: HashTrieMap[str, int]
    above: _State | None = None
    paths: tuple[str, ...] = ()
    depth: int = 0


class Times:
    """The table of one tree, in `file` where that is given; for one process at a time. Errors of the disk are not told.

    `imported` is what the last import of the workspace kept (`importer`).
    """

    def __init__(self, file: Path | None = None, imported: Path | None = None) -> None:
        self._file = file
        self._copy = None if file is None else file.with_name(f"{file.name}.imported")
        self._states: dict[str, _State] = {}
        self._first: dict[tuple[str, int, str], int] = {}
        self._size = 0
        self._is_torn = False
        self._imported: dict[str, Seen] | None = None
        if file is not None:
            with contextlib.suppress(OSError):
                self._load(file)
        if self._copy is not None and imported is not None:
            # A later import puts another file in its place, and leaves this one.
            with contextlib.suppress(OSError):
                self._copy.parent.mkdir(parents=True, exist_ok=True)
                os.link(imported, self._copy)

    def wanted(self, files: Files, *, fresh: bool) -> Callable[[str, Entry], int | None]:
        """What times a folder that is brought to `files` gives to what it writes; None is now.

        `fresh`: nothing stood there before. What the tree began with then has the times of the workspace.
        """
        state = self._states.get(files.hash)

        def time_of(path: str, entry: Entry) -> int | None:
            found = None if state is None else self._time(state, path, entry)
            return self._import_time(path, entry) if found is None and fresh else found

        return time_of

    def differing(self, before: Files, after: Files) -> list[tuple[str, int]]:
        """The paths that hold the same in `after` as in `before`, but with another time: and that."""
        new, old = self._states.get(after.hash), self._states.get(before.hash)
        if new is None:
            return []
        found = []
        for path in _where_different(new, old):
            entry = after.get(path)
            if entry is None or not entry.hash or before.get(path) != entry:
                continue
            time = self._time(new, path, entry)
            if time is not None and (old is None or time != self._time(old, path, entry)):
                found.append((path, time))
        return sorted(found)

    def held(self, before: Files, after: Files, found: Mapping[str, int], old: Before) -> None:
        """Processes made a folder that held `before` hold `after`, with these times of what is not as it was; `old` has
        the entries and times of what was changed or removed."""
        self._note(before.hash, before.hash, after.hash, found, old)

    def brought(self, before: Files, after: Files, found: Mapping[str, int], old: Before) -> None:
        """The same of a folder that was brought to `after`; `found` are the times of what was `wanted` to be of now."""
        self._note(before.hash, after.hash if after.hash in self._states else before.hash, after.hash, found, old)

    def _note(self, before: str, like: str, after: str, found: Mapping[str, int], old: Before) -> None:
        state = self._states.get(before)
        first = [(path, entry, time) for path, (entry, time) in old.items() if state is None or path not in state.times]
        first = [row for row in first if (row[0], row[1].mode, row[1].hash) not in self._first]
        if not found and not first and after in self._states and (state is not None or like == after):
            return
        self._take(like, after, found, first)
        row = [like, after, found, [(path, entry.mode, entry.hash, time) for path, entry, time in first]]
        self._append(json.dumps(row, separators=(",", ":")) + "\n")

    def _take(self, before: str, after: str, found: Mapping[str, int], first: list[tuple[str, Entry, int]]) -> None:
        state = self._states.setdefault(before, _State(HashTrieMap()))
        self._states[after] = _State(state.times.update(found), state, tuple(found), state.depth + 1)
        for path, entry, time in first:
            self._first.setdefault((path, entry.mode, entry.hash), time)

    def _time(self, state: _State, path: str, entry: Entry) -> int | None:
        return state.times.get(path, self._first.get((path, entry.mode, entry.hash)))

    def _import_time(self, path: str, entry: Entry) -> int | None:
        if self._imported is None:
            self._imported = {} if self._copy is None else load_seen(self._copy)
        found = self._imported.get(path)
        if found is None or found.entry != entry:
            return None
        with contextlib.suppress(ValueError):
            return _checked(found.stamp[0])
        return None

    def _load(self, file: Path) -> None:
        text = file.read_text("utf-8", "replace")
        self._size = len(text)
        self._is_torn = not text.endswith("\n")
        for line in text.splitlines():
            try:
                before, after, found, rows = json.loads(line)
                first = [(path, Entry(mode, hash), _checked(time)) for path, mode, hash, time in rows]
                times = {str(path): _checked(time) for path, time in found.items()}
                self._take(str(before), str(after), times, first)
            except (ValueError, TypeError, AttributeError):
                continue

    def _append(self, text: str) -> None:
        self._size += len(text)
        begin = self._size > _MOST
        if begin:
            self._states.clear()
            self._first.clear()
            self._size = 0
            self._is_torn = False
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if begin:
                self._file.unlink(missing_ok=True)
                return
            fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                data = b"\n" * self._is_torn + text.encode()
                self._is_torn = os.write(fd, data) < len(data)
            finally:
                os.close(fd)


def _checked(time: object) -> int:
    """A time (ns) that the system takes. Raises ValueError."""
    if not isinstance(time, int) or not -(1 << 63) <= time < 1 << 63:
        raise ValueError("no time")
    return time


def _where_different(one: _State, other: _State | None) -> set[str]:
    """The paths that may have other times in one than in the other; costs what happened between them."""
    if other is None:
        return set(one.times)
    found: set[str] = set()
    while one is not other:
        if one.depth < other.depth:
            one, other = other, one
        found.update(one.paths)
        if one.above is None:  # they have nothing in common
            return found.union(other.times)
        one = one.above
    return found


def times_of(folder: Path) -> Times:
    """The table of the tree whose scopes are below `folder`."""
    return Times(folder.parent / ".times" / folder.name, folder.parent.parent / "cache" / "import.json")
