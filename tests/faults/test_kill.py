"""SIGKILL at every kind of place in a whole run: nothing acknowledged is lost, nothing is done twice unreported."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from shepherd_dsl.core.event import Intent, Outcome
from shepherd_dsl.core.run import ROOT
from shepherd_dsl.runtime import points as driver_points
from shepherd_dsl.runtime.actions import replay_run
from shepherd_dsl.runtime.merges import finish, merged_files
from shepherd_dsl.runtime.trees import Task
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.testing import crash
from shepherd_dsl.trace import points as store_points
from shepherd_dsl.trace import writer
from shepherd_dsl.trace.protocol import Recorded
from shepherd_dsl.trace.store import open_store
from shepherd_dsl.trace.verify import verify_tree
from tests.faults.world import EFFECTS, Ledger, Watch, files_of, resume, run, task_of

SEED = 7
KILLS = 200
TIMED = 12
TWICE = 24

PROGRAM = (
    EFFECTS
    + """
agent worker(name: Text) -> Text
  grants ledger.build, file.write("**"), ledger.add
{
  do file.write("${name}.txt", name)
  try do ledger.build(name)
  do ledger.add(name)
  return name
}

agent main() -> Text
  grants run, all(worker), ledger.add, ledger.blind, ledger.post, file.write("**"), file.remove("**")
{
  do file.write("notes/new.txt", "new")
  do file.remove("old.txt")
  do ledger.add("first")
  try do ledger.blind("second")
  do ledger.post("third")
  let a = spawn worker("a")
  let b = spawn worker("b")
  let names = await all [a, b]
  merge a else { fail "a conflicts" }
  merge b else { fail "b conflicts" }
  do file.write("changed.txt", "changed")
  return names[0]
}
"""
)
BEFORE = {"changed.txt": b"as it was", "kept.txt": b"kept", "old.txt": b"old"}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of(tmp_path_factory.mktemp("program"), PROGRAM)


@pytest.fixture(autouse=True)
def _small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs are made while the run goes on, as in a long one."""
    monkeypatch.setattr(writer, "PACK_ENTRIES", 8)


def new_workspace(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, data in BEFORE.items():
        (folder / name).write_bytes(data)
    Workspace.init(folder)
    return folder


def ledger_of(root: Path) -> Ledger:
    return Ledger(root.parent / f"{root.name}.ledger")


def in_child(action: Callable[[Watch], None]) -> tuple[int, int]:
    """Do `action` in a forked process: how many entries it acknowledged, and how it ended (negative: the signal)."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read)
            action(Watch(lambda commits: os.write(write, b"." * len(commits))))
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        acknowledged = len(pipe.read())
    return acknowledged, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(place: tuple[str, int]) -> None:
    crash.install(f"{place[0]}:{place[1]}", store_points.set_hook)


def places(root: Path, task: Task) -> list[tuple[str, int]]:
    """Every (point, n) that the whole run reaches."""
    counts: Counter[str] = Counter()
    store_points.set_hook(lambda name: counts.update((name,)))
    try:
        run(root, task, {"ledger": ledger_of(root)})
    finally:
        store_points.set_hook(None)
    return [(point, n) for point in sorted(counts) for n in range(1, counts[point] + 1)]


def chosen(found: list[tuple[str, int]], count: int, chance: random.Random) -> list[tuple[str, int]]:
    """Every point at least once, then others at random."""
    names = list(dict.fromkeys(name for name, _ in found))
    first = [chance.choice([place for place in found if place[0] == name]) for name in names]
    rest = [place for place in found if place not in first]
    return first + chance.sample(rest, min(len(rest), count - len(first)))


# ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────────────


def texts(entries: list[Recorded], op: str, answer: str) -> list[str]:
    """The arguments of the calls of `op` that got such an answer."""
    asked: dict[str, Intent] = {}
    found = []
    for entry in entries:
        if isinstance(entry.event, Intent):
            asked[entry.run] = entry.event
        elif isinstance(entry.event, Outcome) and entry.run in asked:
            intent = asked.pop(entry.run)
            if intent.op == op and entry.event.answer.name == answer:
                found.append(str(intent.args[0]))
    return found


def after_kill(root: Path, acknowledged: int, where: str) -> list[Recorded]:
    """The trace has what was acknowledged, Git is content, and the workspace is the old one or the new one."""
    store = open_store(root)
    entries = list(store.read("1").entries()) if "1" in store.names() else []
    assert len(entries) >= acknowledged, f"{where}: {acknowledged} acknowledged, {len(entries)} there"
    fsck = subprocess.run(
        ["git", "-C", str(store.git), "fsck", "--strict"], capture_output=True, text=True, check=False
    )
    assert fsck.returncode == 0, f"{where}: {fsck.stderr}"
    workspace = Workspace(root)
    finish(workspace)
    given = merged_files(workspace, "1") if entries else None
    if given is None:
        assert files_of(root) == BEFORE, where
    else:
        expect_files(root, entries, where)
    return entries


def expect_files(root: Path, entries: list[Recorded], where: str) -> None:
    last = [entry for entry in entries if entry.run == ROOT][-1]
    reader = open_store(root).read("1")
    wanted = {path: reader.blob(entry.hash) for path, entry in last.files.items()}
    assert files_of(root) == wanted, where


def after_resume(root: Path, before: list[Recorded], watch: Watch, where: str) -> None:
    """The run is whole: each effect happened once, or its outcome is unknown; the log goes on where it was."""
    store = open_store(root)
    entries = list(store.read("1").entries())
    assert [entry.commit for entry in entries][: len(before)] == [entry.commit for entry in before], where
    assert verify_tree(store, "1") == (), where
    assert replay_run(Workspace(root), "1").identical, where
    ledger = ledger_of(root)
    assert ledger.count("ledger.add") == {"first": 1, "a": 1, "b": 1}, where
    assert ledger.count("ledger.post") == {"third": 1}, where
    for op, wanted in (("ledger.blind", {"second"}), ("ledger.build", {"a", "b"})):
        done, unknown = set(texts(entries, op, "Ok")), set(texts(entries, op, "Unknown"))
        assert done | unknown == wanted, where
        assert not done & unknown, where
        count = ledger.count(op)
        assert all(count[text] == 1 for text in done), where
        assert all(count[text] <= 1 for text in unknown), where
        assert sum("unknown" in remark and op in remark for remark in watch.remarks) <= len(unknown), where
    expect_files(root, entries, where)
    assert files_of(root)["changed.txt"] == b"changed"
    assert "old.txt" not in files_of(root)


def go_on(root: Path, task: Task, before: list[Recorded], where: str) -> None:
    watch = Watch()
    handlers = {"ledger": ledger_of(root)}
    ended = resume(root, "1", handlers, watch=watch) if before else run(root, task, handlers, watch=watch)
    assert ended.kind == "done", f"{where}: {ended.value}"
    assert ended.refused is None, where
    if before:
        after_resume(root, before, watch, where)


# ── the tests ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_point_of_the_driver_is_reached(tmp_path: Path, task: Task) -> None:
    reached = {point for point, _ in places(new_workspace(tmp_path / "w"), task)}
    assert set(driver_points.POINTS) <= reached
    assert set(store_points.POINTS) - reached <= {"fork.done", "large.sealed"}


def test_a_run_killed_anywhere_goes_on(tmp_path: Path, task: Task) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    picked = chosen(places(new_workspace(tmp_path / "count"), task), KILLS, chance)
    assert len(picked) >= KILLS
    for number, place in enumerate(picked):
        where = f"seed {SEED}, kill {number} at {place[0]}:{place[1]}"
        root = new_workspace(tmp_path / f"k{number}")

        def action(watch: Watch, place: tuple[str, int] = place, root: Path = root) -> None:
            kill_at(place)
            run(root, task, {"ledger": ledger_of(root)}, watch=watch)

        acknowledged, status = in_child(action)
        assert status == -signal.SIGKILL, f"{where}: not reached"
        go_on(root, task, after_kill(root, acknowledged, where), where)


def test_a_run_killed_twice_goes_on(tmp_path: Path, task: Task) -> None:
    """The second kill is during the recovery from the first, or after it."""
    chance = random.Random(SEED + 1)
    found = places(new_workspace(tmp_path / "count"), task)
    for number in range(TWICE):
        first, second = chance.choice(found), chance.choice(found)
        where = f"seed {SEED + 1}, kills {number} at {first} and {second}"
        root = new_workspace(tmp_path / f"k{number}")

        def begin(watch: Watch, place: tuple[str, int] = first, root: Path = root) -> None:
            kill_at(place)
            run(root, task, {"ledger": ledger_of(root)}, watch=watch)

        acknowledged, status = in_child(begin)
        assert status == -signal.SIGKILL, where
        if not after_kill(root, acknowledged, where):
            continue

        def recover(watch: Watch, place: tuple[str, int] = second, root: Path = root) -> None:
            kill_at(place)
            resume(root, "1", {"ledger": ledger_of(root)}, watch=watch)

        acknowledged, status = in_child(recover)
        assert status in (0, -signal.SIGKILL), where
        go_on(root, task, after_kill(root, acknowledged, where), where)


def test_a_run_killed_at_any_time_goes_on(tmp_path: Path, task: Task) -> None:
    """Not at a named point, but after a while: nothing here depends on how long that really is."""
    chance = random.Random(SEED + 2)
    began = time.monotonic()
    run(new_workspace(tmp_path / "whole"), task, {"ledger": ledger_of(tmp_path / "whole")})
    whole = time.monotonic() - began
    for number in range(TIMED):
        delay = chance.random() * whole
        where = f"seed {SEED + 2}, kill {number} after {delay * 1000:.1f} ms"
        root = new_workspace(tmp_path / f"k{number}")

        def action(watch: Watch, root: Path = root, delay: float = delay) -> None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, max(delay, 0.001))
            run(root, task, {"ledger": ledger_of(root)}, watch=watch)

        acknowledged, status = in_child(action)
        assert status in (0, -signal.SIGKILL), where
        go_on(root, task, after_kill(root, acknowledged, where), where)
