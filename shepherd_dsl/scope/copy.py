"""The plain-copy backend: each run has an ordinary folder of its own, made from the trace's blobs.

It needs nothing of the machine but a file system, and it confines nothing by itself: that is done by `jail`.
A fork costs nothing until the copy is first opened, then a copy of the files.

    <folder>/<escaped run id>/files/    where processes work
    <folder>/<escaped run id>/stage/    files being written, to be renamed into `files/`
    <folder>/<escaped run id>/seen      what was found at the last look: a cache, which may be old or missing

A scope is derived, so there is no state to lose: opening one compares what is really there with the files it should
have and mends the difference, whatever interrupted the last process.

Carried: regular files with their full permission bits, symbolic links, empty folders; and, as far as they are known
(`times`), when files and links were changed. Not carried: owners, extended attributes, folders' permissions and times;
sockets, FIFOs and devices, which are listed. Hard links are carried as separate files: two paths of one file stay one
in the folder where a process linked them, and are two in every copy and in a folder that was rebuilt. Ignored files
stay where processes put them (see `ignore`), unless their folder goes.

A copy stays for the next process, so that what is ignored outlives a crash, until the tree of runs has ended.

Between `open`, `sync` and `changes` processes may do anything in `files/`. During these calls none should be at work
there: what it changes then may be noticed only by the next look at that file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from shepherd_dsl.core.content import PutBlob, ReadBlob
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files, git_blob_hash
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.failures import failed, interrupted
from shepherd_dsl.scope.ignore import Ignored, nothing_ignored
from shepherd_dsl.scope.survey import (
    FOLDER_SEEN,
    Seen,
    compare,
    load_seen,
    newer,
    save_seen,
    seen_now,
    stamp,
    survey,
    times_seen,
)
from shepherd_dsl.scope.times import Times, times_of

_MAX_ESCAPED = 160


def escape_run(run: str) -> str:
    """A folder name for a run id, different for different ids."""
    name = re.sub(r"[^0-9a-z.]", lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8")), run)
    name = f"%2E{name[1:]}" if name.startswith(".") else name or "%"
    if len(name) <= _MAX_ESCAPED:
        return name
    return f"{name[:100]}%-{hashlib.sha256(run.encode('utf-8')).hexdigest()[:40]}"


class CopyScope:
    """The files of one run in a folder of their own; see `scope.protocol.Scope`.

    Raises ScopeError where the folder cannot be made, read or written.
    """

    def __init__(
        self,
        home: Path,
        files: Files,
        *,
        read_blob: ReadBlob,
        ignored: Ignored,
        times: Times,
        seen: Mapping[str, Seen] | None = None,
        fresh: bool | None = None,
    ) -> None:
        """For backends. `seen` is what is known of a folder that is a clone of another one; `fresh` says whether
        something stood there of the run, where that is not to be seen from whether there is a folder."""
        self.home = home
        self.folder = self.place = home / "files"
        self.namespaces: tuple[int, ...] = ()
        self.files = Files.empty()
        self.skipped: tuple[str, ...] = ()
        self._read_blob = read_blob
        self._ignored = ignored
        self._times = times
        self._seen: dict[str, Seen] = {}
        self._whole = False
        self._closed = False
        self._fresh = not self.folder.exists() if fresh is None else fresh
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._at = Beneath(self.folder, home / "stage")
        except OSError as error:
            raise failed("make", self.folder, error) from error
        try:
            self._at.empty_stage()
            self._look(files, load_seen(home / "seen") if seen is None else seen, apart=seen is not None)
            self.sync(files)
        except OSError as error:
            self._at.close()
            raise failed("open", self.folder, error) from error
        except BaseException:
            self._at.close()
            raise

    @property
    def is_whole(self) -> bool:
        """Whether the folder holds `files`, as far as is known: not after a `sync` that failed, nor when closed."""
        return self._whole and not self._closed

    @property
    def seen(self) -> Mapping[str, Seen]:
        """What was found at the last look, by path."""
        return self._seen

    def sync(self, files: Files) -> None:
        """Makes the folder hold `files`; costs the difference to what it held."""
        try:
            if not self._whole:
                self._look(files, self._seen)
            self._whole = False
            self._write(files)
            self._whole = True
        except OSError as error:
            raise failed("write", self.folder, error) from error
        finally:
            self._at.forget()

    def changes(self, write_blob: PutBlob) -> Change:
        """What processes changed since the last `sync` or `changes`; contents that are new go to `write_blob`.

        Where that keeps other bytes (it may take out a secret), the file is rewritten to what it kept.
        An exception of `write_blob` passes through and leaves the scope as it was. Raises ScopeError after a `sync`
        that failed: sync again first.
        """
        if not self._whole:
            raise interrupted(self.folder)
        try:
            found = survey(
                self._at,
                self._seen,
                now=self._at.clock(),
                put_blob=write_blob,
                ignored=self._ignored,
                tracked=self._tracked(self.files),
            )
            change = compare(self._seen, found.seen)
            files = self.files.apply(change)
            for path in found.replaced:
                entry = found.seen[path].entry
                placed = self._at.put(path, entry, self._read_blob(entry.hash))
                found.seen[path] = Seen(entry, stamp(placed), True)
        except OSError as error:
            raise failed("read", self.folder, error) from error
        finally:
            self._at.forget()
        self._times.held(self.files, files, newer(self._seen, found.seen), times_seen(self._seen, change))
        self._seen, self.skipped, self.files = found.seen, found.skipped, files
        return change

    def close(self) -> None:
        """Keeps what was seen, so that opening the run again need not read every file. Twice is once."""
        if self._closed:
            return
        self._closed = True
        self._at.close()
        try:
            save_seen(self.home / "seen", self._seen)
        except OSError as error:
            raise failed("close", self.home, error) from error

    def _tracked(self, files: Files) -> Callable[[str], bool]:
        return lambda path: path in self._seen or files.get(path) is not None or files.is_folder(path)

    def _look(self, wanted: Files, before: Mapping[str, Seen], *, apart: bool = False) -> None:
        """Finds what the folder really holds; with `apart`, two names of one file become two files."""
        self._seen = dict(before)
        found = survey(
            self._at,
            before,
            now=self._at.clock(),
            put_blob=git_blob_hash,
            ignored=self._ignored,
            tracked=self._tracked(wanted),
        )
        for path in found.linked if apart else ():
            found.seen[path] = Seen(found.seen[path].entry, stamp(self._at.separate(path)), True)
        self._seen = found.seen
        self.files = _files_seen(found.seen, wanted)
        self._whole = True

    def _write(self, files: Files) -> None:
        change = self.files.diff(files)
        old = times_seen(self._seen, change)
        written, now_written = write_difference(
            self._at, self.files, files, self._read_blob, self._times, fresh=self._fresh
        )
        now = self._at.clock() if written else 0
        for path, entry in change:
            if entry is None:
                self._seen.pop(path, None)
            elif path not in written:
                self._seen[path] = FOLDER_SEEN
        for path, placed in written.items():
            entry = files.get(path)
            assert entry is not None
            self._seen[path] = seen_now(entry, placed, now)
        if change:
            self._times.brought(self.files, files, now_written, old)
        self._fresh = False
        self.files = files


def _files_seen(seen: Mapping[str, Seen], like: Files) -> Files:
    """The files that were seen, which share what they can with `like`: they are mostly those."""
    change: list[tuple[str, Entry | None]] = [
        (path, item.entry) for path, item in seen.items() if like.get(path) != item.entry
    ]
    change.extend((path, None) for path, _ in like.items() if path not in seen)
    return like.apply(tuple(change)) if change else like


def write_difference(
    at: Beneath, before: Files, files: Files, read_blob: ReadBlob, times: Times, *, fresh: bool
) -> tuple[dict[str, os.stat_result], dict[str, int]]:
    """Makes a folder that holds `before` hold `files`, with the times that are known, `fresh` as for these.

    The result has the stats of the files and links that were put there or got another time, and the times of those that
    are as new as this.
    """
    # The same files in other objects are met after each outcome: their hashes are known, and quick to compare.
    change = before.diff(files) if before.hash != files.hash else ()
    if not change:
        return {}, {}
    gone = set[str]()
    for path, entry in change:
        if entry is None:
            at.unlink(path)
            above = path
            while above and not files.is_folder(above) and above not in gone:
                gone.add(above)
                above = above.rpartition("/")[0]
    for path in sorted(gone):
        if path.rpartition("/")[0] not in gone:
            at.remove(path)
    written: dict[str, os.stat_result] = {}
    now_written: dict[str, int] = {}
    time_of = times.wanted(files, fresh=fresh)
    for path, entry in change:
        if entry == EMPTY_FOLDER:
            at.put(path, entry, b"")
        elif entry is not None:
            time = time_of(path, entry)
            written[path] = at.put(path, entry, read_blob(entry.hash), time=time)
            if time is None:
                now_written[path] = written[path].st_mtime_ns
    for path, time in times.differing(before, files):
        placed = at.set_time(path, time)
        if placed is not None:
            written[path] = placed
    return written, now_written


class CopyBackend:
    """Plain copies below `folder`; see `scope.protocol.ScopeBackend`.

    `read_blob(hash)` gives the bytes of a blob of the trace. What is `ignored` is left where it is and not reported.
    """

    name = "copy"

    def __init__(self, folder: Path, *, read_blob: ReadBlob, ignored: Ignored = nothing_ignored) -> None:
        self._folder = folder
        self._read_blob = read_blob
        self._ignored = ignored
        self._times = times_of(folder)

    def open(self, run: str, files: Files) -> CopyScope:
        """The scope of `run`, holding `files`. Raises ScopeError where it cannot be made."""
        return CopyScope(self._home(run), files, read_blob=self._read_blob, ignored=self._ignored, times=self._times)

    def fork(self, run: str, copy: str) -> None:
        """Nothing to do: a run's folder is made when it is opened, from its files."""

    def remove(self, run: str) -> None:
        """Removes the folder of `run`, if there is one."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with Beneath(self._folder, self._folder / "stage") as at:
                at.empty_stage()
                at.remove(self._home(run).name)
        except OSError as error:
            raise failed("remove", self._home(run), error) from error

    def close(self, *, ended: bool = False) -> None:
        """Nothing is held. Where the tree has `ended` its copies go, as far as that is possible: they take as much room
        as all files, and who reverts it gets them anew."""
        from shepherd_dsl.scope.bases import remove_tree  # which makes its copies with this module

        if ended:
            with contextlib.suppress(OSError):
                remove_tree(self._folder)

    def _home(self, run: str) -> Path:
        return self._folder / f"run-{escape_run(run)}"
