"""A three-way merge of files that looks into them: by path as `core.files.merge`, and by line where both sides changed
one text.

The rule by path is the proved one (law `merge_conflict_free`): a path that it would call a conflict is given, before
it, one value on both sides where they can be joined, or where the caller has said what is to become of conflicts.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from typing import Final, Literal

import attrs

from shepherd_dsl.core.content import Content
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files, git_blob_hash, merge
from shepherd_dsl.scope.conflict import Conflict, Settlement, Why
from shepherd_dsl.scope.journal import FOREIGN, above_of
from shepherd_dsl.scope.lines import Labels, merge_lines, texts_of
from shepherd_dsl.scope.present import Never

Policy = Literal["refuse", "markers", "keep", "overwrite", "markers_keep", "markers_overwrite"]
"""What becomes of conflicts: nothing is merged; clashing texts get markers; the user's, or the run's, is taken; or
markers where there are lines, and one of the two for the rest."""

_REST: Final[dict[Policy, Literal["refuse", "keep", "overwrite"]]] = {
    "refuse": "refuse", "markers": "refuse",
    "keep": "keep", "markers_keep": "keep",
    "overwrite": "overwrite", "markers_overwrite": "overwrite",
}  # fmt: skip
"""What becomes of conflicts that are not among lines, or get no markers."""


def marks(policy: Policy) -> bool:
    """Whether clashing texts get markers."""
    return policy.startswith("markers")


def keeps(policy: Policy) -> bool:
    """Whether what conflicts stays as the user has it, at least where there are no lines."""
    return _REST[policy] == "keep"


def overwrites(policy: Policy) -> bool:
    """Whether the run's takes the place of the user's, at least where there are no lines."""
    return _REST[policy] == "overwrite"


@attrs.frozen(slots=True, kw_only=True)
class Sides:
    """What is merged: `mine` and `theirs` have both come from `base`. `there` is what the workspace holds: `mine`, but
    where a merge has been at work before (`scope.apply.Own`).

    `given_up` are the paths where the user let the run's take the place of his own before; `start` is what the run
    began with, and where it is back there the user's own comes back. `never` is what is not overwritten."""

    base: Files
    mine: Files
    theirs: Files
    there: Files
    start: Files
    given_up: frozenset[str] = frozenset()
    never: Mapping[str, Never] = attrs.field(factory=dict)


@attrs.frozen(slots=True)
class Settled:
    """A merge: its files (None where conflicts are left open), the contents it made, what was merged by line, the
    conflicts that were settled and those that were not; `given_up` are the paths where the user's gave way."""

    files: Files | None
    contents: dict[str, Content]
    by_line: tuple[str, ...]
    settled: tuple[Conflict, ...]
    open: tuple[Conflict, ...]
    given_up: frozenset[str] = frozenset()


def settle(
    sides: Sides,
    *,
    content: Callable[[str, Entry], Content],
    by_line: Callable[[str], bool],
    policy: Policy,
    labels: Labels,
) -> Settled:
    """Merge the sides. `content` gives the bytes of an entry at a path; `by_line` says where texts may be joined."""
    contents: dict[str, Content] = {}
    joined: list[str] = []
    settled: list[Conflict] = []
    left: list[Conflict] = []
    same: list[tuple[str, Entry | None]] = []
    given_up: set[str] = set()
    for path, _ in sides.base.diff(sides.theirs):
        if not _clashes(sides, path):
            continue
        found = _joined(sides, path, content, labels) if by_line(path) else (Conflict(path, "changed"), None)
        if not isinstance(found, tuple):
            entry, data = found.entry, found.data
            joined.extend([path] * found.by_line)
        else:
            conflict, marked = found
            taken = _taken(sides, path, policy, marked)
            if taken is None:
                left.append(conflict)
                continue
            entry, data = taken.entry, taken.data
            if taken.how:
                settled.append(attrs.evolve(conflict, settled=taken.how))
            if taken.how in ("", "overwritten"):
                given_up.add(path)
        same.append((path, entry))
        if entry is not None and data is not None:
            contents[entry.hash] = data
    change = tuple(same)
    way = _Way(sides, sides.mine.apply(change), sides.theirs.apply(change))
    way.clear(policy)
    settled.extend(way.settled)
    given_up |= way.given_up
    merged = way.merged
    if isinstance(merged, tuple):
        known = {one.path for one in left}
        left.extend(one for one in way.open(policy) if one.path not in known)
        return Settled(None, contents, tuple(joined), tuple(settled), tuple(left))
    by_path = tuple(sorted(settled, key=lambda one: one.path))
    return Settled(None if left else merged, contents, tuple(joined), by_path, tuple(left), frozenset(given_up))


class _Way:
    """What stands in the way of what: the user's and the run's changes of which not both can be had, path by path.

    One of the two goes, until the rest can be merged; or some are left, which nothing settles.
    """

    def __init__(self, sides: Sides, mine: Files, theirs: Files) -> None:
        self._sides, self._mine, self._theirs = sides, mine, theirs
        self.merged = merge(sides.base, mine, theirs)
        self.settled: list[Conflict] = []
        self.given_up: set[str] = set()
        self._stuck: set[str] = set()

    def clear(self, policy: Policy) -> None:
        """Lets what stands in the way go, as far as `policy` and what the user gave up before say so."""
        while isinstance(self.merged, tuple):
            before = (self._mine, self._theirs)
            for path in self.merged:
                self._drop_mine(path, anything=overwrites(policy))
            if self._mine is before[0] and keeps(policy):
                self._drop_theirs(self.merged)
            if self._mine is before[0] and self._theirs is before[1]:
                return
            self.merged = merge(self._sides.base, self._mine, self._theirs)

    def open(self, policy: Policy) -> list[Conflict]:
        """The conflicts that are left; where all else would be overwritten, only what never is."""
        assert isinstance(self.merged, tuple)
        never = self._sides.never
        closed = [path for path in self.merged if never.get(path) == "unreadable"]
        paths = {
            path
            for path in self.merged
            if path in closed or not any(path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in closed)
        } | self._stuck
        if overwrites(policy) and self._stuck:
            paths = self._stuck
        found = []
        for path in sorted(paths):
            why = never.get(path, "ignored")
            found.append(Conflict(path, "in_the_way" if why == "ignored" else why))
        return found

    def _drop_mine(self, path: str, *, anything: bool) -> None:
        """Takes back the user's change at `path`, with what of the user's that displaces, where all of it may go."""
        base = self._sides.base
        if self._mine.get(path) == base.get(path):
            return
        without = self._mine.apply(((path, base.get(path)),))
        gone = self._mine.diff(without)
        lost = {one for one, _ in gone if self._mine.get(one) is not None}
        stuck = {one for one in lost if one in self._sides.never or self._mine.get(one) == FOREIGN}
        if anything:
            self._stuck |= stuck
        if stuck or not gone or not (anything or (lost and lost <= self._sides.given_up)):
            return
        self._mine = without
        self.given_up |= {one for one, _ in gone}
        self.settled.extend(
            Conflict(one, "in_the_way", settled="overwritten")
            for one in sorted(lost)
            if one not in self._sides.given_up and self._sides.there.get(one) is not None
        )

    def _drop_theirs(self, paths: tuple[str, ...]) -> None:
        """Takes back the run's changes at `paths`: there stays what the workspace holds."""
        base = self._sides.base
        back = tuple((path, base.get(path)) for path, _ in base.diff(self._theirs) if path in paths)
        without = self._theirs.apply(back)
        if without != self._theirs:
            self.settled.extend(Conflict(path, self._why(path), settled="kept") for path, _ in back)
            self._theirs = without
            self._mine = self._mine.apply(tuple((path, self._sides.there.get(path)) for path, _ in back))

    def _why(self, path: str) -> Why:
        """Why the run's change at `path` cannot be had."""
        for one in (path, *above_of(path)):
            why = self._sides.never.get(one, "ignored")
            if why != "ignored":
                return why
        return "in_the_way"


@attrs.frozen(slots=True)
class _Value:
    """What a path is to hold: its bytes where the merge made them, `by_line` where it did so out of lines; `how` it
    was settled, if now."""

    entry: Entry | None
    data: Content | None = None
    by_line: bool = False
    how: Settlement = ""


def _clashes(sides: Sides, path: str) -> bool:
    """Whether both sides changed the file or link at `path`, not alike, and no folder comes into it: those are for the
    rule by path alone."""
    mine, theirs, base = sides.mine.get(path), sides.theirs.get(path), sides.base.get(path)
    if mine in (base, theirs) or FOREIGN in (mine, sides.there.get(path)):
        return False
    every = (sides.base, sides.mine, sides.theirs, sides.there)
    if any(files.is_folder(path) for files in every):
        return False
    above = [folder for folder in above_of(path) if folder]
    return all(files.get(folder) in (None, EMPTY_FOLDER) for files in every for folder in above)


def _joined(
    sides: Sides, path: str, content: Callable[[str, Entry], Content], labels: Labels
) -> _Value | tuple[Conflict, _Value | None]:
    """Both sides of a file in one, or why not; and what it is with markers, where the lines clash."""
    mine, theirs, base = sides.mine.get(path), sides.theirs.get(path), sides.base.get(path)
    if mine is None or theirs is None:
        return Conflict(path, "removed_here" if mine is None else "removed_there"), None
    if not all(one is None or stat.S_ISREG(one.mode) for one in (mine, theirs, base)):
        return Conflict(path, "kind"), None
    mode = theirs.mode if base is not None and mine.mode == base.mode else mine.mode
    if mode == mine.mode != theirs.mode and (base is None or theirs.mode != base.mode):
        return Conflict(path, "mode"), None
    if (base is not None and mine.hash == base.hash) or mine.hash == theirs.hash:
        return _Value(Entry(mode, theirs.hash))
    if base is not None and theirs.hash == base.hash:
        return _Value(Entry(mode, mine.hash), content(path, mine))
    old = b"" if base is None else content(path, base)
    ours, others = content(path, mine), content(path, theirs)
    texts = texts_of(old, ours, others)
    if not isinstance(texts, tuple):
        return Conflict(path, texts), None
    text, our_text, other_text = texts
    merged = merge_lines(text, our_text, other_text, labels)
    if merged.text is not None:
        return _Value(Entry(mode, git_blob_hash(merged.text)), merged.text, True)
    marked = _Value(Entry(mode, git_blob_hash(merged.marked)), merged.marked, how="markers")
    return Conflict(path, "lines", merged.clashes), marked


def _taken(sides: Sides, path: str, policy: Policy, marked: _Value | None) -> _Value | None:
    """What the caller wants at a path that conflicts; None where that leaves it open."""
    if marked is not None and marks(policy) and path not in sides.never:
        return marked
    if path in sides.given_up:
        back = sides.theirs.get(path) == sides.start.get(path)
        return _Value(sides.mine.get(path) if back else sides.theirs.get(path))
    if keeps(policy):
        return _Value(sides.there.get(path), how="kept")
    if overwrites(policy) and path not in sides.never:
        return _Value(sides.theirs.get(path), how="overwritten")
    return None
