"""Benchmarks of the trace store: `python -m bench.store`, or `measure()` for the table of all benchmarks.

Every rate is measured beside an fdatasync of the same bytes on the same disk, since disks and their load differ.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from shepherd_dsl.core.event import Entry, Event, Intent, Outcome, Start
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.value import ok, record
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.store import GitStore, init_store, open_store

PROGRAM = '{"defs":{},"ops":{},"steps":1000000,"version":1}'
EMPTY = Files.empty()
WORDS = tuple(
    re.findall(
        r"\w+",
        "the session token is stored in plain text and expires too late so refactor the handling of login and run "
        "pytest again before posting a comment to the tracker line column error expected found assert module import",
    )
)


class Row(TypedDict):
    """One measurement. `direction`: whether a `higher` or a `lower` value is better; no `target`, nothing to meet."""

    name: str
    value: float
    unit: str
    target: float | None
    direction: str
    met: bool | None


SLOW_DISK_US = 600.0
"""Rates of durable events are promised where an fdatasync takes about 300 us; on a slower disk they are only shown."""


def row(name: str, value: float, unit: str, target: float | None, direction: str) -> Row:
    """A row, with `met` computed."""
    met = None if target is None else value >= target if direction == "higher" else value <= target
    return Row(name=name, value=round(value, 3), unit=unit, target=target, direction=direction, met=met)


def event(number: int) -> Event:
    """An event of about 500 bytes of canonical text, different from all others."""
    text = " ".join(WORDS[(number * 7 + at * (at + number % 13)) % len(WORDS)] for at in range(62))
    if number % 2:
        return Intent("shell.run", (f"pytest -q tests/test_{number}.py -k '{text}'",))
    return Outcome(ok(record(code=number % 3, out=f"{number} passed: {text}")), (), "world")


def fresh(folder: Path) -> GitStore:
    """A store in a new folder below `folder`."""
    return init_store(Path(tempfile.mkdtemp(dir=folder)))


def begin(store: GitStore, files: Files = EMPTY) -> LogEntry:
    """The first entry of a tree."""
    return LogEntry("root", Start(1, "0" * 40, "main", (), (), files.hash), files)


def fdatasync_us(folder: Path, size: int, count: int) -> list[float]:
    """Times of overwriting `size` bytes and an fdatasync, microseconds."""
    path = folder / "probe"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, bytes(size * count), 0)
    os.fsync(fd)
    times = []
    for number in range(count):
        data = os.urandom(size)
        begun = time.perf_counter()
        os.pwrite(fd, data, size * number)
        os.fdatasync(fd)
        times.append((time.perf_counter() - begun) * 1e6)
    os.close(fd)
    return times


def acknowledgement(folder: Path) -> list[Row]:
    """What an intent's acknowledgement costs, in turns with an fdatasync of the same bytes."""
    store = fresh(folder)
    writer = store.create(program=PROGRAM, info={})
    writer.append([begin(store)])
    bare: list[float] = []
    intents: list[float] = []
    bare_file: list[float] = []
    with_file: list[float] = []
    files = EMPTY
    size = 700
    for batch in range(12):
        bare += fdatasync_us(folder, size, 50)
        for number in range(batch * 50, batch * 50 + 50):
            entry = LogEntry("root", event(2 * number + 1), files)
            begun = time.perf_counter()
            writer.append([entry])
            intents.append((time.perf_counter() - begun) * 1e6)
        bare_file += fdatasync_us(folder, 3500, 20)
        for number in range(batch * 10, batch * 10 + 10):
            data = os.urandom(2000)
            begun = time.perf_counter()
            files = files.apply(((f"src/module_{number}.py", Entry(0o100644, writer.put_blob(data))),))
            writer.append([LogEntry("root", event(2 * number), files)])
            with_file.append((time.perf_counter() - begun) * 1e6)
    writer.close()
    base, intent = statistics.median(bare), statistics.median(intents)
    return [
        row("fdatasync of the same bytes", base, "us", None, "lower"),
        row("acknowledgement of an intent", intent, "us", 2 * base, "lower"),
        row("acknowledgement / fdatasync", intent / base, "ratio", 2.0, "lower"),
        row(
            "outcome with a 2 kB file / fdatasync",
            statistics.median(with_file) / statistics.median(bare_file),
            "ratio",
            None,
            "lower",
        ),
    ]


def rate(folder: Path, count: int, work: Callable[[GitStore, list[LogEntry]], None]) -> float:
    """Entries a second of `work`, packing and closing included."""
    store = fresh(folder)
    entries = [LogEntry("root", event(number), EMPTY) for number in range(count)]
    begun = time.perf_counter()
    work(store, entries)
    return count / (time.perf_counter() - begun)


def one_by_one(store: GitStore, entries: list[LogEntry]) -> None:
    """Every entry durable before the next."""
    writer = store.create(program=PROGRAM, info={})
    writer.append([begin(store)])
    for entry in entries:
        writer.append([entry])
    writer.close()


def in_groups(store: GitStore, entries: list[LogEntry]) -> None:
    """Every entry its own record, every hundredth durable."""
    writer = store.create(program=PROGRAM, info={})
    writer.append([begin(store)])
    for number, entry in enumerate(entries, start=1):
        writer.append([entry], durable=number % 100 == 0)
    writer.close()


def by_threads(store: GitStore, entries: list[LogEntry]) -> None:
    """Eight threads, every entry durable before the thread's next."""
    writer = store.create(program=PROGRAM, info={})
    writer.append([LogEntry(f"root.{n}" if n else "root", begin(store).event, EMPTY) for n in range(8)])

    def work(place: int) -> None:
        run = f"root.{place}" if place else "root"
        for entry in entries[place::8]:
            writer.append([LogEntry(run, entry.event, EMPTY)])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()


def rates(folder: Path) -> list[Row]:
    """Durable events a second."""
    slow = statistics.median(fdatasync_us(folder, 700, 100)) > SLOW_DISK_US

    def line(name: str, value: float, target: float) -> Row:
        return row(f"{name} (slow disk)" if slow else name, value, "1/s", None if slow else target, "higher")

    return [
        line("durable events, one by one", rate(folder, 4000, one_by_one), 2000.0),
        line("durable events, groups of 100", rate(folder, 20000, in_groups), 10000.0),
        line("durable events, 8 threads", rate(folder, 8000, by_threads), 2000.0),
    ]


def sizes(folder: Path) -> list[Row]:
    """Bytes an event takes after packing, and reading back a run of 10,000 events."""
    store = fresh(folder)
    in_groups(store, [LogEntry("root", event(number), EMPTY) for number in range(10_000)])
    total = sum(path.stat().st_size for path in store.git.rglob("*") if path.is_file())
    begun = time.perf_counter()
    tail = open_store(store.workspace).read("1").tail(20)
    tail_ms = (time.perf_counter() - begun) * 1e3
    begun = time.perf_counter()
    read = sum(1 for _ in open_store(store.workspace).read("1").entries())
    all_s = time.perf_counter() - begun
    code = (
        "import sys; from pathlib import Path; from shepherd_dsl.trace.store import open_store;"
        "print(len(open_store(Path(sys.argv[1])).read('1').tail(20)))"
    )
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, str(store.workspace)], check=True, capture_output=True)
    process_ms = (time.perf_counter() - begun) * 1e3
    at = len(tail) and 5000
    begun = time.perf_counter()
    store.fork("1", at=at, forked=list, info={})
    fork_ms = (time.perf_counter() - begun) * 1e3
    return [
        row("bytes an event after packing", total / 10_000, "B", 700.0, "lower"),
        row("last 20 of 10,000 events", tail_ms, "ms", 100.0, "lower"),
        row("last 20 of 10,000 events, whole process", process_ms, "ms", 300.0, "lower"),
        row("events read back", read / all_s, "1/s", 5000.0, "higher"),
        row("fork of a tree of 10,000 events at 5,000", fork_ms, "ms", 500.0, "lower"),
    ]


def large_files(folder: Path) -> list[Row]:
    """Changes in a tree of 20,000 files."""
    store = fresh(folder)
    writer = store.create(program=PROGRAM, info={})
    begun = time.perf_counter()
    blobs = [writer.put_blob(b"content of file %d\n" % number * 20) for number in range(20_000)]
    files = Files.of((f"src/d{n // 100}/f{n}.py", Entry(0o100644, blob)) for n, blob in enumerate(blobs))
    writer.append([begin(store, files)])
    import_s = time.perf_counter() - begun
    times = []
    for number in range(100):
        change = tuple(
            sorted((f"src/d{n}/f{n * 100}.py", Entry(0o100644, blobs[(number + n) % 20_000])) for n in range(10))
        )
        files = files.apply(change)
        begun = time.perf_counter()
        writer.append([LogEntry("root", event(number), files)], durable=False)
        times.append((time.perf_counter() - begun) * 1e3)
    writer.close()
    return [
        row("files taken in", 20_000 / import_s, "1/s", 10_000.0, "higher"),
        row("append of 10 changes in 20,000 files, not durable", statistics.median(times), "ms", 2.0, "lower"),
    ]


def measure() -> list[Row]:
    """All measurements; data under $TMPDIR, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="shepherd-bench-"))
    try:
        return [*acknowledgement(folder), *rates(folder), *sizes(folder), *large_files(folder)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
