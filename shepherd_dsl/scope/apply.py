"""Merging a run's files into the user's workspace, wholly or not at all.

What the workspace holds now, at the paths concerned, is merged three-way with what the run made of its base
(`scope.settle`). A conflict that nobody said how to settle changes nothing and is listed. Otherwise a journal makes the
many renames one step (`scope.journal`).

**What is the user's own.** Where a merge was built on something of the user's (an edit that it joined with the run's,
or a change that both had made), it remembers that as `Own`, for as long as the user leaves the result alone. The next
merge starts from it again: so what the run does next is joined with the user's version, not with a mixture, and where
the run goes back to its beginning, the user's version is there again, byte for byte.

Replaced files are new files, with the metadata of the old ones (`scope.merge_metadata`): only their hard links are not
carried over. The workspace must be one file system where the merge writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from shepherd_dsl.core.content import Content, ReadBlob
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files, git_blob_hash
from shepherd_dsl.errors import RefusedError
from shepherd_dsl.path_text import path_text
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
    finish,
    home_of,
    interrupted,
    is_folder,
    journal,
    kept_content,
    read_at,
    stage,
)
from shepherd_dsl.scope.lines import Labels
from shepherd_dsl.scope.merge_metadata import plan_metadata, without_set_ids
from shepherd_dsl.scope.metadata import Memory, Past, memory_text
from shepherd_dsl.scope.policy import Policies
from shepherd_dsl.scope.present import present
from shepherd_dsl.scope.settle import Policy, Settled, Sides, keeps, overwrites, settle

_HINT: Final = "Nothing was changed. Commit or move your edits aside, then merge again; the run keeps its files."
_LABELS: Final = Labels("workspace", "base", "run")
_NO_POLICIES: Final = Policies()


@attrs.frozen(slots=True)
class Own:
    """What of a path is the user's own: `mine`, where the run began with `base`; a merge made `made` out of it.

    `given_up`: the user let the run's take its place, so that later merges of the run need not ask again.
    Where `mine` is `base`, nothing is his, but the merge did not write all that the run has (set-id bits).
    """

    base: Entry | None
    mine: Entry | None
    made: Entry | None
    given_up: bool = False


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
    the last merge left; `kept` are the paths that were left to the user, `stripped` those that are without the set-id
    bits they have in the run. The content named `memory` says what metadata there was (`metadata.Memory`).
    """

    own: Mapping[str, Own]
    was: Mapping[str, Entry | None]
    kept: frozenset[str]
    stripped: frozenset[str]
    memory: str


def merge_into(
    workspace: Path,
    base: Files,
    result: Files,
    *,
    read_blob: ReadBlob,
    own: Mapping[str, Own] | None = None,
    start: Files | None = None,
    manner: Manner = Manner(),
    tracked: Files | None = None,
    policies: Policies = _NO_POLICIES,
    past: Past | None = None,
    dry_run: bool = False,
    remember: Callable[[Effect], Beside] | None = None,
    always: bool = False,
    checkpoint: Callable[[str], None] | None = None,
) -> MergeRecord:
    """Writes the difference from `base` to `result` into `workspace`; first finishes a merge that was interrupted.

    `base` is what the workspace was last given, but for what the user had of his own there (`own`); `start` is what the
    run began with (else `base`). `tracked` are the files that were the user's before (by default `base`), `policies`
    what no run may change there (`scope.guard`). `past` is given by who takes merges back: files and folders then get
    the metadata that they had. With `dry_run` nothing is written. Raises RefusedError, with nothing changed, where the
    user changed the same paths (`merge.conflict`), ignores them (`merge.ignored`), may not read what is there or not
    write (`merge.denied`), and for paths that no merge writes (`merge.own`, `merge.git`, `merge.policy`) unless they
    are to be kept as they are; LockedError while another merge is going on; ScopeError where the disk fails:
    `finish_interrupted` then finishes or forgets the merge. What `remember` gives is written by whoever finishes the
    merge, where there is a step or a settled conflict, or `always`. `checkpoint` is called with the name of each thing
    just done, for tests that crash there.
    """
    reached = checkpoint or (lambda name: None)
    with journal(workspace) as at:
        if not dry_run:
            finish(workspace, at, reached)
        elif (home_of(workspace) / "plan.json").exists():
            raise interrupted(workspace)
        work = _Work(workspace, at, base, result, own or {}, read_blob, start=start or base, manner=manner)
        guard = Guard(at=at, ignored=work.ignored, policies=policies, tracked=base if tracked is None else tracked)
        settled, steps = work.guarded(guard)
        assert settled.files is not None
        stripped = without_set_ids(at, steps, past)
        meant = tuple((path, settled.files.get(path)) for path, _ in stripped)
        files = settled.files.apply(stripped)
        if stripped:
            steps = tuple(Step(path, work.there.get(path), new) for path, new in work.there.diff(files))
        for step in steps:
            assert FOREIGN not in (step.old, step.new)
            _check_place(workspace, at, step)
        planned = plan_metadata(at, steps, files, meant, past, 0 if dry_run or not steps else at.clock())
        without = tuple(sorted({*dict(stripped), *planned.without_capabilities}))
        record = MergeRecord(steps, (), settled.by_line, settled.settled, without)
        if dry_run or not (steps or settled.settled or always):
            return record
        beside = None
        if remember is not None:
            beside = work.beside(remember, settled, stripped, planned.memory)

        def content(name: str) -> Content:
            return settled.contents[name] if name in settled.contents else work.blob(name)

        stage(workspace, at, steps, planned.dressing, beside, content, reached)
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
        *,
        start: Files,
        manner: Manner,
    ) -> None:
        self._workspace, self._at, self._read_blob, self._manner = workspace, at, read_blob, manner
        self._given, self._own = base, own
        change = dict(base.diff(result))
        self._paths = {**_related(own, change), **change}
        self.ignored = load_ignored(workspace)
        looked = present(
            at, base, tuple(sorted(self._paths.items())), ignored=self.ignored, deep=overwrites(manner.policy)
        )
        self._never = looked.never
        self.there = base.apply(looked.change)
        self._again = self._untouched()
        began = base.apply(tuple((path, one.base) for path, one in self._again.items()))
        # Where the run had a file at first, and below it what it has now, the latter is not the user's.
        run_s = [path for path, entry in base.diff(began) if entry is None and self.there.get(path) == base.get(path)]
        mine = {**dict.fromkeys(run_s), **{path: one.mine for path, one in self._again.items()}}
        self._sides = Sides(
            base=began,
            mine=self.there.apply(tuple(mine.items())),
            theirs=result,
            there=self.there,
            start=start,
            given_up=frozenset(path for path, one in self._again.items() if one.given_up),
            never=looked.never,
        )

    def _untouched(self) -> dict[str, Own]:
        """Where the user left alone what a merge made of his own: the merge starts from his own again."""
        own = {path: one for path, one in self._own.items() if path in self._paths}
        made = self._given.apply(tuple((path, one.made) for path, one in own.items()))
        there = self.there

        def untouched(path: str, one: Own) -> bool:
            if there.get(path) != one.made or one.mine is None:
                return there.get(path) == one.made
            # What was displaced comes back only where nothing new has taken its place.
            above = above_of(path)[:-1]
            return all(there.get(place) == made.get(place) for place in above) and (
                dict(there.under(path)) == dict(made.under(path))
            )

        return {path: one for path, one in own.items() if untouched(path, one)}

    def guarded(self, guard: Guard) -> tuple[Settled, tuple[Step, ...]]:
        """The merge and its steps, without those that the guard does not allow where the user's are to be kept.

        Raises RefusedError where they are not, and as `settle`.
        """
        left: dict[str, Conflict] = {}
        while True:
            settled = self.settle()
            assert settled.files is not None
            steps = tuple(Step(path, self.there.get(path), new) for path, new in self.there.diff(settled.files))
            over = {one.path for one in settled.settled if one.settled == "overwritten"}
            own = {step.path for step in steps if self._sides.base.get(step.path) is None} - over
            found = guard.check(steps, there=self.there, result=settled.files, own=own)
            back = tuple((one.path, self._sides.base.get(one.path)) for one in found)
            theirs = self._sides.theirs.apply(back)
            if found and (not keeps(self._manner.policy) or theirs == self._sides.theirs):
                raise refusal(found)
            if not found:
                every = {one.path: one for one in settled.settled} | left
                return attrs.evolve(settled, settled=tuple(every[path] for path in sorted(every))), steps
            left.update((one.path, Conflict(one.path, "guarded", settled="kept")) for one in found)
            # What the run did there counts as not done; the rest of its work may then settle in another way.
            self._sides = attrs.evolve(self._sides, theirs=theirs)

    def settle(self) -> Settled:
        """The merge. Raises RefusedError where conflicts are left open."""
        manner = self._manner
        found = settle(
            self._sides,
            content=self._content,
            by_line=lambda path: manner.by_line or path in self._again,
            policy=manner.policy,
            labels=manner.labels,
        )
        if found.open:
            raise refused(
                [attrs.evolve(one, ignored=self._is_ignored(one.path)) for one in found.open],
                what=manner.what,
                hint=manner.hint,
            )
        return found

    def _is_ignored(self, path: str) -> bool:
        hidden = self.ignored(path, False) and self._given.get(path) is None
        return hidden or self._never.get(path) == "ignored"

    def beside(
        self,
        remember: Callable[[Effect], Beside],
        settled: Settled,
        stripped: Change,
        memory: Memory,
    ) -> Beside:
        """What the caller remembers of the merge, with the contents that this needs."""
        assert settled.files is not None
        own = {path: one for path, one in self._own.items() if path not in self._paths}
        was: dict[str, Entry | None] = {}
        contents: dict[str, Content] = {}
        how = {one.path: one.settled for one in settled.settled}
        for path in sorted({*self._paths, *self._displaced(settled.files)}):
            there, before = self.there.get(path), self._own.get(path)
            known = how.get(path) == "kept" or path in self._again
            if FOREIGN in (there, self._sides.mine.get(path)) and not known:
                continue
            expected = self._given.get(path) if before is None else before.made
            if there != expected:
                was[path] = there
            mine = self._own_at(path, settled, how.get(path))
            if mine is not None:
                own[path] = mine
            if (path in was or path in own) and there not in (None, EMPTY_FOLDER, FOREIGN, self._given.get(path)):
                assert there is not None
                contents[there.hash] = self._content(path, there)
        for path, made in stripped:
            given = settled.files.get(path)
            own[path] = attrs.evolve(own.get(path, Own(given, given, given)), made=made)
        contents.update(settled.contents)
        text = memory_text(memory).encode()
        contents[git_blob_hash(text)] = text
        kept = frozenset(path for path, what in how.items() if what == "kept")
        effect = Effect(own, was, kept, frozenset(dict(stripped)), git_blob_hash(text))
        return attrs.evolve(remember(effect), contents=contents)

    def _displaced(self, merged: Files) -> Iterator[str]:
        """The paths, beside those that the run changed, at which something of the user's was in the way and has gone;
        and those that had gone for it."""
        for path, _ in self.there.diff(merged):
            yield path
            if self.there.get(path) is not None:
                yield from (inner for inner, _ in self._given.under(path))

    def _own_at(self, path: str, settled: Settled, how: str | None) -> Own | None:
        """What of a path is the user's own after the merge, if anything."""
        assert settled.files is not None
        base, mine = self._sides.base.get(path), self._sides.mine.get(path)
        if how == "kept":
            return Own(base, mine, self.there.get(path))
        # Who goes back to where the user already is agrees with him: nothing there is his own any more.
        if base == mine or not (self._manner.by_line or path in self._again):
            return None
        made = settled.files.get(path)
        return Own(base, mine, made, given_up=made != mine and path in settled.given_up)

    def blob(self, name: str) -> Content:
        """A content that a merge kept, or that the trace has."""
        found = kept_content(self._workspace, name)
        return self._read_blob(name) if found is None else found

    def _content(self, path: str, entry: Entry) -> Content:
        if entry != self.there.get(path) or entry == self._given.get(path):
            return self.blob(entry.hash)
        data, _ = read_at(self._at, path)
        if git_blob_hash(data) != entry.hash:
            raise RefusedError(
                "merge.changing",
                "the file changes while it is merged",
                where=path_text(path),
                hint="Nothing was changed. Merge again when it has come to rest.",
            )
        return data


def _related(own: Mapping[str, Own], paths: Iterable[str]) -> dict[str, Entry | None]:
    """What of the user's own stood where one of `paths` is now, or inside it, with what it was."""
    found: dict[str, Entry | None] = {}
    todo = list(paths)
    while todo:
        path = todo.pop()
        for one in own:
            if one not in found and (one.startswith(f"{path}/") or path.startswith(f"{one}/")):
                found[one] = own[one].mine
                todo.append(one)
    return found


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
            where=path_text(above) or str(workspace),
            hint="Nothing was changed. Give yourself the permission, then merge again.",
        )
    if os.fstat(fd).st_dev != os.stat(home_of(workspace)).st_dev:
        raise RefusedError(
            "merge.denied",
            "the folder is on another file system than .shepherd/",
            where=path_text(above),
            hint="Nothing was changed. A merge is one step only within one file system.",
        )
