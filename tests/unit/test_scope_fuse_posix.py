"""A scope over FUSE does what programs expect of a file system."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shepherd_dsl.conformance.scope import Lab, ScopeCase
from shepherd_dsl.scope.fuse import FuseBackend
from tests.support.scopes import needs_fuse

pytestmark = needs_fuse

LIBC = ctypes.CDLL(None, use_errno=True)
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    """The folder of a scope with a file of its base, one in a folder, and a link."""
    lab = Lab(ScopeCase("fuse", lambda folder, read_blob: FuseBackend(folder, read_blob=read_blob)), tmp_path)
    yield lab.start({"a": b"hello", "d/b": b"x" * 5000, "l": (0o120000, b"a")}).folder
    lab.backend.close()


def refused(act: Callable[[], object], number: int) -> None:
    with pytest.raises(OSError, match=r"\w") as found:
        act()
    assert found.value.errno == number, found.value


def rename_with(flags: int, of: Path, to: Path) -> str:
    if LIBC.renameat2(-100, os.fsencode(of), -100, os.fsencode(to), flags) == 0:
        return "done"
    return errno.errorcode[ctypes.get_errno()]


def test_an_open_file_outlives_its_name(top: Path) -> None:
    with open(top / "a", "r+b", buffering=0) as file:
        (top / "a").unlink()
        file.seek(0, os.SEEK_END)
        file.write(b" world")
        assert os.pread(file.fileno(), 20, 0) == b"hello world"
        found = os.fstat(file.fileno())
        assert (found.st_nlink, found.st_size) == (0, 11)
        (top / "a").write_bytes(b"new")
        assert os.pread(file.fileno(), 20, 0) == b"hello world"


def test_appending_goes_to_the_end(top: Path) -> None:
    one, two = (os.open(top / "a", os.O_WRONLY | os.O_APPEND) for _ in range(2))
    for turn in range(3):
        os.write(one, b"1" * turn)
        os.write(two, b"2")
    os.close(one)
    os.close(two)
    assert (top / "a").read_bytes() == b"hello2121" + b"12"


def test_opening_may_make_it_empty_or_must_make_it(top: Path) -> None:
    os.close(os.open(top / "a", os.O_WRONLY | os.O_TRUNC))
    assert (top / "a").read_bytes() == b""
    refused(lambda: os.open(top / "d" / "b", os.O_CREAT | os.O_EXCL | os.O_WRONLY), errno.EEXIST)
    refused(lambda: os.open(top / "l", os.O_CREAT | os.O_EXCL | os.O_WRONLY), errno.EEXIST)
    refused(lambda: os.open(top / "l", os.O_RDONLY | os.O_NOFOLLOW), errno.ELOOP)


def test_sizes_are_set(top: Path) -> None:
    os.truncate(top / "d" / "b", 10)
    os.truncate(top / "d" / "b", 20)
    assert (top / "d" / "b").read_bytes() == b"x" * 10 + bytes(10)
    with open(top / "a", "r+b", buffering=0) as file:
        file.truncate(2)
        assert os.fstat(file.fileno()).st_size == 2
        assert os.pread(file.fileno(), 10, 0) == b"he"


def test_blocks_are_those_on_the_disk(top: Path) -> None:
    with open(top / "holes", "wb", buffering=0) as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        file.write(b"x")
        assert 0 < os.fstat(file.fileno()).st_blocks < 256
        file.write(b"y" * 1_000_000)
        assert 1_000_000 // 512 <= os.fstat(file.fileno()).st_blocks < 1_200_000 // 512
        file.truncate(10)
    assert (top / "holes").stat().st_blocks == 0
    assert (top / "d" / "b").stat().st_blocks >= 5000 // 512, "of its base"
    os.truncate(top / "d" / "b", 1 << 30)
    assert 0 < (top / "d" / "b").stat().st_blocks < 256


def test_renaming(top: Path) -> None:
    (top / "m").write_bytes(b"m")
    (top / "n").write_bytes(b"n")
    assert rename_with(NOREPLACE, top / "m", top / "n") == "EEXIST"
    assert rename_with(EXCHANGE, top / "m", top / "n") == "done"
    assert ((top / "m").read_bytes(), (top / "n").read_bytes()) == (b"n", b"m")
    assert rename_with(WHITEOUT, top / "m", top / "w") == "EINVAL"
    (top / "e").mkdir()
    (top / "e" / "x").touch()
    refused(lambda: os.rename(top / "d", top / "e"), errno.ENOTEMPTY)
    refused(lambda: os.rename(top / "e", top / "m"), errno.ENOTDIR)
    refused(lambda: os.rename(top / "m", top / "e"), errno.EISDIR)
    refused(lambda: os.rename(top / "e", top / "e" / "inner"), errno.EINVAL)
    number = (top / "m").stat().st_ino
    os.rename(top / "m", top / "e" / "m")
    assert (top / "e" / "m").stat().st_ino == number


def test_hard_links_are_one_file(top: Path) -> None:
    os.link(top / "a", top / "again")
    (top / "again").open("r+b").write(b"J")
    assert (top / "a").read_bytes() == b"Jello"
    assert (top / "a").stat().st_ino == (top / "again").stat().st_ino
    assert (top / "a").stat().st_nlink == 2
    (top / "a").unlink()
    assert ((top / "again").stat().st_nlink, (top / "again").read_bytes()) == (1, b"Jello")


def test_modes_and_times(top: Path) -> None:
    (top / "a").chmod(0o4750)
    assert stat.S_IMODE((top / "a").stat().st_mode) == 0o4750
    (top / "a").open("r+b").write(b"J")
    assert stat.S_IMODE((top / "a").stat().st_mode) == 0o750, "who writes takes the rights of its owner away"
    os.utime(top / "a", ns=(1_000_000_001, 2_000_000_002))
    found = (top / "a").stat()
    assert (found.st_atime_ns, found.st_mtime_ns) == (1_000_000_001, 2_000_000_002)
    before = (top / "d").stat().st_mtime_ns
    (top / "d" / "new").touch()
    assert (top / "d").stat().st_mtime_ns > before
    os.chown(top / "a", os.geteuid(), os.getegid())
    refused(lambda: os.chown(top / "a", os.geteuid() + 1, -1), errno.EPERM)


def test_extended_attributes(top: Path) -> None:
    place = top / "d" / "b"
    os.setxattr(place, "user.note", b"a note")
    assert (os.listxattr(place), os.getxattr(place, "user.note")) == (["user.note"], b"a note")
    refused(lambda: os.setxattr(place, "user.note", b"", os.XATTR_CREATE), errno.EEXIST)
    refused(lambda: os.getxattr(place, "user.other"), errno.ENODATA)
    os.removexattr(place, "user.note")
    assert os.listxattr(place) == []


def test_memory(top: Path) -> None:
    with open(top / "m", "w+b") as file:
        file.truncate(10_000)
        with mmap.mmap(file.fileno(), 10_000) as memory:
            memory[5000:5005] = b"hello"
            assert (top / "m").read_bytes()[5000:5005] == b"hello"
    assert (top / "m").read_bytes() == bytes(5000) + b"hello" + bytes(4995)


def test_locks(top: Path) -> None:
    with open(top / "a") as one, open(top / "a", "a") as two:
        fcntl.flock(one, fcntl.LOCK_EX)
        refused(lambda: fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB), errno.EAGAIN)
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.lockf(two, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_may_change_while_it_is_listed(top: Path) -> None:
    (top / "many").mkdir()
    for number in range(1000):
        (top / "many" / f"{number}").touch()
    seen = []
    for item in os.scandir(top / "many"):
        os.unlink(item.path)
        seen.append(item.name)
    assert sorted(seen, key=int) == [f"{number}" for number in range(1000)]
    assert list((top / "many").iterdir()) == []
    said = subprocess.run(["ls", "-a", str(top / "many")], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [".", ".."]


def test_names_and_kinds(top: Path) -> None:
    refused(lambda: (top / ("n" * 256)).touch(), errno.ENAMETOOLONG)
    refused(lambda: (top / ("n" * 256)).stat(), errno.ENAMETOOLONG)
    os.mkfifo(top / "fifo")
    assert stat.S_ISFIFO((top / "fifo").stat().st_mode)
    refused(lambda: os.mknod(top / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3)), errno.EPERM)
    os.mknod(top / "plain", stat.S_IFREG | 0o600)
    assert (top / "plain").read_bytes() == b""
    assert os.statvfs(top).f_namemax == 255
    for path in ("a", "d"):
        fd = os.open(top / path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


def test_what_a_scope_stands_on_stays(top: Path) -> None:
    refused(lambda: os.rmdir(top), errno.EPERM)
    refused(lambda: os.rename(top, top.parent / "other"), errno.EPERM)
    refused(lambda: os.mkdir(top.parent / "other"), errno.EPERM)
