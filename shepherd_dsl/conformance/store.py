"""Conformance suite of trace stores: what the driver and the readers count on (`shepherd_dsl.trace.protocol`).

Each check takes a function that makes a fresh, empty store, and raises `Nonconforming` where the store falls short.
With pytest:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_store(check, tmp_path):
        check(lambda: MyStore(tmp_path))
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from shepherd_dsl.core.content import LARGE, PIECE, Large, whole
from shepherd_dsl.core.event import Change, End, Entry, Event, Forked, Injected, Intent, Outcome, Reverted, Start
from shepherd_dsl.core.files import Files, git_blob_hash
from shepherd_dsl.core.value import NONE, UNIT, Blob, ok
from shepherd_dsl.core.wire import event_text
from shepherd_dsl.errors import LockedError, RevisionError, ShepherdError, StoreError
from shepherd_dsl.trace.hashes import commit_hashes
from shepherd_dsl.trace.live import live
from shepherd_dsl.trace.protocol import LogEntry, Recorded, TraceStore, TreeReader, TreeWriter

MakeStore: TypeAlias = Callable[[], TraceStore]

PROGRAM: Final = '{"defs":{},"ops":{},"steps":1000000,"version":1}'


class Nonconforming(AssertionError):
    """The store does not do what its protocol says."""


def expect(holds: bool, what: str) -> None:
    """Raise Nonconforming where `what` does not hold."""
    if not holds:
        raise Nonconforming(what)


def start(files: Files, agent: str = "main") -> Start:
    """A first event."""
    return Start(1, git_blob_hash(PROGRAM.encode()), agent, (), (), files.hash)


def sample(writer: TreeWriter) -> list[list[LogEntry]]:
    """The steps of a small tree: two runs and a copy, files of every kind, a blob in an event, a revert."""
    text, script, link = writer.put_blob(b"text\n"), writer.put_blob(b"#!/bin/sh\n"), writer.put_blob(b"src/a.py")
    big = writer.put_blob(b"\0\xff" * 5000)
    base = Files.of(
        (("src/a.py", Entry(0o100644, text)), ("run", Entry(0o100755, script)), ("link", Entry(0o120000, link)))
    )
    change: Change = (
        (".git/config", Entry(0o100600, text)),
        ("empty/inner", Entry(0o040000, "")),
        ("new\nline é \uef80", Entry(0o100644, script)),
        ("run", None),
    )
    changed = base.apply(change)
    at_root, at_child, at_copy = "root", "root.0", "root.1(root.0)"
    return [
        [LogEntry(at_root, start(base), base)],
        [
            LogEntry(at_root, Intent("run.spawn", (NONE,)), base),
            LogEntry(at_child, start(base, "child"), base),
            LogEntry(at_root, Outcome(ok(0), (), "machine"), base),
        ],
        [LogEntry(at_child, Intent("shell.run", ("make \x1b[31m \n é",)), base)],
        [LogEntry(at_child, Outcome(ok(Blob(big, 10000)), change, "world"), changed)],
        [
            LogEntry(at_copy, Forked(at_child, 1), base),
            LogEntry(at_copy, Outcome(ok(UNIT), (), "owner"), base),
            LogEntry(at_child, Reverted(1), base),
        ],
        [LogEntry(at_child, Injected("again"), base), LogEntry(at_root, End("done", UNIT), changed)],
    ]


def record(store: TraceStore, *, durable: bool = True) -> str:
    """Record `sample` in a new tree; gives its name."""
    writer = store.create(program=PROGRAM, info={"source": "sample.shep"})
    for step in sample(writer):
        writer.append(step, durable=durable)
    writer.close()
    return writer.name


def flat(steps: Iterable[Sequence[LogEntry]]) -> list[LogEntry]:
    """The entries of all steps."""
    return [entry for step in steps for entry in step]


def expect_log(reader: TreeReader, expected: Sequence[LogEntry]) -> None:
    """The log of `reader` is `expected`: runs, events, files and commits, from either end, one by one and together."""
    found = list(reader.entries())
    expect(len(found) == len(reader) == len(expected), f"{len(expected)} entries were recorded, {len(found)} are there")
    hashes = commit_hashes(expected, program=reader.program)
    counts: dict[str, int] = {}
    for place, (recorded, entry, commit) in enumerate(zip(found, expected, hashes, strict=True)):
        expect(recorded.run == entry.run, f"entry {place} is of run {recorded.run}, not {entry.run}")
        expect_event(recorded.event, entry.event, f"entry {place}")
        expect(tuple(recorded.files.items()) == tuple(entry.files.items()), f"entry {place} has other files")
        expect(recorded.files.hash == entry.files.hash, f"the files of entry {place} have another hash")
        expect(recorded.commit == commit, f"entry {place} has the commit {recorded.commit}, not {commit}")
        first = entry.event.at + 1 if isinstance(entry.event, Forked) and entry.run not in counts else 0
        counts.setdefault(entry.run, first)
        expect(recorded.index == counts[entry.run], f"entry {place} has the index {recorded.index}")
        counts[entry.run] += 1
    for count in (0, 1, 2, len(found), len(found) + 5):
        tail = list(reader.tail(count))
        expect(keys(tail) == keys(found[max(0, len(found) - count) :]), f"tail({count}) is not the end of the log")
    expect(tuple(reader.runs()) == tuple(counts), "runs() is not the runs in the order of their first entries")
    for run, length in counts.items():
        trace = reader.trace(run)
        expect(len(trace) == length, f"the trace of {run} has {len(trace)} events, not {length}")
        own = [recorded for recorded in found if recorded.run == run]
        expect(keys(list(trace)[length - len(own) :]) == keys(own), f"the trace of {run} is not its entries")
        expect(keys([trace[-1]]) == keys(own[-1:]), f"the last event of {run} read alone is another")


def keys(recorded: Iterable[Recorded]) -> list[tuple[str, int, str, int | None]]:
    """What tells recorded entries apart."""
    return [(one.run, one.index, one.commit, one.time_ms) for one in recorded]


def expect_event(found: Event, wanted: Event, where: str) -> None:
    """The event is the one wanted."""
    expect(event_text(found) == event_text(wanted), f"{where} is {event_text(found)}, not {event_text(wanted)}")


def raises(kind: type[ShepherdError], code: str, action: Callable[[], object]) -> None:
    """`action` raises an error of `kind` with `code`, which says what to do next."""
    try:
        action()
    except kind as error:
        expect(error.code == code, f"the error has the code {error.code}, not {code}")
        expect(bool(error.what and error.hint), f"the error {code} does not say what to do next")
    else:
        raise Nonconforming(f"no {kind.__name__} ({code}) was raised")


# ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def keeps_what_was_recorded(make: MakeStore) -> None:
    """The log reads back as it was recorded, while the writer is open, after it packed and after it was closed."""
    store = make()
    writer = store.create(program=PROGRAM, info={"source": "sample.shep"})
    steps = sample(writer)
    for count, step in enumerate(steps, start=1):
        writer.append(step, durable=count % 2 == 0)
        expect_log(store.read(writer.name), flat(steps[:count]))
        if count == 3:
            writer.pack()
            expect_log(store.read(writer.name), flat(steps[:count]))
    expect(len(writer) == len(flat(steps)), "the writer does not know how many entries there are")
    writer.close()
    reader = store.read(writer.name)
    expect_log(reader, flat(steps))
    expect(reader.program == PROGRAM, "the program reads back differently")
    expect(dict(reader.info) == {"source": "sample.shep"}, "the info reads back differently")
    expect(store.names() == (writer.name,), "names() does not list the tree")


def same_entries_same_commits(make: MakeStore) -> None:
    """Commits depend on events, files and parents alone: not on the name, on batches or on when they were made."""
    store = make()
    first, second = record(store), record(store, durable=False)
    expect(first != second, "two trees have one name")
    left, right = ([one.commit for one in store.read(name).entries()] for name in (first, second))
    expect(left == right, "the same entries have other commits in another tree")


def views_do_not_change(make: MakeStore) -> None:
    """A view shows the tree as it was when it was taken."""
    store = make()
    writer = store.create(program=PROGRAM, info={})
    steps = sample(writer)
    writer.append(steps[0])
    view = store.read(writer.name)
    for step in steps[1:]:
        writer.append(step)
    writer.close()
    expect_log(view, steps[0])


def keeps_blobs(make: MakeStore) -> None:
    """Blobs read back, put once or twice, small, empty and large; what was not put is an error."""
    store = make()
    writer = store.create(program=PROGRAM, info={})
    data = [b"", b"x", b"\0\xff" * 70_000]
    names = [writer.put_blob(one) for one in (*data, *data)]
    expect(names[:3] == [git_blob_hash(one) for one in data] == names[3:], "a blob has another name than Git gives it")
    expect(all(writer.has_blob(name) for name in names), "has_blob does not know what was put")
    expect(not writer.has_blob("1" * 40), "has_blob knows what was not put")
    files = Files.of(("f", Entry(0o100644, name)) for name in names[:1])
    writer.append([LogEntry("root", start(files), files)])
    expect([writer.blob(name) for name in names[:3]] == data, "a blob reads back differently from the writer")
    expect([store.read(writer.name).blob(name) for name in names[:3]] == data, "a blob reads back differently")
    writer.close()
    again = store.reopen(writer.name)
    expect([again.blob(name) for name in names[:3]] == data, "a blob that no event names is lost by closing")
    again.close()
    raises(StoreError, "store.object_missing", lambda: store.read(writer.name).blob("1" * 40))


def keeps_large_blobs(make: MakeStore) -> None:
    """What is too large for the memory is put and read piece by piece; what is not of its size is not kept."""
    store = make()
    writer = store.create(program=PROGRAM, info={})
    pieces = [bytes([number]) * PIECE for number in range(LARGE // PIECE)] + [b"end"]
    long = Large(LARGE + 3, lambda: iter(pieces))
    name = git_blob_hash(long)
    expect([writer.put_blob(long), writer.put_blob(long)] == [name, name], "a blob has another name than Git gives it")
    expect(writer.has_blob(name), "has_blob does not know what was put")
    files = Files.of([("f", Entry(0o100644, name))])
    writer.append([LogEntry("root", start(files), files)])
    for size in (1, 5):
        short = Large(size, lambda: iter((b"abc",)))
        try:
            writer.put_blob(short)
        except OSError as error:
            expect(error.errno == errno.ESTALE, f"a content of another size is answered {error}")
        else:
            raise Nonconforming("a content of another size than it says was kept")
    expect(git_blob_hash(writer.content(name)) == name, "a large blob reads back differently from the writer")
    expect(git_blob_hash(store.read(writer.name).content(name)) == name, "a large blob reads back differently")
    writer.close()
    expect(whole(store.read(writer.name).content(name)) == b"".join(pieces), "a large blob is lost by closing")


def refuses_what_cannot_be(make: MakeStore) -> None:
    """An append that cannot be right records nothing and says why; the writer can go on."""
    store = make()
    writer = store.create(program=PROGRAM, info={})
    empty = Files.empty()
    first = LogEntry("root", start(empty), empty)
    raises(StoreError, "store.order", lambda: writer.append([LogEntry("root", Injected(1), empty)]))
    writer.append([first])
    good = LogEntry("root", Intent("a", ()), empty)
    unknown = Blob("2" * 40, 1)
    lost = Files.of([("f", Entry(0o100644, "3" * 40))])
    for code, bad in (
        ("store.order", first),
        ("store.order", LogEntry("root.0", Forked("root", 7), empty)),
        ("store.order", LogEntry("root.0", Forked("root.9", 0), empty)),
        ("store.blob", LogEntry("root", Injected(unknown), empty)),
        ("store.blob", LogEntry("root", Injected(UNIT), lost)),
        ("store.blob", LogEntry("root", Injected(UNIT), lost)),
    ):
        raises(StoreError, code, lambda bad=bad: writer.append([good, bad]))  # type: ignore[misc]
        expect_log(store.read(writer.name), [first])
    kept = Files.of([("deep/down/f", Entry(0o100600, writer.put_blob(b"kept")))])
    later = LogEntry("root", Injected(UNIT), kept)
    raises(StoreError, "store.order", lambda: writer.append([later, first]))
    writer.append([good])
    writer.append([later])
    writer.close()
    expect_log(store.read(writer.name), [first, good, later])
    raises(StoreError, "store.closed", lambda: writer.append([good]))
    writer.close()


def one_writer_a_tree(make: MakeStore) -> None:
    """A tree has one writer; other trees go on beside it; reading needs no lock."""
    store = make()
    writer = store.create(program=PROGRAM, info={})
    writer.append([LogEntry("root", start(Files.empty()), Files.empty())])
    raises(LockedError, "store.locked", lambda: store.reopen(writer.name))
    record(store)
    expect(len(store.read(writer.name)) == 1, "a tree that is being written cannot be read")
    writer.close()
    store.reopen(writer.name).close()


def goes_on_after_reopening(make: MakeStore) -> None:
    """A tree that was closed goes on where it was: copies of runs recorded before, and commits, included."""
    store = make()
    writer = store.create(program=PROGRAM, info={"a": "b"})
    steps = sample(writer)
    for step in steps:
        writer.append(step)
        writer.close()
        writer = store.reopen(writer.name)
    writer.close()
    expect_log(store.read(writer.name), flat(steps))
    expect(dict(store.read(writer.name).info) == {"a": "b"}, "the info is lost by reopening")


def forks_share_the_past(make: MakeStore) -> None:
    """A forked tree has the log up to the event, then its own entries; the old one does not change."""
    store = make()
    for packed in (False, True):
        writer = store.create(program=PROGRAM, info={})
        steps = sample(writer)
        for step in steps:
            writer.append(step)
        writer.note("root", 0, "seen", "1")
        writer.note("root", 3, "seen", "2")
        steps.append([LogEntry("root.0", Injected("more"), Files.empty())])
        writer.append(steps[-1])
        if packed:
            writer.pack()
        prefix = flat(steps[:1]) + steps[1][:1]
        forked = LogEntry("root", Forked("root", 1), prefix[-1].files)
        name = store.fork(writer.name, at=1, forked=lambda forked=forked: [forked], info={"of": "1"})  # type: ignore[misc]
        expect_log(store.read(name), [*prefix, forked])
        expect(dict(store.read(name).info) == {"of": "1"}, "the fork has not its own info")
        expect(store.read(name).notes("root", 0) == {"seen": "1"}, "a note of the shared past is lost")
        expect(store.read(name).notes("root", 3) == {}, "a note of what is not shared is there")
        expect_log(store.read(writer.name), flat(steps))
        again = store.reopen(name)
        again.append([LogEntry("root", Injected(1), forked.files)])
        again.close()
        expect_log(store.read(name), [*prefix, forked, LogEntry("root", Injected(1), forked.files)])
        writer.close()
        nested = store.fork(name, at=2, forked=lambda: [LogEntry("root", Forked("root", 2), Files.empty())], info={})
        expect(len(store.read(nested)) == 4, "a fork of a fork does not have its events")
    raises(RevisionError, "revision.event", lambda: store.fork("1", at=99, forked=list, info={}))
    raises(RevisionError, "revision.tree", lambda: store.fork("99", at=0, forked=list, info={}))


def failed_forks_leave_nothing(make: MakeStore) -> None:
    """A fork whose entries cannot be recorded makes no tree."""
    store = make()
    name = record(store)

    def bad() -> Sequence[LogEntry]:
        return [LogEntry("root.77", Injected(1), Files.empty())]

    raises(StoreError, "store.order", lambda: store.fork(name, at=0, forked=bad, info={}))
    expect(store.names() == (name,), "a fork that failed is listed")


def keeps_notes_beside(make: MakeStore) -> None:
    """Notes read back beside their events, change no commit, and the later text counts."""
    store = make()
    writer = store.create(program=PROGRAM, info={})
    empty = Files.empty()
    entries = [LogEntry("root", start(empty), empty), LogEntry("root", Intent("a", ()), empty)]
    writer.append(entries)
    writer.note("root", 1, "output", "é\n\0")
    writer.note("root", 1, "model", "x")
    writer.pack()
    writer.note("root", 1, "model", "y")
    writer.close()
    reader = store.read(writer.name)
    expect(dict(reader.notes("root", 1)) == {"output": "é\n\0", "model": "y"}, "notes read back differently")
    expect(dict(reader.notes("root", 0)) == {}, "an event has a note of another")
    expect_log(reader, entries)


def says_what_does_not_exist(make: MakeStore) -> None:
    """Trees and runs that do not exist are errors that say what exists; a tree without an event is not listed."""
    store = make()
    raises(RevisionError, "revision.tree", lambda: store.read("1"))
    raises(RevisionError, "revision.tree", lambda: store.reopen("1"))
    store.create(program=PROGRAM, info={}).close()
    expect(store.names() == (), "a tree without an event is listed")
    name = record(store)
    raises(RevisionError, "revision.run", lambda: store.read(name).trace("root.99"))


def reverts_append(make: MakeStore) -> None:
    """After a revert the trace is longer, and its live events are those before the place and those after the revert."""
    store = make()
    trace = store.read(record(store)).trace("root.0")
    expect(len(trace) == 5, "a revert took events away")
    expect(live(trace) == (0, 1, 4), f"the live events are {live(trace)}, not (0, 1, 4)")


def threads_share_a_writer(make: MakeStore) -> None:
    """Appends from several threads are all there, each step in one piece."""
    store = make()
    writer = store.create(program=PROGRAM, info={})
    empty = Files.empty()
    writer.append([LogEntry(f"root.{n}" if n else "root", start(empty), empty) for n in range(4)])
    failed: list[BaseException] = []

    def work(run: str) -> None:
        try:
            for number in range(20):
                writer.append([LogEntry(run, Intent("a", (number,)), empty), LogEntry(run, Injected(number), empty)])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(f"root.{n}" if n else "root",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    expect(not failed, f"an append failed: {failed[:1]}")
    reader = store.read(writer.name)
    found = list(reader.entries())
    expect(len(found) == 164, f"{len(found)} of 164 entries are there")
    pairs = [(found[n].run, found[n + 1].run) for n in range(4, 164, 2)]
    expect(all(left == right for left, right in pairs), "a step was torn apart by another thread's")
    for run in reader.runs():
        values = [one.event.value for one in reader.trace(run) if isinstance(one.event, Injected)]
        expect(values == list(range(20)), f"the events of {run} are not in order")


CHECKS: Final[tuple[Callable[[MakeStore], None], ...]] = (
    keeps_what_was_recorded,
    same_entries_same_commits,
    views_do_not_change,
    keeps_blobs,
    keeps_large_blobs,
    refuses_what_cannot_be,
    one_writer_a_tree,
    goes_on_after_reopening,
    forks_share_the_past,
    failed_forks_leave_nothing,
    keeps_notes_beside,
    says_what_does_not_exist,
    reverts_append,
    threads_share_a_writer,
)
"""All checks; each is independent of the others."""
