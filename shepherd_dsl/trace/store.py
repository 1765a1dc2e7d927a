"""The trace store of a workspace: all its trees, in one bare Git repository and a folder a tree beside it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from shepherd_dsl.errors import LockedError, RevisionError, StoreError
from shepherd_dsl.trace.chain import Chain, Head
from shepherd_dsl.trace.faults import storing
from shepherd_dsl.trace.journal import HEAD_SIZE, Torn
from shepherd_dsl.trace.lock import TreeLock, is_held
from shepherd_dsl.trace.log import dumps
from shepherd_dsl.trace.objects import BLOB, object_id
from shepherd_dsl.trace.packs import UNFINISHED
from shepherd_dsl.trace.points import reached
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.reader import GitReader
from shepherd_dsl.trace.refs import LOG_PREFIX, text_of_ref
from shepherd_dsl.trace.repository import FOLDER, GIT_FOLDER, RUNS_FOLDER, Repository, init_repository
from shepherd_dsl.trace.snapshot import take
from shepherd_dsl.trace.writer import KEEP_MARK, LARGE_MARK, GitWriter, now_ms

ROOT: Final = "root"
_LOCK: Final = "lock"
_FETCHED: Final = "fetched"
"""Stands in the folder of a tree that was made elsewhere and goes on here."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}\Z")


class GitStore:
    """All trees of a workspace (`TraceStore`). Reading takes no lock; each tree has one writer at a time."""

    def __init__(self, workspace: Path, *, clock: Callable[[], int] = now_ms) -> None:
        """The store that `init_store` made in `workspace`. `clock` gives milliseconds since 1970; its readings are
        kept beside the trace only. Raises StoreError (`store.missing`) where there is no store."""
        self.workspace = workspace
        self.home = workspace / FOLDER
        self.git = self.home / GIT_FOLDER
        self._clock = clock
        self._repo = Repository(self.git)

    # ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def names(self) -> Sequence[str]:
        """The names of all trees: numbers in order, then others. A tree counts once it has an event."""
        found = set(self._packed_names())
        for name in self._folders():
            if name not in found and self._has_journal(name):
                found.add(name)
        return tuple(sorted(found, key=_name_order))

    def latest(self) -> str | None:
        """The name of the newest tree, None where there is none: the highest number among the trees made here, or
        among all where none was. Whoever numbers a tree that is fetched does not say which one is the latest."""
        numbers = [name for name in self.names() if name.isdecimal()]
        return next((name for name in reversed(numbers) if self._made_here(name)), numbers[-1] if numbers else None)

    def _made_here(self, name: str) -> bool:
        folder = self.folder(name)
        with storing(folder):
            return (folder / _LOCK).exists() and not (folder / _FETCHED).exists()

    def folder(self, name: str) -> Path:
        """Where things of the tree `name` are kept that are not in Git. Raises RevisionError for what is no name."""
        if not _NAME.match(name):
            raise RevisionError("revision.tree", f"{name!r} is no name of a run", hint="`shepherd runs` lists them")
        return self.home / RUNS_FOLDER / name

    def _packed_names(self) -> list[str]:
        names = []
        for ref in self._repo.refs.list(LOG_PREFIX):
            try:
                name = text_of_ref(ref.removeprefix(LOG_PREFIX))
            except ValueError:
                continue  # not ours
            if _NAME.match(name):
                names.append(name)
        return names

    def _folders(self) -> list[str]:
        runs = self.home / RUNS_FOLDER
        with storing(runs):
            try:
                return sorted(name for name in os.listdir(runs) if _NAME.match(name))
            except FileNotFoundError:
                return []

    def _has_journal(self, name: str) -> bool:
        path = self.folder(name) / "journal"
        with storing(path):
            try:
                if path.stat().st_size <= HEAD_SIZE:
                    return False
            except FileNotFoundError:
                return False
        snapshot = take(self._repo, self.folder(name), name)
        return snapshot is not None and bool(snapshot.entries)

    def _allocate(self) -> tuple[str, TreeLock]:
        """A new name with its folder and its lock; several processes get different ones."""
        runs = self.home / RUNS_FOLDER
        with storing(runs):
            runs.mkdir(exist_ok=True)
        packed = set(self._packed_names())
        numbers = sorted((int(name) for name in self._folders() if name.isdecimal()), reverse=True)
        number = next((one for one in numbers if self._made_here(str(one))), 0)
        while True:
            number += 1
            if str(number) in packed:
                continue
            path = runs / str(number)
            with storing(path):
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
            reached("create.folder")
            return str(number), TreeLock(path / _LOCK, tree=str(number))

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def create(self, *, program: str, info: Mapping[str, str]) -> GitWriter:
        """A new tree under the next free number. `program` is the canonical text of its program. Raises StoreError."""
        info_text = _info_text(info)
        name, lock = self._allocate()
        try:
            chain = self._chain((), program)
            writer = self._writer(name, lock, chain, program=program, info=info_text, torn=None)
            writer.begin()
        except BaseException:
            lock.release()
            raise
        return writer

    def reopen(self, name: str) -> GitWriter:
        """Go on with a tree, after a crash too: what was journaled is packed, and `torn` of the writer says what was
        cut off. Raises RevisionError where there is no such tree, LockedError where another process writes it."""
        folder = self.folder(name)
        if take(self._repo, folder, name) is None:
            raise self._no_tree(name)
        with storing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / _LOCK).exists():
                (folder / _FETCHED).touch()
        lock = TreeLock(folder / _LOCK, tree=name)
        try:
            # Read again: until the lock was ours, another writer may have gone on.
            snapshot = take(self._repo, folder, name)
            if snapshot is None:
                raise self._no_tree(name)
            packed = snapshot.packed
            chain = self._chain(() if packed is None else packed.heads, snapshot.program)
            writer = self._writer(name, lock, chain, program=snapshot.program, info=snapshot.info, torn=snapshot.torn)
            writer.adopt(
                log=None if packed is None else packed.commit,
                segments=() if packed is None else packed.segments,
                count=snapshot.packed_count,
                loose=() if packed is None else packed.loose,
            )
            unpacked = snapshot.journaled or packed is None
            writer.resume(snapshot.entries, snapshot.objects, snapshot.notes, pack=unpacked)
            if not unpacked:
                writer.start_journal()
            writer.repair_refs()
            self._clean(name)
        except BaseException:
            lock.release()
            raise
        return writer

    def fork(
        self,
        name: str,
        *,
        at: int,
        forked: Callable[[], Sequence[LogEntry]],
        info: Mapping[str, str],
    ) -> str:
        """A new tree whose log is that of `name` up to event `at` of its root run, followed by the entries `forked`
        gives; gives its name. It shares every commit, and one ref update makes it: after a crash it is there whole or
        not at all. Raises RevisionError where there is no such tree or event, StoreError otherwise.
        """
        reader = self.read(name)
        cut = reader.position(ROOT, at) + 1
        order, times = reader.order(), reader.times()
        lengths: dict[str, int] = {}
        firsts = reader.heads()
        for run in order[:cut]:
            lengths[run] = lengths.get(run, firsts[run].first) + 1
        heads = [
            (run, Head(firsts[run].first, length, reader.commit_at(run, length - 1))) for run, length in lengths.items()
        ]
        whole: list[tuple[str, str]] = []
        start = 0
        snapshot = reader.snapshot
        for (number, oid), (_, segment) in zip(
            () if snapshot.packed is None else snapshot.packed.segments, reader.segments(), strict=True
        ):
            if segment.start + len(segment.order) > cut:
                break
            whole.append((number, oid))
            start = segment.start + len(segment.order)
        notes = [
            note
            for number, segment in enumerate(s for _, s in reader.segments())
            if number >= len(whole)
            for note in segment.notes
        ]
        notes += snapshot.notes
        new_name, lock = self._allocate()
        try:
            chain = self._chain(heads, reader.program)
            writer = self._writer(new_name, lock, chain, program=reader.program, info=_info_text(info), torn=None)
            writer.adopt(log=None, segments=whole, count=start, loose=())
            writer.inherit(
                order=order[start:cut],
                times=times[start:cut],
                notes=[note for note in notes if note.index < lengths.get(note.run, 0)],
                objects=reader.tail_objects() if cut > snapshot.packed_count else {},
            )
            writer.append(forked(), durable=False)
            writer.close()
        except BaseException:
            lock.release()
            raise
        reached("fork.done")
        return new_name

    def _writer(
        self, name: str, lock: TreeLock, chain: Chain, *, program: str, info: str, torn: Torn | None
    ) -> GitWriter:
        return GitWriter(
            self._repo,
            self.folder(name),
            name=name,
            lock=lock,
            chain=chain,
            program=program,
            info=info,
            clock=self._clock,
            torn=torn,
        )

    def _chain(self, heads: Sequence[tuple[str, Head]], program: str) -> Chain:
        return Chain(heads, program=object_id(BLOB, program.encode("utf-8")), parent_of=self._repo.parent_of)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, name: str) -> GitReader:
        """A consistent view of a tree, without a lock. Raises RevisionError where there is no such tree, CorruptError
        where it is damaged."""
        snapshot = take(self._repo, self.folder(name), name)
        if snapshot is None:
            raise self._no_tree(name)
        return GitReader(self._repo, snapshot)

    def is_locked(self, name: str) -> bool:
        """Whether a process writes the tree just now."""
        return is_held(self.folder(name) / _LOCK)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[bool]:
        """Keep writers of the tree away; gives whether that could be done: not where one is at work."""
        folder = self.folder(name)
        if not folder.is_dir():  # a fetched tree that nobody wrote here, or none at all
            yield True
            return
        try:
            lock = TreeLock(folder / _LOCK, tree=name)
        except LockedError:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _clean(self, own: str) -> None:
        """Remove what writers left that died while they packed: marks that spare packs from `git gc`, and unfinished
        packs. `own` is the tree whose lock is ours. What is in them and counts is in a journal, or was packed again."""
        folder = self._repo.pack_folder
        with storing(folder):
            for path in sorted(folder.glob("pack-*.keep")):
                text = path.read_text("utf-8", "replace") if path.exists() else ""
                name = text.removeprefix(KEEP_MARK).strip()
                if text.startswith(KEEP_MARK) and _NAME.match(name) and (name == own or not self.is_locked(name)):
                    path.unlink(missing_ok=True)
            for path in sorted(folder.glob(f"{UNFINISHED}*")):
                name = path.stem.removeprefix(UNFINISHED).removesuffix(LARGE_MARK)
                if _NAME.match(name) and (name == own or not self.is_locked(name)):
                    path.unlink(missing_ok=True)

    @property
    def repository(self) -> Repository:
        """The Git repository of the store."""
        return self._repo

    def _no_tree(self, name: str) -> RevisionError:
        names = self.names()
        shown = ", ".join(names[-8:])
        return RevisionError(
            "revision.tree",
            f"there is no run {name}",
            where=str(self.home),
            hint=f"the newest runs: {shown}" if names else "nothing has been run here yet",
        )


def open_store(workspace: Path) -> GitStore:
    """The store of a workspace. Raises StoreError (`store.missing`) where `init_store` was not called."""
    return GitStore(workspace)


def init_store(workspace: Path) -> GitStore:
    """The store of a workspace, made where it is not there; several processes may do so at once. Raises StoreError."""
    init_repository(workspace)
    return GitStore(workspace)


def recover(workspace: Path, name: str) -> tuple[GitWriter, Torn | None]:
    """Reopen a tree after a crash; gives its writer and what was cut off its journal (nothing acknowledged).

    Raises as `GitStore.reopen`.
    """
    writer = open_store(workspace).reopen(name)
    return writer, writer.torn


def _info_text(info: Mapping[str, str]) -> str:
    if not all(isinstance(key, str) and isinstance(text, str) for key, text in info.items()):
        raise StoreError("store.info", "the info of a tree maps texts to texts")
    return dumps(dict(info))


def _name_order(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)
