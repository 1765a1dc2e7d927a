"""The commits of a tree's runs, built in log order: each run is a chain, and a copy goes on from the run it copies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

from shepherd_dsl.core.run import WORLD
from shepherd_dsl.core.wire import event_text
from shepherd_dsl.errors import CorruptError, StoreError
from shepherd_dsl.trace.objects import BLOB, GitObject, State, blobs_of, event_objects, object_id, summary_of
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.records import EntryItem

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
        if head is not None:
            if is_start:
                raise _order(item.run, "it has started already")
            first, index, parent = head.first, head.length, head.commit
        elif is_start or item.run == WORLD:
            first, index, parent = 0, 0, ""
        elif item.text.startswith(_FORKED):
            body = json.loads(item.text)["forked"]
            of, at = body["of"], body["at"]
            first = index = at + 1
            parent = self.commit_at(of, at)
            self._origin[item.run] = of
        else:
            raise _order(item.run, "its first event is neither `start` nor `forked`")
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


class LogHashes:
    """The commits of a log, computed from its entries and the program text alone, without any store."""

    __slots__ = ("_chain",)

    def __init__(self, *, program: str) -> None:
        self._chain = Chain((), program=object_id(BLOB, program.encode("utf-8")), parent_of=_no_parent)

    def extend(self, entries: Iterable[LogEntry]) -> list[str]:
        """The commits of the entries that come next; all of them are taken up or, with an error, none.

        Raises StoreError (`store.order`) where an entry cannot follow what its run has.
        """
        return [built.commit for built in self._chain.extend(map(_item_of, entries))[0]]


def commit_hashes(entries: Iterable[LogEntry], *, program: str) -> list[str]:
    """The commits of a whole log. Raises StoreError (`store.order`)."""
    return LogHashes(program=program).extend(entries)


def _item_of(entry: LogEntry) -> EntryItem:
    text = event_text(entry.event)
    manifest = object_id(BLOB, entry.files.manifest) if entry.files.manifest else None
    return EntryItem(
        run=entry.run,
        text=text.encode("utf-8"),
        summary=summary_of(entry.event),
        state=State(entry.files.git_tree, manifest),
        blobs=blobs_of(entry.event, text),
        time_ms=0,
    )


def _no_parent(commit: str) -> str:
    raise StoreError("store.order", f"nothing comes before {commit}", where=commit)


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
