"""A writer that is killed loses nothing that it acknowledged (`core.md`, law `recover`)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shepherd_dsl.conformance.store import PROGRAM, expect_log, flat, sample, start
from shepherd_dsl.core.content import Large
from shepherd_dsl.core.event import Entry, Forked, Injected, Intent
from shepherd_dsl.core.files import Files
from shepherd_dsl.testing import crash
from shepherd_dsl.testing.memory_store import MemoryStore
from shepherd_dsl.trace.points import POINTS, set_hook
from shepherd_dsl.trace.protocol import LogEntry, TreeWriter
from shepherd_dsl.trace.store import GitStore, init_store, open_store, recover
from shepherd_dsl.trace.verify import verify_tree

SEED = 20
CRASHES = 72
CRASHES_IN_RECOVERY = 12
AT_ROOT = "root"


def steps_of(writer: TreeWriter) -> list[list[LogEntry]]:
    """A longer tree: the sample, then steps that put files."""
    steps = sample(writer)[:-1]
    files = steps[0][0].files
    for number in range(6):
        data = b"content %d\n" % number * 40
        blob = writer.put_blob(data if number % 3 else Large(len(data), partial(iter, (data[:100], data[100:]))))
        files = files.apply(((f"src/f{number}.py", Entry(0o100644, blob)),))
        steps.append([LogEntry(AT_ROOT, Intent("a", (number,)), files), LogEntry(AT_ROOT, Injected(number), files)])
    return steps


EXPECTED = steps_of(MemoryStore().create(program=PROGRAM, info={}))
FORK_AT = 3


def work(store: GitStore, acknowledge: Callable[[int], None]) -> None:
    """Record the tree, packing on the way, fork it and close it; `acknowledge` is told how many steps are durable."""
    writer = store.create(program=PROGRAM, info={"source": "x"})
    steps = steps_of(writer)
    for count, step in enumerate(steps, start=1):
        durable = count % 3 != 2
        writer.append(step, durable=durable)
        if durable:
            acknowledge(count)
        writer.note(step[0].run, 0, "seen", str(count))
        if count in (4, 8):
            writer.pack()
            acknowledge(count)
    store.fork(writer.name, at=FORK_AT, forked=forked_entries, info={})
    acknowledge(100)
    writer.close()
    acknowledge(len(steps))


def forked_entries() -> list[LogEntry]:
    return [LogEntry(AT_ROOT, Forked(AT_ROOT, FORK_AT), Files.empty())]


def in_child(action: Callable[[Callable[[int], None]], None]) -> tuple[list[int], int]:
    """Do `action` in a forked process; what it acknowledged, and its exit status (negative: the signal)."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read)
            action(lambda count: os.write(write, bytes((count,))) and None)
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        acknowledged = list(pipe.read())
    return acknowledged, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def reached_points(folder: Path) -> list[tuple[str, int]]:
    """Every (point, n) that `work` reaches."""
    counts: Counter[str] = Counter()
    set_hook(lambda name: counts.update((name,)))
    try:
        work(init_store(folder), lambda _: None)
    finally:
        set_hook(None)
    return [(point, n) for point in POINTS for n in range(1, counts[point] + 1)]


def chosen(places: list[tuple[str, int]], count: int) -> list[tuple[str, int]]:
    """Each point once, then others at random."""
    chance = random.Random(SEED)
    by_point = {point: [place for place in places if place[0] == point] for point in POINTS}
    first = [chance.choice(found) for found in by_point.values()]
    rest = [place for place in places if place not in first]
    return first + chance.sample(rest, count - len(first))


def check(store: GitStore, acknowledged: list[int], where: str) -> None:
    """What was acknowledged is there, in whole steps, and Git finds nothing wrong."""
    names = store.names()
    if 100 in acknowledged:
        assert "2" in names, where
    if "2" in names:
        expect_log(store.read("2"), forked_log())
        assert sound(store, "2"), where
    durable = max((count for count in acknowledged if count != 100), default=0)
    if durable:
        assert "1" in names, where
    if "1" in names:
        entries = list(store.read("1").entries())
        lengths = [len(flat(EXPECTED[:count])) for count in range(len(EXPECTED) + 1)]
        assert len(entries) in lengths[durable:], where
        expect_log(store.read("1"), flat(EXPECTED)[: len(entries)])
        assert sound(store, "1"), where
    fsck = subprocess.run(
        ["git", "-C", str(store.git), "fsck", "--strict", "--full"], capture_output=True, text=True, check=False
    )
    assert fsck.returncode == 0, f"{where}: {fsck.stderr}"


def sound(store: GitStore, name: str) -> bool:
    """No problem but refs of runs that lag behind the log, which recovery moves."""
    return all(problem.code == "verify.ref" for problem in verify_tree(store, name))


def forked_log() -> list[LogEntry]:
    log = flat(EXPECTED)
    cut = [n for n, entry in enumerate(log) if entry.run == AT_ROOT][FORK_AT]
    return [*log[: cut + 1], *forked_entries()]


def go_on(store: GitStore) -> None:
    """Reopen the tree, record what is missing, and compare all of it with a run that was never disturbed."""
    for name in store.names():
        store.reopen(name).close()
    if "1" not in store.names():
        return
    writer, _ = recover(store.workspace, "1")
    steps = steps_of(writer)
    lengths = [len(flat(steps[:count])) for count in range(len(steps) + 1)]
    for step in steps[lengths.index(len(writer)) :]:
        writer.append(step)
    writer.close()
    expect_log(store.read("1"), flat(EXPECTED))
    assert verify_tree(store, "1") == ()
    assert not [path for path in store.repository.pack_folder.iterdir() if not path.match("pack-*.[ip][da][xc]*")]


def test_every_point_is_reached(tmp_path: Path) -> None:
    assert {point for point, _ in reached_points(tmp_path)} == set(POINTS)


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    for point, nth in chosen(reached_points(tmp_path / "count"), CRASHES):
        folder = tmp_path / f"{point}_{nth}"
        store = init_store(folder)

        def action(
            acknowledge: Callable[[int], None], point: str = point, nth: int = nth, store: GitStore = store
        ) -> None:
            crash.crash_at(point, nth=nth)
            work(store, acknowledge)

        acknowledged, status = in_child(action)
        assert status == -signal.SIGKILL, f"{point}:{nth} was not reached"
        check(open_store(folder), acknowledged, f"{point}:{nth}")
        go_on(open_store(folder))


def test_nothing_is_lost_by_a_kill_during_recovery(tmp_path: Path) -> None:
    recovery = [point for point in POINTS if point.split(".")[0] in ("pack", "ref", "refs", "keep", "rotate")]
    assert len(recovery) >= CRASHES_IN_RECOVERY
    for point in recovery:
        folder = tmp_path / point
        store = init_store(folder)
        place = ("ref.log_done", 2) if point in ("pack.start", "keep.removed") else ("append.synced", 5)

        def first(acknowledge: Callable[[int], None], place: tuple[str, int] = place, store: GitStore = store) -> None:
            crash.crash_at(place[0], nth=place[1])
            work(store, acknowledge)

        acknowledged, status = in_child(first)
        assert status == -signal.SIGKILL

        def again(_: Callable[[int], None], point: str = point, folder: Path = folder) -> None:
            crash.crash_at(point)
            recover(folder, "1")

        assert in_child(again)[1] == -signal.SIGKILL, f"recovery does not reach {point}"
        check(open_store(folder), acknowledged, point)
        go_on(open_store(folder))


def test_the_environment_sets_the_crash(tmp_path: Path) -> None:
    init_store(tmp_path)
    code = (
        "import sys; from pathlib import Path; from shepherd_dsl.trace.store import open_store;"
        "w = open_store(Path(sys.argv[1])).create(program='{}', info={})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "SHEPHERD_CRASH": "journal.made:1"}, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_an_unknown_point_is_refused() -> None:
    with pytest.raises(ValueError, match="no such point"):
        crash.crash_at("nowhere")


def test_a_torn_tail_is_cut_off_and_reported(tmp_path: Path) -> None:
    store = init_store(tmp_path)

    def action(acknowledge: Callable[[int], None]) -> None:
        crash.crash_at("append.half", nth=3)
        writer = store.create(program=PROGRAM, info={})
        files = Files.empty()
        writer.append([LogEntry(AT_ROOT, start(files), files)])
        for number in range(3):
            writer.append([LogEntry(AT_ROOT, Injected("x" * 500 + str(number)), files)])

    assert in_child(action)[1] == -signal.SIGKILL
    assert len(store.read("1")) == 2
    writer, torn = recover(tmp_path, "1")
    assert torn is not None
    assert torn.path.endswith("journal")
    assert 100 < torn.size < 600
    assert len(writer) == 2
    writer.close()
    assert recover(tmp_path, "1")[1] is None
