"""The files of one run over FUSE: written through the mount, and looked at by asking the server."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from rpds import HashTrieMap

from shepherd_dsl.core.content import PutBlob
from shepherd_dsl.core.event import Change
from shepherd_dsl.core.files import Files, git_blob_hash, os_name
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.bases import Base, times_before
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.copy import escape_run, write_difference
from shepherd_dsl.scope.failures import failed, interrupted
from shepherd_dsl.scope.fuse_client import FuseServer
from shepherd_dsl.scope.fuse_survey import TouchedSurvey
from shepherd_dsl.scope.survey import Seen, newer

if TYPE_CHECKING:
    from shepherd_dsl.scope.fuse import FuseBackend


@attrs.frozen(slots=True)
class Kept:
    """What is known of a scope that the server has and that is not open: its base, and what it held at last.

    `seen` has the times of what is not as in the base.
    """

    base: Base
    files: Files
    skipped: tuple[str, ...] = ()
    seen: HashTrieMap[str, Seen] = attrs.field(factory=HashTrieMap)


class FuseScope:
    """The files of one run over FUSE; see `scope.protocol.Scope`.

    At any time the folder holds `files`, but for the places that the server has as touched.
    """

    def __init__(
        self, backend: FuseBackend, server: FuseServer, run: str, kept: Kept, files: Files, *, fresh: bool
    ) -> None:
        """Not for callers: `FuseBackend.open` makes one, `fresh` where nothing is kept. OSError passes through."""
        self.files = kept.files
        self.skipped = kept.skipped
        self.run = run
        self.base = kept.base
        self._seen = kept.seen
        self._fresh = fresh
        self.server = server
        self.is_whole = False
        self._backend = backend
        self._root = -1
        self._at: Beneath | None = None
        name = name_of(run)
        self.number: int = server.ask("open", name=name, base=kept.base.name)["scope"]
        try:
            self._root = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=server.root)
            at = Path(f"/proc/self/fd/{self._root}")
            self._at = Beneath(at / "files", at / "stage")
            self._look(git_blob_hash, files)
            self._write(files)
        except BaseException:
            self._release(None)
            raise

    @property
    def place(self) -> Path:
        """Where the files stand, seen from inside `namespaces`."""
        return self._backend.place(self.run) / "files"

    @property
    def namespaces(self) -> tuple[int, ...]:
        """Descriptors of the namespaces in which `place` is."""
        return self.server.namespaces

    @property
    def folder(self) -> Path:
        """The same files, for this process and those of the same user."""
        return Path(f"/proc/{os.getpid()}/fd/{self._root}/files")

    def sync(self, files: Files) -> None:
        """Makes the folder hold `files`; costs the difference to what it held."""
        at = self._opened()
        try:
            if not self.is_whole:
                at.empty_stage()
                self._look(git_blob_hash, files)
            self._write(files)
        except OSError as error:
            raise self._failed("write", error) from error
        finally:
            at.forget()

    def changes(self, write_blob: PutBlob) -> Change:
        """What processes changed since the last `sync` or `changes`, as `CopyScope.changes`."""
        if not self.is_whole:
            raise interrupted(self.place)
        before, seen = self.files, self._seen
        at = self._opened()
        try:
            looked = self._look(write_blob, before)
            change = before.diff(self.files)
            old = times_before(self.base, before, change, seen)
        except OSError as error:
            raise self._failed("read", error) from error
        finally:
            at.forget()
        self._backend.times.held(before, self.files, newer(seen, looked), old)
        return change

    def close(self) -> None:
        """Lets go of it; opening it again begins with what it holds, as long as the server is there. Twice is once."""
        if self._root < 0:
            return
        self._release(self.kept())

    def kept(self) -> Kept:
        """What is to be known of it, or of a fork of it, when it is opened again."""
        return Kept(self.base, self.files, self.skipped, self._seen)

    def _release(self, kept: Kept | None) -> None:
        if self._at is not None:
            self._at.close()
            self._at = None
        if self._root >= 0:
            os.close(self._root)
            self._root = -1
        with contextlib.suppress(OSError):
            if kept is not None:
                self.server.ask("close", scope=self.number)
        self._backend.closed(self, kept if self.server.is_there else None)

    def _failed(self, verb: str, error: OSError) -> ScopeError:
        if self.server.is_lost(error):
            error = OSError(errno.ENOTCONN, "the process that serves the run's files has ended")
        return failed(verb, self.place, error)

    def _opened(self) -> Beneath:
        if self._at is None:
            raise interrupted(self.place)
        return self._at

    def _write(self, files: Files) -> None:
        at = self._opened()
        self.is_whole = False
        change = () if files is self.files or files.hash == self.files.hash else self.files.diff(files)
        if change:
            old = times_before(self.base, self.files, change, self._seen)
            written, now_written = write_difference(
                at, self.files, files, self._backend.read_blob, self._backend.times, fresh=self._fresh
            )
            rows: list[tuple[bytes, int | None, str | None]] = []
            for path, entry in change:
                self._seen = self._seen.discard(path)
                if entry is None:
                    rows.append((os_name(path), None, None))
            for path, placed in written.items():
                put = files.get(path)
                assert put is not None
                self._seen = self._seen.insert(path, Seen(put, (placed.st_mtime_ns,), False))
                rows.append((os_name(path), placed.st_ctime_ns, put.hash))
            self.server.ask("note", scope=self.number, until=0, hashes=[], written=rows)
            self._backend.times.brought(self.files, files, now_written, old)
            self._forget_skipped(change)
        self._fresh = False
        self.files = files
        self.is_whole = True

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, put_blob: PutBlob, wanted: Files) -> dict[str, Seen]:
        """Find what the folder holds; what was looked at."""
        at = self._opened()
        survey = TouchedSurvey(
            self.server,
            self.number,
            at,
            self.files,
            self.skipped,
            put_blob=put_blob,
            ignored=self._backend.ignored,
            tracked=lambda path: any(
                known.get(path) is not None or known.is_folder(path) for known in (self.files, wanted)
            ),
        )
        files, skipped = survey.take()
        written = []
        for path, entry in survey.replaced.items():
            placed = at.put(path, entry, self._backend.read_blob(entry.hash))
            survey.seen[path] = Seen(entry, (placed.st_mtime_ns,), False)
            written.append((os_name(path), placed.st_ctime_ns, entry.hash))
        survey.note()
        if written:
            self.server.ask("note", scope=self.number, until=0, hashes=[], written=written)
        looked = {path: item for path, item in survey.seen.items() if item is not None}
        for path, item in survey.seen.items():
            self._seen = self._seen.discard(path) if item is None else self._seen.insert(path, item)
        self.files, self.skipped = files, skipped
        self.is_whole = True
        return looked

    def _forget_skipped(self, change: Change) -> None:
        """What was not carried went where something was put or taken away."""
        for path, _ in change if self.skipped else ():
            self.skipped = tuple(item for item in self.skipped if item != path and not item.startswith(f"{path}/"))


def name_of(run: str) -> bytes:
    """The name of a run's scope in the root folder."""
    return f"run-{escape_run(run)}".encode("ascii")
