"""What a user does with a run: start it, go on with it, take it back, fork it, merge it, replay it.

Everything here is for the command line and the Python embedding alike; nothing prints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import attrs

from shepherd_dsl.core.event import Event, Intent
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.machine import Finished
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import Replayed, first_divergence
from shepherd_dsl.core.run import ROOT, WORLD, Commit, Discarded, Done, Failed, nth
from shepherd_dsl.core.unwind import Plan, plan
from shepherd_dsl.core.value import Con, Handle, Record, Value
from shepherd_dsl.errors import RefusedError, RevisionError, ShepherdError
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.registry import Registry
from shepherd_dsl.runtime.display import Display
from shepherd_dsl.runtime.driver import Driver, Key
from shepherd_dsl.runtime.live_tree import LiveTree
from shepherd_dsl.runtime.trees import Task, fork_tree, machine_of, open_tree, recorded, replay_tree, start_tree
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.scope.apply import MergeRecord, finish_interrupted, merge_into
from shepherd_dsl.trace.protocol import TreeReader


@attrs.frozen(slots=True, eq=False)
class Ended:
    """How a root run ended: `kind` is `done`, `failed` or `discarded`; `value` its value or error `{code, text}`.

    `merged` is what was then written to the workspace, None where nothing was; `refused` says why a merge was refused.
    """

    name: str
    kind: str
    value: Value | None
    merged: MergeRecord | None = None
    refused: RefusedError | None = None


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
) -> Ended:
    """Start `task` as a new tree and drive it to its end; one that is done is merged into the workspace unless
    `keep`.

    `named` is told the tree's name before anything runs. Raises HandlerError before anything is recorded where an
    operation that is granted has no handler. KeyboardInterrupt leaves a run that `resume_run` goes on with.
    """
    finish_interrupted(workspace.root)
    registry = Registry(context)
    require_handlers(registry, task)
    started = start_tree(workspace, task, redactor=context.redactor)
    if named is not None:
        named(started.tree.writer.name)
    for remark in started.left_out:
        display.said(f"left out: {remark}")
    return drive_tree(workspace, started.tree, registry, context, display, keep=keep)


def require_handlers(registry: Registry, task: Task) -> None:
    """Raises HandlerError where an operation that the task is granted by name has no handler that means the same."""
    wanted = {clause.op for clause in task.request}
    ops = {
        op: declared
        for op, declared in task.program.ops.items()
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
) -> Ended:
    """Go on with a recorded tree whose root run has not ended. See `Driver` for what becomes of interrupted intents."""
    finish_interrupted(workspace.root)
    opened = open_tree(workspace, name)
    registry = Registry(context)
    return drive_tree(
        workspace, opened.tree, registry, context, display, keep=keep, interrupted=opened.interrupted, again=again
    )


def drive_tree(
    workspace: Workspace,
    tree: LiveTree,
    registry: Registry,
    context: HandlerContext,
    display: Display,
    *,
    keep: bool,
    interrupted: frozenset[Key] = frozenset(),
    again: bool = False,
) -> Ended:
    """Drive an open tree to the end of its root run, merge it unless `keep`, and close it. See `run_task`."""
    name = tree.writer.name
    scopes = workspace.scopes(name, read_blob=tree.writer.blob)
    driver = Driver(
        tree,
        registry=registry,
        scopes=scopes,
        redactor=context.redactor,
        display=display,
        interrupted=interrupted,
        again=again,
    )

    async def main() -> Finished:
        try:
            return await driver.run()
        finally:
            driver.close()
            with anyio.CancelScope(shield=True):
                await registry.aclose()

    try:
        code = _run_async(main).code
        ended = _ended(name, code)
        if ended.kind == "done" and not keep:
            try:
                record = _merge_root(workspace, tree)
                ended = attrs.evolve(ended, merged=record)
            except RefusedError as why:
                ended = attrs.evolve(ended, refused=why)
        return ended
    finally:
        scopes.close()
        tree.writer.close()


def _run_async(main: Callable[[], Any]) -> Any:
    """Run to the end; the first real failure of a group of tasks is raised by itself."""
    try:
        return anyio.run(main)
    except BaseExceptionGroup as group:
        failure: BaseException = group
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        raise failure from group


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


def plan_back(workspace: Workspace, name: str, to: int | None, *, keep: bool = False) -> BackPlan:
    """What `take_back` would do. Raises RefusedError where it would be refused."""
    reader = workspace.store().read(name)
    machine, _ = machine_of(reader)
    made = plan(machine, ROOT, to)
    if isinstance(made, Con):
        raise _refusal(name, made)
    record = None
    merged = None if keep or to is None else merged_files(workspace, name)
    if merged is not None and to is not None:
        commit = nth(machine.runs[ROOT].trace, to)
        assert commit is not None
        record = merge_into(workspace.root, merged, commit.files, read_blob=reader.blob, dry_run=True)
    return BackPlan(made, record)


def take_back(
    workspace: Workspace, name: str, to: int | None, *, context: HandlerContext, display: Display, keep: bool = False
) -> TakenBack:
    """Revert the root run of a tree to event `to`, or discard it (None), with the compensations that are due.

    Where the run had been merged into the workspace, a revert puts the workspace's files back too unless `keep`; it is
    refused, before anything is done, where the user has changed them since.
    """
    finish_interrupted(workspace.root)
    plan_back(workspace, name, to, keep=keep)
    opened = open_tree(workspace, name)
    tree = opened.tree
    registry = Registry(context)
    scopes = workspace.scopes(name, read_blob=tree.writer.blob)
    driver = Driver(
        tree, registry=registry, scopes=scopes, redactor=context.redactor, display=display,
        interrupted=opened.interrupted,
    )  # fmt: skip
    op, args = ("run.discard", (Handle(0),)) if to is None else ("run.revert", (Handle(0), to))

    async def main() -> Con:
        try:
            return await driver.take_back(op, args)
        finally:
            driver.close()
            with anyio.CancelScope(shield=True):
                await registry.aclose()

    try:
        outcome = _run_async(main)
        if outcome.name != "Ok":
            raise _refusal(name, outcome)
        report = outcome.args[0]
        assert isinstance(report, Record)
        merged = None if keep or to is None else merged_files(workspace, name)
        record = None
        if merged is not None:
            record = _merge_root(workspace, tree, back=True)
        fields: dict[str, Any] = dict(report.fields)
        return TakenBack(
            name, to, fields["undone"], fields["compensated"], fields["failed"], fields["irreversible"], record
        )
    finally:
        scopes.close()
        tree.writer.close()


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
    """The last thing a user did to a run: `revert`, `discard` or `merge`; `to` is the event before the first two."""

    kind: str
    to: int | None


def last_action(workspace: Workspace, name: str) -> Action:
    """The last revert, discard or merge of a tree. Raises RevisionError where there was none."""
    reader = workspace.store().read(name)
    machine, _ = machine_of(reader)
    world = machine.runs[WORLD].trace
    while world is not None and not isinstance(world.event, Intent):
        world = world.parent
    root: Commit | None = machine.runs[ROOT].trace
    assert root is not None
    merges = _merges(workspace, name)
    last = merges[-1] if merges else None
    if last is not None and last["tree"] == name and not last["back"] and (world is None or last["log"] > world.seq):
        return Action("merge", None)
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
    return Action(world.event.op.removeprefix("run."), root.index)


# ── the workspace ────────────────────────────────────────────────────────────────────────────────────────────────────


def _merges_path(workspace: Workspace, name: str) -> Path:
    return workspace.state / "runs" / name / "merges.json"


def _merges(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """What a run, and the one it was forked from, gave the workspace: tree, root event, length of the log."""
    try:
        found: list[dict[str, Any]] = json.loads(_merges_path(workspace, name).read_text("utf-8"))
    except FileNotFoundError:
        return []
    return found


def _save_merges(workspace: Workspace, name: str, merges: list[dict[str, Any]]) -> None:
    path = _merges_path(workspace, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(merges), "utf-8")
    temporary.replace(path)


def merged_files(workspace: Workspace, name: str) -> Files | None:
    """What the workspace was last given by the run `name`, or by the run it was forked from; None where nothing."""
    merges = _merges(workspace, name)
    return _files_of(workspace, merges[-1]) if merges else None


def _files_of(workspace: Workspace, merge: dict[str, Any]) -> Files:
    index: int = merge["index"]
    return workspace.store().read(merge["tree"]).trace(ROOT)[index].files


def _merge(
    workspace: Workspace,
    name: str,
    *,
    index: int,
    log: int,
    base: Files,
    result: Files,
    read_blob: Callable[[str], bytes],
    back: bool = False,
) -> MergeRecord:
    """Write the difference into the workspace, and remember that it now has the files after event `index`.

    `back`: this is part of a revert, and is undone with it.
    """
    merged = merged_files(workspace, name)
    record = merge_into(workspace.root, base if merged is None else merged, result, read_blob=read_blob)
    if record.steps:
        merges = _merges(workspace, name)
        _save_merges(workspace, name, [*merges, {"back": back, "index": index, "log": log, "tree": name}])
    return record


def undo_merge_of(workspace: Workspace, name: str, *, dry_run: bool = False) -> MergeRecord:
    """Take back the last merge of a run: the workspace gets what it had from it before.

    Raises RefusedError where the user has changed the same files since.
    """
    finish_interrupted(workspace.root)
    merges = _merges(workspace, name)
    reader = workspace.store().read(name)
    after = _files_of(workspace, merges[-1])
    before = _files_of(workspace, merges[-2]) if len(merges) > 1 else reader.trace(ROOT)[0].files
    record = merge_into(workspace.root, after, before, read_blob=reader.blob, dry_run=dry_run)
    if not dry_run:
        _save_merges(workspace, name, merges[:-1])
    return record


def merge_run(workspace: Workspace, name: str, *, dry_run: bool = False) -> MergeRecord:
    """Write what the root run of `name` changed into the workspace.

    Raises RefusedError, with the list, where the user has changed the same files since.
    """
    finish_interrupted(workspace.root)
    reader = workspace.store().read(name)
    trace = reader.trace(ROOT)
    if not trace:
        raise RevisionError("run.empty", f"run {name} has no event: it was stopped before it began")
    last, merged = trace[-1], merged_files(workspace, name)
    if dry_run:
        base = trace[0].files if merged is None else merged
        return merge_into(workspace.root, base, last.files, read_blob=reader.blob, dry_run=True)
    return _merge(
        workspace,
        name,
        index=last.index,
        log=len(list(reader.entries())),
        base=trace[0].files,
        result=last.files,
        read_blob=reader.blob,
    )


def _merge_root(workspace: Workspace, tree: LiveTree, *, back: bool = False) -> MergeRecord:
    """Merge the root run of a tree that is still open."""
    root = tree.machine.runs[ROOT]
    assert root.trace is not None
    return _merge(
        workspace,
        tree.writer.name,
        index=root.trace.index,
        log=tree.recorded,
        base=root.base,
        result=root.files,
        read_blob=tree.writer.blob,
        back=back,
    )


# ── forks and replays ────────────────────────────────────────────────────────────────────────────────────────────────


def fork_run(workspace: Workspace, name: str, at: int) -> str:
    """A new tree from event `at` of the root run of `name`; its name."""
    reader = workspace.store().read(name)
    fork = fork_tree(workspace, name, at=at, info={**reader.info, "forked": f"{name}@{at}"})
    merges = _merges(workspace, name)
    if merges:
        _save_merges(workspace, fork, merges)
    return fork


@attrs.frozen(slots=True, eq=False)
class ReplayReport:
    """A replay: the commits made again beside the recorded ones, oldest first; `problem` where the program differs."""

    name: str
    followed: int
    total: int
    problem: str
    identical: bool


def replay_run(workspace: Workspace, name: str) -> ReplayReport:
    """Run the recorded program again with the recorded answers, and compare every commit hash."""
    reader = workspace.store().read(name)
    result = replay_tree(reader)
    recorded_ = list(reader.entries())
    again = made_again(reader, result)
    identical = not result.problem and again == [item.commit for item in recorded_]
    return ReplayReport(name, result.followed, len(recorded_), result.problem, identical)


def made_again(reader: TreeReader, result: Replayed) -> Sequence[str]:
    """The commit hashes of the entries that a replay made, computed from the events alone."""
    from shepherd_dsl.core.forest import log_since
    from shepherd_dsl.trace.hashes import commit_hashes
    from shepherd_dsl.trace.protocol import LogEntry

    if result.machine is None:
        return []
    made = log_since(result.machine, 0)[: result.followed]
    return commit_hashes([LogEntry(item.run, item.event, item.files) for item in made], program=reader.program)


def replay_with(workspace: Workspace, name: str, program: Program) -> tuple[Replayed, list[tuple[str, Event]]]:
    """How far an edited program follows the recorded answers; and the recorded log."""
    reader = workspace.store().read(name)
    _, log, base = recorded(reader)
    return first_divergence(program, log, base, read_blob=reader.blob), log
