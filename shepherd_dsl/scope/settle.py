"""A three-way merge of files that looks into them: by path as `core.files.merge`, and by line where both sides changed
one text.

The rule by path is the proved one (law `merge_conflict_free`): a path that it would call a conflict is given, before
it, one value on both sides where they can be joined, or where the caller has said what is to become of conflicts.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from typing import Final, Literal

import attrs

from shepherd_dsl.core.content import Content
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files, git_blob_hash, merge
from shepherd_dsl.scope.conflict import Conflict, Settlement
from shepherd_dsl.scope.journal import FOREIGN, above_of
from shepherd_dsl.scope.lines import Labels, merge_lines, texts_of

Policy = Literal["refuse", "markers", "keep", "overwrite"]
"""What becomes of conflicts: nothing is merged; clashing texts get markers; the user's, or the run's, is taken."""

_SETTLED: Final[dict[Policy, Settlement]] = {"markers": "markers", "keep": "kept", "overwrite": "overwritten"}


@attrs.frozen(slots=True, kw_only=True)
class Sides:
    """What is merged: `mine` and `theirs` have both come from `base`. `there` is what the workspace holds: `mine`, but
    where a merge has been at work before (`scope.apply.Own`)."""

    base: Files
    mine: Files
    theirs: Files
    there: Files


@attrs.frozen(slots=True)
class Settled:
    """A merge: its files (None where conflicts are left open), the contents it made, what was merged by line, the
    conflicts that were settled and those that were not."""

    files: Files | None
    contents: dict[str, Content]
    by_line: tuple[str, ...]
    settled: tuple[Conflict, ...]
    open: tuple[Conflict, ...]


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
            settled.append(attrs.evolve(conflict, settled=_SETTLED[policy]))
        same.append((path, entry))
        if entry is not None and data is not None:
            contents[entry.hash] = data
    change = tuple(same)
    mine, theirs = sides.mine.apply(change), sides.theirs.apply(change)
    merged = merge(sides.base, mine, theirs)
    while isinstance(merged, tuple) and policy == "keep":
        # What stands in the way of what: the run's change goes, at each path that is named.
        back = {path: sides.base.get(path) for path, _ in sides.base.diff(theirs) if path in merged}
        without = theirs.apply(tuple(back.items()))
        if without == theirs:
            break
        settled.extend(Conflict(path, "in_the_way", settled="kept") for path in back)
        theirs = without
        merged = merge(sides.base, mine, theirs)
    if isinstance(merged, tuple):
        known = {one.path for one in left}
        left.extend(Conflict(path, "in_the_way") for path in merged if path not in known)
        return Settled(None, contents, tuple(joined), tuple(settled), tuple(left))
    return Settled(merged, contents, tuple(joined), tuple(sorted(settled, key=lambda one: one.path)), ())


@attrs.frozen(slots=True)
class _Value:
    """What a path is to hold: its bytes where the merge made them, `by_line` where it did so out of lines."""

    entry: Entry | None
    data: Content | None = None
    by_line: bool = False


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
    marked = _Value(Entry(mode, git_blob_hash(merged.marked)), merged.marked)
    return Conflict(path, "lines", merged.clashes), marked


def _taken(sides: Sides, path: str, policy: Policy, marked: _Value | None) -> _Value | None:
    """What the caller wants at a path that conflicts; None where that leaves it open."""
    if policy == "markers":
        return marked
    if policy == "keep":
        return _Value(sides.there.get(path))
    return _Value(sides.theirs.get(path)) if policy == "overwrite" else None
