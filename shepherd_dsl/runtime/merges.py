"""What the runs of a workspace gave it: merging a tree's files, and remembering what was merged.

`.shepherd/runs/<name>/merges.json` lists the merges of the tree `name` and of the one it was forked from. It is written
in the same step as the merge (`scope.apply.Beside`), so that the two cannot disagree after a crash.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from shepherd_dsl.core.files import Files
from shepherd_dsl.core.run import ROOT
from shepherd_dsl.errors import CorruptError, LockedError, RevisionError
from shepherd_dsl.runtime.points import reached_in_merge
from shepherd_dsl.scope.apply import Beside, MergeRecord, finish_interrupted, merge_into, no_merge, put_text

if TYPE_CHECKING:
    from shepherd_dsl.runtime.workspace import Workspace

T = TypeVar("T")

PATIENCE_S: Final = 60.0
"""How long a merge waits for others into the same workspace."""


@attrs.frozen(slots=True)
class Merge:
    """A merge into the workspace: it then had the files of `tree` after event `index` of its root run, when its log had
    `log` entries. `back`: this was part of a revert, and is undone with it."""

    tree: str
    index: int
    log: int
    back: bool


def merges(workspace: Workspace, name: str) -> list[Merge]:
    """What a tree, and the one it was forked from, gave the workspace. Raises CorruptError."""
    path = workspace.state / _place(name)
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return []
    try:
        return [
            Merge(str(one["tree"]), int(one["index"]), int(one["log"]), bool(one["back"])) for one in json.loads(text)
        ]
    except (ValueError, KeyError, TypeError) as error:
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
    return _files_of(workspace, found[-1]) if found else None


def gave(workspace: Workspace, name: str) -> bool:
    """Whether what the workspace was last given, as the tree `name` knows, came from that tree itself.

    A fork knows the merges of its source, which it builds on; but it must not take them back: they are not its own.
    """
    found = merges(workspace, name)
    return bool(found) and found[-1].tree == name


def merge(
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
    """Write what the root run changed into the workspace, which then has its files after event `index`.

    `base` are the files it started from. Raises RefusedError, with the list, where the user has changed the same files
    since; LockedError where other merges do not come to an end.
    """

    def once() -> MergeRecord:
        before = merges(workspace, name)
        given = _files_of(workspace, before[-1]) if before else base
        beside = Beside(_place(name), _text([*before, Merge(name, index, log, back)]))
        return merge_into(
            workspace.root, given, result, read_blob=read_blob, beside=beside, checkpoint=reached_in_merge
        )

    return _patiently(once)


def merge_recorded(workspace: Workspace, name: str, *, dry_run: bool = False) -> MergeRecord:
    """Write what the root run of `name` changed into the workspace. Errors as `merge`."""
    finish(workspace)
    reader = workspace.store().read(name)
    trace = reader.trace(ROOT)
    if not trace:
        raise RevisionError("run.empty", f"run {name} has no event: it was stopped before it began")
    base, last = trace[0].files, trace[-1]
    if dry_run:
        given = merged_files(workspace, name)
        return merge_into(
            workspace.root, base if given is None else given, last.files, read_blob=reader.blob, dry_run=True
        )
    return merge(
        workspace, name, index=last.index, log=len(reader), base=base, result=last.files, read_blob=reader.blob
    )


def undo_merge_of(workspace: Workspace, name: str, *, dry_run: bool = False) -> MergeRecord:
    """Take back the last merge of a tree: the workspace gets what it had from it before.

    Raises RevisionError where it gave nothing, RefusedError where the user has changed the same files since.
    """
    finish(workspace)
    reader = workspace.store().read(name)

    def once() -> MergeRecord:
        found = merges(workspace, name)
        if not found or found[-1].tree != name:
            raise RevisionError("undo.nothing", "nothing was merged yet", where=f"run {name}")
        after = _files_of(workspace, found[-1])
        before = _files_of(workspace, found[-2]) if len(found) > 1 else reader.trace(ROOT)[0].files
        left = found[:-1]
        record = merge_into(
            workspace.root,
            after,
            before,
            read_blob=reader.blob,
            dry_run=dry_run,
            beside=Beside(_place(name), _text(left)),
            checkpoint=reached_in_merge,
        )
        if not record.steps and not dry_run:
            save_merges(workspace, name, left)
        return record

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
    return workspace.store().read(given.tree).trace(ROOT)[given.index].files


def _place(name: str) -> str:
    return str(Path("runs") / name / "merges.json")


def _text(found: list[Merge]) -> str:
    rows: list[dict[str, Any]] = [attrs.asdict(one) for one in found]
    return json.dumps(rows, sort_keys=True)
