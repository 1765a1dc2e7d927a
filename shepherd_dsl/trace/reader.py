"""Reading a tree: its log in order, the trace of a run from either end, files and blobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, overload

import attrs

from shepherd_dsl.core.content import Content
from shepherd_dsl.core.event import Event
from shepherd_dsl.core.files import Files, normal_path, text_name
from shepherd_dsl.core.wire import WireError, event_from, parse
from shepherd_dsl.errors import CorruptError, RevisionError
from shepherd_dsl.trace.chain import Chain, Head, positions
from shepherd_dsl.trace.faults import damaged
from shepherd_dsl.trace.log import Segment, read_segment
from shepherd_dsl.trace.objects import BLOB, COMMIT, TREE, TREE_MODE, GitObject, State, read_commit, read_tree
from shepherd_dsl.trace.protocol import Recorded
from shepherd_dsl.trace.records import NoteItem
from shepherd_dsl.trace.repository import Repository
from shepherd_dsl.trace.snapshot import Snapshot

_MODES: Final = frozenset({TREE_MODE, 0o100644, 0o100755, 0o120000})
_MANY: Final = 1 << 16
"""How many entries of one state are read before it is asked how many there are."""
_LARGEST: Final = 1 << 22
"""Most files and folders of a state."""


@attrs.frozen(slots=True)
class CommitParts:
    """What an event's commit points to."""

    parent: str | None
    event: str
    state: State
    program: str | None


class GitReader:
    """A consistent view of one tree (`TreeReader`). It does not change while the tree goes on: read anew for that.

    Costs are per event looked at, not per event of the tree: heads and the journal's tail are read at once, the rest
    when asked for.
    """

    __slots__ = ("_chain", "_files", "_log", "_objects", "_repo", "_segments", "_snapshot", "info", "name", "program")

    def __init__(self, repo: Repository, snapshot: Snapshot) -> None:
        """Raises CorruptError where the journal's tail does not fit what is packed."""
        self.name = snapshot.name
        self.program = snapshot.program
        self.info: Mapping[str, str] = _info(snapshot)
        self._repo = repo
        self._snapshot = snapshot
        self._objects: dict[str, GitObject] = dict(snapshot.objects)
        self._files: dict[State, Files] = {}
        self._segments: dict[str, Segment] = {}
        self._log: tuple[list[str], list[int]] | None = None
        heads = snapshot.packed.heads if snapshot.packed is not None else ()
        self._chain = Chain(heads, program=snapshot.program_blob, parent_of=self._parent_of)
        for built in self._chain.extend(snapshot.entries)[0]:
            self._objects.update((item.oid, item) for item in built.objects)

    # ── the log ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def __len__(self) -> int:
        """How many entries the log has."""
        return self._snapshot.packed_count + len(self._snapshot.entries)

    def entries(self) -> Iterator[Recorded]:
        """All entries in log order. Raises CorruptError, also on the way."""
        order, times = self._order()
        commits = {run: self._commits(run, head.first, head.length) for run, head in self._chain.heads.items()}
        for (run, index), time in zip(positions(order, self._chain.heads), times, strict=True):
            first = self._chain.heads[run].first
            commit, parts = commits[run][index - first]
            yield self._recorded(run, index, commit, parts, time)

    def tail(self, count: int) -> list[Recorded]:
        """The last `count` entries in log order (all where there are fewer). Costs about what it returns."""
        order = [entry.run for entry in self._snapshot.entries]
        times = [entry.time_ms for entry in self._snapshot.entries]
        for name, _ in reversed(self._packed_segments()):
            if len(order) >= count:
                break
            segment = self._segment(name)
            order[:0], times[:0] = segment.order, segment.times
        left = {run: head.length for run, head in self._chain.heads.items()}
        at: dict[str, str] = {run: head.commit for run, head in self._chain.heads.items()}
        found: list[Recorded] = []
        for run, time in zip(reversed(order), reversed(times), strict=True):
            if len(found) >= count:
                break
            commit = at[run]
            parts = self.commit_parts(commit)
            left[run] -= 1
            at[run] = parts.parent or ""
            found.append(self._recorded(run, left[run], commit, parts, time))
        return found[::-1]

    def runs(self) -> Sequence[str]:
        """The ids of all runs, in the order of their first entries."""
        return tuple(self._chain.heads)

    def head(self, run: str) -> Head:
        """Where a run stands. Raises RevisionError where there is no such run."""
        try:
            return self._chain.heads[run]
        except KeyError:
            known = list(self._chain.heads)
            shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
            raise RevisionError(
                "revision.run", f"tree {self.name} has no run {run}", where=self.name, hint=f"its runs: {shown}"
            ) from None

    def position(self, run: str, index: int) -> int:
        """The place in the log of the entry `index` of `run`. Raises RevisionError where the log has no such entry."""
        head = self.head(run)
        if head.first <= index < head.length:
            left = index - head.first
            for place, other in enumerate(self._order()[0]):
                if other == run:
                    if left == 0:
                        return place
                    left -= 1
        raise RevisionError(
            "revision.event",
            f"run {run} has no event {index} of its own",
            where=self.name,
            hint=f"it has the events {head.first} to {head.length - 1}",
        )

    def order(self) -> Sequence[str]:
        """The run of each entry of the log."""
        return tuple(self._order()[0])

    def times(self) -> Sequence[int]:
        """The time of each entry of the log, milliseconds since 1970."""
        return tuple(self._order()[1])

    # ── one run ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def trace(self, run: str) -> Trace:
        """The events of a run, inherited ones first. Raises RevisionError where there is no such run."""
        return Trace(self, run, self.head(run))

    def commit_at(self, run: str, index: int) -> str:
        """The commit of an event. Raises StoreError where there is none."""
        return self._chain.commit_at(run, index)

    def notes(self, run: str, index: int) -> Mapping[str, str]:
        """The texts kept beside an event, by name; where a name was given twice, the later text."""
        return {note.name: note.text for note in self.all_notes() if note.run == run and note.index == index}

    def all_notes(self) -> Iterator[NoteItem]:
        """All notes, oldest first."""
        for name, _ in self._packed_segments():
            yield from self._segment(name).notes
        yield from self._snapshot.notes

    # ── contents ────────────────────────────────────────────────────────────────────────────────────────────────────

    def blob(self, hash: str) -> bytes:
        """The bytes of a blob. Raises CorruptError where they are missing or damaged."""
        return self.raw(hash, BLOB)

    def content(self, hash: str) -> Content:
        """The content of a blob, a large one to be read piece by piece. Errors as `blob`, or as it is read."""
        item = self._objects.get(hash)
        return item.body if item is not None and item.kind == BLOB else self._repo.content(hash)

    def raw(self, oid: str, kind: bytes) -> bytes:
        """The body of any object of the tree. Raises CorruptError."""
        item = self._objects.get(oid)
        if item is not None and item.kind == kind:
            return item.body
        return self._repo.read(oid, kind)

    def load_tree(self, oid: str) -> Sequence[tuple[bytes, int, str]]:
        """The entries of a Git tree: what `Files.from_git` asks for. Raises CorruptError."""
        try:
            entries = read_tree(self.raw(oid, TREE))
            for name, mode, _ in entries:
                if normal_path(text_name(name)) is None or mode not in _MODES:
                    raise ValueError(f"{name[:100]!r} with mode {mode:o}")
        except ValueError as error:
            raise damaged(oid, TREE, self._repo.git, str(error)) from error
        return entries

    def files(self, state: State) -> Files:
        """The files that a state stands for, loaded as they are looked into. Raises CorruptError."""
        found = self._files.get(state)
        if found is None:
            try:
                extras = json.loads(self.raw(state.manifest, BLOB)) if state.manifest else {}
                found = Files.from_git(state.tree, extras, self._loader(state.tree))
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise damaged(state.manifest or state.tree or "", BLOB, self._repo.git, str(error)) from error
            if len(self._files) >= 256:
                self._files.clear()
            self._files[state] = found
        return found

    def commit_parts(self, commit: str) -> CommitParts:
        """What an event's commit points to. Raises CorruptError."""
        try:
            tree, parents = read_commit(self.raw(commit, COMMIT))
            parts = {name: oid for name, _, oid in read_tree(self.raw(tree, TREE))}
            state = State(parts.get(b"files"), parts.get(b"manifest.json"))
            parent = parents[0] if parents else None
            return CommitParts(parent, parts[b"event.json"], state, parts.get(b"program.json"))
        except (ValueError, KeyError) as error:
            raise damaged(commit, COMMIT, self._repo.git, f"not the commit of an event: {error}") from error

    def event(self, oid: str) -> Event:
        """The event in a blob. Raises CorruptError."""
        try:
            return event_from(parse(self.raw(oid, BLOB).decode("utf-8")))
        except (WireError, UnicodeDecodeError, RecursionError) as error:
            raise damaged(oid, BLOB, self._repo.git, f"not an event: {error}") from error

    @property
    def snapshot(self) -> Snapshot:
        """What the view was made from."""
        return self._snapshot

    def tail_objects(self) -> Mapping[str, GitObject]:
        """The objects that are in the journal only, and the commits of its entries."""
        return self._objects

    def heads(self) -> Mapping[str, Head]:
        """Where each run stands, in the order of their first entries."""
        return dict(self._chain.heads)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _recorded(self, run: str, index: int, commit: str, parts: CommitParts, time: int | None) -> Recorded:
        return Recorded(run, index, self.event(parts.event), self.files(parts.state), commit, time or None)

    def _commits(self, run: str, first: int, length: int) -> list[tuple[str, CommitParts]]:
        """The commits of the events `first` to `length - 1` of a run."""
        found = []
        commit: str | None = self._chain.heads[run].commit
        for _ in range(length - first):
            if commit is None:
                raise CorruptError("store.log", f"the trace of run {run} is shorter than the log says", where=self.name)
            parts = self.commit_parts(commit)
            found.append((commit, parts))
            commit = parts.parent
        return found[::-1]

    def _loader(self, top: str | None) -> Callable[[str], Sequence[tuple[bytes, int, str]]]:
        """`load_tree` for the files of one state, whose tree is `top`."""
        loaded = 0

        def load(oid: str) -> Sequence[tuple[bytes, int, str]]:
            nonlocal loaded
            entries = self.load_tree(oid)
            before, loaded = loaded, loaded + len(entries)
            if top is not None and before <= _MANY < loaded:
                self._check_size(top)
            return entries

        return load

    def _check_size(self, top: str) -> None:
        """Refuse a tree that a few folders, each in many places, make larger than any disk. Raises CorruptError."""
        sizes: dict[str, int] = {}
        inner: dict[str, list[str]] = {}
        stack = [top]
        while stack:
            oid = stack[-1]
            if oid not in inner:
                entries = self.load_tree(oid)
                inner[oid] = [found for _, mode, found in entries if mode == TREE_MODE]
                sizes[oid] = len(entries)
                stack.extend(found for found in set(inner[oid]) if found not in inner)
                continue
            stack.pop()
            # Again where it stood on the stack twice: then nothing is left to add.
            sizes[oid] += sum(sizes[found] for found in inner[oid])
            inner[oid] = []
            if sizes[oid] > _LARGEST:
                raise damaged(oid, TREE, self._repo.git, f"it stands for more than {_LARGEST} files")

    def _parent_of(self, commit: str) -> str:
        try:
            parents = read_commit(self.raw(commit, COMMIT))[1]
        except ValueError as error:
            raise damaged(commit, COMMIT, self._repo.git, str(error)) from error
        if not parents:
            raise CorruptError("store.log", f"a trace begins at {commit}, before the log says", where=commit)
        return parents[0]

    def _packed_segments(self) -> tuple[tuple[str, str], ...]:
        return () if self._snapshot.packed is None else self._snapshot.packed.segments

    def _segment(self, name: str) -> Segment:
        found = self._segments.get(name)
        if found is None:
            found = self._segments[name] = read_segment(self._repo, dict(self._packed_segments())[name])
        return found

    def segments(self) -> list[tuple[str, Segment]]:
        """The packed segments of the log, by blob."""
        return [(oid, self._segment(name)) for name, oid in self._packed_segments()]

    def _order(self) -> tuple[list[str], list[int]]:
        if self._log is None:
            order: list[str] = []
            times: list[int] = []
            for _, segment in self.segments():
                if segment.start != len(order):
                    raise CorruptError("store.log", f"the log has a hole after {len(order)} events", where=self.name)
                order += segment.order
                times += segment.times
            if len(order) != self._snapshot.packed_count:
                raise CorruptError("store.log", "the log does not hold as many events as it says", where=self.name)
            order += [entry.run for entry in self._snapshot.entries]
            times += [entry.time_ms for entry in self._snapshot.entries]
            self._log = order, times
        return self._log


def _info(snapshot: Snapshot) -> Mapping[str, str]:
    try:
        found = json.loads(snapshot.info)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise CorruptError("store.log", "the info of a tree is not one", where=snapshot.name)
    return found


class Trace(Sequence[Recorded]):
    """The trace of a run, read from its end: `trace[-1]` costs one event, however long the run is."""

    __slots__ = ("_commits", "_head", "_reader", "_run", "_times")

    def __init__(self, reader: GitReader, run: str, head: Head) -> None:
        self._reader = reader
        self._run = run
        self._head = head
        self._commits: list[tuple[str, CommitParts]] = []  # from the last event backwards
        self._times: list[int | None] | None = None

    def __len__(self) -> int:
        return self._head.length

    @overload
    def __getitem__(self, index: int) -> Recorded: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Recorded]: ...
    def __getitem__(self, index: int | slice) -> Recorded | Sequence[Recorded]:
        if isinstance(index, slice):
            # Backwards, so that the commits are found in the order in which they are read.
            places = range(*index.indices(len(self)))
            found = {place: self[place] for place in sorted(places, reverse=True)}
            return tuple(found[place] for place in places)
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        commit, parts = self._at(place)
        reader = self._reader
        time = self._time(place)
        return Recorded(self._run, place, reader.event(parts.event), reader.files(parts.state), commit, time or None)

    def __iter__(self) -> Iterator[Recorded]:
        return (self[place] for place in range(len(self)))

    def commit(self, index: int) -> str:
        """The commit of the event `index` (not negative), without reading the event."""
        return self._at(index)[0]

    def _at(self, index: int) -> tuple[str, CommitParts]:
        back = self._head.length - 1 - index
        while len(self._commits) <= back:
            commit = self._commits[-1][1].parent if self._commits else self._head.commit
            if commit is None:
                raise CorruptError(
                    "store.log", f"the trace of run {self._run} is shorter than the log says", where=self._reader.name
                )
            self._commits.append((commit, self._reader.commit_parts(commit)))
        return self._commits[back]

    def _time(self, index: int) -> int | None:
        if self._times is None:
            self._times = self._own_times()
        return self._times[index]

    def _own_times(self) -> list[int | None]:
        reader, head = self._reader, self._head
        times: list[int | None] = [
            time for run, time in zip(reader.order(), reader.times(), strict=True) if run == self._run
        ]
        if head.first == 0:
            return times
        forked = reader.event(self._at(head.first)[1].event)
        of = getattr(forked, "of", None)
        if of is None or of not in reader.heads():
            return [None] * head.first + times
        inherited = Trace(reader, of, reader.head(of))._own_times()
        return inherited[: head.first] + times
