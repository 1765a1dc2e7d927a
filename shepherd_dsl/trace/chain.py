"""The commits of a tree's runs, built in log order: each run is a chain, and a copy goes on from the run it copies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

from shepherd_dsl.errors import CorruptError, StoreError
from shepherd_dsl.trace.objects import GitObject, event_objects
from shepherd_dsl.trace.records import EntryItem

_WORLD: Final = "world"
"""The outermost owner (`core.run.WORLD`, spelled out because importing the machine costs a reader time)."""
_START: Final = b'{"start":'
_FORKED: Final = b'{"forked":'


@attrs.frozen(slots=True)
class Head:
    """Where a run stands: `length` events, the last of which is `commit`. Those before index `first` are inherited
    from the run it copies; the log of the tree holds the others."""

    first: int
    length: int
    commit: str


@attrs.frozen(slots=True)
class Built:
    """An entry with its place in its run's trace, its commit, and the objects that the commit adds."""

    item: EntryItem
    index: int
    commit: str
    objects: tuple[GitObject, ...]


class Chain:
    """The heads of all runs of a tree, in the order of their first entries."""

    __slots__ = ("_origin", "_parent_of", "_program", "_recent", "heads")

    def __init__(self, heads: Iterable[tuple[str, Head]], *, program: str, parent_of: Callable[[str], str]) -> None:
        """`program` is the blob of the program text. `parent_of` gives the parent of a commit made before."""
        self.heads = dict(heads)
        self._program = program
        self._parent_of = parent_of
        # For each run that went on: the commit it went on from (where there is one), then its new commits.
        self._recent: dict[str, list[str]] = {}
        self._origin: dict[str, str] = {}

    def extend(self, items: Iterable[EntryItem]) -> tuple[list[Built], list[tuple[str, Head | None]]]:
        """Add the entries of a step; gives what was built, and what `roll_back` needs to take it back.

        Raises StoreError (`store.order`) where an entry cannot follow what its run has; then nothing is added.
        """
        built: list[Built] = []
        before: list[tuple[str, Head | None]] = []
        try:
            for item in items:
                head = self.heads.get(item.run)
                built.append(self._add(item, head))
                before.append((item.run, head))
        except BaseException:
            self.roll_back(before)
            raise
        return built, before

    def roll_back(self, before: list[tuple[str, Head | None]]) -> None:
        """Take back what `extend` added last."""
        for run, head in reversed(before):
            self._recent[run].pop()
            if head is None:
                del self.heads[run], self._recent[run]
                self._origin.pop(run, None)
            else:
                self.heads[run] = head

    def _add(self, item: EntryItem, head: Head | None) -> Built:
        is_start = item.text.startswith(_START)
        index, origin = place_of(item, None if head is None else head.length, self._length)
        if head is not None:
            first, parent = head.first, head.commit
        elif origin is None:
            first, parent = 0, ""
        else:
            first, parent = index, self.commit_at(*origin)
            self._origin[item.run] = origin[0]
        commit, objects = event_objects(
            item.text,
            summary=item.summary,
            index=index,
            parent=parent or None,
            state=item.state,
            blobs=item.blobs,
            program=self._program if is_start else None,
        )
        self.heads[item.run] = Head(first, index + 1, commit)
        self._recent.setdefault(item.run, [parent] if parent else []).append(commit)
        return Built(item, index, commit, tuple(objects))

    def _length(self, run: str) -> int | None:
        head = self.heads.get(run)
        return None if head is None else head.length

    def commit_at(self, run: str, index: int) -> str:
        """The commit of the event `index` of `run`. Raises StoreError (`store.order`) where there is none."""
        head = self.heads.get(run)
        if head is None:
            raise _order(run, "there is no such run")
        if not 0 <= index < head.length:
            raise _order(run, f"it has no event {index}")
        if index < head.first and run in self._origin:
            return self.commit_at(self._origin[run], index)
        recent = self._recent.get(run) or [head.commit]
        back = head.length - 1 - index
        if back < len(recent):
            return recent[-1 - back]
        back -= len(recent) - 1
        oid = recent[0]
        for _ in range(back):
            oid = self._parent_of(oid)
        return oid


def place_of(
    item: EntryItem, length: int | None, length_of: Callable[[str], int | None]
) -> tuple[int, tuple[str, int] | None]:
    """The index that an entry gets in its run, whose trace has `length` events (None: there is no such run yet), and
    (run, index) of the event that it goes on from where it is the first of a copy.

    Raises StoreError (`store.order`) where the entry cannot come next.
    """
    is_start = item.text.startswith(_START)
    if length is not None:
        if is_start:
            raise _order(item.run, "it has started already")
        return length, None
    if is_start or item.run == _WORLD:
        return 0, None
    if not item.text.startswith(_FORKED):
        raise _order(item.run, "its first event is neither `start` nor `forked`")
    body = json.loads(item.text)["forked"]
    of, at = body["of"], body["at"]
    inherited = length_of(of)
    if inherited is None:
        raise _order(of, "there is no such run")
    if at >= inherited:
        raise _order(of, f"it has no event {at}")
    return at + 1, (of, at)


def _order(run: str, why: str) -> StoreError:
    return StoreError(
        "store.order", f"an event cannot be recorded for run {run}: {why}", where=run, hint="this is a bug: report it"
    )


def positions(order: Iterable[str], heads: dict[str, Head]) -> Iterator[tuple[str, int]]:
    """For each entry of a log (the run of each, from the beginning) its run and its index in the run's trace.

    Raises CorruptError (`store.log`) where the log and the heads do not fit.
    """
    counts: dict[str, int] = {}
    for run in order:
        head = heads.get(run)
        if head is None:
            raise CorruptError("store.log", f"the log names a run without a head: {run}", where=run)
        index = counts.get(run, head.first)
        counts[run] = index + 1
        yield run, index
