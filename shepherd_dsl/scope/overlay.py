"""The overlay backend: each run sees a frozen base through layers of its own (Linux, kernel overlayfs).

A fork costs a mount, however large the files are: what the run has written so far becomes a layer that is read by it
and by the copy, and each goes on in a new one. What a process changed is known from the run's topmost layer; nothing
else is looked at.

    <folder>/run-<escaped id>/         where the run's files stand, for processes in `namespaces` alone
    <folder>/layers/<escaped id>/      of that run: upper/ (its topmost layer), work/ (the kernel's), layer.json, seen
    <folder>/layers/frozen-<n>/        layers that are only read, of a run and its forks; frozen-<n>.json
    <folder>/layers/left-<n>/          layers with which a process was still at work when its run's scope was closed
    <folder's parent>/.bases/          frozen files, shared by all trees (see `bases`)

Everything is derived. A layer is kept for the next process, but not over a restart of the machine, for nothing of it is
put to the disk: then a run's files are made anew from the trace, and what was ignored is gone.

Carried and not carried is what the plain-copy backend says. A folder that stands in a layer below cannot be renamed in
one step: `rename` says EXDEV, and `mv` copies it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.bases import Bases, remove_tree
from shepherd_dsl.scope.copy import escape_run
from shepherd_dsl.scope.failures import failed
from shepherd_dsl.scope.ignore import Ignored, nothing_ignored
from shepherd_dsl.scope.mounts import Mounts
from shepherd_dsl.scope.overlay_scope import OverlayScope, Stack

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_VERSION: Final = 1


class OverlayBackend:
    """Overlays below `folder`; see `scope.protocol.ScopeBackend`.

    `read_blob(hash)` gives the bytes of a blob of the trace. What is `ignored` is left where it is and not reported.
    """

    name = "overlay"

    def __init__(self, folder: Path, *, read_blob: Callable[[str], bytes], ignored: Ignored = nothing_ignored) -> None:
        self.read_blob = read_blob
        self.ignored = ignored
        self.layers = folder / "layers"
        self._folder = folder
        self._bases = Bases(folder.parent / ".bases")
        self._mounts: Mounts | None = None
        self._open: dict[str, OverlayScope] = {}
        self._stacks: dict[tuple[tuple[str, ...], str], Stack] = {}

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
            stack = self._stack(run) or self._new_stack(run, files)
            if stack.files.hash == files.hash:
                stack = attrs.evolve(stack, files=files)
            scope = self._open[run] = OverlayScope(self, run, stack, files)
        except OSError as error:
            raise failed("open", self.place(run), error) from error
        return scope

    def fork(self, run: str, copy: str) -> None:
        """`copy` begins with the layers of `run`, where that is open, unless a process is at work there."""
        scope = self._open.get(run)
        if scope is None or self._stack(copy) is not None:
            return
        try:
            if scope.freeze():
                self._close(copy)
                remove_tree(self.layer(copy))
                self.write_stack(copy, scope.stack)
        except OSError as error:
            raise failed("fork", self.place(run), error) from error

    def remove(self, run: str) -> None:
        """Removes what stands of `run`, if anything does; layers that forks share stay."""
        try:
            self._close(run)
            remove_tree(self.layer(run))
            with contextlib.suppress(FileNotFoundError):
                self.place(run).rmdir()
        except OSError as error:
            raise failed("remove", self.place(run), error) from error

    def close(self, *, ended: bool = False) -> None:
        """Lets go of the mounts. Where the tree has `ended` its layers go too: they are quick to make anew."""
        for scope in list(self._open.values()):
            with contextlib.suppress(ScopeError):
                scope.close()
        if self._mounts is not None:
            self._mounts.close()
            self._mounts = None
        if ended:
            self._stacks.clear()
            with contextlib.suppress(OSError):
                remove_tree(self._folder)

    # ── for its scopes ───────────────────────────────────────────────────────────────────────────────────────────────

    def place(self, run: str) -> Path:
        """The mount point of a run."""
        return self._folder / f"run-{escape_run(run)}"

    def layer(self, run: str) -> Path:
        """The folder of a run's topmost layer."""
        return self.layers / f"run-{escape_run(run)}"

    def new_name(self, kind: str) -> str:
        """A name for a layer that no run writes any more: `frozen` or `left`, and a number."""
        taken = [item.name.rpartition("-")[2] for item in self.layers.glob(f"{kind}-*")]
        return f"{kind}-{max((int(number) for number in taken if number.isdecimal()), default=-1) + 1}"

    def mount(self, run: str, stack: Stack) -> int:
        """Mount a run's files; a descriptor of the root."""
        layer, at = self.layer(run), self.place(run)
        work = layer / "work"
        remove_tree(work)
        work.mkdir(parents=True)
        at.mkdir(parents=True, exist_ok=True)
        lower = [*(self.layers / name for name in stack.frozen), stack.base.folder]
        return self.mounts.mount(at, lower=lower, upper=layer / "upper", work=work)

    def reopen(self, run: str) -> int:
        """A descriptor of the root of a run that is mounted."""
        return self.mounts.root(self.place(run))

    def write_stack(self, run: str, stack: Stack) -> None:
        """Note what lies below a run's topmost layer."""
        layer = self.layer(run)
        layer.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"version": _VERSION, "boot": _boot(), "base": stack.base.name, "frozen": stack.frozen})
        temporary = layer / "layer.json.new"
        temporary.write_text(text, "ascii")
        temporary.replace(layer / "layer.json")
        self._stacks[stack.frozen, stack.base.name] = stack

    def write_frozen(self, name: str, change: Change) -> None:
        """Note in what a layer that is about to be frozen differs from what lies below it."""
        rows = [(path, entry and (entry.mode, entry.hash)) for path, entry in change]
        (self.layers / f"{name}.json").write_text(json.dumps(rows, separators=(",", ":")), "ascii")

    def closed(self, scope: OverlayScope) -> None:
        """A scope was closed."""
        if self._open.get(scope.run) is scope:
            del self._open[scope.run]

    def _close(self, run: str) -> None:
        scope = self._open.pop(run, None)
        if scope is not None:
            scope.close()

    def _stack(self, run: str) -> Stack | None:
        """What lies below a run's topmost layer, where that is whole and from since the machine was started."""
        layer = self.layer(run)
        try:
            found = json.loads((layer / "layer.json").read_bytes())
            if found["version"] != _VERSION or found["boot"] != _boot():
                return None
            frozen = tuple(map(str, found["frozen"]))
            top = layer / "upper" / "files"
            if (top.exists() or top.is_symlink()) and not stat.S_ISDIR(os.lstat(top).st_mode):
                return None  # a process removed the folder itself
            known = self._stacks.get((frozen, found["base"]))
            if known is not None:
                return known
            base = self._bases.named(found["base"])
            if base is None or not all((self.layers / name).is_dir() for name in frozen):
                return None
            files = base.files
            for name in reversed(frozen):
                rows = json.loads((self.layers / f"{name}.json").read_bytes())
                files = files.apply(tuple((path, entry and Entry(*entry)) for path, entry in rows))
            return Stack(frozen, base, files)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _new_stack(self, run: str, files: Files) -> Stack:
        remove_tree(self.layer(run))
        base = self._bases.near(files, self.read_blob)
        stack = Stack((), base, base.files)
        self.write_stack(run, stack)
        return stack


def _boot() -> str:
    """What is another text after each start of the machine."""
    return _BOOT.read_text("ascii").strip()
