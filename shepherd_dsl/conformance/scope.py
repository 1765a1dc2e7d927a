"""The conformance suite for scopes: what every backend must do, checked on real files.

A package that brings a backend runs it from its own tests:

    CASE = ScopeCase("overlay", lambda folder, read_blob: OverlayBackend(folder, read_blob=read_blob))

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_conforms(check: Check, tmp_path: Path) -> None:
        check(CASE, tmp_path)

`conformance.scope_machine` adds a Hypothesis state machine. Each check raises AssertionError that says what was wrong.
What stands in a folder is read here by other means than the backends'.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from shepherd_dsl.conformance.scope_lab import Content, Lab, ScopeCase, walk
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, os_name, path_of_os
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.protocol import Scope

__all__ = ["ALL_KINDS", "CHECKS", "Check", "Content", "Lab", "ScopeCase", "walk"]

Check: TypeAlias = Callable[[ScopeCase, Path], None]


def _at(scope: Scope, path: str) -> Path:
    return scope.folder / os.fsdecode(os_name(path))


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
    _at(scope, "a/x").write_bytes(b"one")
    _at(scope, "a/y").unlink()
    _at(scope, "m").chmod(0o750)
    _at(scope, "l").unlink()
    _at(scope, "l").symlink_to("m")
    _at(scope, "e/new").mkdir(parents=True)
    _at(scope, "e/new/f").write_bytes(b"f")
    _at(scope, "e/new/f").chmod(0o640)
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
    path = _at(scope, "f")
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
    _at(scope, "f").unlink()
    _at(scope, "f").write_bytes(b"1")
    assert lab.changes(scope) == ()
    _at(scope, "f").unlink()
    _at(scope, "f").write_bytes(b"2")
    assert dict(lab.changes(scope)) == {"f": lab.entry(b"2")}
    start = scope.files
    scope.sync(start.apply((("f", None), ("d/f", None))))
    assert not _at(scope, "d").exists(), "a folder whose last file goes, goes too"
    scope.sync(start)
    lab.expect(scope, start)
    assert lab.changes(scope) == ()
    scope.close()


def renamed_over(case: ScopeCase, folder: Path) -> None:
    """Files and folders that are renamed, over others too, are found under their new names."""
    lab = Lab(case, folder)
    scope = lab.start({"a": b"aaaa", "b": b"bbbb", "d/x": b"x", "d/y": None})
    os.rename(_at(scope, "a"), _at(scope, "b"))
    # As `mv` does it: where a folder cannot be renamed in one step (EXDEV), it is copied.
    shutil.move(_at(scope, "d"), _at(scope, "e"))
    found = dict(lab.changes(scope))
    assert found == {
        "a": None, "b": lab.entry(b"aaaa"), "d/x": None, "d/y": None, "e/x": lab.entry(b"x"), "e/y": EMPTY_FOLDER,
    }, found  # fmt: skip
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
        _clear(other.folder)
        for path, what in content.items():
            _make(_at(other, path), what)
        lab.changes(other)
        assert other.files == lab.files(content)
    scope.close()
    other.close()


def _clear(folder: Path) -> None:
    for found in sorted(folder.rglob("*"), reverse=True):
        found.unlink() if found.is_symlink() or not found.is_dir() else found.rmdir()


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


def many_files(case: ScopeCase, folder: Path) -> None:
    """Two thousand files, of which a few change."""
    lab = Lab(case, folder)
    scope = lab.start({f"d{i % 20}/e{i % 100}/f{i}": b"%d" % i for i in range(2000)})
    assert lab.changes(scope) == ()
    start = scope.files
    for number in (0, 7, 1999):
        _at(scope, f"d{number % 20}/e{number % 100}/f{number}").write_bytes(b"new")
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
    _at(scope, ".git/config").write_bytes(b"[core]\n")
    assert lab.changes(scope) == ((".git/config", lab.entry(b"[core]\n")),)
    scope.close()


def hard_links_are_separate_files(case: ScopeCase, folder: Path) -> None:
    """Two names of one file are two files of the run, and two files in the copy of a fork."""
    lab = Lab(case, folder)
    scope = lab.start({"a": b"1"})
    os.link(_at(scope, "a"), _at(scope, "b"))
    assert lab.changes(scope) == (("b", lab.entry(b"1")),)
    with open(_at(scope, "b"), "r+b") as file:
        file.write(b"2")
    assert lab.changes(scope) == (("a", lab.entry(b"2")), ("b", lab.entry(b"2")))
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    with open(_at(copy, "b"), "r+b") as file:
        file.write(b"3")
    assert lab.changes(copy) == (("b", lab.entry(b"3")),)
    scope.sync(scope.files.apply((("b", lab.entry((0o100600, b"2"))),)))
    lab.expect(scope, lab.files({"a": b"2", "b": (0o100600, b"2")}))
    scope.close()
    copy.close()


def special_files_are_listed(case: ScopeCase, folder: Path) -> None:
    """A FIFO and a socket are not carried, not waited for, and named in `skipped`."""
    lab = Lab(case, folder)
    scope = lab.start({"d/f": b"1", "g": b"2"})
    os.mkfifo(_at(scope, "d/fifo"))
    _at(scope, "g").unlink()
    os.mkfifo(_at(scope, "g"))
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as opened:
        os.chdir(scope.folder)  # a socket's address is short
        try:
            opened.bind("socket")
        finally:
            os.chdir(here)
    assert lab.special(scope) == ((("g", None),), ("d/fifo", "g", "socket"))
    scope.sync(lab.files({"g": b"3", "d": b"4"}))
    assert (_at(scope, "g").read_bytes(), _at(scope, "d").read_bytes()) == (b"3", b"4")
    assert lab.special(scope) == ((), ("socket",))
    scope.close()


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
        _clear(scope.folder / "d")
        (scope.folder / "d").rmdir()
        (scope.folder / "d").symlink_to(target)
        _at(scope, "t").unlink()
        _at(scope, "t").symlink_to(f"{target}/f")
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
    _clear(scope.folder / "d")  # and behind the scope's back
    (scope.folder / "d").rmdir()
    (scope.folder / "d").symlink_to(outside)
    scope.sync(start.apply((("d/f", None), ("d/new", lab.entry(b"n")), ("d/sub/f", lab.entry(b"2")))))
    assert (scope.folder / "d" / "new").read_bytes() == b"n"
    assert {path: data for path, _, data in walk(outside)} == {"f": b"outside", "sub/f": b"outside"}
    scope.close()


def forks_are_isolated(case: ScopeCase, folder: Path) -> None:
    """What one run's processes do, in place too, is not seen by another's."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"1", "d/g": b"1", "e": None})
    files = scope.files
    runs = ["root.0", "root.1(root)", "root.1(root).0"]
    copies = []
    for run in runs:
        lab.backend.fork("root", run)
        copies.append(lab.backend.open(run, files))
    assert len({scope.folder, *(copy.folder for copy in copies)}) == 4
    for number, copy in enumerate(copies):
        with open(_at(copy, "f"), "r+b") as file:
            file.write(b"%d" % (number + 5))
        _at(copy, "d/g").unlink()
    lab.expect(scope, files)
    assert lab.changes(scope) == ()
    for number, copy in enumerate(copies):
        assert dict(lab.changes(copy))["f"] == lab.entry(b"%d" % (number + 5))
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
    _at(again, "a").write_bytes(b"unrecorded")
    _at(again, "new").write_bytes(b"unrecorded")
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
    _at(scope, "a").write_bytes(b"2")
    _at(scope, "b").write_bytes(b"2+")

    def full(data: bytes) -> str:
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
    _at(scope, "log").write_bytes(b"token=hunter2\n")
    _at(scope, "log").chmod(0o600)
    clean = lab.entry((0o100600, b"token=***\n"))
    assert scope.changes(lambda data: lab.keep(data.replace(b"hunter2", b"***"))) == (("log", clean),)
    assert _at(scope, "log").read_bytes() == b"token=***\n"
    assert lab.changes(scope) == ()
    scope.close()


def permissions_are_no_obstacle(case: ScopeCase, folder: Path) -> None:
    """Files that nobody may read and folders that nobody may enter are carried, and replaced, all the same."""
    lab = Lab(case, folder)
    scope = lab.start({"d/f": b"1", "d/e/g": b"1", "h": b"1"})
    start = scope.files
    _at(scope, "h").write_bytes(b"2")
    _at(scope, "h").chmod(0)
    _at(scope, "d/e").chmod(0)
    _at(scope, "d").chmod(0o500)
    assert scope.changes(lab.keep) == (("h", lab.entry((0o100000, b"2"))),)
    assert scope.changes(lab.keep) == ()
    assert stat.S_IMODE(_at(scope, "h").lstat().st_mode) == 0
    _at(scope, "d").chmod(0)
    scope.sync(lab.files({"d/f": b"3", "h": b"4"}))
    scope.sync(start)
    lab.expect(scope, start)
    scope.close()


def holes_and_attributes(case: ScopeCase, folder: Path) -> None:
    """A file with holes has its zeros; extended attributes are in nobody's way, and not carried."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"f"})
    with open(_at(scope, "holes"), "wb") as file:
        file.truncate(3 << 20)
        file.seek(1 << 20)
        file.write(b"in the middle")
    with contextlib.suppress(OSError, AttributeError):  # not every file system has them
        os.setxattr(_at(scope, "f"), "user.note", b"a note")
    found = dict(lab.changes(scope))
    want = bytes(1 << 20) + b"in the middle" + bytes((2 << 20) - 13)
    assert found == {"holes": lab.entry(want)}, found
    assert lab.changes(scope) == ()
    scope.close()


def what_is_written_late_is_found(case: ScopeCase, folder: Path) -> None:
    """Through a handle that was opened before the last look, and through memory."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"0" * 8192, "g": b"g"})
    with (
        open(_at(scope, "f"), "r+b") as file,
        mmap.mmap(file.fileno(), 8192) as memory,
        open(_at(scope, "g"), "ab") as log,
    ):
        for turn in range(1, 4):
            memory[4096 : 4096 + 4] = b"%04d" % turn
            memory.flush()
            log.write(b"%d" % turn)
            log.flush()
            found = dict(lab.changes(scope))
            assert found.keys() == {"f", "g"}, f"turn {turn}: {found}"
        # What is only in memory is in the file for everyone who reads it.
        memory[:4] = b"late"
        lab.changes(scope)
        assert scope.files.get("f") == lab.entry(b"late" + b"0" * 4092 + b"0003" + b"0" * 4092)
    scope.close()


def readers_see_the_old_or_the_new(case: ScopeCase, folder: Path) -> None:
    """A file that `sync` replaces is never half there for those who read it meanwhile."""
    lab = Lab(case, folder)
    one, two = b"1" * 300_000, b"2" * 300_000
    states = [lab.files({"f": data, "d/g": data}) for data in (one, two)]
    scope = lab.backend.open("root", states[0])
    paths = [_at(scope, "f"), _at(scope, "d/g")]
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
    probe = folder / "Case"
    probe.write_bytes(b"")
    if (folder / "cASE").exists():
        return  # the file system knows no case
    scope = lab.start({"a": b"1", "A": b"2", "\u00e9": b"3", "e\u0301": b"4", "d/x": b"5", "D/x": b"6"})
    _at(scope, "A").write_bytes(b"two")
    _at(scope, "d/x").unlink()
    assert dict(lab.changes(scope)) == {"A": lab.entry(b"two"), "d": EMPTY_FOLDER, "d/x": None}
    scope.close()


CHECKS: tuple[Check, ...] = (
    every_kind_of_entry,
    names_of_any_bytes,
    what_processes_do_is_found,
    an_edit_of_the_same_size_and_time_is_found,
    removed_and_made_again,
    renamed_over,
    files_become_folders,
    many_files,
    deep_paths,
    a_repository_inside,
    hard_links_are_separate_files,
    special_files_are_listed,
    links_lead_nowhere,
    forks_are_isolated,
    opened_again,
    an_interrupted_sync_is_redone,
    a_failed_hand_over_is_repeated,
    kept_bytes_count,
    permissions_are_no_obstacle,
    holes_and_attributes,
    what_is_written_late_is_found,
    readers_see_the_old_or_the_new,
    names_that_differ_in_case,
)
"""All checks of the suite."""
