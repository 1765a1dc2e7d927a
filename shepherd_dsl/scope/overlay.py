"""The overlay backend: each run sees a frozen base through layers of its own (Linux, kernel overlayfs).

A fork costs a mount, however large the files are: what the run has written so far becomes a layer that is read by it
and by the copy, and each goes on in a new one. What a process changed is known from the run's topmost layer; nothing
else is looked at.

    <folder>/run-<escaped id>/         where the run's files stand, for processes in `namespaces` alone
    <folder>/layers/<escaped id>/      of that run: upper/ (its topmost layer), work/ (the kernel's), layer.json, seen
    <folder>/layers/frozen-<n>/        layers that are only read, of a run and its forks; frozen-<n>.json
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
from shepherd_dsl.core.files import EMPTY_FOLDER, Files, git_blob_hash, normal_path
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.bases import Base, Bases, remove_tree
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.copy import escape_run, write_difference
from shepherd_dsl.scope.ignore import Ignored, nothing_ignored
from shepherd_dsl.scope.mounts import Mounts
from shepherd_dsl.scope.survey import Seen, load_seen, look, save_seen, seen_now, stamp

MOST_LAYERS: Final = 48
"""A run with so many frozen layers is not frozen again, so that look-ups stay quick: a fork is then made of values."""

_OPAQUE: Final = "user.overlay.opaque"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_VERSION: Final = 1


@attrs.frozen(slots=True)
class Stack:
    """What lies below a run's topmost layer: frozen layers, the newest first, and a base. `files` is what they hold."""

    frozen: tuple[str, ...]
    base: Base
    files: Files


class OverlayScope:
    """The files of one run as an overlay; see `scope.protocol.Scope`."""

    def __init__(self, backend: OverlayBackend, run: str, stack: Stack, files: Files) -> None:
        """Not for callers: `OverlayBackend.open` makes one."""
        self.files = stack.files
        self.skipped: tuple[str, ...] = ()
        self.run = run
        self.stack = stack
        self._backend = backend
        self._seen: dict[str, Seen] = {}
        self._whole = False
        self._root = -1
        try:
            self._mount()
            self._seen = load_seen(self._layer / "seen")
            self._look(git_blob_hash, files)
            self.sync(files)
        except OSError as error:
            self._release()
            raise _failed("open", self.place, error) from error
        except BaseException:
            self._release()
            raise

    @property
    def place(self) -> Path:
        """Where the files stand, seen from inside `namespaces`."""
        return self._backend.place(self.run) / "files"

    @property
    def namespaces(self) -> tuple[int, ...]:
        """Descriptors of the namespaces in which `place` is."""
        return self._backend.mounts.namespaces

    @property
    def folder(self) -> Path:
        """The same files, for this process and those of the same user."""
        return Path(f"/proc/{os.getpid()}/fd/{self._root}/files")

    def sync(self, files: Files) -> None:
        """Makes the folder hold `files`; costs the difference to what it held."""
        try:
            if not self._whole:
                self._look(git_blob_hash, files)
            self._whole = False
            # The same files in other objects are met after each outcome: their hashes are known, and quick to compare.
            change = self.files.diff(files) if self.files.hash != files.hash else ()
            written = write_difference(self._at, change, files, self._backend.read_blob)
            now = self._at.clock() if written else 0
            for path, entry in change:
                self._seen.pop(path, None)
                if entry is not None and path in written:
                    found = self._upper.stat(path)
                    assert found is not None
                    self._seen[path] = seen_now(entry, found, now)
            self.files = files
            self._whole = True
        except OSError as error:
            raise _failed("write", self.place, error) from error
        finally:
            self._forget()

    def changes(self, write_blob: Callable[[bytes], str]) -> Change:
        """What processes changed since the last `sync` or `changes`, as `CopyScope.changes`."""
        if not self._whole:
            raise ScopeError(
                "scope.interrupted",
                "the run's copy was left half-written",
                where=str(self.place),
                hint="Make room or mend the cause, then open the run again: its copy is rebuilt from the trace.",
            )
        before = self.files
        try:
            self._look(write_blob, before)
        except OSError as error:
            raise _failed("read", self.place, error) from error
        finally:
            self._forget()
        return before.diff(self.files)

    def close(self) -> None:
        """Keeps what was seen, so that opening the run again need not read every file. Twice is once."""
        if self._root < 0:
            return
        try:
            if self._seen:
                save_seen(self._layer / "seen", self._seen)
        except OSError as error:
            raise _failed("close", self._layer, error) from error
        finally:
            self._backend.closed(self)
            self._release()

    def freeze(self) -> bool:
        """Make all that the run has written a layer that is only read, and go on in a new one; whether it was done.

        Not where a process is at work in the folder, nor where the layers are many, nor where nothing was written.
        """
        if len(self.stack.frozen) >= MOST_LAYERS or not self._whole:
            return False
        if not any((self._layer / "upper" / "files").iterdir()):
            return True
        self._let_go()
        if not self._backend.mounts.unmount(self._backend.place(self.run)):
            self._open_root(self._backend.reopen(self.run))
            return False
        name = self._backend.new_frozen()
        self._backend.write_frozen(name, self.stack.files.diff(self.files))
        (self._layer / "upper").rename(self._backend.layers / name)
        self.stack = Stack((name, *self.stack.frozen), self.stack.base, self.files)
        self._seen = {}
        self._backend.write_stack(self.run, self.stack)
        self._mount()
        return True

    # ── mounting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _layer(self) -> Path:
        return self._backend.layer(self.run)

    def _mount(self) -> None:
        upper = self._layer / "upper"
        (upper / "files").mkdir(parents=True, exist_ok=True)
        (upper / "stage").mkdir(exist_ok=True)
        self._open_root(self._backend.mount(self.run, self.stack))

    def _open_root(self, root: int) -> None:
        self._root = root
        at = Path(f"/proc/self/fd/{root}")
        self._at = Beneath(at / "files", at / "stage")
        # Nothing is changed behind the overlay's back, not even permissions: it would not notice.
        self._upper = Beneath(self._layer / "upper" / "files", own=False)

    def _let_go(self) -> None:
        if self._root >= 0:
            for held in (getattr(self, "_at", None), getattr(self, "_upper", None)):
                if held is not None:
                    held.close()
            os.close(self._root)
            self._root = -1

    def _release(self) -> None:
        self._let_go()
        # A process that is still at work keeps its files; nobody else needs them mounted.
        with contextlib.suppress(OSError):
            if self._backend.mounts.unmount(self._backend.place(self.run)):
                remove_tree(self._layer / "work")

    def _forget(self) -> None:
        self._at.forget()
        self._upper.forget()

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, put_blob: Callable[[bytes], str], wanted: Files) -> None:
        """Find what the folder holds, from the topmost layer and what lies below it."""
        self._at.empty_stage()
        found = _Survey(self, put_blob, wanted, self._at.clock())
        found.walk()
        files = found.files()
        for path in found.replaced:
            entry = found.seen[path].entry
            self._at.put(path, entry, self._backend.read_blob(entry.hash))
            placed = self._upper.stat(path)
            assert placed is not None
            found.seen[path] = Seen(entry, stamp(placed), True)
        self._seen, self.skipped, self.files = found.seen, tuple(sorted(found.skipped)), files
        self._whole = True

    def tracked(self, path: str, wanted: Files) -> bool:
        """Whether a path counts although it is ignored."""
        return any(
            files.get(path) is not None or files.is_folder(path) for files in (self.stack.files, self.files, wanted)
        )


class _Survey:
    """One look at a topmost layer."""

    def __init__(self, scope: OverlayScope, put_blob: Callable[[bytes], str], wanted: Files, now: int) -> None:
        self._scope = scope
        self._put_blob = put_blob
        self._wanted = wanted
        self._now = now
        self._lower = scope.stack.files
        self._hidden: dict[str, None] = {}
        self._folders: dict[str, bool] = {}
        self.seen: dict[str, Seen] = {}
        self.skipped: list[str] = []
        self.replaced: list[str] = []

    def walk(self) -> None:
        """Go through the layer."""
        upper, ignored = self._scope._upper, self._scope._backend.ignored
        todo = [""]
        while todo:
            folder = todo.pop()
            try:
                inside = self._inside(folder)
                opaque = _is_opaque(upper.folder(folder))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:
                self.skipped.append(folder)
                continue
            if opaque:
                self._hide(folder)
            carried = False
            prefix = f"{folder}/" if folder else ""
            for name, found in inside:
                path = prefix + name
                if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                    self._hide(path)
                    continue
                is_folder = stat.S_ISDIR(found.st_mode)
                if ignored(path, is_folder) and not self._scope.tracked(path, self._wanted):
                    continue
                if normal_path(path) is None or not (
                    is_folder or stat.S_IFMT(found.st_mode) in (stat.S_IFREG, stat.S_IFLNK)
                ):
                    self._hide(path)
                    self.skipped.append(path)
                elif is_folder:
                    if self._lower.get(path) not in (None, EMPTY_FOLDER):
                        self._hide(path)
                    todo.append(path)
                    carried = True
                else:
                    self._hide(path)
                    carried = self._file(path, found) or carried
            self._folders[folder] = carried

    def _hide(self, path: str) -> None:
        """Nothing of the layers below is to be seen at `path` or under it."""
        self._hidden[path] = None

    def _inside(self, folder: str) -> list[tuple[str, os.stat_result]]:
        """What the layer has in a folder; one that a process made unusable is given back through the overlay."""
        try:
            return self._scope._upper.list(folder)
        except PermissionError:
            self._scope._at.folder(folder)
            return self._scope._upper.list(folder)

    def _file(self, path: str, found: os.stat_result) -> bool:
        scope = self._scope
        old = scope._seen.get(path)
        try:
            try:
                self.seen[path] = look(scope._upper, path, found, old, self._now, self._put_blob, [], self.replaced)
            except PermissionError:
                self.seen[path] = self._lent(path, found, old)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError:
            self.skipped.append(path)
            return False
        return True

    def _lent(self, path: str, found: os.stat_result, old: Seen | None) -> Seen:
        """A file that even its owner may not read: the overlay lends the permission, which changes its times."""
        data, _ = self._scope._at.read(path)
        hash = git_blob_hash(data)
        if old is None or old.entry.hash != hash:
            kept = self._put_blob(data)
            if kept != hash:
                self.replaced.append(path)
                hash = kept
        return Seen(Entry(found.st_mode, hash), stamp(found), True)

    def files(self) -> Files:
        """What the folder holds."""
        gone: dict[str, Entry | None] = {}
        for path in self._hidden:
            if path and self._lower.get(path) is not None:
                gone[path] = None
            gone.update((below, None) for below, _ in self._lower.under(path))
        put: dict[str, Entry | None] = {path: item.entry for path, item in self.seen.items()}
        files = self._lower.apply(tuple({**gone, **put}.items()))
        # Deepest first: a folder that holds an empty one is not empty.
        for path in sorted(self._folders, key=lambda path: -path.count("/")):
            if path and not files.is_folder(path) and files.get(path) is None:
                files = files.apply(((path, EMPTY_FOLDER),))
        return files


def _is_opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, _OPAQUE) == b"y"
    except OSError:
        return False


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
            raise _failed("open", self.place(run), error) from error
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
            raise _failed("fork", self.place(run), error) from error

    def remove(self, run: str) -> None:
        """Removes what stands of `run`, if anything does; layers that forks share stay."""
        try:
            self._close(run)
            remove_tree(self.layer(run))
            with contextlib.suppress(FileNotFoundError):
                self.place(run).rmdir()
        except OSError as error:
            raise _failed("remove", self.place(run), error) from error

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

    def new_frozen(self) -> str:
        """A name for a layer that is frozen now."""
        taken = [int(item.name[7:]) for item in self.layers.glob("frozen-*") if item.name[7:].isdecimal()]
        return f"frozen-{max(taken, default=-1) + 1}"

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


def _failed(verb: str, where: Path, error: OSError) -> ScopeError:
    return ScopeError(
        "scope.io",
        f"cannot {verb} a run's copy: {error.strerror or error}",
        where=str(where),
        hint="The copy is derived: nothing of the trace is lost. Mend the cause and open the run again.",
    )
