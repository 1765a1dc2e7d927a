"""The one writer of a tree: journal first, packs in batches behind it, refs after the packs, then a new journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from shepherd_dsl.core.content import Content, Large
from shepherd_dsl.errors import StoreError
from shepherd_dsl.trace.chain import Built, Chain, Head
from shepherd_dsl.trace.itemizer import Itemizer, Step
from shepherd_dsl.trace.journal import Journal, Torn
from shepherd_dsl.trace.lock import TreeLock
from shepherd_dsl.trace.log import Segment, encode_segment, log_objects
from shepherd_dsl.trace.objects import BLOB, TREE, TREE_MODE, GitObject, git_object, object_id, read_tree
from shepherd_dsl.trace.packs import PackWriter
from shepherd_dsl.trace.points import reached
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.records import EntryItem, Item, NoteItem, TreeItem, encode
from shepherd_dsl.trace.refs import log_ref, run_ref
from shepherd_dsl.trace.repository import Repository

PACK_ENTRIES: Final = 1024
"""Entries that are packed together while a run goes on."""

PACK_BYTES: Final = 1 << 25
"""A journal larger than this is packed, however few its entries."""

KEEP_MARK: Final = "shepherd tree "
"""What a `.keep` file of this store says before the name of the tree that it is for."""

LARGE_MARK: Final = "-large"
"""How the name of an unfinished pack for a large blob ends, after that of the tree."""

_FLUSH_BYTES: Final = 1 << 22


class GitWriter:
    """Writes one tree (`TreeWriter`); safe to call from several threads, which then share fdatasyncs.

    Made by `GitStore`. `torn` is what recovery cut off when the tree was opened, None where nothing was.
    """

    def __init__(
        self,
        repo: Repository,
        folder: Path,
        *,
        name: str,
        lock: TreeLock,
        chain: Chain,
        program: str,
        info: str,
        clock: Callable[[], int],
        torn: Torn | None = None,
    ) -> None:
        """A writer with nothing packed and no journal yet: `begin`, `resume` or `adopt` comes next."""
        self.name = name
        self.torn = torn
        self._repo = repo
        self._folder = folder
        self._lock = lock
        self._chain = chain
        self._clock = clock
        self._mutex = threading.RLock()
        self._one_large = threading.Lock()
        self._sealed: list[PackWriter] = []
        self._journal: Journal | None = None
        self._closed = False
        self._program = git_object(BLOB, program.encode("utf-8"))
        self._info = git_object(BLOB, info.encode("utf-8"))
        self._tree = TreeItem(program, info)
        # What is packed.
        self._log: str | None = None
        self._segments: list[tuple[str, str]] = []
        self._packed_count = 0
        # What is not packed: `_queue` has no commits yet.
        self._queue: list[EntryItem] = []
        self._objects: dict[str, GitObject] = {self._program.oid: self._program, self._info.oid: self._info}
        self._order: list[str] = []
        self._times: list[int] = []
        self._notes: list[NoteItem] = []
        self._moved: dict[str, None] = {}
        self._loose: dict[str, None] = {}
        self._dirty = True
        # What is not in the journal.
        self._unwritten: list[Item] = []
        self._unwritten_size = 0
        self._items = Itemizer(repo, _lengths(chain))
        self._pack_at, self._pack_bytes = PACK_ENTRIES, PACK_BYTES

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Begin the journal of a new tree."""
        self._unwritten.append(self._tree)
        self._rotate()
        reached("journal.made")

    def adopt(
        self,
        *,
        log: str | None,
        segments: Iterable[tuple[str, str]],
        count: int,
        loose: Iterable[str],
    ) -> None:
        """Take up what is packed: the log commit (None in a tree that is forked), its segments and their entries."""
        self._log = log
        self._segments = list(segments)
        self._packed_count = count
        self._loose = dict.fromkeys(loose)
        self._dirty = log is None
        if log is not None:
            self._objects.clear()

    def inherit(
        self, *, order: Iterable[str], times: Iterable[int], notes: Iterable[NoteItem], objects: Mapping[str, GitObject]
    ) -> None:
        """Take up entries that another tree recorded, and whose commits the chain has, as not packed in this one."""
        self._order += order
        self._times += times
        self._notes += notes
        self._objects.update(objects)
        self._items.know(objects.values())
        self._moved = dict.fromkeys(self._chain.heads)

    def resume(
        self,
        items: Iterable[EntryItem],
        objects: Mapping[str, GitObject],
        notes: Iterable[NoteItem],
        *,
        pack: bool,
    ) -> None:
        """Take up what was journaled and not packed; with `pack` all of it is packed and the journal begun anew."""
        self._objects.update(objects)
        self._items.know(objects.values())
        self._loose.update((oid, None) for oid, item in objects.items() if item.kind == BLOB)
        for item in objects.values():
            if item.kind == TREE:
                self._unloose(item.body)
        entries = list(items)
        for entry in entries:
            for blob in (*entry.blobs, *filter(None, (entry.state.manifest,))):
                self._loose.pop(blob, None)
        self._take(self._chain.extend(entries)[0])
        self._items.set_lengths(_lengths(self._chain))
        self._notes += notes
        if pack:
            self._dirty = True
            self.pack()

    def start_journal(self) -> None:
        """Begin a new journal where nothing is left to pack."""
        self._rotate()

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def append(self, entries: Sequence[LogEntry], *, durable: bool = True) -> None:
        """Record the entries of whole steps, in log order, as one journal record (see `TreeWriter`).

        Raises StoreError. Then nothing was recorded, except where the code is `store.sync`: there the disk did not
        confirm, and only opening the tree again tells.
        """
        with self._mutex:
            self._check_open()
            step = Step()
            now = self._clock()
            try:
                items = [self._items.item(entry, now, step) for entry in entries]
                place = self._write([*step.objects.values(), *items])
            except BaseException:
                self._items.forget(step)
                raise
            self._objects.update(step.objects)
            for oid in step.named:
                self._loose.pop(oid, None)
            self._items.keep(step)
            self._queue += items
            self._dirty = True
            journal = self._journal
        if durable and journal is not None:
            journal.sync(place)
        if len(self._order) + len(self._queue) >= self._pack_at or (
            journal is not None and journal.size >= self._pack_bytes
        ):
            self._pack_behind()

    def put_blob(self, data: Content) -> str:
        """Keep bytes under their Git blob hash; durable no later than the first append after it. Raises StoreError."""
        if isinstance(data, Large):
            return self._put_large(data)
        oid = object_id(BLOB, data)
        with self._mutex:
            self._check_open()
            if self._items.knows_blob(oid):
                return oid
            if not self._items.has_blob(oid):
                item = GitObject(BLOB, oid, data)
                self._unwritten.append(item)
                self._unwritten_size += len(data)
                self._objects[oid] = item
                self._items.know((item,))
            self._loose[oid] = None
            self._dirty = True
            if self._unwritten_size >= _FLUSH_BYTES and self._journal is not None:
                self._write([])
                if self._journal.size >= self._pack_bytes:
                    self._pack_behind()
        return oid

    def _put_large(self, content: Large) -> str:
        """A large blob goes into a pack of its own at once, and not through the journal or the memory."""
        with self._one_large:
            self._check_open()
            pack = PackWriter(self._repo.pack_folder, unique=f"{self.name}{LARGE_MARK}")
            try:
                oid = pack.add_blob(content)
                if self.has_blob(oid):
                    return oid
                pack.seal(keep=f"{KEEP_MARK}{self.name}")
            finally:
                pack.abandon()
            reached("large.sealed")
            with self._mutex:
                self._check_open()
                self._items.know_blob(oid)
                self._sealed.append(pack)
                self._loose[oid] = None
                self._dirty = True
        return oid

    def blob(self, hash: str) -> bytes:
        """The bytes of a blob. Raises CorruptError where they are missing or damaged."""
        with self._mutex:
            item = self._objects.get(hash)
        return item.body if item is not None and item.kind == BLOB else self._repo.read(hash, BLOB)

    def content(self, hash: str) -> Content:
        """The content of a blob, a large one to be read piece by piece. Errors as `blob`, or as it is read."""
        with self._mutex:
            item = self._objects.get(hash)
        return item.body if item is not None and item.kind == BLOB else self._repo.content(hash)

    def has_blob(self, hash: str) -> bool:
        """Whether the trace holds the blob."""
        with self._mutex:
            return self._items.has_blob(hash)

    def note(self, run: str, index: int, name: str, text: str) -> None:
        """Keep a text beside an event, under a name; durable with the next durable append, at the latest on `close`."""
        with self._mutex:
            self._check_open()
            item = NoteItem(run, index, name, text)
            self._unwritten.append(item)
            self._unwritten_size += len(text)
            self._notes.append(item)
            self._dirty = True

    def head(self, run: str) -> Head | None:
        """Where a run stands, None where there is no such run."""
        with self._mutex:
            self._build()
            return self._chain.heads.get(run)

    def __len__(self) -> int:
        """How many entries the log has."""
        return self._packed_count + len(self._order) + len(self._queue)

    def pack(self) -> None:
        """Put everything recorded into Git and begin a new journal. Raises StoreError; then nothing is lost."""
        with self._mutex:
            self._check_open()
            if not self._dirty:
                return
            pack = self._write_pack()
            self._move_refs()
            pack.release()
            for large in self._sealed:
                large.release()
            self._sealed.clear()
            reached("keep.removed")
            self._rotate()

    def close(self) -> None:
        """Make everything durable, pack it and give the lock back; a tree without an event leaves nothing.

        Raises StoreError; then the lock is back all the same, and what was acknowledged is in the journal.
        """
        with self._mutex:
            if self._closed:
                return
            try:
                if len(self) or self._log is not None:
                    self.pack()
                else:  # nothing happened in this tree: it need not be listed
                    (self._folder / "journal").unlink(missing_ok=True)
            except StoreError:
                if self._journal is not None:
                    self._write([])
                    self._journal.sync_all()
                raise
            finally:
                self._closed = True
                if self._journal is not None:
                    self._journal.close()
                self._lock.release()

    # ── the chain and the journal ───────────────────────────────────────────────────────────────────────────────────

    def _unloose(self, tree: bytes) -> None:
        for _, mode, inner in read_tree(tree):
            if mode != TREE_MODE:
                self._loose.pop(inner, None)

    def _build(self) -> None:
        """Make the commits of what was appended: not before, since no acknowledgement has to wait for them."""
        queue, self._queue = self._queue, []
        self._take(self._chain.extend(queue)[0])

    def _take(self, built: Iterable[Built]) -> None:
        for one in built:
            self._order.append(one.item.run)
            self._times.append(one.item.time_ms)
            self._moved[one.item.run] = None
            for made in one.objects:
                self._objects[made.oid] = made
            self._dirty = True

    def _write(self, items: list[Item]) -> int:
        """Write what was put so far and `items` as one record; gives the place to sync to."""
        if self._journal is None:
            return 0
        place = self._journal.write(encode([*self._unwritten, *items]))
        self._unwritten, self._unwritten_size = [], 0
        return place

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(
                "store.closed",
                f"the writer of tree {self.name} is closed",
                where=self.name,
                hint="this is a bug: report it",
            )

    # ── packing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _pack_behind(self) -> None:
        """Pack while the run goes on. A failure is no failure of the append: the journal has it all, and the next
        batch, twice as large, tries again."""
        try:
            self.pack()
            self._pack_at, self._pack_bytes = PACK_ENTRIES, PACK_BYTES
        except StoreError as error:
            if error.code == "store.sync":
                raise
            self._pack_at, self._pack_bytes = 2 * self._pack_at, 2 * self._pack_bytes

    def _write_pack(self) -> PackWriter:
        reached("pack.start")
        self._build()
        objects = list(self._objects.values())
        segments = list(self._segments)
        count = self._packed_count + len(self._order)
        if self._order or self._notes:
            segment = Segment(self._packed_count, tuple(self._order), tuple(self._times), tuple(self._notes))
            blob = git_object(BLOB, encode_segment(segment))
            objects.append(blob)
            segments.append((f"{len(segments):08d}", blob.oid))
        commit, made = log_objects(
            previous=self._log,
            parents=[self._chain.heads[run].commit for run in self._moved],
            count=count,
            heads=self._chain.heads.items(),
            segments=segments,
            program=self._program.oid,
            info=self._info.oid,
            loose=self._loose,
        )
        objects += made
        pack = PackWriter(self._repo.pack_folder, unique=self.name)
        try:
            for item in objects:
                pack.add(item)
            pack.seal(keep=f"{KEEP_MARK}{self.name}")
            self._repo.refs.update(log_ref(self.name), commit)
        except BaseException:
            pack.abandon()
            raise
        reached("ref.log_done")
        self._log = commit
        self._segments = segments
        self._packed_count = count
        self._objects.clear()
        self._order.clear()
        self._times.clear()
        self._notes.clear()
        # What was put but not journaled is in the pack now.
        self._unwritten, self._unwritten_size = [], 0
        return pack

    def _move_refs(self) -> None:
        """Let the refs of the runs follow; the log ref is what counts, so that they may lag behind after a crash."""
        for run in list(self._moved):
            ref = run_ref(self.name, run)
            if ref is not None:
                self._repo.refs.update(ref, self._chain.heads[run].commit, durable=False)
                reached("ref.run_done")
            del self._moved[run]
        reached("refs.done")

    def repair_refs(self) -> None:
        """After a crash: let every run's ref name its head."""
        for run, head in self._chain.heads.items():
            ref = run_ref(self.name, run)
            if ref is not None and self._repo.refs.read(ref) != head.commit:
                self._repo.refs.update(ref, head.commit, durable=False)

    def _rotate(self) -> None:
        journal = Journal(self._folder / "journal", base=self._packed_count)
        journal.install()
        before, self._journal = self._journal, journal
        if before is not None:
            before.close()
        self._dirty = False


def _lengths(chain: Chain) -> dict[str, int]:
    return {run: head.length for run, head in chain.heads.items()}


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
