"""Layers of an overlay that become many are squashed behind the runs' backs, and nobody can tell."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from shepherd_dsl.conformance.scope import Lab, ScopeCase, walk
from shepherd_dsl.conformance.scope_lab import disturb
from shepherd_dsl.core.files import LINK, Files, git_blob_hash
from shepherd_dsl.scope import overlay_layers
from shepherd_dsl.scope.ignore import ignored_by
from shepherd_dsl.scope.overlay import OverlayBackend
from shepherd_dsl.scope.overlay_layers import how_many
from tests.support.killing import killed_at
from tests.support.scope_scenes import points, states
from tests.support.scopes import needs_overlay

pytestmark = needs_overlay

SEED, POINTS = 11, points(60)
"""Which steps of the backend the process is killed at."""

MADE: list[OverlayBackend] = []


def make(folder: Path, read_blob: Callable[[str], bytes]) -> OverlayBackend:
    MADE.append(OverlayBackend(folder, read_blob=read_blob, ignored=ignored_by(["*.ignored"])))
    return MADE[-1]


CASE = ScopeCase("overlay", make)


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().close()


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three layers are many."""
    monkeypatch.setattr(overlay_layers, "SQUASHED_FROM", 3)
    monkeypatch.setattr(overlay_layers, "SQUASHED_LEAST", 2)


def portrait(folder: Path) -> dict[str, Any]:
    """All that can be seen of what a folder holds: kinds, modes, owners, times, attributes, contents, and which names
    are of one file."""
    found: dict[str, Any] = {}
    names: dict[int, str] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        what = path.lstat()
        name = str(path.relative_to(folder))
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes()
        attributes = {key: os.getxattr(path, key, follow_symlinks=False) for key in _attributes(path)}
        same = names.setdefault(what.st_ino, name) if stat.S_ISREG(what.st_mode) else name
        found[name] = (what.st_mode, what.st_uid, what.st_gid, what.st_mtime_ns, attributes, content, same)
    return found


def _attributes(path: Path) -> list[str]:
    return sorted(os.listxattr(path, follow_symlinks=False))


def settled(backend: OverlayBackend) -> None:
    """Wait for what is done behind the back."""
    pool = backend.layers._pool
    if pool is not None:
        pool.submit(lambda: None).result()


def layers_of(lab: Lab, kind: str) -> set[str]:
    return {path.name for path in (lab.home / "layers").glob(f"{kind}-*") if path.is_dir()}


def grow(lab: Lab, scope: Any, count: int, chance: Random, *, step: int = 3) -> None:
    """Freeze `count` layers, each after `step` disturbances; the copies are removed."""
    for number in range(count):
        for _ in range(step):
            disturb(scope.folder, chance)
        (scope.folder / "always").write_bytes(b"%d" % chance.randrange(1 << 40))
        scope.changes(lab.keep)
        lab.backend.fork(scope.run, f"copy.{number}")
        lab.backend.remove(f"copy.{number}")


def expect(scope: Any, lab: Lab, files: Files) -> None:
    """The folder holds exactly `files`, and the mark that is ignored."""
    found = {path: (mode, git_blob_hash(data or b"")) for path, mode, data in walk(scope.folder)}
    assert found.pop("mark.ignored")[0] == LINK
    want = {path: (entry.mode, entry.hash or git_blob_hash(b"")) for path, entry in files.items()}
    assert found == want


def test_a_chain_of_two_hundred_forks_stays_right_and_shallow(tmp_path: Path) -> None:
    """And takes what is ignored along, which a fork by values would not."""
    lab = Lab(CASE, tmp_path)
    chance = Random(SEED)
    scope: Any = lab.start({f"d{i % 5}/f{i}": b"%d" % i for i in range(40)}, run="root")
    (scope.folder / "mark.ignored").symlink_to("nowhere")
    earlier: dict[str, Files] = {}
    deepest = 0
    for number in range(200):
        (scope.folder / "count").write_bytes(b"%d" % number)
        for _ in range(2):
            disturb(scope.folder, chance)
        scope.changes(lab.keep)
        lab.backend.fork(scope.run, f"root.{number}")
        copy: Any = lab.backend.open(f"root.{number}", scope.files)
        for held in (scope, copy):
            expect(held, lab, scope.files)
        earlier[scope.run] = scope.files
        deepest = max(deepest, len(copy.stack.frozen))
        scope.close()
        scope = copy
    assert layers_of(lab, "squashed")
    assert deepest < overlay_layers.MOST_LAYERS
    for run in chance.sample(sorted(earlier), 20):
        again = lab.backend.open(run, earlier[run])
        expect(again, lab, earlier[run])
        assert again.changes(lab.keep) == ()
        again.close()


@pytest.mark.parametrize("seed", range(8))
def test_a_squashed_layer_looks_like_what_it_was_squashed_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(overlay_layers, "SQUASHED_FROM", 3)
    monkeypatch.setattr(overlay_layers, "SQUASHED_LEAST", 3)
    lab = Lab(CASE, tmp_path)
    chance = Random(seed)
    scope = lab.start({f"d{i % 4}/e{i % 3}/f{i}": b"%d" % i for i in range(30)})
    grow(lab, scope, 2, chance, step=4)
    for name in ("noted", "timed"):
        (scope.folder / name).mkdir()
    os.setxattr(scope.folder / "noted", "user.note", b"of a folder")
    (scope.folder / "timed").chmod(0o700)
    (scope.folder / "timed" / "x").write_bytes(b"x")
    os.utime(scope.folder / "timed", ns=(1, 2_000_000_000))
    (scope.folder / "sparse.ignored").write_bytes(b"")
    os.truncate(scope.folder / "sparse.ignored", 1 << 20)
    os.setxattr(scope.folder / "always", "user.note", b"of a file")
    os.link(scope.folder / "always", scope.folder / "twice.ignored")
    os.mkfifo(scope.folder / "fifo.ignored")
    scope.changes(lab.keep)
    lab.backend.fork("root", "x")
    scope.close()
    before_stack = lab.backend.layers.read("root")
    settled(lab.backend)
    (squashed,) = layers_of(lab, "squashed")
    after_stack = lab.backend.layers.current(before_stack)
    assert len(before_stack.frozen) == 3
    assert after_stack.frozen == (squashed,)
    seen = []
    for stack in (before_stack, after_stack):
        lab.backend.layers.write("look", stack)
        (lab.backend.layers.of("look") / "upper" / "files").mkdir(parents=True, exist_ok=True)
        root = lab.backend.mount("look", stack)
        seen.append(portrait(Path(f"/proc/self/fd/{root}/files")))
        os.close(root)
        assert lab.backend.mounts.unmount(lab.backend.place("look"))
    assert seen[0] == seen[1]
    assert stat.S_ISFIFO(seen[1]["fifo.ignored"][0])
    assert seen[1]["always"][6] == seen[1]["twice.ignored"][6]
    assert seen[1]["timed"][3] == 2_000_000_000
    assert seen[1]["noted"][4]["user.note"] == b"of a folder"


def test_what_was_removed_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder made anew in a later layer than the one that removed it: the kernel marks only the latter."""
    monkeypatch.setattr(overlay_layers, "SQUASHED_FROM", 3)
    monkeypatch.setattr(overlay_layers, "SQUASHED_LEAST", 3)
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"d/x": b"1", "d/e/y": b"2", "f/x": b"3", "g": b"4", "h/i/x": b"5", "h/i/j/x": b"6"})
    at = scope.folder

    def freeze(number: int) -> None:
        scope.changes(lab.keep)
        lab.backend.fork("root", f"root.{number}")

    shutil.rmtree(at / "d")
    shutil.rmtree(at / "f")
    (at / "f").write_bytes(b"a file")
    (at / "g").unlink()
    shutil.rmtree(at / "h" / "i" / "j")
    freeze(0)
    (at / "d").mkdir()
    (at / "d" / "e").mkdir()
    (at / "f").unlink()
    (at / "h" / "i" / "j").mkdir()
    freeze(1)
    (at / "f").mkdir()
    (at / "d" / "z").write_bytes(b"z")
    freeze(2)
    scope.close()
    settled(lab.backend)
    again = lab.backend.open("root", scope.files)
    assert again.stack.frozen == ("squashed-0",)
    lab.expect(again, lab.files({"d/e": None, "d/z": b"z", "f": None, "h/i/x": b"5", "h/i/j": None}))
    again.close()


@pytest.mark.usefixtures("early")
def test_layers_that_no_run_uses_are_removed_and_those_of_others_stay(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1", "d/b": b"2"})

    def freeze(number: int) -> Files:
        (scope.folder / "a").write_bytes(b"a%d" % number)
        scope.changes(lab.keep)
        lab.backend.fork("root", f"root.{number}")
        return scope.files

    second = [freeze(number) for number in range(2)][1]
    lab.backend.remove("root.0")
    freeze(2)
    lab.backend.remove("root.2")
    settled(lab.backend)
    assert layers_of(lab, "squashed") == {"squashed-0"}
    freeze(3)  # goes over
    lab.backend.remove("root.3")
    settled(lab.backend)
    assert scope.stack.frozen == ("frozen-3", "squashed-0")
    # The copy was made of the first two; the third was the run's alone.
    assert layers_of(lab, "frozen") == {"frozen-0", "frozen-1", "frozen-3"}
    other = lab.backend.open("root.1", second)
    lab.expect(other, second)
    other.close()
    lab.backend.remove("root.1")
    settled(lab.backend)
    assert layers_of(lab, "frozen") == {"frozen-3"}
    assert {path.name for path in (lab.home / "layers").glob("*.json")} == {"frozen-3.json", "squashed-0.json"}
    lab.expect(scope, scope.files)
    scope.close()


@pytest.mark.usefixtures("early")
def test_whoever_has_the_same_layers_goes_over_when_next_opened(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1", "d/b": b"2"})
    for number in range(3):
        (scope.folder / f"n{number}").write_bytes(b"n")
        scope.changes(lab.keep)
        lab.backend.fork("root", f"root.{number}")
    copy = lab.backend.open("root.2", scope.files)
    (copy.folder / "n0").unlink()
    (copy.folder / "d" / "b").write_bytes(b"changed")
    copy.changes(lab.keep)
    copy.close()
    settled(lab.backend)
    again = lab.backend.open("root.2", copy.files)
    assert again.stack.frozen == ("squashed-0",)
    lab.expect(again, copy.files)
    assert again.changes(lab.keep) == ()
    lab.backend.close()
    lab.backend = make(lab.home, lab.read)
    third = lab.backend.open("root.2", copy.files)
    assert third.stack.frozen == ("squashed-0",)
    lab.expect(third, copy.files)


@pytest.mark.usefixtures("early")
def test_a_process_still_at_work_keeps_its_layers(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    grow(lab, scope, 1, Random(1))
    with open(scope.folder / "always", "rb"):
        lab.backend.fork("root", "other")
        scope.close()
        assert layers_of(lab, "left")
        lab.backend.layers.remove("other")
        settled(lab.backend)
        assert layers_of(lab, "frozen") == {"frozen-0"}


@pytest.mark.usefixtures("early")
def test_where_squashing_fails_forks_are_made_of_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay_layers, "MOST_LAYERS", 5)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    for number in range(8):
        (scope.folder / f"f{number}").write_bytes(b"%d" % number)
        lab.changes(scope)
        lab.backend.fork("root", f"root.{number}")
        copy = lab.backend.open(f"root.{number}", scope.files)
        lab.expect(copy, scope.files)
        copy.close()
    settled(lab.backend)
    assert len(scope.stack.frozen) == 5
    assert not layers_of(lab, "squashed")
    assert not (lab.home / "layers" / "squash.new").exists()


def test_where_there_are_too_many_layers_squashing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay_layers, "SQUASHED_FROM", 3)
    monkeypatch.setattr(overlay_layers, "SQUASHED_LEAST", 2)
    monkeypatch.setattr(overlay_layers, "MOST_LAYERS", 4)
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    (scope.folder / "kept.ignored").write_bytes(b"1")
    for number in range(30):
        (scope.folder / "a").write_bytes(b"%d" % number)
        scope.changes(lab.keep)
        lab.backend.fork("root", f"root.{number}")
        copy = lab.backend.open(f"root.{number}", scope.files)
        assert (copy.folder / "kept.ignored").exists(), number
        copy.close()
    assert len(scope.stack.frozen) <= 4


def test_each_file_is_squashed_a_logarithmic_number_of_times() -> None:
    sizes: list[int] = []
    work = deepest = 0
    for _ in range(4096):
        sizes.insert(0, 1)
        if len(sizes) >= overlay_layers.SQUASHED_FROM:
            count = how_many(sizes)
            assert count >= overlay_layers.SQUASHED_LEAST
            work += sum(sizes[:count])
            sizes[:count] = [sum(sizes[:count])]
        deepest = max(deepest, len(sizes))
    assert deepest <= overlay_layers.SQUASHED_FROM
    assert work <= 4096 * 12


def scenario(lab: Lab) -> None:
    """Forks until layers are squashed, gone over to and removed, several times."""
    one, two = states(lab)
    scope = lab.backend.open("root", one)
    for number in range(7):
        scope.sync(two if number % 2 else one)
        (scope.folder / f"n{number}").write_bytes(b"n")
        scope.changes(lab.keep)
        lab.backend.fork("root", f"root.{number}")
        settled(lab.backend)
        if number % 3:
            lab.backend.remove(f"root.{number}")
    settled(lab.backend)
    assert len(scope.stack.frozen) <= 4
    assert layers_of(lab, "squashed")
    lab.backend.close()


@pytest.mark.usefixtures("early")
def test_killed_at_any_step(tmp_path: Path) -> None:
    """In either thread."""
    scenario(Lab(CASE, tmp_path / "first"))  # what is loaded on first use is no step
    total = killed_at(-1, lambda: scenario(Lab(CASE, tmp_path / "whole")))
    assert total > POINTS
    squashing = killed = 0
    for number, step in enumerate(sorted(Random(SEED).sample(range(1, total * 9 // 10), POINTS))):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        # How many steps there are depends on how far the thread comes meanwhile.
        steps = killed_at(step, lambda folder=folder: scenario(Lab(CASE, folder)))
        assert steps < step
        killed += steps < 0
        squashing += (folder / "scopes" / "layers" / "squash.new").exists()
        lab = Lab(CASE, folder)
        one, two = states(lab)
        for run, files in (("root", two), ("root.0", one), ("root.3", two), ("root.6", one), ("root", one)):
            scope = lab.backend.open(run, files)
            lab.expect(scope, files)
            assert lab.changes(scope) == (), f"step {step}"
            lab.backend.fork(run, f"{run}.again")
            settled(lab.backend)
            lab.expect(scope, files)
            scope.close()
        lab.backend.close()
    assert killed > POINTS * 2 // 3
    assert squashing
    assert threading.active_count() < 10
