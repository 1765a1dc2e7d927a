"""Merging a run's files into the user's workspace, wholly or not at all.

What the workspace holds now, at the paths concerned, is merged three-way with what the run made of its base
(`core.files.merge`, law `merge_conflict_free`). A conflict changes nothing and is listed. Otherwise a journal makes the
many renames one step:

    .shepherd/merge/lock         held while a merge is going on
    .shepherd/merge/stage/<n>    the new file of step n, written whole and on the disk
    .shepherd/merge/plan.json    the steps; the merge happens when this name is on the disk, and is finished afterwards
    .shepherd/merge/last.json    what the last merge that was finished did: all that undoing it needs

After a crash `finish_interrupted` finishes a merge whose plan is there and forgets any other. A step is done only where
the workspace still holds what the plan found there, so what the user saves meanwhile is never lost.

Replaced files are new files: their modes are kept, their owner is whoever merges, and hard links, extended attributes
and access lists of the old ones are not carried over. The workspace must be one file system where the merge writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash, merge
from shepherd_dsl.errors import CorruptError, LockedError, RefusedError, ScopeError
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.guard import check_mergeable
from shepherd_dsl.scope.ignore import load_ignored

_VERSION = 1
_SHOWN = 20

_FOREIGN = Entry(0o100000, "0" * 40)
"""Stands for what a merge must not touch: a device, an ignored file inside a folder that is to go, …"""


@attrs.frozen(slots=True)
class Step:
    """One path of a merge: it holds `old` before and `new` afterwards.

    None stands for nothing, or for a folder that holds something.
    """

    path: str
    old: Entry | None
    new: Entry | None


@attrs.frozen(slots=True)
class Beside:
    """A file below `.shepherd/` that gets `text` in the same step as a merge: what the caller must remember of it."""

    path: str
    text: str


@attrs.frozen(slots=True)
class MergeRecord:
    """What a merge did, or with `dry_run` would do.

    `steps` in the order of their paths, with what was replaced, whose bytes are blobs of the trace. `left` lists paths
    that were not touched because they changed after the merge had begun.
    """

    steps: tuple[Step, ...]
    left: tuple[str, ...] = ()


def merge_into(
    workspace: Path,
    base: Files,
    result: Files,
    *,
    read_blob: Callable[[str], bytes],
    dry_run: bool = False,
    beside: Beside | None = None,
    checkpoint: Callable[[str], None] | None = None,
) -> MergeRecord:
    """Writes the difference from `base` to `result` into `workspace`; first finishes a merge that was interrupted.

    With `dry_run` nothing is written. Raises RefusedError, with nothing changed, where the user changed the same paths
    (`merge.conflict`), has ignored files there (`merge.ignored`) or may not write there (`merge.denied`); LockedError
    while another merge is going on; ScopeError where the disk fails: `finish_interrupted` then finishes or forgets the
    merge. `beside` is written where there is a step, by whoever finishes the merge. `checkpoint` is called with the
    name of each thing just done, for tests that crash there.
    """
    reached = checkpoint or (lambda name: None)
    with _journal(workspace) as at:
        if not dry_run:
            _finish(workspace, at, reached)
        elif (_home(workspace) / "plan.json").exists():
            raise RefusedError(
                "merge.interrupted",
                "a merge into this workspace was interrupted",
                where=str(workspace),
                hint="Any merge without --dry-run finishes it first.",
            )
        now = base.apply(_workspace_now(at, base, base.diff(result)))
        merged = merge(base, now, result)
        ignored = load_ignored(workspace)
        if isinstance(merged, tuple):
            raise _refused(merged, unseen={path for path in merged if ignored(path, False) and base.get(path) is None})
        steps = tuple(Step(path, now.get(path), new) for path, new in now.diff(merged))
        for step in steps:
            check_mergeable(step.path, ignored)
            _check_place(workspace, at, step)
        if dry_run or not steps:
            return MergeRecord(steps)
        _stage(workspace, at, steps, _folders_to_go(steps, merged), beside, read_blob, reached)
        return _finish(workspace, at, reached) or MergeRecord(steps)


def finish_interrupted(workspace: Path, *, checkpoint: Callable[[str], None] | None = None) -> MergeRecord | None:
    """Finishes the merge that a crash interrupted; None where there was none, or it had not happened yet.

    Raises LockedError while a merge is going on, CorruptError where the plan cannot be read.
    """
    if not (workspace / ".shepherd" / "merge").exists():
        return None
    with _journal(workspace) as at:
        return _finish(workspace, at, checkpoint or (lambda name: None))


@contextlib.contextmanager
def no_merge(workspace: Path, *, checkpoint: Callable[[str], None] | None = None) -> Iterator[None]:
    """Keeps merges away while the workspace is read; first finishes one that was interrupted. Errors as there."""
    with _journal(workspace) as at:
        _finish(workspace, at, checkpoint or (lambda name: None))
        yield


def last_merge(workspace: Path) -> MergeRecord | None:
    """The last merge into `workspace` that was finished, None where there was none."""
    try:
        return _read_plan(_home(workspace) / "last.json").record
    except FileNotFoundError:
        return None


def undo_merge(
    workspace: Path, record: MergeRecord, *, read_blob: Callable[[str], bytes], dry_run: bool = False
) -> MergeRecord:
    """Takes a merge back: the same as a merge of its `new` side into its `old` one, refused and journalled alike."""
    steps = [step for step in record.steps if step.path not in record.left]
    base = Files.of((step.path, step.new) for step in steps if step.new is not None)
    result = Files.of((step.path, step.old) for step in steps if step.old is not None)
    return merge_into(workspace, base, result, read_blob=read_blob, dry_run=dry_run)


def _home(workspace: Path) -> Path:
    return workspace / ".shepherd" / "merge"


@contextlib.contextmanager
def _journal(workspace: Path) -> Iterator[Beneath]:
    home = _home(workspace)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _failed(workspace, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                "merge.locked",
                "another process is merging into this workspace",
                where=str(workspace),
                hint="Wait until it has finished, then merge again.",
            ) from None
        with Beneath(workspace, home / "stage", own=False) as at:
            yield at
    except OSError as error:
        raise _failed(workspace, error) from error
    finally:
        os.close(lock)


def _workspace_now(at: Beneath, base: Files, change: Change) -> Change:
    """How the workspace differs from `base` at the paths of `change`, above them, and in folders that it replaces."""
    paths = {path for path, _ in change}
    folders = {above for path in paths for above in _above(path)}
    out: dict[str, Entry | None] = {}

    def found(path: str, entry: Entry | None) -> None:
        if base.get(path) != entry:
            out[path] = entry

    for path, new in change:
        end = path.find("/")
        while end != -1:
            above = path[:end]
            if above not in out and not _is_folder(at, above):
                found(above, _entry_at(at, above))
            end = path.find("/", end + 1)
        if not _is_folder(at, path):
            found(path, _entry_at(at, path))
            continue
        inside = at.list(path)
        if not inside:
            found(path, EMPTY_FOLDER)
            continue
        found(path, None)
        if base.get(path) is not None or new == EMPTY_FOLDER or (new is not None and not base.is_folder(path)):
            below = [f"{path}/{name}" for name, _ in inside]
            out.update((inner, _FOREIGN) for inner in below if inner not in paths and inner not in folders)
        elif new is not None:
            out.update((inner, _FOREIGN) for inner in _unknown_below(at, path, paths, base))
    return tuple(sorted(out.items()))


def _unknown_below(at: Beneath, top: str, paths: set[str], base: Files) -> Iterator[str]:
    todo = [top]
    while todo:
        folder = todo.pop()
        inside = at.list(folder)
        if not inside and folder not in paths and not base.is_folder(folder):
            yield folder
        for name, found in inside:
            path = f"{folder}/{name}"
            if stat.S_ISDIR(found.st_mode):
                todo.append(path)
            elif path not in paths:
                yield path


def _is_folder(at: Beneath, path: str) -> bool:
    found = at.stat(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def _entry_at(at: Beneath, path: str) -> Entry | None:
    """What stands at `path` in the workspace: `EMPTY_FOLDER` for any folder, `_FOREIGN` for what cannot be carried."""
    found = at.stat(path)
    if found is None:
        return None
    if stat.S_ISDIR(found.st_mode):
        return EMPTY_FOLDER
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISLNK(found.st_mode):
        return _FOREIGN
    try:
        data, after = at.read(path)
    except FileNotFoundError:
        return None
    except PermissionError:
        return _FOREIGN
    return Entry(LINK if stat.S_ISLNK(after.st_mode) else after.st_mode, git_blob_hash(data))


def _check_place(workspace: Path, at: Beneath, step: Step) -> None:
    """Refuses, before anything is written, what would fail half-way."""
    above = step.path
    while above:
        above = above.rpartition("/")[0]
        if not above or _is_folder(at, above):
            break
    fd = at.folder(above)
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=fd):
        raise RefusedError(
            "merge.denied",
            "the folder may not be written",
            where=above or str(workspace),
            hint="Nothing was changed. Give yourself the permission, then merge again.",
        )
    if os.fstat(fd).st_dev != os.stat(_home(workspace)).st_dev:
        raise RefusedError(
            "merge.denied",
            "the folder is on another file system than .shepherd/",
            where=above,
            hint="Nothing was changed. A merge is one step only within one file system.",
        )


def _folders_to_go(steps: tuple[Step, ...], merged: Files) -> list[str]:
    """The folders that the merge leaves without files, inner ones first."""
    gone: set[str] = set()
    for step in steps:
        above = step.path if step.old == EMPTY_FOLDER else step.path.rpartition("/")[0]
        while above and not merged.is_folder(above) and above not in gone:
            gone.add(above)
            above = above.rpartition("/")[0]
    return sorted(gone, reverse=True)


def _stage(
    workspace: Path,
    at: Beneath,
    steps: tuple[Step, ...],
    folders: list[str],
    beside: Beside | None,
    read_blob: Callable[[str], bytes],
    reached: Callable[[str], None],
) -> None:
    for number, step in enumerate(steps):
        if step.new is not None and step.new != EMPTY_FOLDER:
            at.stage(step.new, read_blob(step.new.hash), str(number), sync=True)
            reached(f"stage {number}")
    at.sync_stage()
    reached("staged")
    plan = _Plan(MergeRecord(steps), folders, beside)
    _write(_home(workspace), "plan", plan, lambda: reached("plan written"))
    reached("plan")


def _finish(workspace: Path, at: Beneath, reached: Callable[[str], None]) -> MergeRecord | None:
    """Does what the plan says, as often as it takes; without a plan, forgets what was staged."""
    home = _home(workspace)
    try:
        plan = _read_plan(home / "plan.json")
    except FileNotFoundError:
        at.empty_stage()
        return None
    steps, folders = plan.record.steps, plan.folders
    filled = {above for step in steps if step.new is not None for above in _above(step.path)}
    left: list[str] = []
    at.forget()
    for number, step in reversed(list(enumerate(steps))):
        if step.old in (None, EMPTY_FOLDER) or step.new not in (None, EMPTY_FOLDER):
            continue
        now = _entry_at(at, step.path)
        if now == step.old:
            at.unlink(step.path)
            reached(f"unlink {number}")
        elif now not in (None, step.new) and not (now == EMPTY_FOLDER and step.path in filled):
            left.append(step.path)
    for folder in folders:
        if _is_folder(at, folder) and at.rmdir(folder):
            reached(f"rmdir {folder}")
    for number, step in enumerate(steps):
        if step.new is None or step.path in left or _is(at, step.path, step.new):
            continue
        emptied = step.old == EMPTY_FOLDER or step.new == EMPTY_FOLDER
        ready = _is(at, step.path, step.old) or (emptied and _is(at, step.path, None))
        if ready and _put(at, number, step):
            reached(f"put {number}")
        else:
            left.append(step.path)
    touched = {above for step in steps for above in _above(step.path)}
    for folder in sorted(touched):
        at.sync_folder(folder)
    reached("synced")
    left.sort()
    if plan.beside is not None:
        _put_beside(home.parent / plan.beside.path, plan.beside.text)
        reached("beside")
    _write(home, "last", _Plan(MergeRecord(steps, tuple(left)), folders, None))
    (home / "plan.json").unlink()
    _sync(home)
    reached("done")
    at.empty_stage()
    return MergeRecord(steps, tuple(left))


def _put(at: Beneath, number: int, step: Step) -> bool:
    """Whether it could: not where the user meanwhile put something in the way, or took away what was placed before."""
    try:
        if step.new == EMPTY_FOLDER:
            at.folder(step.path, make=True)
        else:
            at.place(str(number), step.path)
    except (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return False
    return True


def _is(at: Beneath, path: str, entry: Entry | None) -> bool:
    """Whether `path` holds `entry`. A folder, whatever it holds, is what `EMPTY_FOLDER` asks for."""
    return _entry_at(at, path) == entry


def _above(path: str) -> list[str]:
    """The folders above `path`, the nearest first, the top ("") last."""
    out = []
    while path:
        path = path.rpartition("/")[0]
        out.append(path)
    return out


@attrs.frozen(slots=True)
class _Plan:
    """What `plan.json` and `last.json` say."""

    record: MergeRecord
    folders: list[str]
    beside: Beside | None


def _read_plan(path: Path) -> _Plan:
    text = path.read_text(encoding="ascii")
    try:
        plan = json.loads(text)
        if plan["version"] != _VERSION:
            raise ValueError(f"version {plan['version']}")
        steps = tuple(Step(name, _of_json(old), _of_json(new)) for name, old, new in plan["steps"])
        beside = plan.get("beside")
        return _Plan(
            MergeRecord(steps, tuple(plan["left"])),
            [str(folder) for folder in plan["folders"]],
            None if beside is None else Beside(*beside),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptError(
            "merge.corrupt",
            f"the plan of an interrupted merge cannot be read: {error}",
            where=str(path),
            hint="Compare the workspace with the run (shepherd diff), then remove this file.",
        ) from error


def _write(home: Path, name: str, plan: _Plan, written: Callable[[], None] = lambda: None) -> None:
    """Puts a plan on the disk under that name, whole or not at all."""
    rows = [[step.path, _to_json(step.old), _to_json(step.new)] for step in plan.record.steps]
    found: dict[str, Any] = {
        "version": _VERSION, "steps": rows, "folders": plan.folders, "left": list(plan.record.left)
    }  # fmt: skip
    if plan.beside is not None:
        found["beside"] = [plan.beside.path, plan.beside.text]
    put_text(home / f"{name}.json", json.dumps(found, separators=(",", ":")), written)


def _put_beside(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    put_text(path, text)


def put_text(path: Path, text: str, written: Callable[[], None] = lambda: None) -> None:
    """Puts a small file on the disk, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    written()
    temporary.replace(path)
    _sync(path.parent)


def _to_json(entry: Entry | None) -> list[str] | None:
    return None if entry is None else [f"{entry.mode:o}", entry.hash]


def _of_json(value: Any) -> Entry | None:
    return None if value is None else Entry(int(value[0], 8), str(value[1]))


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _refused(paths: tuple[str, ...], *, unseen: set[str]) -> RefusedError:
    """The error for a conflict at `paths`, of which the run could not see `unseen`: the workspace ignores them."""
    shown = "".join(f"\n  {path}{' (ignored)' * (path in unseen)}" for path in paths[:_SHOWN])
    more = f"\n  and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    if unseen.issuperset(paths):
        return RefusedError(
            "merge.ignored",
            f"the run made what the workspace has, but keeps out of runs:{shown}{more}",
            hint="Nothing was changed. Move yours aside and merge again; `!PATH` in .shepherdignore gives it to runs.",
            paths=paths,
        )
    return RefusedError(
        "merge.conflict",
        f"the workspace and the run changed the same paths:{shown}{more}",
        hint="Nothing was changed. Commit or move your edits aside, then merge again; the run keeps its files.",
        paths=paths,
    )


def _failed(workspace: Path, error: OSError) -> ScopeError:
    return ScopeError(
        "merge.io",
        f"the merge into the workspace failed: {error.strerror or error}",
        where=str(error.filename or workspace),
        hint="Mend the cause and merge again: a merge that had begun is then finished first, any other starts anew.",
    )
