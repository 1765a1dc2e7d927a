"""Checks of scopes, continued: what a program expects of the folder that it works in."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shepherd_dsl.conformance.scope_lab import Lab, ScopeCase, clear, place_of, rename, room, walk, write_at
from shepherd_dsl.core.files import EMPTY_FOLDER, os_name
from shepherd_dsl.scope.protocol import Scope

_BLOCK: Final = b"x" * 4096
_HARDLY_ANY: Final = 1 << 20
"""Bytes: a file system spends less on a block and its book-keeping."""
_TICKS_S: Final = 0.05
"""Longer than the clock of a file system stands still."""
_NOTE: Final = "user.note"


def renamed_over(case: ScopeCase, folder: Path) -> None:
    """A file that is renamed over another is found under its new name, and who has the other open goes on with that."""
    lab = Lab(case, folder)
    scope = lab.start({"a": b"aaaa", "b": b"bbbb", "c": b"cccc"})
    for name in ("a", "c"):
        with open(place_of(scope, "b"), "rb", buffering=0) as old:
            before = old.read()
            os.rename(place_of(scope, name), place_of(scope, "b"))
            assert os.pread(old.fileno(), 9, 0) == before
            assert place_of(scope, "b").read_bytes() != before
        assert dict(lab.changes(scope)) == {name: None, "b": lab.entry(name.encode() * 4)}
    scope.close()


def folders_are_renamed(case: ScopeCase, folder: Path) -> None:
    """A folder that a process made is renamed in one step, over an empty one too; one that was there likewise, or as
    the backend says."""
    lab = Lab(case, folder)
    scope = lab.start({"d/x": b"x", "d/y": None, "d/z/w": b"w"})
    top = scope.folder
    (top / "made" / "in").mkdir(parents=True)
    (top / "made" / "f").write_bytes(b"f")
    (top / "over").mkdir()
    (top / "file").touch()
    (top / "full" / "inner").mkdir(parents=True)
    assert rename(top / "made", top / "made" / "in" / "itself") == errno.EINVAL
    assert rename(top / "made", top / "full") in (errno.ENOTEMPTY, errno.EEXIST)
    assert rename(top / "made", top / "file") == errno.ENOTDIR
    (top / "file").unlink()
    os.rename(top / "made", top / "moved")
    os.rename(top / "moved", top / "over")
    _rename_as_promised(case, top / "d", top / "over" / "e")
    made = {"full/inner": None, "over/f": b"f", "over/in": None}
    assert lab.changes(scope)
    assert scope.files == lab.files({**made, "over/e/x": b"x", "over/e/y": None, "over/e/z/w": b"w"})
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    for forked in (copy, scope):
        _rename_as_promised(case, forked.folder / "over", forked.folder / "again")
        lab.changes(forked)
        assert forked.files == lab.files(
            {"full/inner": None, "again/f": b"f", "again/in": None, "again/e/x": b"x", "again/e/y": None}
            | {"again/e/z/w": b"w"}
        )
    copy.close()
    scope.close()


def _rename_as_promised(case: ScopeCase, of: Path, to: Path) -> None:
    """Rename a folder that its scope began with."""
    before = walk(of)
    said = rename(of, to)
    assert said == (errno.EXDEV if "folder moves" in case.lacks else 0), errno.errorcode.get(said, said)
    if said:
        assert (walk(of), to.exists()) == (before, False), "a rename that was refused did something"
        shutil.move(of, to)  # as `mv` does it then: it copies
    assert (of.exists(), sorted(walk(to))) == (False, sorted(before))


def hard_links_are_separate_files(case: ScopeCase, folder: Path) -> None:
    """Two names of one file are one file to processes, two files of the run, and two in a folder that is made anew. A
    fork has two; its original has one still, or as the backend says."""
    lab = Lab(case, folder)
    scope = lab.start({"a": b"1", "d/x": b"x"})
    keeps = "kept links" not in case.lacks
    os.link(place_of(scope, "a"), place_of(scope, "b"))
    assert _is_one_file(scope, "a", "b", numbers=keeps)
    assert lab.changes(scope) == (("b", lab.entry(b"1")),)
    write_at(place_of(scope, "b"), 0, b"2")
    assert place_of(scope, "a").read_bytes() == b"2"
    assert lab.changes(scope) == (("a", lab.entry(b"2")), ("b", lab.entry(b"2")))
    assert _is_one_file(scope, "a", "b", numbers=keeps)
    place_of(scope, "m").write_bytes(b"m")
    os.link(place_of(scope, "m"), place_of(scope, "d/n"))
    assert _is_one_file(scope, "m", "d/n")
    place_of(scope, "m").unlink()
    assert (place_of(scope, "d/n").stat().st_nlink, place_of(scope, "d/n").read_bytes()) == (1, b"m")
    place_of(scope, "d/n").unlink()
    assert lab.changes(scope) == ()
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    write_at(place_of(copy, "b"), 0, b"3")
    assert lab.changes(copy) == (("b", lab.entry(b"3")),)
    write_at(place_of(scope, "a"), 0, b"4")
    also = (("b", lab.entry(b"4")),) if keeps else ()
    assert lab.changes(scope) == (("a", lab.entry(b"4")), *also)
    assert _is_one_file(scope, "a", "b") == keeps
    assert place_of(copy, "a").read_bytes() == b"2"
    scope.sync(scope.files.apply((("b", lab.entry((0o100600, b"4"))),)))
    lab.expect(scope, lab.files({"a": b"4", "b": (0o100600, b"4"), "d/x": b"x"}))
    os.link(place_of(scope, "d/x"), place_of(scope, "d/y"))
    lab.changes(scope)
    copy.close()
    scope.close()
    lab.backend.remove("root")
    scope = lab.backend.open("root", scope.files)
    assert not _is_one_file(scope, "d/x", "d/y")
    assert place_of(scope, "d/x").stat().st_nlink == 1
    scope.close()


def _is_one_file(scope: Scope, one: str, other: str, *, numbers: bool = True) -> bool:
    """Whether one file, with two names, stands at both paths; without `numbers`, those of the inodes may differ."""
    first, second = place_of(scope, one).stat(), place_of(scope, other).stat()
    is_same = (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
    return first.st_nlink == second.st_nlink == 2 and (is_same or not numbers)


def attributes_are_not_carried(case: ScopeCase, folder: Path) -> None:
    """An extended attribute is there as long as its file; it is no change, is not in a folder that is made anew, and in
    a fork only where that shares what its original has on the disk."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"f", "g": b"g", "d/h": b"h"})
    place_of(scope, "made").write_bytes(b"m")
    lab.changes(scope)
    for path in ("f", "g", "d", "d/h", "made"):
        _set_note(place_of(scope, path), path.encode(), folder)
        assert _attributes(scope, path) == {_NOTE: path.encode()}
    os.setxattr(place_of(scope, "g"), _NOTE, b"another", os.XATTR_REPLACE)
    os.setxattr(place_of(scope, "g"), "user.second", b"")
    assert _attributes(scope, "g") == {_NOTE: b"another", "user.second": b""}
    os.removexattr(place_of(scope, "d/h"), _NOTE)
    assert _attributes(scope, "d/h") == {}
    assert lab.changes(scope) == ()
    place_of(scope, "f").write_bytes(b"2")
    os.rename(place_of(scope, "made"), place_of(scope, "renamed"))
    assert dict(lab.changes(scope)) == {"f": lab.entry(b"2"), "made": None, "renamed": lab.entry(b"m")}
    held = {"f": {_NOTE: b"f"}, "renamed": {_NOTE: b"made"}, "d": {_NOTE: b"d"}}
    assert {path: _attributes(scope, path) for path in held} == held
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    for path, own in held.items():
        assert _attributes(copy, path) in (({},) if "shared forks" in case.lacks else ({}, own)), path
        os.setxattr(place_of(copy, path), _NOTE, b"of the copy")
    assert {path: _attributes(scope, path) for path in held} == held
    assert lab.changes(copy) == lab.changes(scope) == ()
    copy.close()
    scope.close()
    lab.backend.remove("root")
    scope = lab.backend.open("root", scope.files)
    assert {path: _attributes(scope, path) for path in held} == {path: {} for path in held}
    scope.close()


def _set_note(place: Path, value: bytes, folder: Path) -> None:
    """Set an attribute; skips where the file system of the check's own folder has none either."""
    try:
        os.setxattr(place, _NOTE, value)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        (folder / "probe").write_bytes(b"")
        try:
            os.setxattr(folder / "probe", _NOTE, value)
        except OSError:
            raise unittest.SkipTest(f"the file system of {folder} has no extended attributes") from None
        raise AssertionError("the scope has no extended attributes, which its file system has") from None


def _attributes(scope: Scope, path: str) -> dict[str, bytes]:
    """The attributes of a file that are the user's."""
    place = place_of(scope, path)
    return {name: os.getxattr(place, name) for name in os.listxattr(place) if name.startswith("user.")}


def holes_take_no_room(case: ScopeCase, folder: Path) -> None:
    """A file of 1 GiB with one block takes up less than 1 MiB. To who reads it, and to the run, a hole is zeros."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"f"})
    holes = place_of(scope, "holes")
    with open(holes, "w+b", buffering=0) as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        file.write(_BLOCK)
        assert room(file.fileno()) < _HARDLY_ANY
        assert os.pread(file.fileno(), 8, (1 << 29) - 4) == bytes(4) + _BLOCK[:4]
    assert (holes.stat().st_size, room(holes) < _HARDLY_ANY) == (1 << 30, True)
    os.truncate(holes, 0)
    os.truncate(holes, 12 << 20)  # which is quicker to read
    write_at(holes, 5 << 20, _BLOCK)
    want = bytes(5 << 20) + _BLOCK + bytes((7 << 20) - len(_BLOCK))
    assert dict(lab.changes(scope)) == {"holes": lab.entry(want)}
    assert room(holes) < _HARDLY_ANY
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    shares = "shared forks" not in case.lacks
    assert not shares or room(place_of(copy, "holes")) < _HARDLY_ANY
    write_at(place_of(copy, "holes"), 9 << 20, _BLOCK)
    # Who copies a file when it is first written to may do so by pieces of a megabyte.
    assert not shares or room(place_of(copy, "holes")) < 3 * _HARDLY_ANY
    want = want[: 9 << 20] + _BLOCK + want[(9 << 20) + len(_BLOCK) :]
    assert dict(lab.changes(copy)) == {"holes": lab.entry(want)}
    assert lab.changes(scope) == ()
    copy.close()
    scope.close()


def open_files_outlive_their_names(case: ScopeCase, folder: Path) -> None:
    """Who has a file open goes on reading and writing it when its name is gone, and that is no part of the run."""
    lab = Lab(case, folder)
    scope = lab.start({"there": b"old", "d/there": b"old"})
    place_of(scope, "made").write_bytes(b"old")
    lab.changes(scope)
    for path in ("there", "d/there", "made"):
        place = place_of(scope, path)
        with open(place, "r+b", buffering=0) as file, open(place, "rb", buffering=0) as reader:
            place.unlink()
            assert os.fstat(file.fileno()).st_nlink == 0
            file.seek(0, os.SEEK_END)
            file.write(b" and more")
            assert reader.read() == b"old and more"
            assert dict(lab.changes(scope)).keys() >= {path}
            place.write_bytes(b"new")
            assert dict(lab.changes(scope))[path] == lab.entry(b"new")
            file.write(b" and more")
            assert os.pread(reader.fileno(), 99, 0) == b"old and more and more"
            assert lab.changes(scope) == ()
    shown = place_of(scope, "shown")
    shown.write_bytes(b"1")
    lab.changes(scope)
    with open(shown, "rb", buffering=0) as reader:
        write_at(shown, 0, b"22")
        assert reader.read() == b"22"
    assert lab.changes(scope) == (("shown", lab.entry(b"22")),)
    scope.close()


def files_without_a_name(case: ScopeCase, folder: Path) -> None:
    """A file that was made without a name (O_TMPFILE) is no part of the run until it gets one."""
    lab = Lab(case, folder)
    scope = lab.start({"d/f": b"f"})
    fd, refusal = -1, 0
    try:
        fd = os.open(place_of(scope, "d"), os.O_TMPFILE | os.O_RDWR, 0o640)
    except OSError as error:
        refusal = error.errno or -1
    assert refusal == (errno.EOPNOTSUPP if "O_TMPFILE" in case.lacks else 0), errno.errorcode.get(refusal, refusal)
    if fd >= 0:
        os.fchmod(fd, 0o640)
        os.write(fd, b"made")
        assert lab.changes(scope) == ()
        # With a descriptor for the folder, Python asks for the link to be followed.
        os.link(f"/proc/self/fd/{fd}", place_of(scope, "d/named"), src_dir_fd=fd, follow_symlinks=True)
        os.write(fd, b" so")
        os.close(fd)
        assert lab.changes(scope) == (("d/named", lab.entry((0o100640, b"made so"))),)
    assert lab.changes(scope) == ()
    scope.close()


def what_is_written_late_is_found(case: ScopeCase, folder: Path) -> None:
    """Through a handle that was opened before the last look, and through memory."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"0" * 8192, "g": b"g"})
    with (
        open(place_of(scope, "f"), "r+b") as file,
        mmap.mmap(file.fileno(), 8192) as memory,
        open(place_of(scope, "g"), "ab") as log,
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


def files_in_memory(case: ScopeCase, folder: Path) -> None:
    """What is written to memory that a file is mapped to is the file's, after msync and after the end of both the
    mapping and the handle; what is written to a private mapping is not."""
    lab = Lab(case, folder)
    scope = lab.start({"f": b"0" * 8192, "g": b"1" * 8192})
    place_of(scope, "made").write_bytes(b"0" * 8192)
    lab.changes(scope)
    for path in ("f", "made"):
        with open(place_of(scope, path), "r+b") as file:
            memory = mmap.mmap(file.fileno(), 8192)
        # The handle is closed, and the mapping goes on. After the first turn the page is one that was written already:
        # no time changes by what is written to it again.
        for turn, then in enumerate(("nothing", "msync", "nothing", "close"), start=1):
            memory[:4] = b"%04d" % turn
            if then == "msync":
                memory.flush()
            elif then == "close":
                memory.close()
            time.sleep(_TICKS_S)  # or the time would be too new for the look to rely on
            assert lab.changes(scope) == ((path, lab.entry(b"%04d" % turn + b"0" * 8188)),), f"turn {turn}"
        with open(place_of(scope, path), "r+b") as file, mmap.mmap(file.fileno(), 8192) as memory:
            memory[4096:4100] = b"last"
        assert lab.changes(scope) == ((path, lab.entry(b"0004" + b"0" * 4092 + b"last" + b"0" * 4092)),)
        with open(place_of(scope, path), "rb") as read, mmap.mmap(read.fileno(), 8192, mmap.MAP_PRIVATE) as own:
            own[:4] = b"mine"
        assert lab.changes(scope) == ()
    with open(place_of(scope, "g"), "rb") as read, mmap.mmap(read.fileno(), 8192, prot=mmap.PROT_READ) as shown:
        assert shown[:4] == b"1111"
        write_at(place_of(scope, "g"), 0, b"2222")
        assert shown[:4] in ((b"2222",) if "mapped reads" not in case.lacks else (b"2222", b"1111"))
    assert lab.changes(scope) == (("g", lab.entry(b"2222" + b"1" * 8188)),)
    scope.close()


def removed_and_made_of_another_kind(case: ScopeCase, folder: Path) -> None:
    """A file that becomes a folder and a file again, and a folder that becomes a file and a folder again, with the same
    content at the end too: no change, whether somebody looks in between or not, in a fork as well."""
    lab = Lab(case, folder)
    start = {"p": b"1", "q/r": b"2", "q/s": None, "x": b"x"}
    scope = lab.start(start)
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    for one in (scope, copy):
        for looks in (True, False):
            p, q = place_of(one, "p"), place_of(one, "q")
            p.unlink()
            (p / "in").mkdir(parents=True)
            (p / "f").write_bytes(b"1")
            _clear(q)
            q.write_bytes(b"2")
            if looks:
                lab.changes(one)
                assert one.files == lab.files({"p/f": b"1", "p/in": None, "q": b"2", "x": b"x"})
            _clear(p)
            p.write_bytes(b"1")
            q.unlink()
            (q / "s").mkdir(parents=True)
            (q / "r").write_bytes(b"2")
            assert lab.changes(one) == () or looks
            assert one.files == lab.files(start)
            assert lab.changes(one) == ()
    _clear(place_of(copy, "q"))
    place_of(copy, "q").mkdir()
    assert lab.changes(copy) == (("q", EMPTY_FOLDER), ("q/r", None), ("q/s", None))
    lab.expect(scope, lab.files(start))
    copy.close()
    scope.close()


def _clear(folder: Path) -> None:
    clear(folder)
    folder.rmdir()


def processes_go_deep(case: ScopeCase, folder: Path) -> None:
    """What a process makes, changes and removes at a path longer than a call takes is found; a path longer than those
    of a run can be is not carried, and listed."""
    lab = Lab(case, folder)
    way = ["n" * 200] * 20
    path = "/".join([*way, "f" * 70])  # 4,090 bytes, and those of the scope's folder
    scope = lab.start({"x": b"x"})
    for data in (b"1", b"two"):
        _write_deep(scope, way, "f" * 70, data)
        assert lab.changes(scope) == ((path, lab.entry(data)),)
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", scope.files)
    at = _enter(scope, way)
    os.unlink("f" * 70, dir_fd=at)
    os.close(at)
    assert lab.changes(scope) == (("/".join(way), EMPTY_FOLDER), (path, None))
    lab.expect(copy, copy.files)
    copy.close()
    _write_deep(scope, [*way, "n" * 200], "too deep", b"2")
    assert lab.special(scope) == ((), ("/".join([*way, "n" * 200]),))
    scope.sync(lab.files({"x": b"x"}))
    lab.expect(scope, lab.files({"x": b"x"}))
    scope.close()


def _write_deep(scope: Scope, way: list[str], name: str, data: bytes) -> None:
    at = _enter(scope, way)
    fd = os.open(os_name(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=at)
    os.write(fd, data)
    os.fchmod(fd, 0o644)
    os.close(fd)
    os.close(at)


def _enter(scope: Scope, way: list[str]) -> int:
    """A descriptor of a folder, which is made with those above where it is missing."""
    at = os.open(scope.folder, os.O_RDONLY | os.O_DIRECTORY)
    for name in way:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    return at


POSIX: tuple[Callable[[ScopeCase, Path], None], ...] = (
    renamed_over,
    folders_are_renamed,
    hard_links_are_separate_files,
    attributes_are_not_carried,
    holes_take_no_room,
    open_files_outlive_their_names,
    files_without_a_name,
    what_is_written_late_is_found,
    files_in_memory,
    removed_and_made_of_another_kind,
    processes_go_deep,
)
"""These checks; `scope.CHECKS` has them too."""
