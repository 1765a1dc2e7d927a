"""The commits that a log has, computed from its entries alone: nothing is read or written."""

from __future__ import annotations

from collections.abc import Iterable

from shepherd_dsl.core.wire import event_text
from shepherd_dsl.errors import StoreError
from shepherd_dsl.trace.chain import Chain
from shepherd_dsl.trace.objects import BLOB, State, blobs_of, object_id, summary_of
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.records import EntryItem


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
