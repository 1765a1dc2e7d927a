"""The driver: takes a tree from stop to stop, and puts handlers between its intents and their outcomes.

The only asynchronous part. The machine is a function; the log is durable before a handler is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import anyio
import attrs
from anyio.abc import TaskGroup

from shepherd_dsl.core.event import Change, Outcome
from shepherd_dsl.core.machine import (
    Asked,
    Finished,
    OuterStop,
    answer,
    asked,
    open_index,
    outer_stop,
    step,
    world_asks,
)
from shepherd_dsl.core.run import ENDED, ROOT, WORLD, Commit, Driving
from shepherd_dsl.core.shown import shown
from shepherd_dsl.core.value import UNKNOWN, Blob, Con, Handle, Record, Value, err, ok
from shepherd_dsl.errors import ScopeError, ShepherdError
from shepherd_dsl.handlers.protocol import Request
from shepherd_dsl.handlers.registry import Registry
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.runtime.display import Display, Silent
from shepherd_dsl.runtime.live_tree import LiveTree
from shepherd_dsl.scope.protocol import Scope, ScopeBackend

Key = tuple[str, int]
"""Names an intent: the run that asks, and the intent's index in its trace."""


@attrs.define(slots=True, eq=False)
class _Task:
    """A handler at work. `result` is set when it is through, `failure` where it broke down."""

    asked: Asked
    scope: anyio.CancelScope
    through: anyio.Event
    result: tuple[Con, Change] | None = None
    failure: BaseException | None = None
    order: int = -1


class Driver:
    """Drives one tree. `interrupted` are intents whose handlers may have been at work when a driver died.

    What becomes of those: a `pure` one is asked again; of any other the handler's `probe` is asked, and where that
    knows nothing the outcome is `Unknown`, unless `again` says to perform them once more.
    """

    def __init__(
        self,
        tree: LiveTree,
        *,
        registry: Registry,
        scopes: ScopeBackend,
        redactor: Redactor,
        display: Display | None = None,
        interrupted: frozenset[Key] = frozenset(),
        again: bool = False,
    ) -> None:
        self.tree = tree
        self._registry = registry
        self._scopes = scopes
        self._redactor = redactor
        self._display: Display = display if display is not None else Silent()
        self._interrupted = interrupted
        self._again = again
        self._open: dict[str, Scope] = {}
        self._tasks: dict[Key, _Task] = {}
        self._finished = 0

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> Finished:
        """Drive the root run to its end."""
        return await self._until(lambda: False)

    async def take_back(self, op: str, args: tuple[Value, ...]) -> Con:
        """Perform an operation of the world (`run.revert`, `run.discard`, `run.inject`), compensations included.

        Returns its outcome; the runs are not driven on.
        """
        tree = self.tree
        self._display.recorded(tree.to_stop()[1])
        tree.machine = world_asks(tree.machine, op, args)

        def answered() -> bool:
            return isinstance(tree.machine.runs[WORLD].code, Driving)

        if not answered():
            await self._until(answered)
        self._display.recorded(tree.record())
        trace = tree.machine.runs[WORLD].trace
        assert trace is not None
        assert isinstance(trace.event, Outcome)
        return trace.event.answer

    async def _until(self, stop_now: Callable[[], bool]) -> Finished:
        tree = self.tree
        async with anyio.create_task_group() as group:
            try:
                while not stop_now():
                    stop, new = self._to_stop(stop_now)
                    self._display.recorded(new)
                    self._drop_stale()
                    if stop is None or isinstance(stop, Finished):
                        break
                    if stop.op == "run.pick":
                        tree.machine = answer(tree.machine, await self._pick(group, stop))
                    else:
                        value, change = await self._outcome(group, stop)
                        tree.machine = answer(tree.machine, value, change)
            finally:
                for task in self._tasks.values():
                    task.scope.cancel()
                self._tasks.clear()
        return Finished(tree.machine.runs[ROOT].code)

    def _to_stop(self, stop_now: Callable[[], bool]) -> tuple[OuterStop | None, list[Commit]]:
        """The next outer stop and what was recorded on the way; no stop where `stop_now` holds before one."""
        tree = self.tree
        if isinstance(tree.machine.runs[WORLD].code, Driving):
            return tree.to_stop()
        while not stop_now():
            after = step(tree.machine)
            if after is None:
                return outer_stop(tree.machine), tree.record()
            tree.machine = after
        return None, tree.record()

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _outcome(self, group: TaskGroup, stop: Asked) -> tuple[Con, Change]:
        """The outcome of the intent that the tree waits for."""
        key = (stop.run, stop.index)
        task = self._tasks.get(key)
        if task is None:
            task = self._begin(group, stop)
        await task.through.wait()
        del self._tasks[key]
        if task.failure is not None:
            raise task.failure
        assert task.result is not None
        return task.result

    async def _pick(self, group: TaskGroup, stop: Asked) -> Con:
        """Which of the runs goes on: the first whose handler is through.

        Handlers are started early only where the root run picks: what it passes reaches the world for certain. Where
        another run picks, an owner above may still answer or deny, so the first in the list goes on.
        """
        candidates = self._candidates(stop)
        if stop.run != ROOT:
            return ok(0)
        tasks = []
        for index, candidate in enumerate(candidates):
            if candidate.op.startswith("file."):
                return ok(index)
            task = self._tasks.get((candidate.run, candidate.index))
            tasks.append(task if task is not None else self._begin(group, candidate))
        while all(task.order < 0 for task in tasks):
            await self._any(tasks)
        first = min((task for task in tasks if task.order >= 0), key=lambda task: task.order)
        return ok(tasks.index(first))

    def _candidates(self, stop: Asked) -> list[Asked]:
        machine = self.tree.machine
        handles = machine.runs[stop.run].handles
        found = []
        runs = stop.args[0]
        assert isinstance(runs, tuple)
        for handle in runs:
            assert isinstance(handle, Handle)
            id = handles[handle.index]
            seen = shown(machine, id)
            assert seen is not None
            found.append(asked(machine, id, seen))
        return found

    async def _any(self, tasks: Sequence[_Task]) -> None:
        """Wait until one of the tasks is through."""
        async with anyio.create_task_group() as waiting:

            async def wait(task: _Task) -> None:
                await task.through.wait()
                waiting.cancel_scope.cancel()

            for task in tasks:
                waiting.start_soon(wait, task)

    def _begin(self, group: TaskGroup, stop: Asked) -> _Task:
        task = _Task(stop, anyio.CancelScope(), anyio.Event())
        self._tasks[(stop.run, stop.index)] = task
        group.start_soon(self._work, task)
        return task

    async def _work(self, task: _Task) -> None:
        try:
            with task.scope:
                self._display.started(task.asked)
                task.result = await self._perform(task.asked)
                self._display.finished(task.asked)
        except Exception as failure:
            task.failure = failure
        finally:
            task.order = self._finished
            self._finished += 1
            task.through.set()

    def _drop_stale(self) -> None:
        """Cancel handlers whose intent was taken back; a late answer is ignored."""
        machine = self.tree.machine
        for (run, index), task in list(self._tasks.items()):
            code = machine.runs[run].code
            if isinstance(code, ENDED) or shown(machine, run) is None or open_index(machine, run) != index:
                task.scope.cancel()
                del self._tasks[(run, index)]

    # ── one intent ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _perform(self, stop: Asked) -> tuple[Con, Change]:
        """Have the handler perform an intent; its outcome without secrets, and the change to the run's files."""
        try:
            spec = self._registry.spec(stop.op)
        except ShepherdError as error:
            return err(error.code, self._redactor.text(str(error))), ()
        if (stop.run, stop.index) in self._interrupted and spec.effect_class != "pure" and not self._again:
            found = await self._registry.probe(self._request(stop, None))
            if found is None or not _not_done(found):
                known = "its outcome is unknown" if found is None else "its handler knows the outcome"
                self._display.said(f"{stop.op} was under way when the driver stopped; {known}")
                return (found if found is not None else UNKNOWN), ()
            self._display.said(f"{stop.op} was about to begin when the driver stopped; it is performed now")
        if not spec.touches_files:
            return await self._registry.perform(self._request(stop, None)), ()
        try:
            scope = self._scope(stop.run)
            value = await self._registry.perform(self._request(stop, scope))
            change = scope.changes(self._keep)
        except ScopeError as error:
            return err(error.code, self._redactor.text(str(error))), ()
        if scope.skipped:
            self._display.said("not carried: " + ", ".join(scope.skipped))
        return value, change

    def _scope(self, run: str) -> Scope:
        """The scope of a run, brought to its files."""
        files = self.tree.machine.runs[run].files
        scope = self._open.get(run)
        if scope is None:
            scope = self._open[run] = self._scopes.open(run, files)
        scope.sync(files)
        return scope

    def _keep(self, data: bytes) -> str:
        """Keep contents that a command wrote, without secrets."""
        return self.tree.writer.put_blob(self._redactor.data(data))

    def _request(self, stop: Asked, scope: Scope | None) -> Request:
        writer = self.tree.writer

        def write_blob(data: bytes) -> Value:
            clean = self._redactor.data(data)
            return Blob(writer.put_blob(clean), len(clean))

        def note(name: str, text: str) -> None:
            writer.note(stop.run, stop.index, name, self._redactor.text(text))

        return Request(
            tree=writer.name,
            run=stop.run,
            position=stop.index,
            op=stop.op,
            args=stop.args,
            folder=None if scope is None else scope.folder,
            read_blob=writer.blob,
            write_blob=write_blob,
            show=partial(self._show, stop),
            note=note,
        )

    def _show(self, stop: Asked, text: str) -> None:
        self._display.output(stop, self._redactor.text(text))

    def close(self) -> None:
        """Close the scopes; their folders stay."""
        for scope in self._open.values():
            scope.close()
        self._open.clear()


def _not_done(outcome: Con) -> bool:
    """Whether a probe says that the operation never happened."""
    inner = outcome.args[0] if outcome.name == "Err" else None
    return isinstance(inner, Record) and inner.get("code") == "not_done"
