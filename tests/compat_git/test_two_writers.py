"""A second writer, made with dulwich from `spec/contract.md` alone, gives the same commits for the same events.

It shares only the canonical text and the one-line summary with the store: no objects, packs or hashing of files.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from dulwich.objects import Blob, Commit, ShaFile, Tree
from dulwich.repo import Repo
from hypothesis import given, settings
from hypothesis import strategies as st

from shepherd_dsl.conformance.store import PROGRAM, flat, sample
from shepherd_dsl.core import value as v
from shepherd_dsl.core.event import Entry, Forked, Injected, Intent, Start
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.wire import event_text
from shepherd_dsl.testing.memory_store import MemoryStore
from shepherd_dsl.trace.hashes import commit_hashes
from shepherd_dsl.trace.objects import summary_of
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.store import init_store

PERSON = b"Shepherd <trace@shepherd.invalid>"
YEAR_2000 = 946684800


class SecondWriter:
    """Commits by dulwich. With `repo` the objects are put there."""

    def __init__(self, repo: Repo | None = None) -> None:
        self.repo = repo
        self.traces: dict[str, list[bytes]] = {}

    def put(self, item: ShaFile) -> bytes:
        if self.repo is not None:
            self.repo.object_store.add_object(item)
        return item.id

    def commit(self, entry: LogEntry) -> str:
        text = event_text(entry.event)
        tree = Tree()
        tree.add(b"event.json", 0o100644, self.put(Blob.from_string(text.encode())))
        self.add_files(tree, entry.files)
        blobs = Tree()
        for name in blob_names(json.loads(text)):
            blobs.add(name.encode(), 0o100644, name.encode())
        if len(blobs):
            tree.add(b"blobs", 0o040000, self.put(blobs))
        if isinstance(entry.event, Start):
            tree.add(b"program.json", 0o100644, self.put(Blob.from_string(PROGRAM.encode())))
        if isinstance(entry.event, Forked) and entry.run not in self.traces:
            self.traces[entry.run] = self.traces[entry.event.of][: entry.event.at + 1]
        trace = self.traces.setdefault(entry.run, [])
        commit = Commit()
        commit.tree = self.put(tree)
        commit.parents = trace[-1:]
        commit.author = commit.committer = PERSON
        commit.author_time = commit.commit_time = YEAR_2000 + len(trace)
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = summary_of(entry.event).encode() + b"\n"
        trace.append(self.put(commit))
        return commit.id.decode()

    def add_files(self, tree: Tree, files: Files) -> None:
        folders: dict[tuple[bytes, ...], Tree] = {(): Tree()}
        empty: list[str] = []
        for path, entry in files.items():
            if entry.mode == 0o040000:
                empty.append(path)
                continue
            *above, last = (plain_name(part) for part in path.split("/"))
            for depth in range(len(above) + 1):
                folders.setdefault(tuple(above[:depth]), Tree())
            kind = entry.mode if entry.mode == 0o120000 else 0o100755 if entry.mode & 0o100 else 0o100644
            folders[tuple(above)].add(last, kind, entry.hash.encode())
        for place in sorted(folders, key=len, reverse=True):
            if place:
                folders[place[:-1]].add(place[-1], 0o040000, self.put(folders[place]))
        if len(folders[()]):
            tree.add(b"files", 0o040000, self.put(folders[()]))
        if empty:
            manifest = json.dumps({"empty": sorted(empty)}, ensure_ascii=False, separators=(",", ":"))
            tree.add(b"manifest.json", 0o100644, self.put(Blob.from_string(manifest.encode())))


def plain_name(component: str) -> bytes:
    """The name in Git (contract, "Names of files") of a component without odd bytes."""
    raw = component.encode()
    if re.fullmatch(rb"(?i)\.git|git~1", raw) or raw.startswith(b"%"):
        return b"%%%02X" % raw[0] + raw[1:]
    return raw


def blob_names(data: object) -> list[str]:
    """The blobs that canonical text names: `{"blob":[hash,size]}` where a value stands."""
    found: set[str] = set()

    def value(item: object) -> None:
        if isinstance(item, list):
            for inner in item:
                value(inner)
        elif isinstance(item, dict):
            ((tag, body),) = item.items()
            if tag == "blob":
                found.add(body[0])
            elif tag == "rec":
                for inner in body.values():
                    value(inner)
            elif tag == "con":
                value(body[1:])

    ((_, body),) = data.items()  # type: ignore[attr-defined]
    for key in ("args", "grant", "answer", "value"):
        if key in body:
            value(body[key])
    return sorted(found)


def test_the_sample_has_the_same_commits(tmp_path: Path) -> None:
    store = init_store(tmp_path)
    writer = store.create(program=PROGRAM, info={})
    plain = [
        step
        for step in sample(writer)
        if not any(entry.files.get(".git/config") for entry in step)  # its odd mode and name are tested below
    ]
    for step in plain:
        writer.append(step)
    writer.close()
    second = SecondWriter()
    assert [one.commit for one in store.read("1").entries()] == [second.commit(entry) for entry in flat(plain)]


NAMES = st.sampled_from(["a", "b.py", ".git", ".GIT", "git~1", "%x", "é", "a b", ".gitx", "z\n"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
MODES = st.sampled_from([0o100644, 0o100755, 0o120000, 0o040000])
LEAVES = st.one_of(
    st.none().map(lambda _: v.UNIT),
    st.booleans(),
    st.integers(),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=90),
    st.just(v.Blob("ab" * 20, 3)),
    st.just(v.Blob("cd" * 20, 4)),
    st.just(v.Agent("x")),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(["a", "blob", "rec"]), inner, max_size=3).map(lambda d: v.record(d.items())),
        st.lists(inner, max_size=2).map(lambda args: v.Con("Some", tuple(args))),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(["root", "root.0"]), VALUES, st.dictionaries(PATHS, MODES, max_size=4)), max_size=4
    )
)
def test_any_events_and_files_have_the_same_commits(steps: list[tuple[str, v.Value, dict[str, int]]]) -> None:
    empty = Files.empty()
    log = [
        LogEntry("root", Start(1, "0" * 40, "a", (), (), empty.hash), empty),
        LogEntry("root.0", Forked("root", 0), empty),
    ]
    for run, value, paths in steps:
        files = Files.of(
            (path, Entry(mode, "" if mode == 0o040000 else "ef" * 20)) for path, mode in sorted(paths.items())
        )
        log.append(LogEntry(run, Intent("op", (value,)), files))
        log.append(LogEntry(run, Injected(value), files))
    second = SecondWriter()
    assert commit_hashes(log, program=PROGRAM) == [second.commit(entry) for entry in log]


def test_git_objects_of_the_second_writer_read_as_a_trace(tmp_path: Path) -> None:
    """What dulwich wrote is, object for object, in the store's packs."""
    store = init_store(tmp_path / "ours")
    writer = store.create(program=PROGRAM, info={})
    files = Files.of([("src/a.py", Entry(0o100644, writer.put_blob(b"x")))])
    log = [
        LogEntry("root", Start(1, "0" * 40, "a", (), (), files.hash), files),
        LogEntry("root", Intent("a", (v.Blob(writer.put_blob(b"y"), 1),)), files),
    ]
    writer.append(log)
    writer.close()
    (tmp_path / "theirs").mkdir()
    with Repo.init_bare(str(tmp_path / "theirs")) as theirs, Repo(str(store.git)) as ours:
        second = SecondWriter(theirs)
        for entry in log:
            second.commit(entry)
        made = list(theirs.object_store)
        assert len(made) == 10
        for oid in made:
            assert ours.object_store.get_raw(oid) == theirs.object_store.get_raw(oid)


def test_memory_and_git_agree(tmp_path: Path) -> None:
    logs = []
    for store in (init_store(tmp_path), MemoryStore()):
        writer = store.create(program=PROGRAM, info={})
        for step in sample(writer):
            writer.append(step)
        writer.close()
        logs.append([(one.run, one.index, one.commit) for one in store.read("1").entries()])
    assert logs[0] == logs[1]
