"""Checks of scopes, continued: what file systems have that is awkward to carry, and what processes do meanwhile."""

from __future__ import annotations

import os
import socket
import stat
import threading
import unittest
from collections.abc import Callable
from pathlib import Path
from random import Random

from shepherd_dsl.conformance.scope_lab import Lab, ScopeCase, clear, disturb, place_of, walk
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK


def many_files(case: ScopeCase, folder: Path) -> None:
    """Two thousand files, of which a few change."""
    lab = Lab(case, folder)
    scope = lab.start({f"d{i % 20}/e{i % 100}/f{i}": b"%d" % i for i in range(2000)})
    assert lab.changes(scope) == ()
    start = scope.files
    for number in (0, 7, 1999):
        place_of(scope, f"d{number % 20}/e{number % 100}/f{number}").write_bytes(b"new")
    assert len(lab.changes(scope)) == 3
    scope.sync(start)
    lab.expect(scope, start)
    assert lab.changes(scope) == ()
    scope.close()


def deep_paths(case: ScopeCase, folder: Path) -> None:
    """A path of 4,096 bytes, and one of 2,048 folders, both longer than the system takes in one call."""
    lab = Lab(case, folder)
    long = "/".join(["n" * 254] * 16) + "/" + "m" * 16
    deep = "/".join(["d"] * 2048)
    assert len(long) == 4096
    scope = lab.start({long: b"long", deep: b"deep", "x": b"x"})
    assert lab.changes(scope) == ()
    scope.sync(lab.files({"x": b"x"}))
    lab.expect(scope, lab.files({"x": b"x"}))
    scope.close()


def a_repository_inside(case: ScopeCase, folder: Path) -> None:
    """What looks like a Git repository is files like any others."""
    lab = Lab(case, folder)
    scope = lab.start(
        {".git/HEAD": b"ref: refs/heads/main\n", ".git/hooks/pre-commit": (0o100755, b"exit 1\n"), "x": b"x"}
    )
    assert lab.changes(scope) == ()
    place_of(scope, ".git/config").write_bytes(b"[core]\n")
    assert lab.changes(scope) == ((".git/config", lab.entry(b"[core]\n")),)
    scope.close()


def special_files_are_listed(case: ScopeCase, folder: Path) -> None:
    """A FIFO and a socket are not carried, not waited for, and named in `skipped`."""
    lab = Lab(case, folder)
    scope = lab.start({"d/f": b"1", "g": b"2"})
    os.mkfifo(place_of(scope, "d/fifo"))
    place_of(scope, "g").unlink()
    os.mkfifo(place_of(scope, "g"))
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as opened:
        os.chdir(scope.folder)  # a socket's address is short
        try:
            opened.bind("socket")
        finally:
            os.chdir(here)
    assert lab.special(scope) == ((("g", None),), ("d/fifo", "g", "socket"))
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    assert {path for path, _, _ in walk(copy.folder)} - {"d"} == {"d/f"}
    found, skipped = lab.special(copy)
    # A fork may have them or not; what it has is listed, as it is in the original still.
    there = tuple(path for path in ("d/fifo", "g", "socket") if os.path.lexists(place_of(copy, path)))
    assert (found, skipped) == ((), there)
    assert lab.special(scope) == ((), ("d/fifo", "g", "socket"))
    copy.close()
    scope.sync(lab.files({"g": b"3", "d": b"4"}))
    assert (place_of(scope, "g").read_bytes(), place_of(scope, "d").read_bytes()) == (b"3", b"4")
    assert lab.special(scope) == ((), ("socket",))
    scope.close()
    lab.backend.close()
    lab.backend = case.make(lab.home, lab.read)
    again = lab.backend.open("root", scope.files)
    assert lab.special(again) == ((), ("socket",) if os.path.lexists(place_of(again, "socket")) else ())
    again.close()


def links_lead_nowhere(case: ScopeCase, folder: Path) -> None:
    """Nothing outside is read, written or removed through a symbolic link that a process put in the way."""
    lab = Lab(case, folder)
    outside = folder / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "f").write_bytes(b"outside")
    (outside / "sub" / "f").write_bytes(b"outside")
    scope = lab.start({"d/f": b"1", "d/sub/f": b"1", "t": b"t"})
    start = scope.files
    for target in (str(outside), os.path.relpath(outside, scope.folder)):
        clear(scope.folder / "d")
        (scope.folder / "d").rmdir()
        (scope.folder / "d").symlink_to(target)
        place_of(scope, "t").unlink()
        place_of(scope, "t").symlink_to(f"{target}/f")
        found = dict(lab.changes(scope))
        assert found["d"] == lab.entry((LINK, os.fsencode(target)))
        assert (found["d/f"], found["d/sub/f"]) == (None, None)
        linked = scope.files
        scope.sync(start)
        lab.expect(scope, start)
        scope.sync(linked)
        scope.sync(start.apply((("d/f", lab.entry(b"2")), ("d/sub/f", None))))
        scope.sync(start)
        assert lab.changes(scope) == ()
    clear(scope.folder / "d")  # and behind the scope's back
    (scope.folder / "d").rmdir()
    (scope.folder / "d").symlink_to(outside)
    scope.sync(start.apply((("d/f", None), ("d/new", lab.entry(b"n")), ("d/sub/f", lab.entry(b"2")))))
    assert (scope.folder / "d" / "new").read_bytes() == b"n"
    assert {path: data for path, _, data in walk(outside)} == {"f": b"outside", "sub/f": b"outside"}
    scope.close()


def permissions_are_no_obstacle(case: ScopeCase, folder: Path) -> None:
    """Files that nobody may read and folders that nobody may enter are carried, and replaced, all the same."""
    lab = Lab(case, folder)
    scope = lab.start({"d/f": b"1", "d/e/g": b"1", "h": b"1"})
    start = scope.files
    place_of(scope, "h").write_bytes(b"2")
    place_of(scope, "h").chmod(0)
    place_of(scope, "d/e").chmod(0)
    place_of(scope, "d").chmod(0o500)
    assert scope.changes(lab.keep) == (("h", lab.entry((0o100000, b"2"))),)
    assert scope.changes(lab.keep) == ()
    assert stat.S_IMODE(place_of(scope, "h").lstat().st_mode) == 0
    place_of(scope, "d").chmod(0)
    scope.sync(lab.files({"d/f": b"3", "h": b"4"}))
    scope.sync(start)
    lab.expect(scope, start)
    scope.close()


def readers_see_the_old_or_the_new(case: ScopeCase, folder: Path) -> None:
    """A file that `sync` replaces is never half there for those who read it meanwhile."""
    lab = Lab(case, folder)
    one, two = b"1" * 300_000, b"2" * 300_000
    states = [lab.files({"f": data, "d/g": data}) for data in (one, two)]
    scope = lab.backend.open("root", states[0])
    paths = [place_of(scope, "f"), place_of(scope, "d/g")]
    over = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        while not over.is_set():
            for path in paths:
                try:
                    data = path.read_bytes()
                except OSError as error:
                    wrong.append(str(error))
                    return
                if data not in (one, two):
                    wrong.append(f"{path}: {len(data)} bytes")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(20):
        scope.sync(states[(turn + 1) % 2])
    over.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    scope.close()


def names_that_differ_in_case(case: ScopeCase, folder: Path) -> None:
    """Names that differ in case alone, or in how an accent is written, are different files."""
    lab = Lab(case, folder)
    for one, other in (("Case", "cASE"), ("\u00e9", "e\u0301")):
        (folder / one).write_bytes(b"")
        if (folder / other).exists():
            raise unittest.SkipTest(f"to the file system of {folder}, {one!r} and {other!r} are one name")
    names = {"a", "A", "\u00e9", "e\u0301", "d", "D"}
    scope = lab.start({"a": b"1", "A": b"2", "\u00e9": b"3", "e\u0301": b"4", "d/x": b"5", "D/x": b"6"})
    assert set(os.listdir(scope.folder)) == names
    os.rename(place_of(scope, "a"), place_of(scope, "b"))
    place_of(scope, "B").write_bytes(b"1")
    place_of(scope, "b").rename(place_of(scope, "a"))
    assert lab.changes(scope) == (("B", lab.entry(b"1")),)
    assert set(os.listdir(scope.folder)) == {*names, "B"}
    place_of(scope, "A").write_bytes(b"two")
    place_of(scope, "d/x").unlink()
    assert dict(lab.changes(scope)) == {"A": lab.entry(b"two"), "d": EMPTY_FOLDER, "d/x": None}
    assert place_of(scope, "a").read_bytes() == b"1"
    scope.close()


def forked_again_and_again(case: ScopeCase, folder: Path) -> None:
    """A copy of a copy of a copy is still right, and so is what the earlier ones hold."""
    lab = Lab(case, folder)
    chance = Random(7)
    scope = lab.start({f"d{i % 3}/e{i % 2}/f{i}": b"%d" % i for i in range(24)})
    first = scope
    for number in range(60):
        for _ in range(3):
            disturb(scope.folder, chance)
        lab.changes(scope)
        files = scope.files
        lab.backend.fork("root" if number == 0 else f"root.{number - 1}", f"root.{number}")
        copy = lab.backend.open(f"root.{number}", files)
        lab.expect(copy, files)
        lab.expect(scope, files)
        if scope is not first:
            scope.close()
        scope = copy
    assert lab.changes(scope) == ()
    assert lab.changes(first) == ()
    scope.close()
    first.close()


def times_come_back(case: ScopeCase, folder: Path) -> None:
    """A folder that goes back to earlier files has the times of then; a fork has those of its original."""
    lab = Lab(case, folder)
    scope = lab.start({"source": b"1", "other": b"o", "d/kept": b"k", "l": (LINK, b"other")})

    def build(number: int) -> None:
        """The object is made anew where it is older than its source."""
        source, built = place_of(scope, "source"), place_of(scope, "d/object")
        if not built.exists() or built.lstat().st_mtime_ns < source.lstat().st_mtime_ns:
            built.write_bytes(b"object of " + source.read_bytes())
            os.utime(built, ns=(0, number * 10**9 + 5))

    def edit(number: int, data: bytes) -> None:
        place_of(scope, "source").write_bytes(data)
        os.utime(place_of(scope, "source"), ns=(0, number * 10**9))

    def times() -> dict[str, int]:
        return {path: place_of(scope, path).lstat().st_mtime_ns for path, entry in scope.files.items() if entry.hash}

    states = [(scope.files, times())]
    for number, data in enumerate((b"22", b"1", b"22", b"1", b"333"), start=1):
        edit(number, data)
        if number % 2:
            build(number)
        if number == 4:
            place_of(scope, "l").unlink()
            place_of(scope, "l").symlink_to("source")
            os.utime(place_of(scope, "l"), ns=(0, 4), follow_symlinks=False)
        lab.changes(scope)
        states.append((scope.files, times()))
    held = {files.hash: found for files, found in states}  # the latest, where files were held twice
    for files, _ in [*states, *reversed(states)]:
        scope.sync(files)
        lab.expect(scope, files)
        assert times() == held[files.hash], f"{times()} instead of {held[files.hash]}"
        assert lab.changes(scope) == ()
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    for path, time in times().items():
        assert place_of(copy, path).lstat().st_mtime_ns == time, path
    copy.close()
    scope.close()
    # Another process, to whom nothing of the copy is left but what is known of times.
    lab.backend.remove("root")
    lab.backend.close()
    lab.backend = case.make(lab.home, lab.read)
    scope = lab.backend.open("root", states[2][0])
    assert times() == held[states[2][0].hash]
    scope.close()


def what_comes_from_elsewhere_is_new(case: ScopeCase, folder: Path) -> None:
    """Files that were not held before, though each of them was, have the time of their coming."""
    lab = Lab(case, folder)
    scope = lab.start({"source": b"1", "object": b"of 1", "x": b"x"})
    first = scope.files
    for path, data in (("source", b"2"), ("object", b"of 2")):
        place_of(scope, path).write_bytes(data)
    os.utime(place_of(scope, "source"), ns=(0, 10**9))
    lab.changes(scope)
    before = place_of(scope, "object").lstat().st_mtime_ns
    scope.sync(scope.files.apply((("source", first.get("source")),)))
    assert place_of(scope, "source").lstat().st_mtime_ns >= before
    assert place_of(scope, "object").lstat().st_mtime_ns == before
    scope.close()


AWKWARD: tuple[Callable[[ScopeCase, Path], None], ...] = (
    many_files,
    deep_paths,
    a_repository_inside,
    special_files_are_listed,
    links_lead_nowhere,
    permissions_are_no_obstacle,
    readers_see_the_old_or_the_new,
    names_that_differ_in_case,
    forked_again_and_again,
    times_come_back,
    what_comes_from_elsewhere_is_new,
)
"""These checks; `scope.CHECKS` has them too."""
