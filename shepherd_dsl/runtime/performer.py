"""One intent: its handler, the run's files around it, and what is known of it after a crash."""

from __future__ import annotations

import contextlib
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

import anyio

from shepherd_dsl.core.content import Content
from shepherd_dsl.core.event import Change, Entry, Forked, Intent, Undo
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.machine import AnswerError, Asked, check_answer
from shepherd_dsl.core.run import nth, question_of
from shepherd_dsl.core.value import UNKNOWN, Blob, Con, Record, Value, err
from shepherd_dsl.core.wire import value_text
from shepherd_dsl.errors import ScopeError, StoreError
from shepherd_dsl.handlers.protocol import OperationSpec, Request
from shepherd_dsl.handlers.registry import Registry
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.path_text import path_text, shortened
from shepherd_dsl.runtime.attempts import BEGUN, HELD, LATE, MARK, Attempts, Key, opened
from shepherd_dsl.runtime.display import Display
from shepherd_dsl.runtime.live_tree import LiveTree
from shepherd_dsl.runtime.points import reached
from shepherd_dsl.runtime.reserve import NoRoomError, Reserve
from shepherd_dsl.scope.protocol import Scope, ScopeBackend

_MOST_OPEN: Final = 64
"""Scopes that are open at once: each holds a mount and some descriptors."""
_SET_ID: Final = stat.S_ISUID | stat.S_ISGID


class Performer:
    """Has handlers perform the intents of one tree.

    What becomes of an intent that was `interrupted` before: a `pure` one is asked again; of any other the handler's
    `probe` is asked, and where that knows nothing the outcome is `Unknown`, unless `again` says to perform it once
    more. `reserve` says what recording is to leave of the disk.
    """

    def __init__(
        self,
        tree: LiveTree,
        *,
        registry: Registry,
        scopes: ScopeBackend,
        redactor: Redactor,
        display: Display,
        before: Attempts,
        again: bool,
        reserve: Callable[[], Reserve],
    ) -> None:
        self._tree = tree
        self._registry = registry
        self._scopes = scopes
        self._redactor = redactor
        self._display = display
        self._before = before
        self._again = again
        self._reserve = reserve
        self._found: dict[Key, Con | None] = {}
        # The scope that was used last stands last.
        self._open: dict[str, Scope] = {}
        self._at_work: Counter[str] = Counter()

    # ── before a handler is called ───────────────────────────────────────────────────────────────────────────────────

    async def look_back(self) -> None:
        """Ask the handlers what became of interrupted intents; a handler then also ends what a crash left running.

        Raises HandlerError, before anything is recorded, where a handler is missing.
        """
        for run, index in sorted(self._before.interrupted):
            asked = self._asked(run, index)
            if self._registry.spec(asked.op).effect_class != "pure":
                self._found[(run, index)] = await self._registry.probe(self._request(asked, (run, index), None))

    def recalled(self, key: Key) -> Con | None:
        """The outcome of an intent that was interrupted, so far as it is known: its answer, or `Unknown`.

        None where the intent was not interrupted, or was certainly not carried out.
        """
        if key not in self._found:
            return None
        found = self._found.pop(key)
        if found is None:
            return UNKNOWN
        return None if _not_done(found) else found

    def may_begin_early(self, op: str) -> bool:
        """Whether nothing lasts of `op` when it was begun and then taken back."""
        return self._registry.spec(op).effect_class in ("pure", "reversible")

    def mark_begun(self, keys: Iterable[Key], *, early: bool = False) -> None:
        """Make durable, before their handlers are called, that these attempts are begun.

        Nothing need be done where that goes without saying: a recorded intent at which the tree waits, unless it is
        begun `early`.
        """
        marked = False
        for run, index in keys:
            commit = nth(self._tree.machine.runs[run].trace, index)
            assert commit is not None
            if early or not isinstance(commit.event, Intent | Undo) or (run, index) in self._before.held:
                self._tree.writer.note(run, index, MARK, BEGUN)
                marked = True
        if marked:
            self._tree.writer.append((), durable=True)
            reached("early.marked")

    # ── performing ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def perform(self, asked: Asked, key: Key) -> tuple[Con, Change]:
        """Have the handler perform an intent; its outcome without secrets, and the change to the run's files.

        Raises HandlerError where there is no handler, ScopeError where the run's files cannot be made or read: then
        nothing is recorded, and the run can go on when that is mended.
        """
        spec = self._registry.spec(asked.op)
        if key in self._found:
            known = self._recall(asked, key)
            if known is not None:
                return known, ()
        elif key in self._before.held:
            self._display.said(f"{asked.op} was interrupted; its files are those from before, and it is performed anew")
        reached("handler.before")
        if not spec.touches_files:
            value = await self._registry.perform(self._request(asked, key, None))
            reached("handler.after")
            return self._checked(asked, spec, value, ())
        self._at_work[asked.run] += 1
        reserve = self._reserve()
        try:
            scope = self._scope(asked.run)
            reached("scope.synced")
            value = await self._registry.perform(self._request(asked, key, scope))
            reached("handler.after")
            change = without_new_privileges(
                self._tree.machine.runs[asked.run].files, scope.changes(partial(self._keep, reserve))
            )
            reached("scope.changed")
        except NoRoomError:
            self._leave(asked.run)
            return _no_room(asked, reserve), ()
        except BaseException as why:
            # What the handler had begun to do to the files is nobody's change: they are looked at anew.
            self._leave(asked.run)
            if isinstance(why, (ScopeError, anyio.get_cancelled_exc_class())) and spec.effect_class == "reversible":
                self._hold(key)
            raise
        finally:
            self._at_work[asked.run] -= 1
        if scope.skipped:
            self._display.said("not carried: " + ", ".join(path_text(shortened(path)) for path in scope.skipped))
        return self._checked(asked, spec, value, change)

    def _recall(self, asked: Asked, key: Key) -> Con | None:
        """What is known of an interrupted intent; None where it is to be performed."""
        found = self._found[key]
        what = f"{asked.op} was under way when the driver stopped"
        if found is not None and _not_done(found):
            what = f"{asked.op} was about to begin when the driver stopped; it is performed now"
        elif found is not None:
            what += "; its handler knows the outcome"
        else:
            what += "; it is performed once more" if self._again else "; its outcome is unknown"
        self._display.said(what)
        if found is None and self._again:
            del self._found[key]
            return None
        return self.recalled(key)

    def _checked(self, asked: Asked, spec: OperationSpec, value: Con, change: Change) -> tuple[Con, Change]:
        """The outcome as the machine takes it. One that no trace can hold is a bug of the handler."""
        try:
            check_answer(self._tree.machine.program, asked.op, value, change)
        except AnswerError as why:
            text = f"the handler of {asked.op} gave what cannot be recorded: {why}"
            self._tree.writer.note(asked.run, asked.index, "handler", self._redactor.text(text))
            lasting = spec.effect_class in ("compensable", "irreversible")
            return UNKNOWN if lasting else err("handler", self._redactor.text(text)), ()
        return value, change

    def late(self, asked: Asked, value: Con) -> None:
        """Keep beside the trace what a handler answered after its intent had been taken back."""
        self._tree.writer.note(asked.run, asked.index, LATE, value_text(value))
        self._display.said(f"{asked.op} was taken back while it was under way; its late answer is kept as a note")

    def forget_stale(self) -> None:
        """What handlers know of interrupted intents that were taken back since is kept as late answers."""
        machine = self._tree.machine
        for key in list(self._found):
            commit = opened(machine, key[0])
            if commit is None or commit.index != key[1]:
                found = self._found.pop(key)
                if found is not None and not _not_done(found):
                    self.late(self._asked(*key), found)

    # ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _scope(self, run: str) -> Scope:
        """The scope of a run, brought to its files. One that a command broke (it may remove its own folder) is made
        anew."""
        files = self._tree.machine.runs[run].files
        scope = self._open.pop(run, None)
        if scope is not None:
            self._open[run] = scope
            try:
                scope.sync(files)
                return scope
            except ScopeError:
                self._leave(run)
        else:
            self._begin_as_origin(run)
        self._make_room()
        scope = self._open[run] = self._scopes.open(run, files)
        return scope

    def _begin_as_origin(self, run: str) -> None:
        """Let the scope of a run begin as that of the run it was forked from, or that made it: the nearest there is.

        Not while a handler is at work there: the files must not move under it.
        """
        commit = self._tree.machine.runs[run].trace
        while commit is not None and not isinstance(commit.event, Forked):
            commit = commit.parent
        origin = commit.event.of if commit is not None and isinstance(commit.event, Forked) else None
        origin = origin or self._tree.machine.runs[run].owner
        if origin in self._open and not self._at_work[origin]:
            self._scopes.fork(origin, run)

    def _make_room(self) -> None:
        """Close scopes that were not used for longest, but for those where a handler is at work."""
        idle = [run for run in self._open if not self._at_work[run]]
        for run in idle[: max(0, len(self._open) + 1 - _MOST_OPEN)]:
            self._leave(run)

    def _keep(self, reserve: Reserve, data: Content) -> str:
        """Keep contents that a command wrote, without secrets."""
        return self._tree.writer.put_blob(reserve.watched(self._redactor.content(data)))

    def close(self) -> None:
        """Close the scopes; their folders stay."""
        for run in list(self._open):
            self._leave(run)

    def _leave(self, run: str) -> None:
        """Close the scope of a run, if it is open."""
        scope = self._open.pop(run, None)
        if scope is not None:
            # All that can be lost is what makes the next opening quicker.
            with contextlib.suppress(ScopeError):
                scope.close()

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _hold(self, key: Key) -> None:
        # Without the note the outcome will be unknown, which is true as well.
        with contextlib.suppress(StoreError):
            self._tree.writer.note(*key, MARK, HELD)

    def _asked(self, run: str, index: int) -> Asked:
        """The question of an attempt."""
        question = question_of(nth(self._tree.machine.runs[run].trace, index))
        assert question is not None
        assert isinstance(question.event, Intent | Undo)
        return Asked(run, question.index, question.event.op, question.event.args, (run,))

    def _request(self, asked: Asked, key: Key, scope: Scope | None) -> Request:
        writer = self._tree.writer

        def write_blob(data: bytes) -> Value:
            clean = self._redactor.data(data)
            return Blob(writer.put_blob(clean), len(clean))

        def note(name: str, text: str) -> None:
            writer.note(asked.run, asked.index, name, self._redactor.text(text))

        return Request(
            tree=writer.name,
            run=asked.run,
            position=key[1],
            op=asked.op,
            args=asked.args,
            folder=None if scope is None else scope.folder,
            place=None if scope is None else scope.place,
            namespaces=() if scope is None else scope.namespaces,
            read_blob=writer.blob,
            write_blob=write_blob,
            show=partial(self._show, asked),
            note=note,
            trace=self._tree.machine.runs[asked.run].trace,
            aside=self._aside,
        )

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        self._display.paused()
        try:
            yield
        finally:
            self._display.resumed()

    def _show(self, asked: Asked, text: str) -> None:
        self._display.output(asked, self._redactor.text(text))


def without_new_privileges(before: Files, change: Change) -> Change:
    """The change, where set-user-id and set-group-id bits stay only with bytes that had them before.

    A jail lets nobody set them, but the kernel leaves them on a file that is written to through a map of it.
    """
    if not any(entry is not None and stat.S_ISREG(entry.mode) and entry.mode & _SET_ID for _, entry in change):
        return change
    had = {(entry.mode & _SET_ID, entry.hash) for _, entry in before.items() if entry.mode & _SET_ID}

    def kept(entry: Entry | None) -> Entry | None:
        if entry is None or not stat.S_ISREG(entry.mode) or (entry.mode & _SET_ID, entry.hash) in had:
            return entry
        return Entry(entry.mode & ~_SET_ID, entry.hash)

    return tuple((path, kept(entry)) for path, entry in change)


def _no_room(asked: Asked, reserve: Reserve) -> Con:
    """The outcome where too little room is left to record the files. They are taken back when they are needed next."""
    what = f"what {asked.op} wrote is not kept: recording it would leave less than {reserve.least} bytes of the disk"
    return err("limit", f"{what}, which has {reserve.free()} left; the run's files are as before")


def _not_done(outcome: Con) -> bool:
    """Whether a probe says that the operation never happened."""
    inner = outcome.args[0] if outcome.name == "Err" else None
    return isinstance(inner, Record) and inner.get("code") == "not_done"
