"""The FUSE backend: one process serves the files of all runs of a tree, and shares them until they are written.

For where the kernel's overlays cannot be mounted. A fork is a message, however large the files are: the server lets the
copy begin with the tree of the run (`fuse_tree`), and whoever writes to a file gets a copy of that file. What a process
changed is known from the server, which all changes pass through; nothing is looked for.

    <folder>/mount/run-<escaped id>/    where the run's files stand, for processes in `namespaces` alone
    <folder>/data-<random>/             the bytes of files that were written, while the server is there
    <folder>/layers/run-fuse-<n>/       which bases the scopes lie on, for `tidy`
    <folder's parent>/.bases/           frozen files, shared by all trees (see `bases`)

Everything is derived, and nothing outlives the server, which ends with the driver: then a run's files are made anew
from the trace, and what was ignored is gone. Where the server ends before, or hangs and is ended, the scopes that are
open raise ScopeError, and opening them again starts another one.

Carried and not carried is what the plain-copy backend says. A reader sees extended attributes (`user.*`) and hard links
as long as the scope is open.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from shepherd_dsl.core.content import ReadBlob
from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.bases import Base, Bases, remove_tree
from shepherd_dsl.scope.failures import failed
from shepherd_dsl.scope.fuse_client import MOUNT, FuseServer
from shepherd_dsl.scope.fuse_scope import FuseScope, Kept, name_of
from shepherd_dsl.scope.ignore import Ignored, nothing_ignored
from shepherd_dsl.scope.limits import MEMORY
from shepherd_dsl.scope.times import times_of


class FuseBackend:
    """Scopes below `folder`, over FUSE; see `scope.protocol.ScopeBackend`.

    `read_blob(hash)` gives the bytes of a blob of the trace. What is `ignored` is left where it is and not reported.
    `memory` is how many bytes the server may take for what processes make: they get ENOSPC then.
    """

    name = "fuse"

    def __init__(
        self,
        folder: Path,
        *,
        read_blob: ReadBlob,
        ignored: Ignored = nothing_ignored,
        memory: int = MEMORY,
    ) -> None:
        self.read_blob = read_blob
        self.ignored = ignored
        self._folder = folder
        self.times = times_of(folder)
        self._memory = memory
        self._bases = Bases(folder.parent / ".bases")
        self._server: FuseServer | None = None
        self._told: set[str] = set()
        self._open: dict[str, FuseScope] = {}
        self._kept: dict[str, Kept] = {}

    def open(self, run: str, files: Files) -> FuseScope:
        """The scope of `run`, holding `files`. Raises ScopeError where it cannot be made."""
        try:
            self._close(run)
            server = self._running()
            try:
                return self._opened(server, run, files)
            except OSError as error:
                if not server.is_lost(error):
                    raise
            return self._opened(self._running(), run, files)
        except OSError as error:
            raise failed("open", self.place(run), error) from error

    def fork(self, run: str, copy: str) -> None:
        """`copy` begins with the tree of `run`, where that is open, unless a process has a file open for writing."""
        scope = self._open.get(run)
        if scope is None or copy in self._open or copy in self._kept or not scope.is_whole:
            return
        try:
            if scope.server.ask("fork", scope=scope.number, name=name_of(copy)).get("busy"):
                return
        except OSError as error:
            raise failed("fork", self.place(run), error) from error
        self._kept[copy] = scope.kept()

    def remove(self, run: str) -> None:
        """Removes what stands of `run`, if anything does; what forks share stays."""
        try:
            self._close(run)
            if self._kept.pop(run, None) is not None and self._server is not None and self._server.is_there:
                self._server.ask("remove", name=name_of(run))
        except OSError as error:
            raise failed("remove", self.place(run), error) from error

    def close(self, *, ended: bool = False) -> None:
        """Ends the server, and with it all that stands; it is quick to make anew."""
        for scope in list(self._open.values()):
            with contextlib.suppress(ScopeError):
                scope.close()
        self._stop()
        if ended:
            with contextlib.suppress(OSError):
                remove_tree(self._folder)

    # ── for its scopes ───────────────────────────────────────────────────────────────────────────────────────────────

    def place(self, run: str) -> Path:
        """The folder of a run's scope, for who sees the mount."""
        return self._folder / MOUNT / name_of(run).decode()

    def closed(self, scope: FuseScope, kept: Kept | None) -> None:
        """A scope was closed; `kept` where the server has it still."""
        if self._open.get(scope.run) is scope:
            del self._open[scope.run]
            if kept is not None:
                self._kept[scope.run] = kept

    def _opened(self, server: FuseServer, run: str, files: Files) -> FuseScope:
        kept = self._kept.pop(run, None)
        if kept is None:
            base = self._bases.near(files, self.read_blob, self.times)
            opened = Kept(base, base.files)
        else:
            opened = kept
        self._tell(server, opened.base)
        scope = self._open[run] = FuseScope(self, server, run, opened, files, fresh=kept is None)
        return scope

    def _close(self, run: str) -> None:
        scope = self._open.get(run)
        if scope is not None:
            scope.close()

    def _running(self) -> FuseServer:
        """The server; another one where it has ended."""
        if self._server is not None and self._server.is_there:
            return self._server
        for scope in list(self._open.values()):
            scope.close()
        self._stop()
        self._server = FuseServer(self._folder, memory=self._memory)
        return self._server

    def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._told.clear()
        self._kept.clear()

    def _tell(self, server: FuseServer, base: Base) -> None:
        """Let the server know a base."""
        if base.name in self._told:
            return
        rows = [(path, entry.mode, entry.hash) for path, entry in base.files.items()]
        note = self._folder / "layers" / f"run-fuse-{len(self._told)}"
        note.mkdir(parents=True, exist_ok=True)
        (note / "layer.json").write_text(json.dumps({"base": base.name}), "ascii")
        server.ask("base", name=base.name, folder=str(base.folder / "files"), rows=rows)
        self._told.add(base.name)
