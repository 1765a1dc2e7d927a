"""The reflink backend: plain copies whose files share what they hold on the disk (Linux; btrfs, xfs and others).

It is the plain-copy backend (`copy`) but for how a folder comes to be: not written from the trace's blobs, but cloned,
from that of the run it is forked from, or from a frozen copy that all trees share (`bases`). A fork costs a few
microseconds a file and hardly any room, or on btrfs a snapshot of the whole, and then a look at each file's stat.

    <folder>/run-<escaped run id>/     as of the plain-copy backend; on btrfs a subvolume
    <folder>/.new-…                    a copy that is being made
    <folder's parent>/.bases/          frozen files, shared by all trees

A clone is compared with the files that the run should have when it is opened, like any copy: nothing relies on it. What
is ignored is cloned too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from shepherd_dsl.core.content import ReadBlob
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.bases import Bases, remove_tree
from shepherd_dsl.scope.clone import FICLONE, clone, destroy_subvolume, is_subvolume, make_subvolume, snapshot
from shepherd_dsl.scope.copy import CopyScope, escape_run
from shepherd_dsl.scope.failures import failed
from shepherd_dsl.scope.ignore import Ignored, nothing_ignored
from shepherd_dsl.scope.survey import Seen, stamp
from shepherd_dsl.scope.times import times_of


class ReflinkBackend:
    """Clones below `folder`; see `scope.protocol.ScopeBackend`.

    `read_blob(hash)` gives the bytes of a blob of the trace. What is `ignored` is left where it is and not reported.
    """

    name = "reflink"

    def __init__(self, folder: Path, *, read_blob: ReadBlob, ignored: Ignored = nothing_ignored) -> None:
        self._folder = folder
        self._bases = Bases(folder.parent / ".bases")
        self._read_blob = read_blob
        self._ignored = ignored
        self._times = times_of(folder)
        self._open: dict[str, CopyScope] = {}
        self._cloned: dict[str, dict[str, Seen]] = {}

    def open(self, run: str, files: Files) -> CopyScope:
        """The scope of `run`, holding `files`. Raises ScopeError where it cannot be made."""
        home = self._home(run)
        seen = self._cloned.pop(run, None)
        self._close(run)
        try:
            if home.exists():
                try:
                    return self._opened(run, files, seen)
                except ScopeError:
                    # A command can put there what cannot be mended, as a subvolume of its own.
                    self._remove(home)
            return self._opened(run, files, self._clone_base(home, files), fresh=True)
        except OSError as error:
            raise failed("open", home, error) from error

    def fork(self, run: str, copy: str) -> None:
        """`copy` begins with the folder of `run`, where that is open."""
        scope, home = self._open.get(run), self._home(copy)
        if scope is None or not scope.is_whole or home.exists():
            return
        seen = dict(scope.seen)

        def entry_of(path: str, found: os.stat_result) -> Entry | None:
            old = seen.get(path)
            return old.entry if old is not None and not old.racy and old.stamp == stamp(found) else None

        try:
            # Inodes and times of a snapshot are those of the original, so what is known of that is known of this.
            if not (is_subvolume(scope.home) and snapshot(scope.home, home)):
                seen = self._clone(scope.home, home, entry_of)
        except OSError as error:
            raise failed("fork", home, error) from error
        self._cloned[copy] = seen

    def remove(self, run: str) -> None:
        """Removes the folder of `run`, if there is one."""
        self._cloned.pop(run, None)
        self._close(run)
        try:
            self._remove(self._home(run))
        except OSError as error:
            raise failed("remove", self._home(run), error) from error

    def close(self, *, ended: bool = False) -> None:
        """Closes the scopes. Where the tree has `ended` its copies go, as those of the plain-copy backend."""
        for run in list(self._open):
            self._close(run)
        self._cloned.clear()
        if ended:
            with contextlib.suppress(OSError):
                for home in self._folder.glob("run-*"):
                    self._remove(home)
                remove_tree(self._folder)

    def _close(self, run: str) -> None:
        """Close the scope of a run, if it is open; all that can be lost is what makes the next opening quicker."""
        scope = self._open.pop(run, None)
        if scope is not None:
            with contextlib.suppress(ScopeError):
                scope.close()

    def _opened(self, run: str, files: Files, seen: dict[str, Seen] | None, *, fresh: bool = False) -> CopyScope:
        scope = CopyScope(
            self._home(run),
            files,
            read_blob=self._read_blob,
            ignored=self._ignored,
            times=self._times,
            seen=seen,
            fresh=fresh,
        )
        self._open[run] = scope
        return scope

    def _clone_base(self, home: Path, files: Files) -> dict[str, Seen]:
        base = self._bases.near(files, self._read_blob, self._times)
        return self._clone(base.folder, home, lambda path, found: base.files.get(path))

    def _clone(
        self, source: Path, home: Path, entry_of: Callable[[str, os.stat_result], Entry | None]
    ) -> dict[str, Seen]:
        """Make `home` with the files of `source`, whole or not at all."""
        building = home.with_name(f".new-{home.name}")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._remove(building)
        if not make_subvolume(building):
            building.mkdir()
        (building / "files").mkdir()
        seen = clone(source / "files", building / "files", building / "stage", entry_of)
        building.rename(home)
        return seen

    def _remove(self, folder: Path) -> None:
        if not (is_subvolume(folder) and destroy_subvolume(folder)):
            remove_tree(folder)

    def _home(self, run: str) -> Path:
        return self._folder / f"run-{escape_run(run)}"


def reflink_usable(folder: Path) -> tuple[bool, str]:
    """Whether files can be cloned in `folder`, and in words why or why not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".probe-", dir=folder))
    except OSError as error:
        return False, f"{folder} cannot be used: {error.strerror}"
    try:
        (place / "old").write_bytes(b"a block" * 1024)
        with open(place / "old", "rb") as old, open(place / "new", "wb") as new:
            fcntl.ioctl(new, FICLONE, old.fileno())
        if (place / "new").read_bytes() != (place / "old").read_bytes():
            return False, "a clone does not hold what its original holds"
        made = make_subvolume(place / "volume") and destroy_subvolume(place / "volume")
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS):
            return (
                False,
                f"the file system of {folder} does not share files' contents; one on btrfs or xfs would",
            )
        return False, error.strerror or str(error)
    finally:
        remove_tree(place)
    return True, f"{'btrfs snapshots' if made else 'reflinks'}; a fork shares the files' contents"
