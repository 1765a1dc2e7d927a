"""Merging a run's files into the user's workspace, wholly or not at all.

What the workspace holds now, at the paths concerned, is merged three-way with what the run made of its base
(`scope.settle`). A conflict that nobody said how to settle changes nothing and is listed. Otherwise a journal makes the
many renames one step (`scope.journal`).

**What is the user's own.** Where a merge was built on something of the user's (an edit that it joined with the run's,
or a change that both had made), it remembers that as `Own`, for as long as the user leaves the result alone. The next
merge starts from it again: so what the run does next is joined with the user's version, not with a mixture, and where
the run goes back to its beginning, the user's version is there again, byte for byte.

Replaced files are new files: their modes are kept, their owner is whoever merges, and hard links, extended attributes
and access lists of the old ones are not carried over. The workspace must be one file system where the merge writes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from shepherd_dsl.core.content import Content, ReadBlob
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files, git_blob_hash
from shepherd_dsl.errors import RefusedError
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.conflict import Conflict, refused
from shepherd_dsl.scope.guard import Guard, refusal
from shepherd_dsl.scope.ignore import load_ignored
from shepherd_dsl.scope.journal import (
    FOREIGN,
    Beside,
    MergeRecord,
    Step,
    above_of,
    entry_at,
    finish,
    home_of,
    is_folder,
    journal,
    kept_content,
    stage,
)
from shepherd_dsl.scope.lines import Labels
from shepherd_dsl.scope.policy import Policies
from shepherd_dsl.scope.settle import Policy, Settled, Sides, settle

_HINT: Final = "Nothing was changed. Commit or move your edits aside, then merge again; the run keeps its files."
_LABELS: Final = Labels("workspace", "base", "run")
_NO_POLICIES: Final = Policies()


@attrs.frozen(slots=True)
class Own:
    """What of a path is the user's own: `mine`, where the run began with `base`; a merge made `made` out of it."""

    base: Entry | None
    mine: Entry | None
    made: Entry | None


@attrs.frozen(slots=True, kw_only=True)
class Manner:
    """How a merge goes about what both sides changed.

    `by_line`: texts are joined line by line; else only where the user's own is known. `policy` settles conflicts,
    `labels` name the sides in markers; `what` and `hint` are said of conflicts that are left.
    """

    by_line: bool = False
    policy: Policy = "refuse"
    labels: Labels = _LABELS
    what: str = "the workspace and the run changed the same paths"
    hint: str = _HINT


@attrs.frozen(slots=True)
class Effect:
    """What must be remembered of a merge that is about to happen.

    `own` is what of the user's the result is built on, `was` what stood at a path before it, where that was not what
    the last merge left; `kept` are the paths that were left to the user.
    """

    own: Mapping[str, Own]
    was: Mapping[str, Entry | None]
    kept: frozenset[str]


def merge_into(
    workspace: Path,
    base: Files,
    result: Files,
    *,
    read_blob: ReadBlob,
    own: Mapping[str, Own] | None = None,
    manner: Manner = Manner(),
    tracked: Files | None = None,
    policies: Policies = _NO_POLICIES,
    dry_run: bool = False,
    remember: Callable[[Effect], Beside] | None = None,
    always: bool = False,
    checkpoint: Callable[[str], None] | None = None,
) -> MergeRecord:
    """Writes the difference from `base` to `result` into `workspace`; first finishes a merge that was interrupted.

    `base` is what the workspace was last given, but for what the user had of his own there (`own`). `tracked` are the
    files that were the user's before (by default `base`), `policies` what no run may change there (`scope.guard`). With
    `dry_run` nothing is written. Raises RefusedError, with nothing changed, where the user changed the same paths
    (`merge.conflict`), ignores them (`merge.ignored`) or may not write there (`merge.denied`), and for paths that no
    merge writes (`merge.own`, `merge.git`, `merge.policy`) unless they are to be kept as they are; LockedError
    while another merge is going on; ScopeError where the disk fails: `finish_interrupted` then finishes or forgets the
    merge. What `remember` gives is written by whoever finishes the merge, where there is a step or a settled conflict,
    or `always`. `checkpoint` is called with the name of each thing just done, for tests that crash there.
    """
    reached = checkpoint or (lambda name: None)
    with journal(workspace) as at:
        if not dry_run:
            finish(workspace, at, reached)
        elif (home_of(workspace) / "plan.json").exists():
            raise RefusedError(
                "merge.interrupted",
                "a merge into this workspace was interrupted",
                where=str(workspace),
                hint="Any merge without --dry-run finishes it first.",
            )
        work = _Work(workspace, at, base, result, own or {}, read_blob)
        guard = Guard(at=at, ignored=work.ignored, policies=policies, tracked=base if tracked is None else tracked)
        settled, steps = work.guarded(manner, guard)
        assert settled.files is not None
        for step in steps:
            _check_place(workspace, at, step)
        record = MergeRecord(steps, (), settled.by_line, settled.settled)
        if dry_run or not (steps or settled.settled or always):
            return record
        beside = None if remember is None else work.beside(remember, settled, forward=manner.by_line)

        def content(name: str) -> Content:
            return settled.contents[name] if name in settled.contents else work.blob(name)

        stage(workspace, at, steps, settled.files, beside, content, reached)
        done = finish(workspace, at, reached)
        return record if done is None else attrs.evolve(record, left=done.left)


class _Work:
    """A merge being prepared: what it starts from, and what the workspace holds."""

    def __init__(
        self,
        workspace: Path,
        at: Beneath,
        base: Files,
        result: Files,
        own: Mapping[str, Own],
        read_blob: ReadBlob,
    ) -> None:
        self._workspace, self._at, self._read_blob = workspace, at, read_blob
        self._given, self._own = base, own
        self._paths = dict(base.diff(result))
        self.there = base.apply(_workspace_now(at, base, tuple(self._paths.items())))
        self.ignored = load_ignored(workspace)
        # Where the user left alone what a merge made of his own, the merge starts from his own again.
        self._again = {
            path: own[path]
            for path in self._paths
            if path in own and own[path].made == self.there.get(path) and not is_folder(at, path)
        }
        self._sides = Sides(
            base=base.apply(tuple((path, one.base) for path, one in self._again.items())),
            mine=self.there.apply(tuple((path, one.mine) for path, one in self._again.items())),
            theirs=result,
            there=self.there,
        )

    def guarded(self, manner: Manner, guard: Guard) -> tuple[Settled, tuple[Step, ...]]:
        """The merge and its steps, without those that the guard does not allow where the user's are to be kept.

        Raises RefusedError where they are not, and as `settle`.
        """
        left: dict[str, Conflict] = {}
        while True:
            settled = self.settle(manner)
            assert settled.files is not None
            steps = tuple(Step(path, self.there.get(path), new) for path, new in self.there.diff(settled.files))
            over = {one.path for one in settled.settled if one.settled == "overwritten"}
            own = {step.path for step in steps if self._sides.base.get(step.path) is None} - over
            found = guard.check(steps, there=self.there, result=settled.files, own=own)
            back = tuple((one.path, self._sides.base.get(one.path)) for one in found)
            theirs = self._sides.theirs.apply(back)
            if found and (manner.policy != "keep" or theirs == self._sides.theirs):
                raise refusal(found)
            if not found:
                every = {one.path: one for one in settled.settled} | left
                return attrs.evolve(settled, settled=tuple(every[path] for path in sorted(every))), steps
            left.update((one.path, Conflict(one.path, "guarded", settled="kept")) for one in found)
            # What the run did there counts as not done; the rest of its work may then settle in another way.
            self._sides = attrs.evolve(self._sides, theirs=theirs)

    def settle(self, manner: Manner) -> Settled:
        """The merge. Raises RefusedError where conflicts are left open."""
        found = settle(
            self._sides,
            content=self._content,
            by_line=lambda path: manner.by_line or path in self._again,
            policy=manner.policy,
            labels=manner.labels,
        )
        if found.open:
            raise refused(
                [
                    attrs.evolve(one, ignored=self.ignored(one.path, False) and self._given.get(one.path) is None)
                    for one in found.open
                ],
                what=manner.what,
                hint=manner.hint,
            )
        return found

    def beside(self, remember: Callable[[Effect], Beside], settled: Settled, *, forward: bool) -> Beside:
        """What the caller remembers of the merge, with the contents that this needs."""
        assert settled.files is not None
        own = {path: one for path, one in self._own.items() if path not in self._paths}
        was: dict[str, Entry | None] = {}
        contents: dict[str, Content] = {}
        how = {one.path: one.settled for one in settled.settled}
        for path in sorted(self._paths):
            there, before = self.there.get(path), self._own.get(path)
            if FOREIGN in (there, self._sides.mine.get(path)):
                continue
            expected = self._given.get(path) if before is None else before.made
            if there != expected:
                was[path] = there
            if how.get(path) == "kept":
                own[path] = Own(self._given.get(path), there, there)
            elif how.get(path) != "overwritten":
                base, mine = self._sides.base.get(path), self._sides.mine.get(path)
                # Who goes back to where the user already is agrees with him: nothing there is his own any more.
                if base != mine and (forward or path in self._again):
                    own[path] = Own(base, mine, settled.files.get(path))
            if (path in was or path in own) and there not in (None, EMPTY_FOLDER, self._given.get(path)):
                assert there is not None
                contents[there.hash] = self._content(path, there)
        contents.update(settled.contents)
        kept = frozenset(path for path, what in how.items() if what == "kept")
        return attrs.evolve(remember(Effect(own, was, kept)), contents=contents)

    def blob(self, name: str) -> Content:
        """A content that a merge kept, or that the trace has."""
        found = kept_content(self._workspace, name)
        return self._read_blob(name) if found is None else found

    def _content(self, path: str, entry: Entry) -> Content:
        if entry != self.there.get(path) or entry == self._given.get(path):
            return self.blob(entry.hash)
        data, _ = self._at.read(path)
        if git_blob_hash(data) != entry.hash:
            raise RefusedError(
                "merge.changing",
                "the file changes while it is merged",
                where=path,
                hint="Nothing was changed. Merge again when it has come to rest.",
            )
        return data


def _workspace_now(at: Beneath, base: Files, change: Change) -> Change:
    """How the workspace differs from `base` at the paths of `change`, above them, and in folders that it replaces."""
    paths = {path for path, _ in change}
    folders = {above for path in paths for above in above_of(path)}
    out: dict[str, Entry | None] = {}

    def found(path: str, entry: Entry | None) -> None:
        if base.get(path) != entry:
            out[path] = entry

    for path, new in change:
        end = path.find("/")
        while end != -1:
            above = path[:end]
            if above not in out and not is_folder(at, above):
                found(above, entry_at(at, above))
            end = path.find("/", end + 1)
        if not is_folder(at, path):
            found(path, entry_at(at, path))
            continue
        inside = at.list(path)
        if not inside:
            found(path, EMPTY_FOLDER)
            continue
        found(path, None)
        if base.get(path) is not None or new == EMPTY_FOLDER or (new is not None and not base.is_folder(path)):
            below = [f"{path}/{name}" for name, _ in inside]
            out.update((inner, FOREIGN) for inner in below if inner not in paths and inner not in folders)
        elif new is not None:
            out.update((inner, FOREIGN) for inner in _unknown_below(at, path, paths, base))
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


def _check_place(workspace: Path, at: Beneath, step: Step) -> None:
    """Refuses, before anything is written, what would fail half-way."""
    above = step.path
    while above:
        above = above.rpartition("/")[0]
        if not above or is_folder(at, above):
            break
    fd = at.folder(above)
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=fd):
        raise RefusedError(
            "merge.denied",
            "the folder may not be written",
            where=above or str(workspace),
            hint="Nothing was changed. Give yourself the permission, then merge again.",
        )
    if os.fstat(fd).st_dev != os.stat(home_of(workspace)).st_dev:
        raise RefusedError(
            "merge.denied",
            "the folder is on another file system than .shepherd/",
            where=above,
            hint="Nothing was changed. A merge is one step only within one file system.",
        )
