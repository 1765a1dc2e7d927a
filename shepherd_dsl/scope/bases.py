"""Frozen copies of files: what overlays lie on.

    <folder>/<digest of the files>/files/        the files
    <folder>/<digest of the files>/files.json    what they are: path, mode and hash of each
    <folder>/lock                                held while one is made

A base is made once, from the blobs of a trace, and never written again, so that any number of runs and forks share it.
It is derived and may be removed when no scope uses it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from shepherd_dsl.core.content import ReadBlob
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import Files, os_name
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.copy import CopyScope
from shepherd_dsl.scope.ignore import nothing_ignored
from shepherd_dsl.scope.survey import Seen, times_seen
from shepherd_dsl.scope.times import Times

_NEAR = 1_000
_SHARE = 5
"""In so many entries, or in one in so many of all, files may differ from a base that stands in for one of their own."""

_LIST = "files.json"

ASIDE = ".gone-"
"""Where a process takes what it removes, beside it: this, its number and that of the thread."""


@attrs.frozen(slots=True)
class Base:
    """A frozen copy of `files` in `folder`/files."""

    folder: Path
    files: Files

    @property
    def name(self) -> str:
        """The digest of its files."""
        return self.folder.name


class Bases:
    """The frozen copies below `folder`. Safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Base] = {}

    def named(self, name: str, files: Files | None = None) -> Base | None:
        """The base of that name, if it is there; where its `files` are at hand its list need not be read."""
        known = self._known.get(name)
        if known is not None and (known.folder / _LIST).exists():
            return known
        folder = self._folder / name
        try:
            if files is not None and files.hash == name and (folder / _LIST).exists():
                found = Base(folder, files)
            else:
                rows = json.loads((folder / _LIST).read_bytes())
                found = Base(folder, Files.of((path, Entry(mode, hash)) for path, mode, hash in rows))
        except (OSError, ValueError):
            return None
        self._known[name] = found
        return found

    def near(self, files: Files, read_blob: ReadBlob, times: Times) -> Base:
        """A base that `files` differ little from; made of them where there is none. OSError passes through."""
        own = self.named(files.hash, files)
        if own is not None:
            return _used(own)
        for name in self._latest():
            found = self.named(name)
            if found is not None:
                entries = sum(1 for _ in found.files.items())
                if len(found.files.diff(files)) <= max(_NEAR, entries // _SHARE):
                    return _used(found)
        return self._make(files, read_blob, times)

    def _latest(self) -> list[str]:
        """The bases that were made last, newest first: the only ones worth a look."""
        with contextlib.suppress(OSError):
            found = [(item.stat().st_mtime_ns, item.name) for item in os.scandir(self._folder) if len(item.name) == 40]
            return [name for _, name in sorted(found, reverse=True)[:2]]
        return []

    def _make(self, files: Files, read_blob: ReadBlob, times: Times) -> Base:
        with self._locked():
            found = self.named(files.hash, files)
            if found is not None:
                return found
            building = self._folder / f"{files.hash}.new"
            remove_tree(building)
            with contextlib.closing(
                CopyScope(building, files, read_blob=read_blob, ignored=nothing_ignored, times=times)
            ):
                pass
            (building / "seen").unlink(missing_ok=True)
            rows = [(path, entry.mode, entry.hash) for path, entry in files.items()]
            (building / _LIST).write_text(json.dumps(rows, separators=(",", ":")), "ascii")
            _sync(building)
            building.rename(self._folder / files.hash)
        base = self._known[files.hash] = Base(self._folder / files.hash, files)
        return base

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _used(base: Base) -> Base:
    """Note when it was used last (`tidy`)."""
    with contextlib.suppress(OSError):
        os.utime(base.folder)
    return base


def times_before(base: Base, before: Files, change: Change, seen: Mapping[str, Seen]) -> dict[str, tuple[Entry, int]]:
    """The entries and times (ns) of what a change of `before` replaces or removes: as `seen`, else as in the base."""
    found = times_seen(seen, change)
    for path, _ in change:
        entry = before.get(path)
        if path not in seen and entry is not None and entry.hash and base.files.get(path) == entry:
            with contextlib.suppress(OSError):
                found[path] = (entry, os.lstat(base.folder / "files" / os.fsdecode(os_name(path))).st_mtime_ns)
    return found


def remove_tree(folder: Path, *, aside: Path | None = None) -> None:
    """Remove a folder with all it holds, however deep and whatever its permissions; nothing where there is none.

    It is taken apart in the folder `aside`, which goes too: by default one beside it, where nobody else writes.
    """
    if aside is None:
        if not os.path.lexists(folder):
            return
        aside = folder.parent / f"{ASIDE}{os.getpid()}-{threading.get_native_id()}"
    with Beneath(folder.parent, aside) as at:
        at.empty_stage()
        at.remove(folder.name)
    aside.rmdir()


def _sync(folder: Path) -> None:
    """Put the file system that a folder is on to the disk: a base must be whole whenever it is there."""
    import ctypes

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):
            os.sync()
    finally:
        os.close(fd)
