"""The files of one run as an overlay: its topmost layer over frozen ones and a base."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from shepherd_dsl.core.content import PutBlob
from shepherd_dsl.core.event import Change
from shepherd_dsl.core.files import Files, git_blob_hash
from shepherd_dsl.scope.bases import remove_tree, times_before
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.copy import write_difference
from shepherd_dsl.scope.failures import failed, interrupted
from shepherd_dsl.scope.overlay_layers import Stack
from shepherd_dsl.scope.overlay_survey import LayerSurvey
from shepherd_dsl.scope.survey import Seen, load_seen, newer, save_seen, seen_now, stamp

if TYPE_CHECKING:
    from shepherd_dsl.scope.overlay import OverlayBackend


class OverlayScope:
    """The files of one run as an overlay; see `scope.protocol.Scope`."""

    def __init__(self, backend: OverlayBackend, run: str, stack: Stack, files: Files, *, fresh: bool) -> None:
        """Not for callers: `OverlayBackend.open` makes one. `fresh`: nothing stood of the run."""
        self.files = stack.files
        self.skipped: tuple[str, ...] = ()
        self.run = run
        self.stack = stack
        self._backend = backend
        self._seen: dict[str, Seen] = {}
        self._whole = False
        self._fresh = fresh
        self._root = -1
        self._held: list[Beneath] = []
        try:
            self._mount()
            self._seen = load_seen(self._layer / "seen")
            self._look(git_blob_hash, files)
            self.sync(files)
        except OSError as error:
            self._release()
            raise failed("open", self.place, error) from error
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
            change = self.files.diff(files) if self.files.hash != files.hash else ()
            old = times_before(self.stack.base, self.files, change, self._seen)
            times = self._backend.times
            written, now_written = write_difference(
                self._at, self.files, files, self._backend.read_blob, times, fresh=self._fresh
            )
            now = self._at.clock() if written else 0
            for path, _ in change:
                self._seen.pop(path, None)
            for path in written:
                # Through the overlay, a file that got another time only may have other numbers than in the layer.
                entry, found = files.get(path), self._upper.stat(path)
                assert entry is not None
                assert found is not None
                self._seen[path] = seen_now(entry, found, now)
            if change:
                times.brought(self.files, files, now_written, old)
            self._fresh = False
            self.files = files
            self._whole = True
        except OSError as error:
            raise failed("write", self.place, error) from error
        finally:
            self._forget()

    def changes(self, write_blob: PutBlob) -> Change:
        """What processes changed since the last `sync` or `changes`, as `CopyScope.changes`."""
        if not self._whole:
            raise interrupted(self.place)
        before, seen = self.files, self._seen
        try:
            self._look(write_blob, before)
            change = before.diff(self.files)
            old = times_before(self.stack.base, before, change, seen)
        except OSError as error:
            raise failed("read", self.place, error) from error
        finally:
            self._forget()
        self._backend.times.held(before, self.files, newer(seen, self._seen), old)
        return change

    def close(self) -> None:
        """Keeps what was seen, so that opening the run again need not read every file. Twice is once."""
        if self._root < 0:
            return
        try:
            if self._seen:
                save_seen(self._layer / "seen", self._seen)
        except OSError as error:
            raise failed("close", self._layer, error) from error
        finally:
            self._backend.closed(self)
            self._release()

    def freeze(self) -> bool:
        """Make all that the run has written a layer that is only read, and go on in a new one; whether it was done.

        Not where a process is at work in the folder, nor where the layers are many; where nothing was written there is
        nothing to do. What was written must have been reported by `changes`.
        """
        if not self._whole:
            return False
        if not any((self._layer / "upper" / "files").iterdir()):
            return True
        layers = self._backend.layers
        stack = layers.current(self.stack)
        if layers.is_full(stack):
            return False
        self._let_go()
        if not self._backend.mounts.unmount(self._backend.place(self.run)):
            self._open_root(self._backend.reopen(self.run))
            return False
        self.stack = layers.freeze(self.run, stack, self.files, self.skipped)
        self._seen = {}
        self._mount()
        return True

    # ── mounting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _layer(self) -> Path:
        return self._backend.layers.of(self.run)

    def _mount(self) -> None:
        upper = self._layer / "upper"
        (upper / "files").mkdir(parents=True, exist_ok=True)
        (upper / "stage").mkdir(exist_ok=True)
        self._open_root(self._backend.mount(self.run, self.stack))

    def _open_root(self, root: int) -> None:
        self._root = root
        at = Path(f"/proc/self/fd/{root}")
        self._at = self._hold(Beneath(at / "files", at / "stage"))
        # Nothing is changed behind the overlay's back, not even permissions: it would not notice.
        self._upper = self._hold(Beneath(self._layer / "upper" / "files", own=False))

    def _hold(self, at: Beneath) -> Beneath:
        self._held.append(at)
        return at

    def _let_go(self) -> None:
        while self._held:
            self._held.pop().close()
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def _release(self) -> None:
        self._let_go()
        with contextlib.suppress(OSError):
            if self._backend.mounts.unmount(self._backend.place(self.run)):
                remove_tree(self._layer / "work")
            else:
                # A process that is still at work keeps its layer, and whoever opens the run next gets another one.
                self._backend.layers.leave(self.run)

    def _forget(self) -> None:
        for at in self._held:
            at.forget()

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, put_blob: PutBlob, wanted: Files) -> None:
        """Find what the folder holds, from the topmost layer and what lies below it."""
        self._at.empty_stage()
        survey = LayerSurvey(
            self._upper,
            self._at,
            self.stack.files,
            self._seen,
            now=self._at.clock(),
            put_blob=put_blob,
            ignored=self._backend.ignored,
            tracked=lambda path: any(
                known.get(path) is not None or known.is_folder(path) for known in (self.stack.files, self.files, wanted)
            ),
        )
        found, files = survey.take()
        for path in found.replaced:
            entry = found.seen[path].entry
            self._at.put(path, entry, self._backend.read_blob(entry.hash))
            placed = self._upper.stat(path)
            assert placed is not None
            found.seen[path] = Seen(entry, stamp(placed), True)
        below = [path for path in self.stack.skipped if survey.shows(path)]
        self._seen, self.skipped, self.files = found.seen, tuple(sorted({*found.skipped, *below})), files
        self._whole = True
