"""What a user does with a run: start it, go on with it, take it back, fork it, merge it, replay it.

Everything here is for the command line and the Python embedding alike; nothing prints.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import anyio
import attrs

from shepherd_dsl.core.event import Intent, Outcome
from shepherd_dsl.core.grant import Request
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import ENDED, ROOT, WORLD, Commit, Discarded, Done, Failed, nth
from shepherd_dsl.core.unwind import Plan, plan
from shepherd_dsl.core.value import Con, Handle, Record, Value, err
from shepherd_dsl.errors import CorruptError, RefusedError, RevisionError, ShepherdError
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.protocol import Handler
from shepherd_dsl.handlers.registry import Registry
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.runtime.attempts import Attempts
from shepherd_dsl.runtime.display import Display, Sheltered
from shepherd_dsl.runtime.driver import Driver
from shepherd_dsl.runtime.live_tree import LiveTree
from shepherd_dsl.runtime.merges import (
    Given,
    discarded,
    finish,
    gave,
    merge,
    merge_recorded,
    merges,
    save_merges,
    undo_merge_of,
)
from shepherd_dsl.runtime.points import reached
from shepherd_dsl.runtime.replays import ReplayReport, replay_run, replay_with
from shepherd_dsl.runtime.reserve import Reserve
from shepherd_dsl.runtime.trees import Task, fork_tree, machine_of, open_tree, start_tree
from shepherd_dsl.runtime.workspace import TakenIn, Workspace, wanted_backend
from shepherd_dsl.scope.journal import MergeRecord
from shepherd_dsl.scope.settle import Policy

__all__ = [
    "Action",
    "BackPlan",
    "Ended",
    "ReplayReport",
    "TakenBack",
    "fork_run",
    "last_action",
    "merge_run",
    "plan_back",
    "replay_run",
    "replay_with",
    "require_handlers",
    "resume_run",
    "run_task",
    "take_back",
    "undo_merge_of",
]

T = TypeVar("T")
_LONG_S = 0.5
"""How long taking in the workspace may last before it is remarked on."""


@attrs.frozen(slots=True, eq=False)
class Ended:
    """How a root run ended: `kind` is `done`, `failed` or `discarded`; `value` its value or error `{code, text}`.

    `merged` is what was then written to the workspace, None where nothing was; `refused` says why a merge was refused.
    `taken` is what it started from, where it was started just now.
    """

    name: str
    kind: str
    value: Value | None
    merged: MergeRecord | None = None
    refused: RefusedError | None = None
    taken: TakenIn | None = None


@attrs.frozen(slots=True, eq=False)
class TakenBack:
    """What a revert or discard did: the machine's report, and what was written to the workspace (None: nothing)."""

    name: str
    to: int | None
    undone: int
    compensated: tuple[str, ...]
    failed: tuple[str, ...]
    irreversible: tuple[str, ...]
    workspace: MergeRecord | None


# ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def run_task(
    workspace: Workspace,
    task: Task,
    *,
    context: HandlerContext,
    display: Display,
    keep: bool = False,
    named: Callable[[str], None] | None = None,
    handlers: Mapping[str, Handler] | None = None,
) -> Ended:
    """Start `task` as a new tree and drive it to its end; one that is done is merged into the workspace unless
    `keep`.

    `named` is told the tree's name before anything runs. `handlers` come before all installed ones. Raises
    HandlerError before anything is recorded where an operation that is granted has no handler. KeyboardInterrupt (after
    SIGINT, SIGTERM or SIGHUP) leaves a run that `resume_run` goes on with, as does any error.
    """
    registry = Registry(context, handlers=handlers)
    with _no_secrets(context.redactor):
        require_handlers(registry, task.program, task.request)
        started = start_tree(workspace, task, redactor=context.redactor)
        if named is not None:
            named(started.tree.writer.name)
        taken = started.taken
        if taken.seconds > _LONG_S:
            display.said(f"took in {taken.count:,} files, {_megabytes(taken.size)}, in {taken.seconds:,.1f} s")
        for remark in taken.left_out:
            display.said(f"left out: {context.redactor.text(remark)}")
        ended = _drive(workspace, started.tree, registry, context, display, keep=keep)
        return attrs.evolve(ended, taken=taken)


def _megabytes(size: int) -> str:
    """Bytes in words, to what matters."""
    return f"{size / 1e6:,.{0 if size >= 1e7 else 1}f} MB"


def require_handlers(registry: Registry, program: Program, request: Request) -> None:
    """Raises HandlerError where an operation that `request` grants by name has no handler that means the same."""
    wanted = {clause.op for clause in request}
    ops = {
        op: declared
        for op, declared in program.ops.items()
        if not op.startswith(("file.", "run.", "inbox.")) and (op in wanted or f"{op.partition('.')[0]}.*" in wanted)
    }
    registry.require(ops)


def resume_run(
    workspace: Workspace,
    name: str,
    *,
    context: HandlerContext,
    display: Display,
    keep: bool = False,
    again: bool = False,
    handlers: Mapping[str, Handler] | None = None,
) -> Ended:
    """Go on with a recorded tree. See `Performer` for what becomes of interrupted intents; a run that is done is only
    merged. Raises as `run_task`; RefusedError where it was discarded; LockedError where another process drives it."""
    with _no_secrets(context.redactor):
        finish(workspace)
        opened = open_tree(workspace, name)
        if isinstance(opened.tree.machine.runs[ROOT].code, Discarded):
            opened.tree.writer.close()
            raise discarded(name, "go on with")
        registry = Registry(context, handlers=handlers)
        try:
            _require_of(opened.tree, registry)
        except BaseException:
            opened.tree.writer.close()
            raise
        return _drive(workspace, opened.tree, registry, context, display, keep=keep, before=opened.before, again=again)


def _require_of(tree: LiveTree, registry: Registry) -> None:
    root = tree.machine.runs[ROOT]
    if not isinstance(root.code, ENDED):
        require_handlers(registry, tree.machine.program, root.grant[0].clauses)


def _drive(
    workspace: Workspace,
    tree: LiveTree,
    registry: Registry,
    context: HandlerContext,
    display: Display,
    *,
    keep: bool,
    before: Attempts = Attempts(),  # noqa: B008  (frozen)
    again: bool = False,
) -> Ended:
    with _driver(workspace, tree, registry, context, display, before=before, again=again) as driver:
        code = _run_async(registry, driver, driver.run).code
        reached("drive.ended")
        ended = _ended(tree.writer.name, code)
        if ended.kind == "done" and not keep:
            try:
                ended = attrs.evolve(ended, merged=_merge_root(workspace, tree))
            except RefusedError as why:
                ended = attrs.evolve(ended, refused=why)
            reached("merged")
        return ended


@contextlib.contextmanager
def _driver(
    workspace: Workspace,
    tree: LiveTree,
    registry: Registry,
    context: HandlerContext,
    display: Display,
    *,
    before: Attempts,
    again: bool = False,
) -> Iterator[Driver]:
    """A driver for the tree; afterwards everything is closed, the tree too."""
    try:
        scopes = workspace.scopes(
            tree.writer.name,
            read_blob=tree.writer.content,
            redactor=context.redactor,
            wanted=wanted_backend(context.config),
            said=Sheltered(display, context.redactor).said,
            memory=context.config.scope.memory,
        )
        try:
            yield Driver(
                tree,
                registry=registry,
                scopes=scopes,
                redactor=context.redactor,
                display=display,
                before=before,
                again=again,
                reserve=partial(Reserve, workspace.state, context.config.jail.limits.keep_free),
            )
        finally:
            scopes.close(ended=isinstance(tree.machine.runs[ROOT].code, ENDED))
    finally:
        tree.writer.close()


def _run_async(registry: Registry, driver: Driver, work: Callable[[], Awaitable[T]]) -> T:
    """Let the driver work, then close the handlers. SIGTERM and SIGHUP count as SIGINT.

    The first real failure of a group of tasks is raised by itself.
    """
    told = False

    async def heed(scope: anyio.CancelScope) -> None:
        nonlocal told
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
            async for _ in signals:
                told = True
                scope.cancel()

    async def main() -> list[T]:
        found: list[T] = []
        try:
            async with anyio.create_task_group() as group:
                if threading.current_thread() is threading.main_thread():
                    group.start_soon(heed, group.cancel_scope)
                found.append(await work())
                group.cancel_scope.cancel()
        finally:
            driver.close()
            with anyio.CancelScope(shield=True):
                await registry.aclose()
        return found

    try:
        done = anyio.run(main)
    except BaseExceptionGroup as group:
        failure: BaseException = group
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        raise failure from None
    if told or not done:
        raise KeyboardInterrupt
    return done[0]


@contextlib.contextmanager
def _no_secrets(redactor: Redactor) -> Iterator[None]:
    """Take secrets out of whatever is raised, and of what it was raised from."""
    try:
        yield
    except Exception as error:
        link: BaseException | None = error
        seen: set[int] = set()
        while link is not None and id(link) not in seen:
            seen.add(id(link))
            link.args = tuple([redactor.text(arg) if isinstance(arg, str) else arg for arg in link.args])
            if isinstance(link, ShepherdError):
                link.what, link.where, link.hint = map(redactor.text, (link.what, link.where, link.hint))
            link = link.__cause__ or link.__context__
        raise


def _ended(name: str, code: object) -> Ended:
    if isinstance(code, Done):
        return Ended(name, "done", code.value)
    if isinstance(code, Failed):
        return Ended(name, "failed", code.error)
    assert isinstance(code, Discarded)
    return Ended(name, "discarded", None)


# ── taking back ──────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(slots=True, eq=False)
class BackPlan:
    """What taking a run back would do; nothing is changed. `workspace` is what would be written there, if anything."""

    plan: Plan
    workspace: MergeRecord | None


def plan_back(
    workspace: Workspace,
    name: str,
    to: int | None,
    *,
    keep: bool = False,
    policy: Policy = "refuse",
    undo: bool = False,
) -> BackPlan:
    """What `take_back` would do. Raises RefusedError where it would be refused."""
    reader = workspace.store().read(name)
    machine, log = machine_of(reader)
    made: Plan | Con = plan(machine, ROOT, to)
    if to is None and isinstance(machine.runs[ROOT].code, Discarded):
        made = err("ended", "the run was discarded before")
    if isinstance(made, Con):
        raise _refusal(name, made)
    record = None
    if not keep and to is not None and undo:
        record = undo_merge_of(workspace, name, policy=policy, back=True, dry_run=True)
    elif not keep and to is not None and gave(workspace, name):
        root = machine.runs[ROOT]
        commit = nth(root.trace, to)
        assert commit is not None
        given = Given(
            name=name, index=to, log=log, base=root.base, result=commit.files, read_blob=reader.content, back=True
        )
        record = merge(workspace, given, policy=policy, dry_run=True)
    return BackPlan(made, record)


def take_back(
    workspace: Workspace,
    name: str,
    to: int | None,
    *,
    context: HandlerContext,
    display: Display,
    keep: bool = False,
    policy: Policy = "refuse",
    undo: bool = False,
    handlers: Mapping[str, Handler] | None = None,
) -> TakenBack:
    """Revert the root run of a tree to event `to`, or discard it (None), with the compensations that are due.

    Where the run itself was last merged into the workspace, a revert puts its files back too unless `keep`. Where the
    user has changed them since, `policy` says what then: `keep` leaves those files, `overwrite` replaces them, `refuse`
    refuses before anything is done. With `undo`, what a revert did to the workspace is taken back exactly. Raises
    HandlerError, before anything is done, where a compensation has no handler.
    """
    with _no_secrets(context.redactor):
        finish(workspace)
        registry = Registry(context, handlers=handlers)
        for debt in plan_back(workspace, name, to, keep=keep, policy=policy, undo=undo).plan.debts:
            registry.spec(debt.op)
        opened = open_tree(workspace, name)
        tree = opened.tree
        op, args = ("run.discard", (Handle(0),)) if to is None else ("run.revert", (Handle(0), to))
        with _driver(workspace, tree, registry, context, display, before=opened.before) as driver:
            outcome = _run_async(registry, driver, lambda: driver.take_back(op, args))
            if outcome.name != "Ok":
                raise _refusal(name, outcome)
            report = outcome.args[0]
            assert isinstance(report, Record)
            record = None
            if not keep and to is not None and undo:
                record = undo_merge_of(workspace, name, policy=policy, back=True, log=tree.recorded)
            elif not keep and to is not None and gave(workspace, name):
                record = _merge_root(workspace, tree, policy=policy, back=True)
            fields: dict[str, Any] = dict(report.fields)
            return TakenBack(
                name, to, fields["undone"], fields["compensated"], fields["failed"], fields["irreversible"], record
            )


def _refusal(name: str, outcome: Con) -> ShepherdError:
    error: Any = outcome.args[0] if outcome.args else None
    code, text = (error.get("code"), error.get("text")) if isinstance(error, Record) else ("unknown", outcome.name)
    if code == "step":
        return RevisionError("event.none", str(text), where=f"run {name}", hint=f"`shepherd log {name}` lists them.")
    hints = {
        "compensated": "What was compensated cannot be had back; `shepherd fork` makes a run from the earlier event.",
        "ended": "Nothing is left to do.",
    }
    return RefusedError(f"run.{code}", str(text), where=f"run {name}", hint=hints.get(str(code), ""))


@attrs.frozen(slots=True)
class Action:
    """The last thing a user did to a run: `revert`, `discard`, `merge`, or `unmerge`, which took back a merge.

    `to` is the event before a revert or discard; `merged` says that a revert changed the workspace too.
    """

    kind: str
    to: int | None
    merged: bool = False


def last_action(workspace: Workspace, name: str) -> Action:
    """The last revert, discard or merge of a tree that was not refused. Raises RevisionError where there was none."""
    reader = workspace.store().read(name)
    machine, _ = machine_of(reader)
    world = machine.runs[WORLD].trace
    refused = False
    while world is not None and (refused or not isinstance(world.event, Intent)):
        refused = isinstance(world.event, Outcome) and world.event.answer.name == "Err"
        world = world.parent
    root: Commit | None = machine.runs[ROOT].trace
    assert root is not None
    given = merges(workspace, name)
    last = given[-1] if given and given[-1].by == name else None
    if last is not None and world is not None and last.log <= world.seq:
        last = None
    if last is not None and not last.back:
        return Action("unmerge" if last.undo else "merge", None)
    if world is None or not isinstance(world.event, Intent):
        raise RevisionError(
            "undo.nothing",
            "nothing was reverted, discarded or merged yet",
            where=f"run {reader.name}",
            hint=f"`shepherd revert {reader.name}@EVENT` takes the run back to an event.",
        )
    while root is not None and root.seq > world.seq:
        root = root.parent
    assert root is not None
    return Action(world.event.op.removeprefix("run."), root.index, last is not None)


def _merge_root(workspace: Workspace, tree: LiveTree, *, policy: Policy = "refuse", back: bool = False) -> MergeRecord:
    """Merge the root run of a tree that is still open."""
    root = tree.machine.runs[ROOT]
    assert root.trace is not None
    given = Given(
        name=tree.writer.name,
        index=root.trace.index,
        log=tree.recorded,
        base=root.base,
        result=root.files,
        read_blob=tree.writer.content,
        back=back,
    )
    return merge(workspace, given, policy=policy)


def merge_run(workspace: Workspace, name: str, *, policy: Policy = "refuse", dry_run: bool = False) -> MergeRecord:
    """Write what the root run of `name` changed into the workspace; `policy` says what becomes of conflicts.

    The trace may come from elsewhere: it is replayed first, so that only what its program can have written gets there.
    Raises CorruptError, naming the first entry, where that fails; RefusedError, with the list, where the user has
    changed the same files since; LockedError where other merges do not come to an end.
    """
    report = replay_run(workspace, name)
    if not report.identical:
        raise CorruptError(
            "trace.diverges",
            f"the trace is not one of its program: at entry {report.followed} of the log, {report.problem}",
            where=f"run {name}",
            hint="Nothing was merged. The trace was changed, or another version of shepherd made it.",
        )
    return merge_recorded(workspace, name, policy=policy, dry_run=dry_run)


# ── forks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def fork_run(workspace: Workspace, name: str, at: int) -> str:
    """A new tree from event `at` of the root run of `name`; its name."""
    reader = workspace.store().read(name)
    fork = fork_tree(workspace, name, at=at, info={**reader.info, "forked": f"{name}@{at}"})
    given = merges(workspace, name)
    if given:
        save_merges(workspace, fork, given)
    return fork
