"""The journal of merges into the user's workspace: many renames, and what must be remembered of them, in one step.

    .shepherd/merge/lock         held while a merge is going on
    .shepherd/merge/stage/<n>    the new file of step n, written whole and on the disk; kept-<hash>: a content to keep
    .shepherd/merge/plan.json    the steps; the merge happens when this name is on the disk, and is finished afterwards
    .shepherd/merge/last.json    what the last merge that was finished did
    .shepherd/merge/kept/<hash>  contents of the user's that a later merge or undo needs (`scope.apply`), and what
                                 metadata the workspace had before a merge (`scope.metadata.Memory`)

After a crash `finish_interrupted` finishes a merge whose plan is there and forgets any other. A step is done only where
the workspace still holds what the plan found there, so what the user saves meanwhile is never lost.

What is kept of the user's files stands here and not in the trace: a trace may be pushed, and says what a run did.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from shepherd_dsl.core.content import Content, ReadBlob
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, git_blob_hash, path_of_os
from shepherd_dsl.errors import CorruptError, LockedError, RefusedError, ScopeError, ShepherdError
from shepherd_dsl.path_text import path_text
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.conflict import Conflict
from shepherd_dsl.scope.metadata import Metadata, metadata_from, metadata_json
from shepherd_dsl.scope.opened import read_file

_VERSION = 2
_READABLE = (1, _VERSION)
_PRIVATE = 0o700

FOREIGN = Entry(0o100000, "0" * 40)
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
    """What the caller must remember of a merge, written in the same step: the file `path` below `.shepherd/` gets
    `text`, and the contents (by hash) can be had from `kept_content` afterwards."""

    path: str
    text: str
    contents: Mapping[str, Content] = attrs.field(factory=dict)


@attrs.frozen(slots=True)
class MergeRecord:
    """What a merge did, or with `dry_run` would do.

    `steps` in the order of their paths, with what was replaced. `left` lists paths that were not touched because they
    changed after the merge had begun. `by_line` are the texts that were merged line by line without a clash,
    `conflicts` those that were settled as the caller asked, `stripped` the files that are without the set-id bits or
    file capabilities that they have in the run or had here. The journal itself knows of the first two.
    """

    steps: tuple[Step, ...]
    left: tuple[str, ...] = ()
    by_line: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    stripped: tuple[str, ...] = ()


@attrs.frozen(slots=True)
class Dressing:
    """What a merge does to metadata: what the files get that it writes; the paths of those that only get another mode,
    where they stand; what some folders get that it makes; what times folders get whose names change (ns).

    `gone` are the folders that it removes if they are empty, inner ones first.
    """

    files: Mapping[str, Metadata] = attrs.field(factory=dict)
    in_place: frozenset[str] = frozenset()
    made: Mapping[str, Metadata] = attrs.field(factory=dict)
    times: Mapping[str, int] = attrs.field(factory=dict)
    gone: tuple[str, ...] = ()


def finish_interrupted(workspace: Path, *, checkpoint: Callable[[str], None] | None = None) -> MergeRecord | None:
    """Finishes the merge that a crash interrupted; None where there was none, or it had not happened yet.

    Raises LockedError while a merge is going on, CorruptError where the plan cannot be read.
    """
    if not (workspace / ".shepherd" / "merge").exists():
        return None
    with journal(workspace) as at:
        return finish(workspace, at, checkpoint or (lambda name: None))


def is_interrupted(workspace: Path) -> bool:
    """Whether a crash left a merge half-way, that is, its plan is there and nobody is at work on it."""
    home = home_of(workspace)
    if not (home / "plan.json").exists():
        return False
    try:
        lock = os.open(home / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return (home / "plan.json").exists()
    except BlockingIOError:
        return False
    finally:
        os.close(lock)


def interrupted(workspace: Path) -> RefusedError:
    """The error for a dry run where a merge was interrupted: what would be done is only known once it is finished."""
    return RefusedError(
        "merge.interrupted",
        "a merge into this workspace was interrupted half-way",
        where=str(workspace),
        hint="`shepherd doctor --clean`, or any command without --dry-run that changes something, finishes it first.",
    )


@contextlib.contextmanager
def no_merge(workspace: Path, *, checkpoint: Callable[[str], None] | None = None) -> Iterator[None]:
    """Keeps merges away while the workspace is read; first finishes one that was interrupted. Errors as there."""
    with journal(workspace) as at:
        finish(workspace, at, checkpoint or (lambda name: None))
        yield


def last_merge(workspace: Path) -> MergeRecord | None:
    """The last merge into `workspace` that was finished, None where there was none."""
    try:
        return _read_plan(home_of(workspace) / "last.json").record
    except FileNotFoundError:
        return None


def kept_content(workspace: Path, name: str) -> Content | None:
    """The content with that hash that a merge kept; None where none did. Raises CorruptError where it is damaged."""
    path = home_of(workspace) / "kept" / name
    try:
        data = read_file(path)
    except FileNotFoundError:
        return None
    if git_blob_hash(data) != name:
        raise CorruptError(
            "merge.kept",
            "a content that a merge kept of the workspace is damaged",
            where=str(path),
            hint="Remove the file; what needs it can then not be undone or merged, and says so.",
        )
    return data


def kept_by_us(workspace: Path, name: str) -> bool:
    """Whether it was this user who kept the content with that hash."""
    try:
        return os.lstat(home_of(workspace) / "kept" / name).st_uid == os.geteuid()
    except FileNotFoundError:
        return False


def home_of(workspace: Path) -> Path:
    """The folder of the journal."""
    return workspace / ".shepherd" / "merge"


@contextlib.contextmanager
def journal(workspace: Path) -> Iterator[Beneath]:
    """Holds the lock of merges; the workspace, to read and to write. Raises LockedError, ScopeError, or RefusedError
    where the user may not."""
    home = home_of(workspace)
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


def stage(
    workspace: Path,
    at: Beneath,
    steps: tuple[Step, ...],
    dressing: Dressing,
    beside: Beside | None,
    read_blob: ReadBlob,
    reached: Callable[[str], None],
) -> None:
    """Lays down all that the steps need, then the plan: from then on the merge has happened."""
    for number, step in enumerate(steps):
        if step.new is not None and step.new != EMPTY_FOLDER and step.path not in dressing.in_place:
            like = dressing.files[step.path]
            at.stage(step.new, read_blob(step.new.hash), str(number), sync=True, like=like)
            reached(f"stage {number}")
    contents = {} if beside is None else beside.contents
    for name, data in contents.items():
        at.stage(Entry(0o100600, name), data, f"kept-{name}", sync=True)
        reached(f"stage {name}")
    at.sync_stage()
    reached("staged")
    in_place = {path: dressing.files[path].time for path in sorted(dressing.in_place)}
    plan = _Plan(MergeRecord(steps), dressing.gone, beside, tuple(contents), in_place, dressing.made, dressing.times)
    _write(home_of(workspace), "plan", plan, lambda: reached("plan written"))
    reached("plan")


def finish(workspace: Path, at: Beneath, reached: Callable[[str], None]) -> MergeRecord | None:
    """Does what the plan says, as often as it takes; without a plan, forgets what was staged."""
    home = home_of(workspace)
    try:
        plan = _read_plan(home / "plan.json")
    except FileNotFoundError:
        at.empty_stage()
        return None
    steps, folders = plan.record.steps, plan.folders
    if plan.keep:
        _keep(home, plan.keep)
        reached("kept")
    filled = {above for step in steps if step.new is not None for above in above_of(step.path)}
    left: list[str] = []
    at.forget()
    for number, step in reversed(list(enumerate(steps))):
        if step.old in (None, EMPTY_FOLDER) or step.new not in (None, EMPTY_FOLDER):
            continue
        now = entry_at(at, step.path)
        if now == step.old:
            at.unlink(step.path)
            reached(f"unlink {number}")
        elif now not in (None, step.new) and not (now == EMPTY_FOLDER and step.path in filled):
            left.append(step.path)
    for folder in folders:
        if is_folder(at, folder) and at.rmdir(folder):
            reached(f"rmdir {folder}")
    for number, step in enumerate(steps):
        if step.new is None or step.path in left or _is(at, step.path, step.new):
            continue
        emptied = step.old == EMPTY_FOLDER or step.new == EMPTY_FOLDER
        ready = _is(at, step.path, step.old) or (emptied and _is(at, step.path, None))
        if ready and _put(at, number, step, plan):
            reached(f"put {number}")
        else:
            left.append(step.path)
    touched = {above for step in steps for above in above_of(step.path)}
    for folder in sorted(touched | set(plan.made), reverse=True):
        _dress_folder(at, folder, plan)
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


def _keep(home: Path, names: tuple[str, ...]) -> None:
    """Moves the contents to keep from the staging folder to their place; those that are there already stay."""
    place = home / "kept"
    place.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            (home / "stage" / f"kept-{name}").replace(place / name)
    _sync(place)


def _put(at: Beneath, number: int, step: Step, plan: _Plan) -> bool:
    """Whether it could: not where the user meanwhile put something in the way, or took away what was placed before."""
    try:
        for above in (*reversed(above_of(step.path)), step.path):
            if above in plan.made:
                # Nobody looks in before it has the permissions that it is to have.
                at.folder(above, make=True, mode=_PRIVATE)
        if step.path in plan.in_place:
            return _change_mode(at, step, plan.in_place[step.path])
        if step.new == EMPTY_FOLDER:
            at.folder(step.path, make=True)
        else:
            at.place(str(number), step.path)
    except (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return False
    return True


def _change_mode(at: Beneath, step: Step, time: int | None) -> bool:
    """Whether it could. The time comes first: a step whose mode is there is done."""
    assert step.new is not None
    try:
        if time is not None:
            at.set_time(step.path, time)
        at.chmod(step.path, step.new.mode)
    except PermissionError:
        return False
    return True


def _dress_folder(at: Beneath, folder: str, plan: _Plan) -> None:
    """Gives a folder the metadata and the time that the plan says; not where it is gone, or somebody else's."""
    like = plan.made.get(folder)
    time = plan.times.get(folder) if like is None else like.time
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        if like is not None:
            at.dress_folder(folder, like)
        if time is not None:
            at.set_folder_time(folder, time)


def _is(at: Beneath, path: str, entry: Entry | None) -> bool:
    """Whether `path` holds `entry`. A folder, whatever it holds, is what `EMPTY_FOLDER` asks for."""
    return entry_at(at, path) == entry


def is_folder(at: Beneath, path: str) -> bool:
    """Whether `path` is a folder in the workspace."""
    found = at.stat(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def entry_at(at: Beneath, path: str) -> Entry | None:
    """What stands at `path` in the workspace: `EMPTY_FOLDER` for any folder, `FOREIGN` for what cannot be carried."""
    found = at.stat(path)
    if found is None:
        return None
    if stat.S_ISDIR(found.st_mode):
        return EMPTY_FOLDER
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISLNK(found.st_mode):
        return FOREIGN
    try:
        data, after = read_at(at, path)
    except FileNotFoundError:
        return None
    except PermissionError:
        return FOREIGN
    return Entry(LINK if stat.S_ISLNK(after.st_mode) else after.st_mode, git_blob_hash(data))


def read_at(at: Beneath, path: str) -> tuple[Content, os.stat_result]:
    """The bytes and the stat of a file or link of the workspace. Who owns a file that its permissions keep from him
    too, as a run may have left it, is lent the use of it for the moment."""
    try:
        return at.read(path)
    except PermissionError:
        return at.read(path, lend=True)


def above_of(path: str) -> list[str]:
    """The folders above `path`, the nearest first, the top ("") last."""
    out = []
    while path:
        path = path.rpartition("/")[0]
        out.append(path)
    return out


@attrs.frozen(slots=True)
class _Plan:
    """What `plan.json` and `last.json` say. `keep` are the hashes of the contents to keep, `in_place` the files that
    only get another mode, with their times; `made` and `times` as in `Dressing`."""

    record: MergeRecord
    folders: tuple[str, ...]
    beside: Beside | None
    keep: tuple[str, ...] = ()
    in_place: Mapping[str, int | None] = attrs.field(factory=dict)
    made: Mapping[str, Metadata] = attrs.field(factory=dict)
    times: Mapping[str, int] = attrs.field(factory=dict)


def _read_plan(path: Path) -> _Plan:
    text = path.read_text(encoding="ascii")
    try:
        plan = json.loads(text)
        if plan["version"] not in _READABLE:
            raise ValueError(f"version {plan['version']}")
        steps = tuple(Step(name, entry_of(old), entry_of(new)) for name, old, new in plan["steps"])
        beside = plan.get("beside")
        return _Plan(
            MergeRecord(steps, tuple(plan["left"])),
            tuple(str(folder) for folder in plan["folders"]),
            None if beside is None else Beside(*beside),
            tuple(str(name) for name in plan.get("keep", ())),
            {path: None if time is None else int(time) for path, time in plan.get("in_place", {}).items()},
            {path: metadata_from(found) for path, found in plan.get("made", {}).items()},
            {path: int(time) for path, time in plan.get("times", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptError(
            "merge.corrupt",
            f"the plan of an interrupted merge cannot be read: {error}",
            where=str(path),
            hint="Compare the workspace with the run (shepherd diff), then remove this file.",
        ) from error


def _write(home: Path, name: str, plan: _Plan, written: Callable[[], None] = lambda: None) -> None:
    """Puts a plan on the disk under that name, whole or not at all."""
    rows = [[step.path, entry_json(step.old), entry_json(step.new)] for step in plan.record.steps]
    found: dict[str, Any] = {
        "version": _VERSION, "steps": rows, "folders": plan.folders, "left": list(plan.record.left)
    }  # fmt: skip
    if plan.beside is not None:
        found["beside"] = [plan.beside.path, plan.beside.text]
    if plan.keep:
        found["keep"] = list(plan.keep)
    if plan.in_place:
        found["in_place"] = plan.in_place
    if plan.made:
        found["made"] = {path: metadata_json(metadata) for path, metadata in plan.made.items()}
    if plan.times:
        found["times"] = plan.times
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


def entry_json(entry: Entry | None) -> list[str] | None:
    """An entry as JSON: mode and hash, null for nothing."""
    return None if entry is None else [f"{entry.mode:o}", entry.hash]


def entry_of(value: Any) -> Entry | None:
    """The entry that `entry_json` made JSON. Raises TypeError, ValueError, LookupError where it did not."""
    return None if value is None else Entry(int(value[0], 8), str(value[1]))


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _failed(workspace: Path, error: OSError) -> ShepherdError:
    """The error for what the disk, or the user's permissions, said."""
    named = error.filename if isinstance(error.filename, str | bytes) else workspace
    where = path_text(path_of_os(os.fsencode(named)))
    if isinstance(error, PermissionError):
        return RefusedError(
            "merge.denied",
            "you may not read or write what the merge needs",
            where=where,
            hint="Give yourself the permission and merge again: a merge that had begun is then finished first.",
        )
    return ScopeError(
        "merge.io",
        f"the merge into the workspace failed: {error.strerror or error}",
        where=where,
        hint="Mend the cause and merge again: a merge that had begun is then finished first, any other starts anew.",
    )
