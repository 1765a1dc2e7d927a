"""Revisions (`3@4`, `3.0@-1`, `3@last_green`, hashes), live events, and reading from the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shepherd_dsl.conformance.store import PROGRAM, record, start
from shepherd_dsl.core.event import End, Event, Forked, Injected, Intent, Outcome, Reverted
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.value import UNIT, Value, err, ok
from shepherd_dsl.core.value import record as fields
from shepherd_dsl.errors import RevisionError
from shepherd_dsl.testing.memory_store import MemoryStore
from shepherd_dsl.trace.live import last_green, live
from shepherd_dsl.trace.protocol import LogEntry, TraceStore
from shepherd_dsl.trace.refs import log_ref, ref_name, run_ref, text_of_ref
from shepherd_dsl.trace.revisions import Revision, resolve, resolve_event, shown_run
from shepherd_dsl.trace.store import init_store

EMPTY = Files.empty()
Make = Callable[[Path], TraceStore]
STORES = pytest.mark.parametrize("make", [init_store, lambda _: MemoryStore()], ids=["git", "memory"])


def tree(store: TraceStore, *events: Event) -> str:
    """A tree whose root run has these events after its start."""
    writer = store.create(program=PROGRAM, info={})
    writer.append([LogEntry("root", event, EMPTY) for event in (start(EMPTY), *events)])
    writer.close()
    return writer.name


def exit_code(code: int) -> Outcome:
    return Outcome(ok(fields(code=code, out="")), (), "world")


def refused(store: TraceStore, text: str, code: str) -> str:
    """The hint of the error that `text` gives, which has the code `code`."""
    with pytest.raises(RevisionError) as caught:
        resolve(store, text)
    assert caught.value.code == code
    return caught.value.hint


@STORES
def test_runs_and_positions(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    record(store)
    record(store)
    assert resolve(store, "1") == Revision("1", "root", None)
    assert resolve(store, "1.0") == Revision("1", "root.0", None)
    assert resolve(store, "1.1(root.0)@2") == Revision("1", "root.1(root.0)", 2)
    assert resolve(store, "1.0@4") == Revision("1", "root.0", 4)
    assert resolve(store, "1.0@-1") == Revision("1", "root.0", 4)
    assert resolve(store, "1.0@-5") == Revision("1", "root.0", 0)
    assert resolve(store, "@1") == Revision("2", "root", 1)
    assert resolve(store, "") == Revision("2", "root", None)
    assert str(resolve(store, "1.1(root.0)@2")) == "1.1(root.0)@2"
    revision, recorded = resolve_event(store, "1.0")
    assert (revision.index, recorded.index) == (4, 4)
    assert isinstance(recorded.event, Injected)


@STORES
def test_hashes(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    name = tree(store, Intent("a", ()), exit_code(0), Injected(1))
    commits = [one.commit for one in store.read(name).trace("root")]
    for index, commit in enumerate(commits):
        assert resolve(store, commit) == Revision(name, "root", index)
        assert resolve(store, f"{name}@{commit[:12]}") == Revision(name, "root", index)
        assert resolve(store, f"@{commit[:12]}") == Revision(name, "root", index)
    absent = next(f"{n:012x}" for n in range(10**9, 10**9 + 9) if not any(c.startswith(f"{n:012x}") for c in commits))
    refused(store, absent, "revision.hash")
    refused(store, f"{name}@{'f' * 39}", "revision.hash")


@STORES
def test_a_hash_of_a_shared_past_means_the_tree_that_made_it(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    name = tree(store, Injected(1), Injected(2))
    fork = store.fork(name, at=1, forked=lambda: [LogEntry("root", Forked("root", 1), EMPTY)], info={})
    shared = store.read(name).trace("root")[1].commit
    own = store.read(fork).trace("root")[2].commit
    assert resolve(store, shared) == Revision(name, "root", 1)
    assert resolve(store, own) == Revision(fork, "root", 2)


@STORES
def test_an_ambiguous_hash_lists_what_it_may_mean(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    name = tree(store, *(Injected(number) for number in range(1500)))
    commits = [one.commit for one in store.read(name).trace("root")]
    found: dict[str, str] = {}
    double = next(c[:4] for c in commits if found.setdefault(c[:4], c) != c and not c[:4].isdecimal())
    hint = refused(store, f"{name}@{double}", "revision.ambiguous")
    assert hint.count(f"{name}@") >= 2


@STORES
def test_errors_say_what_exists(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    assert "shepherd run" in refused(store, "", "revision.none")
    assert refused(store, "7", "revision.tree") == "the newest runs: none"
    record(store)
    assert refused(store, "7", "revision.tree") == "the newest runs: 1"
    assert refused(store, "1.7", "revision.run") == "tree 1 has 1, 1.0, 1.1(root.0)"
    assert "0 to 4" in refused(store, "1.0@5", "revision.event")
    assert "0 to 4" in refused(store, "1.0@-6", "revision.event")
    assert "last_green" in refused(store, "1@xyz", "revision.form")
    assert "0 to 3" in refused(store, "1@last_green", "revision.green")
    refused(store, "../..", "revision.tree")
    refused(store, "1@", "revision.form")


def test_last_green_is_the_last_live_outcome_with_code_0() -> None:
    store = MemoryStore()
    ask = Intent("shell.run", ("pytest",))
    assert last_green(store.read(tree(store, ask, exit_code(1))).trace("root")) is None
    name = tree(store, ask, exit_code(0), ask, exit_code(1), ask, exit_code(0), Reverted(4), Injected(1))
    assert last_green(store.read(name).trace("root")) == 2
    assert resolve(store, f"{name}@last_green") == Revision(name, "root", 2)
    odd: list[Value] = [True, "0", UNIT]
    name = tree(
        store, *(Outcome(ok(fields(code=code)), (), "world") for code in odd), Outcome(err("a", "b"), (), "world")
    )
    assert last_green(store.read(name).trace("root")) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-1, 30), max_size=30))
def test_live_events_are_those_of_a_run_that_really_goes_back(backs: list[int]) -> None:
    """The model: a list that a revert cuts, to what was live after the event it goes to."""
    events: list[Event] = [start(EMPTY)]
    after: list[tuple[int, ...]] = [(0,)]
    for back in backs:
        index = len(events)
        if back < 0 or back >= index:
            events.append(Injected(index))
            after.append((*after[-1], index))
        else:
            events.append(Reverted(back))
            after.append(after[back])
    store = MemoryStore()
    trace = store.read(tree(store, *events[1:])).trace("root")
    assert live(trace) == after[-1]
    for length in range(1, len(events)):
        assert live(trace[:length]) == after[length - 1]


def test_the_end_of_a_long_run_is_read_without_the_rest(tmp_path: Path) -> None:
    store = init_store(tmp_path)
    tree(store, *(Injected(number) for number in range(3000)), End("done", UNIT))
    reader = store.read("1")
    read: list[str] = []
    real = reader._repo.read

    class Counting:
        refs, git = reader._repo.refs, reader._repo.git

        def read(self, oid: str, kind: bytes) -> bytes:
            read.append(oid)
            return real(oid, kind)

    reader._repo = Counting()  # type: ignore[assignment]
    assert [one.index for one in reader.tail(20)] == list(range(2982, 3002))
    assert len(read) < 90
    trace = reader.trace("root")
    assert [one.index for one in trace[-3:]] == [2999, 3000, 3001]
    assert len(read) < 110


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=400))
def test_ref_names_are_reversible(text: str) -> None:
    name = ref_name(text)
    assert text_of_ref(name) == text
    for part in name.split("/"):
        assert part
        assert len(part) < 600
        assert not part.startswith((".", "-"))
        assert not part.endswith((".", ".lock"))
    assert not any(bad in name for bad in ("..", "@{", "//", " ", "~", "^", ":", "?", "*", "[", "\\", "\x7f"))


@settings(max_examples=300, deadline=None)
@given(st.text("ab.(", min_size=1, max_size=5), st.integers(1, 300), st.integers(1, 300))
def test_no_ref_name_is_the_folder_of_another(part: str, left: int, right: int) -> None:
    one, other = ref_name(part * left), ref_name(part * right)
    assert (one == other) == (left == right)
    assert not one.startswith(other + "/")


def test_git_accepts_every_ref_name(tmp_path: Path) -> None:
    import subprocess

    for text in (
        "root",
        "root.1(root.0)",
        "a.lock",
        "..",
        ".",
        "-",
        "@",
        "a b~^:?*[\\",
        "x" * 700,
        ".x.",
        "é\u202e",
        "\x01",
    ):
        subprocess.run(["git", "check-ref-format", f"refs/shepherd/runs/1/{ref_name(text)}"], check=True)


def test_a_run_with_a_very_long_id_has_no_ref_but_is_kept(tmp_path: Path) -> None:
    store = init_store(tmp_path)
    long_id = "root" + "(root.0)" * 600
    writer = store.create(program=PROGRAM, info={})
    writer.append([LogEntry("root", start(EMPTY), EMPTY), LogEntry(long_id, Forked("root", 0), EMPTY)])
    writer.close()
    assert run_ref("1", long_id) is None
    assert store.read("1").runs() == ("root", long_id)
    assert shown_run("1", long_id) == "1" + "(root.0)" * 600
    assert resolve(store, "1" + "(root.0)" * 600 + "@1").index == 1


@pytest.mark.parametrize("number", ["7", "9" * 17, "9" * 100])
def test_the_number_of_a_tree_from_elsewhere_does_not_make_it_the_latest(tmp_path: Path, number: str) -> None:
    store = init_store(tmp_path)
    tree(store)
    log = store.repository.refs.read(log_ref("1"))
    assert log is not None
    store.repository.refs.update(log_ref(number), log)
    assert store.names() == ("1", number)
    assert resolve(store, "") == Revision("1", "root", None)
    assert tree(store) == "2"
    assert resolve(store, "@0") == Revision("2", "root", 0)
    # Not either when it goes on here.
    store.reopen(number).close()
    assert resolve(store, "@0") == Revision("2", "root", 0)
    assert tree(store) == "3"


def test_where_all_trees_come_from_elsewhere_one_of_them_is_the_latest(tmp_path: Path) -> None:
    here, there = init_store(tmp_path / "here"), init_store(tmp_path / "there")
    assert here.latest() is None
    tree(there)
    objects, log = there.git / "objects", there.repository.refs.read(log_ref("1"))
    assert log is not None
    (here.git / "objects" / "info" / "alternates").write_text(f"{objects}\n")
    for name in ("1", "2", "4"):
        here.repository.refs.update(log_ref(name), log)
    assert resolve(here, "") == Revision("4", "root", None)
    assert tree(here) == "3"
    assert resolve(here, "") == Revision("3", "root", None)
    assert tree(here) == "5"
