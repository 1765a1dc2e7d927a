"""From log entries to journal items: what objects an entry brings along, and which are known to be kept already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from shepherd_dsl.core.files import Files
from shepherd_dsl.core.wire import event_text
from shepherd_dsl.errors import StoreError
from shepherd_dsl.trace.chain import place_of
from shepherd_dsl.trace.objects import (
    BLOB,
    TREE,
    TREE_MODE,
    GitObject,
    State,
    blobs_of,
    object_id,
    read_tree,
    summary_of,
)
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.records import EntryItem
from shepherd_dsl.trace.repository import Repository

_STATES_KEPT: Final = 4096


@attrs.frozen(slots=True)
class Step:
    """What one append adds: objects by name, the blobs that are named now, and for each run its length and files."""

    objects: dict[str, GitObject] = attrs.field(factory=dict)
    named: list[str] = attrs.field(factory=list)
    lengths: dict[str, int] = attrs.field(factory=dict)
    files: dict[str, Files] = attrs.field(factory=dict)


class Itemizer:
    """Makes the items of entries; an object goes with the first entry that needs it.

    `lengths` are those of the runs so far. Not to be called from several threads at once.
    """

    def __init__(self, repo: Repository, lengths: Mapping[str, int]) -> None:
        """Nothing is known yet of what is kept."""
        self._repo = repo
        self._lengths = dict(lengths)
        self._files: dict[str, Files] = {}
        # What is known to be in the repository or in the journal.
        self._blobs: set[str] = set()
        self._trees: set[str] = set()
        self._states: dict[str, State] = {}

    def know(self, objects: Iterable[GitObject]) -> None:
        """Note that these objects are kept."""
        for item in objects:
            if item.kind == BLOB:
                self._blobs.add(item.oid)
            elif item.kind == TREE:
                self._trees.add(item.oid)

    def knows_blob(self, oid: str) -> bool:
        """Whether a blob is kept, as far as is known without a look into the repository."""
        return oid in self._blobs

    def know_blob(self, oid: str) -> None:
        """Note that a blob is kept."""
        self._blobs.add(oid)

    def has_blob(self, oid: str) -> bool:
        """Whether a blob is kept."""
        if oid not in self._blobs:
            if not self._repo.contains(oid):
                return False
            self._blobs.add(oid)
        return True

    def has_tree(self, oid: str) -> bool:
        """Whether a tree is kept."""
        if oid not in self._trees:
            if not self._repo.contains(oid):
                return False
            self._trees.add(oid)
        return True

    def set_lengths(self, lengths: Mapping[str, int]) -> None:
        """Note how long the runs are now."""
        self._lengths = dict(lengths)

    def item(self, entry: LogEntry, now: int, step: Step) -> EntryItem:
        """The entry as an item, recorded at `now`; what the repository lacks of its objects goes to `step`.

        Raises StoreError (`store.blob`) where it names a blob that is not kept.
        """
        run = entry.run
        text = event_text(entry.event)
        blobs = blobs_of(entry.event, text)
        for oid in blobs:
            self._need_blob(oid, run)
        step.named.extend(blobs)
        state = self._states.get(entry.files.hash)
        if state is None:
            state = self._state(entry.files, run, step)
        item = EntryItem(run, text.encode("utf-8"), summary_of(entry.event), state, blobs, now)

        def length_of(other: str) -> int | None:
            return step.lengths.get(other, self._lengths.get(other))

        step.lengths[run] = place_of(item, length_of(run), length_of)[0] + 1
        step.files[run] = entry.files
        return item

    def keep(self, step: Step) -> None:
        """The step is recorded."""
        self._lengths.update(step.lengths)
        self._files.update(step.files)

    def forget(self, step: Step) -> None:
        """The step is not recorded: its objects are not there after all."""
        self._states.clear()
        self._trees.difference_update(step.objects)
        self._blobs.difference_update(step.objects)

    def _state(self, files: Files, run: str, step: Step) -> State:
        before = step.files.get(run) or self._files.get(run)
        if before is not None:
            for path, entry in before.diff(files):
                if entry is not None and entry.hash:
                    self._need_blob(entry.hash, f"{run}: {path}")
                    step.named.append(entry.hash)
        for oid, body in files.tree_objects(lambda oid: oid in step.objects or self.has_tree(oid)):
            if before is None:
                for name, mode, inner in read_tree(body):
                    if mode != TREE_MODE:
                        self._need_blob(inner, f"{run}: {name.decode('utf-8', 'replace')}")
                        step.named.append(inner)
            step.objects[oid] = GitObject(TREE, oid, body)
        manifest = None
        if files.manifest:
            manifest = object_id(BLOB, files.manifest)
            if manifest not in self._blobs:
                step.objects[manifest] = GitObject(BLOB, manifest, files.manifest)
        state = State(files.git_tree, manifest)
        if len(self._states) >= _STATES_KEPT:
            self._states.clear()
        self._states[files.hash] = state
        self.know(step.objects.values())
        return state

    def _need_blob(self, oid: str, where: str) -> None:
        if not self.has_blob(oid):
            raise StoreError(
                "store.blob",
                f"the blob {oid} was never put, so the event that names it cannot be recorded",
                where=where,
                hint="put_blob comes before the append that names it",
            )
