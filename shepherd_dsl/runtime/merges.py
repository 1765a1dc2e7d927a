"""What the runs of a workspace gave it: merging a tree's files, and remembering what was merged.

`.shepherd/runs/<name>/merges.json` lists the merges of the tree `name` and of the one it was forked from. It is written
in the same step as the merge (`scope.journal.Beside`), so that the two cannot disagree after a crash. Undoing one is
a merge too, and stands in the list: it can be undone in turn.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from shepherd_dsl.core.content import ReadBlob, whole
from shepherd_dsl.core.event import End, Entry
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.run import ROOT
from shepherd_dsl.errors import CorruptError, LockedError, RefusedError, RevisionError
from shepherd_dsl.runtime.points import reached_in_merge
from shepherd_dsl.scope.apply import Effect, Manner, Own, merge_into
from shepherd_dsl.scope.journal import (
    Beside,
    MergeRecord,
    entry_json,
    entry_of,
    finish_interrupted,
    kept_by_us,
    kept_content,
    no_merge,
    put_text,
)
from shepherd_dsl.scope.lines import Labels
from shepherd_dsl.scope.metadata import Memory, Past, memory_of
from shepherd_dsl.scope.settle import Policy
from shepherd_dsl.trace.live import live_backwards

if TYPE_CHECKING:
    from shepherd_dsl.runtime.workspace import Workspace

T = TypeVar("T")

PATIENCE_S: Final = 60.0
"""How long a merge waits for others into the same workspace."""

_MERGE_HINT: Final = (
    "Nothing was changed. `shepherd merge --markers` writes both versions of clashing lines into the files, "
    "--keep-mine leaves yours, --overwrite takes the run's, also beside --markers for what has no lines; `shepherd "
    "undo` takes each back. Or move your edits aside and merge again."
)
_MARKERS_HINT: Final = (
    "Nothing was changed. --markers is for clashing lines. For the rest add --keep-mine, which leaves yours, or "
    "--overwrite, which takes the run's; or move your edits aside and merge again."
)
_BACK: Final = "these files were changed here since they were merged"
_BACK_HINT: Final = (
    "Nothing was changed. --keep-mine leaves these files as they are now and takes back the rest, --overwrite takes "
    "back these too; `shepherd undo` then brings yours back. --keep leaves the whole workspace as it is."
)


@attrs.frozen(slots=True, kw_only=True)
class Merge:
    """A merge into the workspace, made by the tree `by` when its log had `log` entries.

    The workspace then had the files of `tree` after event `index` of its root run (None: nothing of it, as before its
    first merge), but for `own`, which is built on what the user had there. `was` is what stood at a path before, where
    that was not what the merge before had left. `back`: this was part of a revert, and is undone with it. `undo`: it
    took back the merge before it in the list. The content named `memory` says what metadata there was before
    (`scope.metadata.Memory`); older versions kept none.
    """

    by: str
    tree: str
    index: int | None
    log: int
    back: bool = False
    undo: bool = False
    own: Mapping[str, Own] = attrs.field(factory=dict)
    was: Mapping[str, Entry | None] = attrs.field(factory=dict)
    memory: str | None = None


def merges(workspace: Workspace, name: str) -> list[Merge]:
    """What a tree, and the one it was forked from, gave the workspace. Raises CorruptError."""
    path = workspace.state / _place(name)
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return []
    try:
        return [_merge_of(row) for row in json.loads(text)]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CorruptError(
            "merges.corrupt",
            f"what run {name} gave the workspace cannot be read: {error}",
            where=str(path),
            hint="Remove the file: then the files that the run started from count as the last it gave.",
        ) from None


def save_merges(workspace: Workspace, name: str, found: list[Merge]) -> None:
    """Keep what a tree gave the workspace, where no file of the workspace changes."""
    path = workspace.state / _place(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    put_text(path, _text(found))


def merged_files(workspace: Workspace, name: str) -> Files | None:
    """What the workspace was last given by the tree `name`, or by the one it was forked from; None where nothing."""
    found = merges(workspace, name)
    return _files_of(workspace, found[-1]) if found and found[-1].index is not None else None


def gave(workspace: Workspace, name: str) -> bool:
    """Whether what the workspace was last given, as the tree `name` knows, came from that tree itself.

    A fork knows the merges of its source, which it builds on; but it must not take them back: they are not its own.
    """
    found = merges(workspace, name)
    return bool(found) and found[-1].tree == name and found[-1].index is not None


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Given:
    """What is merged: the root run of the tree `name`, which has `result` after event `index`, and had `base` when it
    started; its log has `log` entries. `back`: this is part of a revert."""

    name: str
    index: int
    log: int
    base: Files
    result: Files
    read_blob: ReadBlob
    back: bool = False


def merge(workspace: Workspace, given: Given, *, policy: Policy = "refuse", dry_run: bool = False) -> MergeRecord:
    """Write what the root run changed into the workspace, which then has its files after event `index`.

    Texts that the user has changed too are joined line by line; but not by a revert, which is refused there. `policy`
    says what becomes of conflicts. Raises RefusedError, with the list, where it is `refuse`, or cannot be followed;
    LockedError where other merges do not come to an end.
    """
    labels = Labels("workspace", "base", f"run {given.name}@{given.index}")
    manner = (
        Manner(policy=policy, labels=labels, what=_BACK, hint=_BACK_HINT)
        if given.back
        else Manner(
            by_line=True, policy=policy, labels=labels, hint=_MARKERS_HINT if policy == "markers" else _MERGE_HINT
        )
    )

    def once() -> MergeRecord:
        before = merges(workspace, given.name)

        def remember(effect: Effect) -> Beside:
            made = Merge(
                by=given.name,
                tree=given.name,
                index=given.index,
                log=given.log,
                back=given.back,
                own=effect.own,
                was=effect.was,
                memory=effect.memory,
            )
            return Beside(_place(given.name), _text([*before, made]))

        return merge_into(
            workspace.root,
            _files_of(workspace, before[-1]) if before else given.base,
            given.result,
            read_blob=given.read_blob,
            own=before[-1].own if before else {},
            start=given.base,
            manner=manner,
            tracked=given.base,
            policies=workspace.policies(),
            past=_past(workspace, before, given) if given.back else None,
            dry_run=dry_run,
            remember=remember,
            checkpoint=reached_in_merge,
        )

    return _patiently(once)


def merge_recorded(workspace: Workspace, name: str, *, policy: Policy = "refuse", dry_run: bool = False) -> MergeRecord:
    """Write what the root run of `name` changed into the workspace. Errors as `merge`; RefusedError too where the run
    was discarded."""
    if not dry_run:
        finish(workspace)
    reader = workspace.store().read(name)
    trace = reader.trace(ROOT)
    if not trace:
        raise RevisionError("run.empty", f"run {name} has no event: it was stopped before it began")
    end = next(live_backwards(trace)).event
    if isinstance(end, End) and end.kind == "discarded":
        raise discarded(name, "merge")
    base, last = trace[0].files, trace[-1]
    given = Given(name=name, index=last.index, log=len(reader), base=base, result=last.files, read_blob=reader.content)
    return merge(workspace, given, policy=policy, dry_run=dry_run)


def discarded(name: str, what: str) -> RefusedError:
    """The error for `what` nobody can do with a run that was discarded."""
    return RefusedError(
        "run.discarded",
        f"the run was discarded: there is nothing to {what}",
        where=f"run {name}",
        hint=f"`shepherd undo {name}` takes the discard back.",
    )


def undo_merge_of(
    workspace: Workspace,
    name: str,
    *,
    policy: Policy = "refuse",
    back: bool = False,
    log: int | None = None,
    dry_run: bool = False,
) -> MergeRecord:
    """Take back the last merge of a tree: the workspace gets, byte for byte, what it had before it.

    `back`: as part of undoing a revert, which leaves the log with `log` entries. Raises RevisionError where the tree
    merged nothing, RefusedError where the user has changed the same files since and `policy` does not say what then.
    """
    if not dry_run:
        finish(workspace)
    reader = workspace.store().read(name)
    manner = Manner(policy=policy, what=_BACK, hint=_BACK_HINT)

    def once() -> MergeRecord:
        found = merges(workspace, name)
        if not found or found[-1].by != name:
            raise RevisionError("undo.nothing", "nothing was merged yet", where=f"run {name}")
        last = found[-1]
        before = found[-2] if len(found) > 1 else Merge(by=name, tree=name, index=None, log=0)
        # What an undo gave back of the user's, beside what its own row says, is in the row of the merge it took back.
        beside = before.was if last.undo else {}
        after = _state(workspace, last).apply(tuple(beside.items()))

        def remember(effect: Effect) -> Beside:
            kept = {path: one for path, one in effect.own.items() if path in effect.kept | effect.stripped}
            made = Merge(
                by=name,
                tree=before.tree,
                index=before.index,
                log=len(reader) if log is None else log,
                back=back,
                undo=True,
                own={**before.own, **kept},
                was={**beside, **effect.was},
                memory=effect.memory,
            )
            return Beside(_place(name), _text([*found, made]))

        result = _state(workspace, before).apply(tuple(last.was.items()))
        return merge_into(
            workspace.root,
            after,
            result,
            read_blob=reader.content,
            manner=manner,
            tracked=result,  # the workspace held it all before
            policies=workspace.policies(),
            past=Past((_memory(workspace, last),)),
            dry_run=dry_run,
            remember=remember,
            always=True,
            checkpoint=reached_in_merge,
        )

    return _patiently(once)


def finish(workspace: Workspace) -> None:
    """Finish a merge that a crash interrupted, and wait for one that is going on."""
    _patiently(lambda: finish_interrupted(workspace.root, checkpoint=reached_in_merge))


@contextlib.contextmanager
def patiently_unmerged(workspace: Workspace) -> Iterator[None]:
    """Keep merges away while the workspace is read: it is seen as it was before one, or after it."""
    with contextlib.ExitStack() as stack:
        _patiently(lambda: stack.enter_context(no_merge(workspace.root, checkpoint=reached_in_merge)))
        yield


def _patiently(action: Callable[[], T]) -> T:
    """Do it, waiting for merges of other processes. Raises LockedError after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    pause = 0.005
    while True:
        try:
            return action()
        except LockedError as error:
            if error.code != "merge.locked" or time.monotonic() >= deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 0.1)


def _files_of(workspace: Workspace, given: Merge) -> Files:
    return workspace.store().read(given.tree).trace(ROOT)[given.index or 0].files


def _state(workspace: Workspace, given: Merge) -> Files:
    """What the workspace held after a merge, at all paths that the tree changes."""
    return _files_of(workspace, given).apply(tuple((path, one.made) for path, one in given.own.items()))


def _past(workspace: Workspace, found: list[Merge], given: Given) -> Past:
    """What is known of the workspace as it was when it had the files that it is to have: before the last merge that
    began there, or never."""
    for number in reversed(range(len(found))):
        if (_files_of(workspace, found[number - 1]) if number else given.base) == given.result:
            return Past(tuple(_memory(workspace, one) for one in found[number:]))
    return Past(tuple(_memory(workspace, one) for one in found), exact=False)


def _memory(workspace: Workspace, made: Merge) -> Memory:
    """The metadata that the workspace had before a merge; nothing where it is lost, or another version's."""
    data = None if made.memory is None else kept_content(workspace.root, made.memory)
    if made.memory is None or data is None:
        return Memory()
    try:
        return attrs.evolve(memory_of(whole(data).decode()), trusted=kept_by_us(workspace.root, made.memory))
    except (ValueError, LookupError, TypeError, AttributeError):
        return Memory()


def _place(name: str) -> str:
    return str(Path("runs") / name / "merges.json")


def _text(found: list[Merge]) -> str:
    rows: list[dict[str, Any]] = [
        {
            "by": one.by,
            "tree": one.tree,
            "index": one.index,
            "log": one.log,
            "back": one.back,
            "undo": one.undo,
            "own": {
                path: [entry_json(own.base), entry_json(own.mine), entry_json(own.made), *[True] * own.given_up]
                for path, own in one.own.items()
            },
            "was": {path: entry_json(entry) for path, entry in one.was.items()},
            "memory": one.memory,
        }
        for one in found
    ]
    return json.dumps(rows, sort_keys=True)


def _merge_of(row: Any) -> Merge:
    """The merge that `_text` wrote. Raises ValueError, LookupError, TypeError or AttributeError where it did not."""
    index = row["index"]
    return Merge(
        by=str(row["by"]),
        tree=str(row["tree"]),
        index=None if index is None else int(index),
        log=int(row["log"]),
        back=bool(row["back"]),
        undo=bool(row["undo"]),
        own={
            str(path): Own(entry_of(base), entry_of(mine), entry_of(made), given_up=more == [True])
            for path, (base, mine, made, *more) in row["own"].items()
        },
        was={str(path): entry_of(entry) for path, entry in row["was"].items()},
        memory=None if row.get("memory") is None else str(row["memory"]),
    )
