"""Several processes in one workspace: one writer a tree, others beside it, readers that never see a hole."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shepherd_dsl.conformance.store import PROGRAM, start
from shepherd_dsl.core.event import Injected
from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import LockedError
from shepherd_dsl.trace import writer as writing
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.store import init_store, open_store
from shepherd_dsl.trace.verify import verify_tree

EMPTY = Files.empty()
FIRST = LogEntry("root", start(EMPTY), EMPTY)


def child(action: Callable[[], object]) -> int:
    """Do `action` in a process of its own; the process's number."""
    number = os.fork()
    if number == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return number


def succeeded(number: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == 0


def write(folder: Path, count: int, *, pack_every: int = 7) -> None:
    writing.PACK_ENTRIES = pack_every  # type: ignore[misc]
    writer = open_store(folder).create(program=PROGRAM, info={"pid": str(os.getpid())})
    writer.append([FIRST])
    for number in range(count):
        writer.append([LogEntry("root", Injected(number), EMPTY)], durable=number % 4 == 0)
    writer.close()


def test_eight_writers_begin_at_once(tmp_path: Path) -> None:
    """From nothing: the store itself is made by all of them too."""

    def begin() -> None:
        init_store(tmp_path)
        write(tmp_path, 20)

    children = [child(begin) for _ in range(8)]
    assert all([succeeded(number) for number in children])
    store = open_store(tmp_path)
    assert store.names() == tuple("12345678")
    assert {store.read(name).info["pid"] for name in store.names()} == {str(number) for number in children}
    for name in store.names():
        assert len(store.read(name)) == 21
        assert verify_tree(store, name) == ()
    assert not list(store.home.glob("tmp*"))
    subprocess.run(["git", "-C", str(store.git), "fsck", "--strict"], check=True, capture_output=True)


def test_readers_see_no_hole_while_journals_and_packs_change(tmp_path: Path) -> None:
    store = init_store(tmp_path)
    number = child(lambda: write(tmp_path, 600))
    seen, views = 0, 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if "1" in store.names():
            reader = (store if views % 2 else open_store(tmp_path)).read("1")
            values = [one.event.value for one in reader.entries() if isinstance(one.event, Injected)]
            assert values == list(range(len(values)))
            assert len(reader) >= seen, "a view went back"
            seen = len(reader)
            assert [one.index for one in reader.tail(5)] == list(range(max(0, seen - 5), seen))
            views += 1
            if seen == 601:
                break
    assert succeeded(number)
    assert seen == 601
    assert views > 3


def test_readers_see_no_hole_beside_gc(tmp_path: Path) -> None:
    store = init_store(tmp_path)
    number = child(lambda: write(tmp_path, 300))
    for _ in range(6):
        subprocess.run(["git", "-C", str(store.git), "gc", "--prune=now", "--quiet"], check=True, capture_output=True)
        if "1" in store.names():
            reader = store.read("1")
            assert len(list(reader.entries())) == len(reader)
    assert succeeded(number)
    assert len(list(open_store(tmp_path).read("1").entries())) == 301
    assert verify_tree(open_store(tmp_path), "1") == ()


def test_the_error_says_who_holds_the_lock(tmp_path: Path) -> None:
    store = init_store(tmp_path)
    read, done = os.pipe()
    ready, tell = os.pipe()

    def hold() -> None:
        writer = store.create(program=PROGRAM, info={})
        writer.append([FIRST])
        os.write(tell, b"x")
        os.read(read, 1)
        writer.close()

    number = child(hold)
    os.read(ready, 1)
    with pytest.raises(LockedError) as caught:
        store.reopen("1")
    assert caught.value.code == "store.locked"
    assert f"process {number} on " in caught.value.what
    assert "since 20" in caught.value.what
    assert store.is_locked("1")
    assert len(store.read("1")) == 1
    write(tmp_path, 3)
    assert store.names() == ("1", "2")
    os.write(done, b"x")
    assert succeeded(number)
    assert not store.is_locked("1")
    store.reopen("1").close()


def test_a_dead_writers_lock_is_free(tmp_path: Path) -> None:
    store = init_store(tmp_path)

    def die() -> None:
        writer = store.create(program=PROGRAM, info={})
        writer.append([FIRST])
        os._exit(0)

    assert succeeded(child(die))
    writer = store.reopen("1")
    assert len(writer) == 1
    writer.close()
