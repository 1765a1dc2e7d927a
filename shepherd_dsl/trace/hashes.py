"""The commits that a log has, computed from its events alone: nothing is read or written."""

from __future__ import annotations

from collections.abc import Iterable

from shepherd_dsl.core.files import git_blob_hash
from shepherd_dsl.core.wire import event_text
from shepherd_dsl.trace.chain import Chain
from shepherd_dsl.trace.objects import State, blobs_of, summary_of
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.records import EntryItem


def commit_hashes(entries: Iterable[LogEntry], *, program: str) -> list[str]:
    """The commits of the entries of a tree's log, in order; `program` is the canonical text of its program.

    Raises StoreError (`store.order`) where an entry cannot follow what its run has.
    """
    chain = Chain((), program=git_blob_hash(program.encode("utf-8")), parent_of=_none)
    items = []
    for entry in entries:
        text = event_text(entry.event)
        files = entry.files
        state = State(files.git_tree, git_blob_hash(files.manifest) if files.manifest else None)
        blobs = blobs_of(entry.event, text)
        items.append(EntryItem(entry.run, text.encode("utf-8"), summary_of(entry.event), state, blobs, 0))
    return [built.commit for built in chain.extend(items)[0]]


def _none(commit: str) -> str:
    raise AssertionError(f"every commit is made here, {commit} too")
