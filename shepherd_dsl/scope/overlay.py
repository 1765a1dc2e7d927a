"""The overlay backend: each run sees a frozen base through layers of its own (Linux, kernel overlayfs).

A fork costs a mount, however large the files are: what the run has written so far becomes a layer that is read by it
and by the copy, and each goes on in a new one. Many layers are made few again behind the runs' backs. What a process
changed is known from the run's topmost layer; nothing else is looked at.

    <folder>/run-<escaped id>/         where the run's files stand, for processes in `namespaces` alone
    <folder>/layers/                   what they are layered of (see `overlay_layers`)
    <folder's parent>/.bases/          frozen files, shared by all trees (see `bases`)

Everything is derived. A layer is kept for the next process, but not over a restart of the machine, for nothing of it is
put to the disk: then a run's files are made anew from the trace, and what was ignored is gone.

Carried and not carried is what the plain-copy backend says; but two names of one file, once a fork has frozen their
layer, become two files when one of them is written. A folder that stands in a layer below cannot be renamed in one
step: `rename` says EXDEV, and `mv` copies it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import attrs

from shepherd_dsl.core.content import ReadBlob
from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.bases import Bases, remove_tree
from shepherd_dsl.scope.copy import escape_run
from shepherd_dsl.scope.failures import failed
from shepherd_dsl.scope.ignore import Ignored, nothing_ignored
from shepherd_dsl.scope.mounts import Mounts
from shepherd_dsl.scope.overlay_layers import Layers, Stack
from shepherd_dsl.scope.overlay_scope import OverlayScope
from shepherd_dsl.scope.times import times_of


class OverlayBackend:
    """Overlays below `folder`; see `scope.protocol.ScopeBackend`.

    `read_blob(hash)` gives the bytes of a blob of the trace. What is `ignored` is left where it is and not reported.
    """

    name = "overlay"

    def __init__(self, folder: Path, *, read_blob: ReadBlob, ignored: Ignored = nothing_ignored) -> None:
        self.read_blob = read_blob
        self.ignored = ignored
        self.times = times_of(folder)
        self._folder = folder
        self._bases = Bases(folder.parent / ".bases")
        self.layers = Layers(folder / "layers", self._bases)
        self._mounts: Mounts | None = None
        self._open: dict[str, OverlayScope] = {}

    @property
    def mounts(self) -> Mounts:
        """Who mounts for this backend; begun with the first use."""
        if self._mounts is None:
            self._mounts = Mounts()
        return self._mounts

    def open(self, run: str, files: Files) -> OverlayScope:
        """The scope of `run`, holding `files`. Raises ScopeError where it cannot be made."""
        try:
            self._close(run)
            found = self.layers.read(run)
            before = found or self._new_stack(run, files)
            stack = self.layers.current(before)
            if stack is not before:
                self.layers.write(run, stack)
            if stack.files.hash == files.hash:
                stack = attrs.evolve(stack, files=files)
            scope = self._open[run] = OverlayScope(self, run, stack, files, fresh=found is None)
        except OSError as error:
            raise failed("open", self.place(run), error) from error
        return scope

    def fork(self, run: str, copy: str) -> None:
        """`copy` begins with the layers of `run`, where that is open, unless a process is at work there."""
        scope = self._open.get(run)
        if scope is None or self.layers.read(copy) is not None:
            return
        try:
            if scope.freeze():
                self._close(copy)
                remove_tree(self.layers.of(copy))
                self.layers.write(copy, scope.stack)
        except OSError as error:
            raise failed("fork", self.place(run), error) from error

    def remove(self, run: str) -> None:
        """Removes what stands of `run`, if anything does; layers that forks share stay."""
        try:
            self._close(run)
            self.layers.remove(run)
            with contextlib.suppress(FileNotFoundError):
                self.place(run).rmdir()
        except OSError as error:
            raise failed("remove", self.place(run), error) from error

    def close(self, *, ended: bool = False) -> None:
        """Lets go of the mounts. Where the tree has `ended` its layers go too: they are quick to make anew."""
        for scope in list(self._open.values()):
            with contextlib.suppress(ScopeError):
                scope.close()
        self.layers.close()
        if self._mounts is not None:
            self._mounts.close()
            self._mounts = None
        if ended:
            with contextlib.suppress(OSError):
                remove_tree(self._folder)

    # ── for its scopes ───────────────────────────────────────────────────────────────────────────────────────────────

    def place(self, run: str) -> Path:
        """The mount point of a run."""
        return self._folder / f"run-{escape_run(run)}"

    def mount(self, run: str, stack: Stack) -> int:
        """Mount a run's files; a descriptor of the root."""
        layer, at = self.layers.of(run), self.place(run)
        work = layer / "work"
        remove_tree(work)
        work.mkdir(parents=True)
        at.mkdir(parents=True, exist_ok=True)
        lower = [*(self.layers.folder / name for name in stack.frozen), stack.base.folder]
        return self.mounts.mount(at, lower=lower, upper=layer / "upper", work=work)

    def reopen(self, run: str) -> int:
        """A descriptor of the root of a run that is mounted."""
        return self.mounts.root(self.place(run))

    def closed(self, scope: OverlayScope) -> None:
        """A scope was closed."""
        if self._open.get(scope.run) is scope:
            del self._open[scope.run]

    def _close(self, run: str) -> None:
        scope = self._open.pop(run, None)
        if scope is not None:
            scope.close()

    def _new_stack(self, run: str, files: Files) -> Stack:
        remove_tree(self.layers.of(run))
        base = self._bases.near(files, self.read_blob, self.times)
        stack = Stack((), base, base.files)
        self.layers.write(run, stack)
        return stack
