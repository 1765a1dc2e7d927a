"""The conformance suite for scopes: what every backend must do, checked on real files.

A package that brings a backend runs it from its own tests:

    CASE = ScopeCase("plain", PlainBackend, lacks=frozenset({"shared forks"}))

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_conforms(check: Check, tmp_path: Path) -> None:
        check(CASE, tmp_path)

    @pytest.mark.parametrize("check", LARGE, ids=lambda check: check.__name__)
    def test_conforms_at_scale(check: LargeCheck, tmp_path: Path) -> None:
        check(CASE, tmp_path, SAMPLE)  # FULL takes minutes, and tens of gigabytes

`lacks` says what a backend does otherwise (`Lack`), and that is checked as well. `conformance.scope_machine` adds a
Hypothesis state machine. Each check raises AssertionError that says what was wrong, or unittest.SkipTest, which pytest
knows, where the file system of its folder has not what it is about. What stands in a folder is read here by other means
than the backends'. What a fork begins with beside the files (what is ignored, a FIFO) is the backend's own affair.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from shepherd_dsl.conformance.scope_awkward import AWKWARD
from shepherd_dsl.conformance.scope_lab import Content, Lab, Lack, ScopeCase, clear, place_of, walk, write_at
from shepherd_dsl.conformance.scope_large import FULL, LARGE, SAMPLE, LargeCheck, Scale
from shepherd_dsl.conformance.scope_posix import POSIX
from shepherd_dsl.core.content import whole
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import LINK, Files, path_of_os
from shepherd_dsl.errors import ScopeError

__all__ = [
    "ALL_KINDS",
    "CHECKS",
    "FULL",
    "LARGE",
    "SAMPLE",
    "Check",
    "Content",
    "Lab",
    "Lack",
    "LargeCheck",
    "Scale",
    "ScopeCase",
    "walk",
]

Check: TypeAlias = Callable[[ScopeCase, Path], None]


ALL_KINDS: dict[str, Content] = {
    "plain": b"x\n",
    "empty file": b"",
    "binary": bytes(range(256)) * 300,
    "exec": (0o100755, b"#!/bin/sh\n"),
    "private": (0o100600, b"p"),
    "shared": (0o100666, b"s"),
    "read only": (0o100444, b"r"),
    "setuid": (0o104755, b"u"),
    "folder/inner/file": b"f",
    "folder/empty": None,
    "hollow/inner": None,
    "link": (LINK, b"plain"),
    "link to a folder": (LINK, b"folder"),
    "dangling": (LINK, b"nowhere"),
    "absolute": (LINK, b"/etc/passwd"),
    "upwards": (LINK, b"../../../.."),
    "odd target": (LINK, b"\xff\n \\"),
}
"""Everything a scope carries."""


def every_kind_of_entry(case: ScopeCase, folder: Path) -> None:
    """Regular files with their full permission bits, symbolic links and empty folders come and go."""
    lab = Lab(case, folder)
    scope = lab.start(ALL_KINDS)
    assert lab.changes(scope) == ()
    everything = scope.files
    scope.sync(Files.empty())
    lab.expect(scope, Files.empty())
    assert lab.changes(scope) == ()
    scope.sync(everything)
    lab.expect(scope, everything)
    assert lab.changes(scope) == ()
    scope.close()


def names_of_any_bytes(case: ScopeCase, folder: Path) -> None:
    """A name is bytes: newlines, no UTF-8, `.git` in any disguise, the longest one."""
    lab = Lab(case, folder)
    singles = [bytes([byte]) for byte in range(1, 256) if byte not in b"/."]
    raw = [*singles, b".git", b".GIT", b"git~1", b".g\xe2\x80\x8cit", b"%2Egit", b"%", b"a\nb", b"\xff\xfe", b"\xc3"]
    raw += [b"n" * 255, b"\xff" * 255, b"\xee\xbe\x80", b"-rf", b" ", b"...", "é".encode(), "日本".encode(), b".shep"]
    raw = sorted(set(raw))
    content: dict[str, Content] = {f"d/{path_of_os(name)}": name for name in raw}
    content |= {f"{path_of_os(name)}/config": b"c" for name in (b".git", b"\xff", b"a\nb", b"n" * 255)}
    scope = lab.start(content)
    assert lab.changes(scope) == ()
    for name in raw:
        with open(os.fsencode(scope.folder) + b"/d/" + name, "ab") as file:
            file.write(b"+")
    assert len(lab.changes(scope)) == len(raw)
    scope.close()


def what_processes_do_is_found(case: ScopeCase, folder: Path) -> None:
    """Writing, appending, removing, changing modes, making links and folders."""
    lab = Lab(case, folder)
    scope = lab.start({"a/x": b"1", "a/y": b"2", "b": b"3", "m": b"m", "l": (LINK, b"b"), "e": None})
    place_of(scope, "a/x").write_bytes(b"one")
    place_of(scope, "a/y").unlink()
    place_of(scope, "m").chmod(0o750)
    place_of(scope, "l").unlink()
    place_of(scope, "l").symlink_to("m")
    place_of(scope, "e/new").mkdir(parents=True)
    place_of(scope, "e/new/f").write_bytes(b"f")
    place_of(scope, "e/new/f").chmod(0o640)
    found = dict(lab.changes(scope))
    want: dict[str, Entry | None] = {
        "a/x": lab.entry(b"one"),
        "a/y": None,
        "m": lab.entry((0o100750, b"m")),
        "l": lab.entry((LINK, b"m")),
        "e": None,
        "e/new/f": lab.entry((0o100640, b"f")),
    }
    assert found == want, found
    assert lab.changes(scope) == ()
    scope.close()


def an_edit_of_the_same_size_and_time_is_found(case: ScopeCase, folder: Path) -> None:
    """A file rewritten at once, with the same length and its old time put back, is noticed."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"0000", "g": b"g"})
    path = place_of(scope, "f")
    for turn in range(1, 60):
        data = b"%04d" % turn
        before = path.stat()
        with open(path, "r+b") as file:
            file.write(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert lab.changes(scope) == (("f", lab.entry(data)),), f"turn {turn}"
    assert lab.changes(scope) == ()
    scope.close()


def removed_and_made_again(case: ScopeCase, folder: Path) -> None:
    """The same path may hold other things, one after the other, and the same thing again is no change."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"1", "d/f": b"1"})
    place_of(scope, "f").unlink()
    place_of(scope, "f").write_bytes(b"1")
    assert lab.changes(scope) == ()
    place_of(scope, "f").unlink()
    place_of(scope, "f").write_bytes(b"2")
    assert dict(lab.changes(scope)) == {"f": lab.entry(b"2")}
    start = scope.files
    scope.sync(start.apply((("f", None), ("d/f", None))))
    assert not place_of(scope, "d").exists(), "a folder whose last file goes, goes too"
    scope.sync(start)
    lab.expect(scope, start)
    assert lab.changes(scope) == ()
    scope.close()


def files_become_folders(case: ScopeCase, folder: Path) -> None:
    """And folders become files, links, nothing and back, whether a process does it or `sync`."""
    lab = Lab(case, folder)
    states: list[dict[str, Content]] = [
        {"p": b"file"},
        {"p/q/r": b"deep", "p/s": b"s"},
        {"p": (LINK, b"elsewhere")},
        {"p": None},
        {"p/q": None, "p/r": (LINK, b"q")},
        {},
        {"p/q": b"now a file"},
        {"p/q/r/s": b"and a folder again"},
        {"p": (0o100755, b"file")},
    ]
    scope = lab.start({})
    for content in [*states, *reversed(states)]:
        files = lab.files(content)
        scope.sync(files)
        lab.expect(scope, files)
        assert lab.changes(scope) == ()
    other = lab.backend.open("other", Files.empty())
    for content in states:
        clear(other.folder)
        for path, what in content.items():
            _make(place_of(other, path), what)
        lab.changes(other)
        assert other.files == lab.files(content)
    scope.close()
    other.close()


def _make(path: Path, what: Content) -> None:
    if what is None:
        path.mkdir(parents=True)
        return
    mode, data = what if isinstance(what, tuple) else (0o100644, what)
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == LINK:
        os.symlink(data, os.fsencode(path))
    else:
        path.write_bytes(data)
        path.chmod(mode & 0o7777)


def forks_are_isolated(case: ScopeCase, folder: Path) -> None:
    """What one run's processes do, in place too, is not seen by another's."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"1", "d/g": b"1", "e": None})
    place_of(scope, "made").write_bytes(b"made before the forks")
    lab.changes(scope)
    files = scope.files
    runs = ["root.0", "root.1(root)", "root.1(root).0"]
    copies = []
    for run in runs:
        lab.backend.fork("root", run)
        copies.append(lab.backend.open(run, files))
    assert len({scope.folder, *(copy.folder for copy in copies)}) == 4
    for number, copy in enumerate(copies):
        with open(place_of(copy, "f"), "r+b") as file:
            file.write(b"%d" % (number + 5))
        write_at(place_of(copy, "made"), 0, b"%d" % number)
        place_of(copy, "d/g").unlink()
    lab.expect(scope, files)
    assert lab.changes(scope) == ()
    write_at(place_of(scope, "made"), 0, b"9")
    assert lab.changes(scope) == (("made", lab.entry(b"9ade before the forks")),)
    files = scope.files
    for number, copy in enumerate(copies):
        found = dict(lab.changes(copy))
        assert found["f"] == lab.entry(b"%d" % (number + 5))
        assert found["made"] == lab.entry(b"%dade before the forks" % number)
        copy.close()
    lab.backend.remove(runs[0])
    lab.expect(scope, files)
    scope.close()


def opened_again(case: ScopeCase, folder: Path) -> None:
    """A run opened again, by another process too, holds exactly the files it is opened with."""
    lab = Lab(case, folder)
    scope = lab.start({"a": b"1", "d/b": b"2", "e": None})
    files = scope.files
    scope.close()
    lab.backend.close()
    lab.backend = case.make(lab.home, lab.read)
    again = lab.backend.open("root", files)
    lab.expect(again, files)
    assert lab.changes(again) == ()
    place_of(again, "a").write_bytes(b"unrecorded")
    place_of(again, "new").write_bytes(b"unrecorded")
    third = case.make(lab.home, lab.read).open("root", files)  # the last process was killed
    lab.expect(third, files)
    assert lab.changes(third) == ()
    lab.backend.remove("root")
    lab.backend.remove("never opened")
    fresh = case.make(lab.home, lab.read).open("root", Files.empty())
    lab.expect(fresh, Files.empty())
    fresh.close()


def an_interrupted_sync_is_redone(case: ScopeCase, folder: Path) -> None:
    """After a `sync` that failed half-way, `changes` refuses, and the next `sync` or `open` makes the folder right."""
    lab = Lab(case, folder)
    scope = lab.start({"a": b"1", "b": b"1", "c": b"1", "d/x": b"1"})
    want = lab.files({"a": b"2", "b": b"2", "d": b"2", "z": b"2"})
    lost = lab.entry(b"lost").hash
    half = want.apply((("c/y", Entry(0o100644, lost)),))
    del lab.blobs[lost]
    for _ in range(2):
        try:
            scope.sync(half)
        except KeyError:
            pass
        else:
            raise AssertionError("a sync without the contents went through")
        try:
            scope.changes(lab.keep)
        except ScopeError as error:
            assert error.code == "scope.interrupted"  # noqa: PT017
        else:
            raise AssertionError("changes were taken from a folder that was left half-written")
        scope.sync(want)
        lab.expect(scope, want)
        assert lab.changes(scope) == ()
    try:
        scope.sync(half)
    except KeyError:
        lab.blobs[lost] = b"lost"
    again = case.make(lab.home, lab.read).open("root", half)
    lab.expect(again, half)
    assert lab.changes(again) == ()
    again.close()


def a_failed_hand_over_is_repeated(case: ScopeCase, folder: Path) -> None:
    """Where `write_blob` fails (a full disk), the scope stays as it was, and the next `changes` says it all."""
    lab = Lab(case, folder)
    scope = lab.start({"a": b"1"})
    place_of(scope, "a").write_bytes(b"2")
    place_of(scope, "b").write_bytes(b"2+")

    def full(data: object) -> str:
        raise OverflowError

    try:
        scope.changes(full)
    except OverflowError:
        pass
    else:
        raise AssertionError("the failure was swallowed")
    assert scope.files == lab.files({"a": b"1"})
    assert dict(lab.changes(scope)) == {"a": lab.entry(b"2"), "b": lab.entry(b"2+")}
    scope.close()


def kept_bytes_count(case: ScopeCase, folder: Path) -> None:
    """Where `write_blob` keeps other bytes (a secret was taken out), the file becomes what it kept."""
    lab = Lab(case, folder)
    scope = lab.start({"a": b"1"})
    place_of(scope, "log").write_bytes(b"token=hunter2\n")
    place_of(scope, "log").chmod(0o600)
    clean = lab.entry((0o100600, b"token=***\n"))
    assert scope.changes(lambda data: lab.keep(whole(data).replace(b"hunter2", b"***"))) == (("log", clean),)
    assert place_of(scope, "log").read_bytes() == b"token=***\n"
    assert lab.changes(scope) == ()
    scope.close()


CHECKS: tuple[Check, ...] = (
    every_kind_of_entry,
    names_of_any_bytes,
    what_processes_do_is_found,
    an_edit_of_the_same_size_and_time_is_found,
    removed_and_made_again,
    files_become_folders,
    forks_are_isolated,
    opened_again,
    an_interrupted_sync_is_redone,
    a_failed_hand_over_is_repeated,
    kept_bytes_count,
    *AWKWARD,
    *POSIX,
)
"""All checks of the suite."""
