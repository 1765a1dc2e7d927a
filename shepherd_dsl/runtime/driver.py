"""The driver: takes a tree from stop to stop, and puts handlers between its intents and their outcomes.

The only asynchronous part. The machine is a function; the log is durable before a handler is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import attrs
from anyio.abc import TaskGroup

from shepherd_dsl.core.event import Change, Outcome
from shepherd_dsl.core.machine import (
    Asked,
    Finished,
    OuterStop,
    advance,
    answer,
    asked,
    outer_stop,
    step,
    world_asks,
)
from shepherd_dsl.core.run import ROOT, WORLD, Commit, Driving
from shepherd_dsl.core.shown import shown
from shepherd_dsl.core.value import Con, Handle, Value, ok
from shepherd_dsl.handlers.registry import Registry
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.runtime.attempts import Attempts, Key, key_of, opened, waiting
from shepherd_dsl.runtime.display import Display, Sheltered, Silent
from shepherd_dsl.runtime.live_tree import LiveTree
from shepherd_dsl.runtime.performer import Performer
from shepherd_dsl.runtime.points import reached
from shepherd_dsl.runtime.reserve import Reserve
from shepherd_dsl.scope.protocol import ScopeBackend


@attrs.define(slots=True, eq=False)
class _Task:
    """A handler at work. `result` is set when it is through, `failure` where it broke down.

    `after` are handlers of the same run whose intents were taken back, and which have not come to rest yet. `stale`:
    this one's intent was taken back.
    """

    asked: Asked
    key: Key
    after: tuple[_Task, ...]
    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    through: anyio.Event = attrs.field(factory=anyio.Event)
    result: tuple[Con, Change] | None = None
    failure: BaseException | None = None
    order: int = -1
    stale: bool = False


class Driver:
    """Drives one tree. `before` is what its trace says of handlers that were called earlier; see `Performer` for what
    becomes of interrupted ones, for `again` and for `reserve`."""

    def __init__(
        self,
        tree: LiveTree,
        *,
        registry: Registry,
        scopes: ScopeBackend,
        redactor: Redactor,
        display: Display | None = None,
        before: Attempts = Attempts(),  # noqa: B008  (frozen)
        again: bool = False,
        reserve: Callable[[], Reserve],
    ) -> None:
        self.tree = tree
        self._display = Sheltered(display if display is not None else Silent(), redactor)
        self._performer = Performer(
            tree,
            registry=registry,
            scopes=scopes,
            redactor=redactor,
            display=self._display,
            before=before,
            again=again,
            reserve=reserve,
        )
        self._tasks: dict[Key, _Task] = {}
        self._leaving: list[_Task] = []
        self._finished = 0

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> Finished:
        """Drive the root run to its end."""
        await self._performer.look_back()
        await self._until(lambda: False)
        return Finished(self.tree.machine.runs[ROOT].code)

    async def take_back(self, op: str, args: tuple[Value, ...]) -> Con:
        """Perform an operation of the world (`run.revert`, `run.discard`, `run.inject`), compensations included.

        Returns its outcome; the runs are not driven on. A taking back that a crash interrupted is finished first, and
        an intent that was interrupted first gets its outcome, so that an effect which happened is compensated.
        """
        tree = self.tree
        await self._performer.look_back()
        if not self._world_is_idle():
            await self._until(self._world_is_idle)
        stop = waiting(tree.machine)
        if isinstance(stop, Asked) and stop.op != "run.pick":
            known = self._performer.recalled(key_of(tree.machine, stop))
            if known is not None:
                tree.machine = answer(advance(tree.machine), known)
                self._display.recorded(tree.record())
        tree.machine = world_asks(tree.machine, op, args)
        if not self._world_is_idle():
            await self._until(self._world_is_idle)
        self._display.recorded(tree.record())
        self._performer.forget_stale()
        trace = tree.machine.runs[WORLD].trace
        assert trace is not None
        assert isinstance(trace.event, Outcome)
        return trace.event.answer

    def _world_is_idle(self) -> bool:
        return isinstance(self.tree.machine.runs[WORLD].code, Driving)

    async def _until(self, stop_now: Callable[[], bool]) -> None:
        tree = self.tree
        async with anyio.create_task_group() as group:
            try:
                while not stop_now():
                    stop, new = self._to_stop(stop_now)
                    reached("stop.recorded")
                    self._display.recorded(new)
                    self._drop_stale()
                    if stop is None or isinstance(stop, Finished):
                        break
                    if stop.op == "run.pick":
                        tree.machine = answer(tree.machine, await self._pick(group, stop))
                    else:
                        value, change = await self._outcome(group, stop)
                        tree.machine = answer(tree.machine, value, change)
                    reached("answer.given")
            finally:
                for task in self._tasks.values():
                    task.scope.cancel()
                self._tasks.clear()

    def _to_stop(self, stop_now: Callable[[], bool]) -> tuple[OuterStop | None, list[Commit]]:
        """The next outer stop and what was recorded on the way; no stop where `stop_now` holds before one."""
        tree = self.tree
        if self._world_is_idle():
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
        key = key_of(self.tree.machine, stop)
        task = self._tasks.get(key)
        if task is None:
            self._performer.mark_begun([key])
            task = self._begin(group, stop, key)
        await task.through.wait()
        del self._tasks[key]
        if task.failure is not None:
            raise task.failure
        assert task.result is not None
        return task.result

    async def _pick(self, group: TaskGroup, stop: Asked) -> Con:
        """Which of the runs goes on: the first whose handler is through.

        A handler is started early only where the intent, if its run were picked now, would come to the world at once
        (an owner may still answer or deny it), and only where nothing lasts of it when it is taken back meanwhile. A
        run whose handler cannot be started early goes on at once: its turn has come.
        """
        tasks: list[_Task | None] = []
        early: list[tuple[int, Asked, Key]] = []
        for index, candidate in enumerate(self._candidates(stop)):
            key = key_of(self.tree.machine, candidate)
            task = self._tasks.get(key)
            tasks.append(task)
            if task is None and self._comes_to_the_world(index, candidate):
                early.append((index, candidate, key))
        self._performer.mark_begun([key for _, _, key in early], early=True)
        for index, candidate, key in early:
            tasks[index] = self._tasks.get(key) or self._begin(group, candidate, key)
        if None in tasks:
            return ok(tasks.index(None))
        waiting = [task for task in tasks if task is not None]
        while all(task.order < 0 for task in waiting):
            await _any(waiting)
        first = min((task for task in waiting if task.order >= 0), key=lambda task: task.order)
        return ok(waiting.index(first))

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

    def _comes_to_the_world(self, index: int, candidate: Asked) -> bool:
        """Whether the handler of a run that is offered by `run.pick` may be started before it is picked.

        The machine is a function, so what its owners would do is found by letting them.
        """
        if candidate.op.startswith("file.") or not self._performer.may_begin_early(candidate.op):
            return False
        then = outer_stop(advance(answer(self.tree.machine, ok(index))))
        return isinstance(then, Asked) and (then.run, then.index, then.op) == (
            candidate.run,
            candidate.index,
            candidate.op,
        )

    # ── handlers at work ─────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, group: TaskGroup, stop: Asked, key: Key) -> _Task:
        leaving = tuple(task for task in self._leaving if task.key[0] == key[0])
        task = self._tasks[key] = _Task(stop, key, leaving)
        group.start_soon(self._work, task)
        return task

    async def _work(self, task: _Task) -> None:
        try:
            with task.scope:
                # They share the run's folder.
                for earlier in task.after:
                    await earlier.through.wait()
                self._display.started(task.asked)
                task.result = await self._performer.perform(task.asked, task.key)
        except Exception as failure:
            task.failure = failure
        finally:
            self._display.finished(task.asked)
            task.order = self._finished
            self._finished += 1
            task.through.set()
            if task.stale:
                self._leaving.remove(task)
                if task.result is not None:
                    self._performer.late(task.asked, task.result[0])

    def _drop_stale(self) -> None:
        """Cancel handlers whose intent was taken back; a late answer is ignored."""
        machine = self.tree.machine
        for key, task in list(self._tasks.items()):
            commit = opened(machine, key[0])
            if commit is not None and commit.index == key[1]:
                continue
            del self._tasks[key]
            if task.order >= 0:
                if task.result is not None:
                    self._performer.late(task.asked, task.result[0])
                continue
            task.stale = True
            self._leaving.append(task)
            task.scope.cancel()
        self._performer.forget_stale()

    def close(self) -> None:
        """Close the scopes; their folders stay."""
        self._performer.close()


async def _any(tasks: Sequence[_Task]) -> None:
    """Wait until one of the tasks is through."""
    async with anyio.create_task_group() as waiting:

        async def wait(task: _Task) -> None:
            await task.through.wait()
            waiting.cancel_scope.cancel()

        for task in tasks:
            waiting.start_soon(wait, task)
