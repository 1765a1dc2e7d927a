"""The reflink backend passes the suite for scopes on the file systems that have reflinks, and what is its own."""

from __future__ import annotations

import gc
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from shepherd_dsl.conformance.scope import CHECKS, Check, Lab, ScopeCase, walk
from shepherd_dsl.conformance.scope_awkward import forked_again_and_again
from shepherd_dsl.conformance.scope_lab import disturb
from shepherd_dsl.core.files import LINK, Files
from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.clone import is_subvolume, make_subvolume, snapshot
from shepherd_dsl.scope.ignore import ignored_by
from shepherd_dsl.scope.overlay import OverlayBackend
from shepherd_dsl.scope.probe import probe
from shepherd_dsl.scope.protocol import ScopeBackend
from shepherd_dsl.scope.reflink import ReflinkBackend, reflink_usable
from tests.support.cli import make_workspace, run_work, shepherd
from tests.support.images import KINDS, mounted
from tests.support.killing import killed_at
from tests.support.plain_user import do_as_plain_user
from tests.support.scope_scenes import expect_any_files, points, scenario
from tests.support.scopes import OVERLAY_LACKS, needs_overlay
from tests.unit.test_scope_machine import check_machine

MADE: list[ScopeBackend] = []


def made(backend: ScopeBackend) -> ScopeBackend:
    """It is closed at the end of the test: nothing may be open on a file system that is to be unmounted."""
    MADE.append(backend)
    return backend


CASE = ScopeCase("reflink", lambda folder, read_blob: made(ReflinkBackend(folder, read_blob=read_blob)))
OVERLAY = ScopeCase(
    "overlay", lambda folder, read_blob: made(OverlayBackend(folder, read_blob=read_blob)), lacks=OVERLAY_LACKS
)
SEED, POINTS = 5, points(40)
"""Which steps of the backend the process is killed at."""


@pytest.fixture(scope="module", params=KINDS)
def volume(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The root of a file system that has reflinks."""
    with mounted(request.param) as place:
        yield place


@pytest.fixture
def place(volume: Path) -> Iterator[Path]:
    """A folder of its own there."""
    folder = volume / "place"
    folder.mkdir()
    yield folder
    while MADE:
        MADE.pop().close()
    gc.collect()  # scopes that were given up, as by a process that was killed
    remove_tree(folder)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(check: Check, place: Path) -> None:
    check(CASE, place)


@pytest.mark.parametrize("check", CHECKS[::5], ids=lambda check: check.__name__)
def test_conforms_for_a_plain_user(check: Check, place: Path) -> None:
    """Who may make subvolumes and snapshots of what is theirs, but not destroy them in one step."""
    do_as_plain_user(lambda place: check(CASE, place), place)


def test_any_order_of_steps(place: Path) -> None:
    check_machine(CASE, place, examples=25)


@needs_overlay
@pytest.mark.parametrize("check", [*CHECKS[::4], forked_again_and_again], ids=lambda check: check.__name__)
def test_overlays_lie_there_as_well(check: Check, place: Path) -> None:
    check(OVERLAY, place)


def test_where_it_can_be_used_is_found_out(place: Path, tmp_path: Path) -> None:
    works, reason = reflink_usable(place)
    assert works
    assert ("snapshots" in reason) == (place.parent.name == "btrfs")
    assert list(place.iterdir()) == []
    assert next(found for found in probe(place, wanted="reflink") if found.chosen).name == "reflink"


def test_elsewhere_it_says_why_not() -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("no memory file system")
    works, reason = reflink_usable(memory)
    assert not works
    assert "does not share" in reason


def used(folder: Path) -> int:
    """Bytes of the file system that are in use."""
    os.sync()
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def test_a_fork_shares_contents_and_takes_along_what_is_ignored(place: Path) -> None:
    lab = Lab(CASE, place)
    backend = ReflinkBackend(lab.home, read_blob=lab.read, ignored=ignored_by(["build/"]))
    scope = backend.open("root", lab.files({"a": b"1", "d/b": (0o100755, b"2"), "l": (LINK, b"a")}))
    (scope.folder / "build").mkdir()
    (scope.folder / "build" / "big").write_bytes(os.urandom(32 << 20))
    (scope.folder / "a").write_bytes(b"one")
    scope.changes(lab.keep)
    before = used(place)
    MADE.append(backend)
    copies = []
    for number in range(4):
        backend.fork("root", f"root.{number}")
        copies.append(backend.open(f"root.{number}", scope.files))
    assert used(place) - before < 16 << 20
    big = (scope.folder / "build" / "big").read_bytes()
    for copy in copies:
        assert copy.changes(lab.keep) == ()
        assert (copy.folder / "build" / "big").read_bytes() == big
    with open(copies[0].folder / "build" / "big", "r+b") as file:
        file.write(b"another")
    assert (scope.folder / "build" / "big").read_bytes() == big
    assert (copies[1].folder / "build" / "big").read_bytes() == big


def test_on_btrfs_a_fork_is_a_snapshot(place: Path) -> None:
    lab = Lab(CASE, place)
    scope = lab.start({"a": b"1"})
    lab.backend.fork("root", "copy")
    on_btrfs = place.parent.name == "btrfs"
    assert snapshot(lab.home / "run-copy", place / "again") == on_btrfs
    assert is_subvolume(lab.home / "run-root") or not on_btrfs
    lab.backend.remove("copy")
    assert not (lab.home / "run-copy").exists()
    scope.close()


def test_a_clone_is_not_read_when_it_is_opened(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(CASE, place)
    scope = lab.start({f"f{number}": b"%d" % number for number in range(50)})
    time.sleep(0.05)
    lab.changes(scope)  # after the tick in which they were written
    read: list[str] = []
    real = Beneath.read

    def reading(self: Beneath, path: str) -> tuple[bytes, os.stat_result]:
        read.append(path)
        return real(self, path)

    monkeypatch.setattr(Beneath, "read", reading)
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    assert read == []
    lab.expect(copy, scope.files)


def test_what_was_written_meanwhile_is_not_taken_for_the_copys_own(place: Path) -> None:
    """A process that is not confined may still be at work in the original."""
    lab = Lab(CASE, place)
    scope = lab.start({"a": b"1", "b": b"2"})
    (scope.folder / "a").write_bytes(b"late")
    (scope.folder / "new").write_bytes(b"late")
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    lab.expect(copy, scope.files)
    assert lab.changes(copy) == ()
    assert {path for path, _ in lab.changes(scope)} == {"a", "new"}


def test_a_tree_begins_with_a_clone_of_the_frozen_files(place: Path) -> None:
    lab = Lab(CASE, place)
    data = os.urandom(8 << 20)
    files = lab.files({f"f{number}": data[number:] for number in range(4)})
    lab.backend.open("root", files).close()
    before = used(place)
    other = made(ReflinkBackend(place / "another-tree", read_blob=lab.read))
    scope = other.open("root", files)
    assert used(place) - before < 8 << 20
    lab.expect(scope, files)
    with open(scope.folder / "f0", "r+b") as file:
        file.write(b"changed")
    (base,) = (path for path in (place / ".bases").iterdir() if path.is_dir())
    assert (base / "files" / "f0").read_bytes() == data


def test_a_subvolume_that_a_command_made_is_in_nobodys_way(place: Path) -> None:
    lab = Lab(CASE, place)
    scope = lab.start({"a": b"1", "d/x": b"x"})
    inner = scope.folder / "sub"
    if not make_subvolume(inner):
        pytest.skip("not btrfs")
    (inner / "deep" / "deeper").mkdir(parents=True)
    (inner / "deep" / "deeper" / "f").write_bytes(b"f")
    assert make_subvolume(inner / "deep" / "again")
    (inner / "deep" / "again" / "g" / "h").mkdir(parents=True)
    (inner / "deep" / "again" / "g" / "h" / "f").write_bytes(b"g")
    lab.changes(scope)
    files = scope.files
    assert files.get("sub/deep/again/g/h/f") == lab.entry(b"g")
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", files)
    lab.expect(copy, files)
    other = files.apply((("sub/deep/again/g/h/f", lab.entry(b"2")), ("d/x", None)))
    scope.close()
    lab.backend.open("root", other)
    lab.expect(lab.backend.open("root", other), other)
    assert snapshot(copy.home, place / "held")
    for run in ("root", "copy"):
        lab.backend.remove(run)
    assert sorted(path.name for path in lab.home.iterdir()) == []


def test_a_whole_run_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With commands; its copies go when it has ended."""
    workspace = make_workspace(place / "repo")
    monkeypatch.chdir(workspace)
    (workspace / ".shepherd").mkdir(exist_ok=True)
    with open(workspace / ".shepherd" / "config.toml", "a") as config:
        config.write('[scope]\nbackend = "reflink"\n')
    done = run_work(workspace, "--quiet")
    assert done.status == 0, done
    assert "reflink (used)" in shepherd("doctor", "--quick").out
    tree = workspace / ".shepherd" / "scopes" / "1"
    assert not tree.exists()
    left = ReflinkBackend(tree, read_blob=dict[str, bytes]().__getitem__)  # by a driver that was killed
    left.open("root", Files.empty())
    left.close()
    assert list(tree.glob("run-*"))
    assert shepherd("doctor", "--quick", "--clean").status == 0
    assert not tree.exists()
    with open(workspace / ".shepherd" / "config.toml", "a") as config:
        config.write("[jail]\noff = true\n")
    assert "reflink (used)" in shepherd("doctor", "--quick").out
    assert run_work(workspace, "--quiet", "--keep").status == 0


def work(folder: Path) -> None:
    disturb(folder, Random(SEED))
    (folder / "d" / "new").write_bytes(b"new")


def test_killed_at_any_step(place: Path) -> None:
    scenario(Lab(CASE, place / "first"), work)  # what is loaded on first use is no step
    total = killed_at(-1, lambda: scenario(Lab(CASE, place / "whole"), work))
    assert total > POINTS
    killed = 0
    for number, step in enumerate(sorted(Random(SEED).sample(range(1, total * 9 // 10), POINTS))):
        folder = place / f"{number}"
        folder.mkdir()
        steps = killed_at(step, lambda folder=folder: scenario(Lab(CASE, folder), work))
        assert steps < step
        killed += steps < 0
        expect_any_files(Lab(CASE, folder), f"step {step}")
    assert killed > POINTS * 2 // 3


def test_modes_and_times_are_cloned(place: Path) -> None:
    lab = Lab(CASE, place)
    scope = lab.start({"a": (0o100640, b"1"), "s": (0o104755, b"2"), "l": (LINK, b"a")})
    os.utime(scope.folder / "a", ns=(1, 1_600_000_000_123_456_789))
    os.utime(scope.folder / "l", ns=(1, 1_600_000_001_123_456_789), follow_symlinks=False)
    lab.changes(scope)
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    assert (copy.folder / "a").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert (copy.folder / "l").lstat().st_mtime_ns == 1_600_000_001_123_456_789
    assert stat.S_IMODE((copy.folder / "s").stat().st_mode) == 0o4755
    assert walk(copy.folder) == walk(scope.folder)
