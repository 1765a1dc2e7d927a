"""Git, dulwich and pygit2 read what the store writes; gc and copies by plain Git lose nothing."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from shepherd_dsl.conformance.store import PROGRAM, expect_log, flat, record, sample, start
from shepherd_dsl.core.event import Entry, Injected
from shepherd_dsl.core.files import Files, git_name
from shepherd_dsl.core.wire import event_text
from shepherd_dsl.testing.memory_store import MemoryStore
from shepherd_dsl.trace.objects import EPOCH, summary_of
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.store import GitStore, init_store, open_store
from shepherd_dsl.trace.verify import verify_tree

EXPECTED = flat(sample(MemoryStore().create(program=PROGRAM, info={})))
COPY = "refs/shepherd/*:refs/shepherd/*"


def git(folder: Path, *args: str) -> str:
    """What Git answers; an error of Git is an error of the test."""
    done = subprocess.run(["git", "-C", str(folder), *args], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogateescape")


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    """A workspace with one recorded tree, `1`."""
    made = init_store(tmp_path / "here")
    record(made)
    return made


def test_git_finds_nothing_wrong(store: GitStore) -> None:
    assert git(store.git, "fsck", "--strict", "--full", "--no-dangling") == ""
    assert git(store.git, "count-objects").startswith("0 objects")


def test_git_log_shows_every_event_of_a_run(store: GitStore) -> None:
    lines = git(store.git, "log", "--format=%H %at %an %s", "refs/shepherd/runs/1/root.0").splitlines()
    trace = store.read("1").trace("root.0")
    assert lines == [
        f"{one.commit} {EPOCH + one.index} Shepherd {summary_of(one.event)}" for one in reversed(list(trace))
    ]
    assert len(lines) == 5


def test_a_copy_of_a_run_shares_its_commits(store: GitStore) -> None:
    shared = git(store.git, "merge-base", "refs/shepherd/runs/1/root.0", "refs/shepherd/runs/1/root.1(root.0)")
    assert shared.strip() == store.read("1").trace("root.0")[1].commit


def test_git_checks_out_the_files_of_an_event(store: GitStore, tmp_path: Path) -> None:
    commit = store.read("1").trace("root.0")[2].commit
    listed = git(store.git, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0")[:-1]
    names = {line.split("\t", 1)[1]: line.split()[0] for line in listed}
    odd = git_name("new\nline é \uef80").decode("utf-8", "surrogateescape")
    assert names == {
        "blobs/" + next(n for n in names if n.startswith("blobs/"))[6:]: "100644",
        "event.json": "100644",
        "files/%2Egit/config": "100644",
        f"files/{odd}": "100644",
        "files/link": "120000",
        "files/src/a.py": "100644",
        "manifest.json": "100644",
    }
    target = tmp_path / "out"
    git(store.git, "--work-tree", str(make(target)), "checkout", commit, "--", ".")
    assert (target / "files" / "src" / "a.py").read_bytes() == b"text\n"
    assert (target / "files" / "link").is_symlink()
    assert (target / "manifest.json").read_text() == '{"empty":["empty/inner"],"modes":{".git/config":"100600"}}'


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_dulwich_reads_every_event(store: GitStore) -> None:
    from dulwich.repo import Repo

    with Repo(str(store.git)) as repo:
        for run in store.read("1").runs():
            for recorded in store.read("1").trace(run):
                commit = repo[recorded.commit.encode()]
                tree = repo[commit.tree]
                assert repo[tree[b"event.json"][1]].data.decode() == event_text(recorded.event)
                commit.check()
                tree.check()
                expected_tree = recorded.files.git_tree
                assert (tree[b"files"][1].decode() if b"files" in tree else None) == expected_tree
                modes = {entry.path: entry.mode for entry in tree.items()}
                assert stat.S_ISDIR(modes.get(b"files", stat.S_IFDIR))
        head = repo.refs[b"refs/shepherd/runs/1/root"]
        assert len(list(repo.get_walker(include=[head]))) == len(store.read("1").trace("root"))


def test_pygit2_reads_every_event(store: GitStore) -> None:
    import pygit2

    repo = pygit2.Repository(str(store.git))
    for run in store.read("1").runs():
        head = repo.references[f"refs/shepherd/runs/1/{run}"].target
        walked = list(repo.walk(head, pygit2.enums.SortMode.TOPOLOGICAL | pygit2.enums.SortMode.REVERSE))
        trace = store.read("1").trace(run)
        assert [str(commit.id) for commit in walked] == [one.commit for one in trace]
        for commit, recorded in zip(walked, trace, strict=True):
            assert commit.tree["event.json"].data.decode() == event_text(recorded.event)


def test_gc_removes_nothing(store: GitStore) -> None:
    writer = store.create(program=PROGRAM, info={})
    unnamed = writer.put_blob(b"put and not named by an event")
    empty = Files.empty()
    writer.append([LogEntry("root", start(empty), empty)])
    writer.pack()
    later = writer.put_blob(b"put after the pack")
    writer.append([LogEntry("root", Injected(1), empty)])
    git(store.git, "gc", "--prune=now", "--quiet")
    git(store.git, "reflog", "expire", "--expire=now", "--all")
    git(store.git, "gc", "--aggressive", "--prune=now", "--quiet")
    assert not list((store.git / "refs" / "shepherd").rglob("root*")), "gc did not pack the refs"
    expect_log(open_store(store.workspace).read("1"), EXPECTED)
    assert writer.blob(unnamed) == b"put and not named by an event"
    assert writer.blob(later) == b"put after the pack"
    files = Files.of([("f", Entry(0o100644, unnamed)), ("g", Entry(0o100644, later))])
    writer.append([LogEntry("root", Injected(2), files)])
    writer.close()
    git(store.git, "gc", "--prune=now", "--quiet")
    assert verify_tree(open_store(store.workspace), "1") == ()
    assert verify_tree(open_store(store.workspace), "2") == ()
    assert store.names() == ("1", "2")
    again = store.reopen("1")
    again.append([LogEntry("root.0", Injected("after gc"), empty)])
    again.close()
    assert git(store.git, "rev-list", "--count", "refs/shepherd/runs/1/root.0").strip() == "6"
    assert git(store.git, "fsck", "--strict", "--full", "--no-dangling") == ""


@pytest.mark.parametrize("how", ["push", "fetch"])
def test_a_tree_goes_elsewhere_with_plain_git(store: GitStore, tmp_path: Path, how: str) -> None:
    other = init_store(tmp_path / "there")
    if how == "push":
        git(store.git, "push", "--quiet", str(other.git), COPY)
    else:
        git(other.git, "-c", "fetch.fsckObjects=true", "fetch", "--quiet", str(store.git), COPY)
    assert other.names() == ("1",)
    expect_log(other.read("1"), EXPECTED)
    assert dict(other.read("1").info) == {"source": "sample.shep"}
    assert verify_tree(other, "1") == ()
    times = [[one.time_ms for one in each.read("1").entries()] for each in (store, other)]
    assert times[0] == times[1]
    assert other.create(program=PROGRAM, info={}).name == "2"
    writer = other.reopen("1")
    writer.append([LogEntry("root.0", Injected("elsewhere"), Files.empty())])
    writer.close()
    git(store.git, "fetch", "--quiet", str(other.git), COPY)
    assert len(store.read("1")) == len(EXPECTED) + 1


def test_the_log_ref_alone_brings_the_whole_tree(store: GitStore, tmp_path: Path) -> None:
    other = init_store(tmp_path / "there")
    git(other.git, "fetch", "--quiet", str(store.git), "refs/shepherd/log/1:refs/shepherd/log/1")
    expect_log(other.read("1"), EXPECTED)


def test_refs_only_move_forward(store: GitStore) -> None:
    before = dict(line.split()[::-1] for line in git(store.git, "show-ref").splitlines())
    writer = store.reopen("1")
    writer.append([LogEntry("root.0", Injected("later"), Files.empty())])
    writer.close()
    after = dict(line.split()[::-1] for line in git(store.git, "show-ref").splitlines())
    assert before.keys() <= after.keys()
    for ref, old in before.items():
        git(store.git, "merge-base", "--is-ancestor", old, after[ref])
    assert after != before
