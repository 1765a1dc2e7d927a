"""What a merge does to the metadata of the user's files, found out before anything is written.

What replaces a file gets its owner, group and attributes; what is new gets what the system would give it. Who takes a
merge back gives `Past`: what was there before gets all that it had, its time too.

**No program gets rights by a merge.** Set-id bits and file capabilities say that somebody vouches for a content. So
they stay with the content that had them in the workspace, at its path, and with nothing that comes out of a run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.journal import Dressing, Step, above_of, is_folder
from shepherd_dsl.scope.metadata import CAPABILITIES, PRIVILEGED, Memory, Metadata, Past

_ACCESS: Final = "system.posix_acl_access"


@attrs.frozen(slots=True)
class Planned:
    """What a merge is to do to metadata (`dressing`), what is to be remembered of it, and the files that have file
    capabilities no longer."""

    dressing: Dressing
    memory: Memory
    without_capabilities: tuple[str, ...]


def without_set_ids(at: Beneath, steps: Sequence[Step], past: Past | None) -> Change:
    """The files that may not have the set-id bits which the steps give them, as they may be."""
    out = []
    for step in steps:
        new = step.new
        if new is None or not stat.S_ISREG(new.mode) or not new.mode & PRIVILEGED:
            continue
        like = _who_vouches(at, step.path, step.old, new, past)
        if like is None or not at.can_own(like):
            out.append((step.path, Entry(new.mode & ~PRIVILEGED, new.hash)))
    return tuple(out)


def _who_vouches(at: Beneath, path: str, old: Entry | None, new: Entry, past: Past | None) -> Metadata | None:
    known = None if past is None else past.trusted(path, new)
    if known is None and old is not None and old.hash == new.hash and not new.mode & PRIVILEGED & ~old.mode:
        return at.vouched(path, old)
    return known


def plan_metadata(
    at: Beneath, steps: Sequence[Step], merged: Files, stripped: Change, past: Past | None, now: int
) -> Planned:
    """What the steps that lead to `merged` do, at the time `now` (ns). `stripped` says what `merged` was to have, where
    it has no set-id bits."""
    files = _Files(at, past or Past(), dict(stripped))
    for step in steps:
        files.take(step)
    gone, going = _folders_gone(at, steps, merged, past)
    made = _folders_made(at, steps)
    names = [step.path for step in steps if step.path not in files.in_place and _is_file(step.old, step.new)]
    touched = {path.rpartition("/")[0] for path in (*names, *going, *made)} - set(made) - set(going)
    folders: dict[str, tuple[Metadata, int | None]] = {}
    times: dict[str, int] = {}
    for folder in sorted(touched):
        found = at.metadata(folder)
        if found is not None and found.time is not None:
            before = None if past is None else past.folder_time(folder, found.time)
            times[folder] = now if before is None else before
            folders[folder] = found, times[folder]
    for folder in going:
        found = at.metadata(folder)
        if found is not None:
            folders[folder] = found, None
    known = {} if past is None else {path: had for path in made if (had := past.folder(path)) is not None}
    dressing = Dressing(files.wanted, frozenset(files.in_place), known, times, gone)
    return Planned(dressing, Memory(files.had, folders, frozenset(made)), tuple(files.without_capabilities))


class _Files:
    """What becomes of the files of a merge: what each `had`, what it is `wanted` to have, which ones only change their
    mode where they stand."""

    def __init__(self, at: Beneath, past: Past, stripped: Mapping[str, Entry | None]) -> None:
        self._at, self._past, self._stripped = at, past, stripped
        self._new: dict[str, Metadata] = {}
        self.had: dict[str, tuple[Entry, Metadata]] = {}
        self.wanted: dict[str, Metadata] = {}
        self.in_place: set[str] = set()
        self.without_capabilities: list[str] = []

    def take(self, step: Step) -> None:
        old, new = step.old, step.new
        had = self._had(step.path, old) if old is not None and _is_file(old) else None
        if had is not None and old is not None:
            self.had[step.path] = old, had
        if new is None or new == EMPTY_FOLDER:
            return
        wanted = self._known(step.path, new)
        if wanted is None and had is not None and old is not None:
            wanted = had if old.hash == new.hash else had.with_other_content()
        if wanted is None:
            wanted = self._of_new(step.path)
        self.wanted[step.path] = wanted
        if had is not None and CAPABILITIES in had.xattrs and CAPABILITIES not in wanted.xattrs:
            self.without_capabilities.append(step.path)
        if had is not None and old is not None and self._stays(step.path, old, new, had, wanted):
            self.in_place.add(step.path)

    def _had(self, path: str, old: Entry) -> Metadata | None:
        found = self._at.metadata(path)
        if found is not None and (CAPABILITIES in found.xattrs or (stat.S_ISREG(old.mode) and old.mode & PRIVILEGED)):
            return self._at.vouched(path, old)
        return found

    def _known(self, path: str, new: Entry) -> Metadata | None:
        found = self._past.trusted(path, new)
        if found is None and not new.mode & PRIVILEGED:
            found = self._past.file(path, self._stripped.get(path) or new)
            return None if found is None else attrs.evolve(found.with_other_content(), time=found.time)
        return found

    def _of_new(self, path: str) -> Metadata:
        above = next(folder for folder in above_of(path) if not folder or is_folder(self._at, folder))
        if above not in self._new:
            self._new[above] = self._at.metadata_of_new(above)
        return self._new[above]

    def _stays(self, path: str, old: Entry, new: Entry, had: Metadata, wanted: Metadata) -> bool:
        """Whether only permissions change, which the process may change, and no other name shows the file."""
        if old.hash != new.hash or not stat.S_ISREG(old.mode) or not stat.S_ISREG(new.mode) or new.mode & PRIVILEGED:
            return False
        if (had.uid, had.gid) != (wanted.uid, wanted.gid) or _beside_mode(had) != _beside_mode(wanted):
            return False
        found = self._at.stat(path)
        return found is not None and found.st_nlink == 1 and os.geteuid() in (0, found.st_uid)


def _beside_mode(metadata: Metadata) -> Mapping[str, bytes]:
    """The attributes without the access list, whose mask is in the mode."""
    return {name: value for name, value in metadata.xattrs.items() if name != _ACCESS}


def _is_file(*entries: Entry | None) -> bool:
    """Whether one of them is a file or a link."""
    return any(entry not in (None, EMPTY_FOLDER) for entry in entries)


def _folders_gone(
    at: Beneath, steps: Sequence[Step], merged: Files, past: Past | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders that the merge is to remove if they are empty then, and those that will be; inner ones first.

    Those that it leaves without files. What goes back to what was knows better: the folders that were not there.
    """
    filled = set(_folders_filled(steps))
    placed = {step.path for step in steps if _is_file(step.new)}
    candidates: set[str] = set()
    for step in steps:
        if step.old is None:
            continue
        if step.old == EMPTY_FOLDER:
            candidates.add(step.path)
        candidates.update(above for above in above_of(step.path) if above)
    gone = []
    for folder in sorted(candidates - filled, reverse=True):
        was = None if past is None else past.was_there(folder)
        stays = merged.is_folder(folder) if was is None else was or merged.get(folder) == EMPTY_FOLDER
        if not stays or not placed.isdisjoint((folder, *above_of(folder))):
            gone.append(folder)
    removed = {step.path for step in steps if _is_file(step.old)}
    going: set[str] = set()
    for folder in gone:
        if is_folder(at, folder) and _emptied(at, folder, removed | going):
            going.add(folder)
    return tuple(gone), tuple(sorted(going, reverse=True))


def _emptied(at: Beneath, folder: str, removed: set[str]) -> bool:
    try:
        return all(f"{folder}/{name}" in removed for name, _ in at.list(folder))
    except PermissionError:
        return False


def _folders_made(at: Beneath, steps: Sequence[Step]) -> tuple[str, ...]:
    return tuple(sorted(folder for folder in set(_folders_filled(steps)) if not is_folder(at, folder)))


def _folders_filled(steps: Iterable[Step]) -> Iterable[str]:
    """The folders that are there afterwards because something is put there."""
    for step in steps:
        if step.new == EMPTY_FOLDER:
            yield step.path
        if step.new is not None:
            yield from (above for above in above_of(step.path) if above)
