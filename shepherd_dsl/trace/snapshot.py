"""A consistent view of one tree, taken without a lock: what is packed, then the journal's tail.

The journal is read before the log ref. The writer moves the ref on before it begins a new journal, so the ref read
afterwards is never behind the journal's beginning, and there is no hole: entries that are in both are counted once.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from shepherd_dsl.errors import CorruptError
from shepherd_dsl.trace import journal
from shepherd_dsl.trace.faults import damaged
from shepherd_dsl.trace.log import PackedLog, read_log
from shepherd_dsl.trace.objects import BLOB, GitObject, object_id
from shepherd_dsl.trace.records import EntryItem, NoteItem, TreeItem, decode
from shepherd_dsl.trace.refs import log_ref
from shepherd_dsl.trace.repository import Repository


@attrs.frozen(slots=True)
class Snapshot:
    """`packed` (None where nothing is), then the journal's items that are not packed, in order: `entries`, `objects`
    by name, `notes`. `journaled` says whether the journal held anything at all; `torn` is its unfinished end."""

    name: str
    program: str
    program_blob: str
    info: str
    packed: PackedLog | None
    entries: tuple[EntryItem, ...]
    objects: dict[str, GitObject]
    notes: tuple[NoteItem, ...]
    journaled: bool
    torn: journal.Torn | None

    @property
    def packed_count(self) -> int:
        """How many entries of the log are packed."""
        return 0 if self.packed is None else self.packed.count


def take(repo: Repository, folder: Path, name: str) -> Snapshot | None:
    """The tree `name`, whose journal is in `folder` (which need not be there); None where there is no such tree.

    Raises CorruptError, StoreError.
    """
    path = folder / "journal"
    scan = journal.scan(path)
    commit = repo.refs.read(log_ref(name))
    packed = None if commit is None else read_log(repo, commit)
    count = 0 if packed is None else packed.count
    tree: TreeItem | None = None
    entries: list[EntryItem] = []
    objects: dict[str, GitObject] = {}
    notes: list[NoteItem] = []
    if scan is not None:
        if scan.base > count and packed is not None:
            raise CorruptError(
                "store.log",
                f"the journal goes on after {scan.base} events, but only {count} are packed",
                where=str(path),
                hint=f"the ref {log_ref(name)} was moved back: restore it from a copy of the trace",
            )
        at = scan.base
        for payload in scan.payloads:
            try:
                items = list(decode(payload))
            except (ValueError, IndexError, UnicodeDecodeError) as error:
                raise _bad_record(path, str(error)) from error
            own = sum(isinstance(item, EntryItem) for item in items)
            packed_already = at < count  # a note may come twice: the later one says the same
            at += own
            for item in items:
                if isinstance(item, TreeItem):
                    tree = item
                elif isinstance(item, GitObject):
                    if object_id(item.kind, item.body) != item.oid:
                        raise _bad_record(path, f"object {item.oid} has other content")
                    objects[item.oid] = item
                elif packed_already:
                    continue
                elif isinstance(item, EntryItem):
                    entries.append(item)
                else:
                    notes.append(item)
    if packed is not None:
        program, info = _text(repo, packed.program), _text(repo, packed.info)
        program_blob = packed.program
    elif tree is not None:
        program, info = tree.program, tree.info
        program_blob = object_id(BLOB, program.encode())
    else:
        return None
    return Snapshot(
        name=name,
        program=program,
        program_blob=program_blob,
        info=info,
        packed=packed,
        entries=tuple(entries),
        objects=objects,
        notes=tuple(notes),
        journaled=scan is not None and bool(scan.payloads),
        torn=None if scan is None else scan.torn,
    )


def _text(repo: Repository, oid: str) -> str:
    try:
        return repo.read(oid, BLOB).decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(oid, BLOB, repo.git, str(error)) from error


def _bad_record(path: Path, why: str) -> CorruptError:
    return CorruptError(
        "store.journal",
        f"the journal holds a record that does not read back: {why}",
        where=str(path),
        hint="was it written by another version of shepherd?",
    )
