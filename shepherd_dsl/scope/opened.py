"""Descriptors of files and folders: opened without following links, read, written with holes, given rights back.

What `scope.beneath` is made of. OSError passes through.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from shepherd_dsl.core.content import LARGE, PIECE, Content, Large

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK: Final = 4096
_ZEROS: Final = bytes(_BLOCK)


def read_file(path: Path) -> Content:
    """The bytes of a file that nobody changes."""
    size = path.stat().st_size
    return Large(size, partial(_pieces_of, path)) if size > LARGE else path.read_bytes()


def _pieces_of(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while part := file.read(PIECE):
            yield part


def from_start(fd: int) -> int:
    """A folder to be listed: on btrfs an open one shows what was in it when its position was last set to the start."""
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def write_piece(file: int, data: bytes, offset: int) -> None:
    """Writes `data` at `offset` of a file that holds nothing there yet: blocks of zeros become holes."""
    start = done = 0
    while True:
        found = data.find(_ZEROS, start)
        if found < 0:
            break
        hole = found + -(offset + found) % _BLOCK
        end = hole
        while data.startswith(_ZEROS, end):
            end += _BLOCK
        start = end
        if end > hole:
            _write_all(file, memoryview(data)[done:hole], offset + done)
            done = end
    _write_all(file, memoryview(data)[done:], offset + done)
    if done and done == len(data):
        os.ftruncate(file, offset + done)


def _write_all(file: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def allow(above: int, name: bytes) -> bool:
    """Gives the owner back the use of a folder that was made unusable; whether it is one (`O_PATH` needs no right)."""
    path_only = getattr(os, "O_PATH", None)
    if path_only is None:
        return False
    try:
        fd = os.open(name, path_only | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    except OSError:
        return False
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            return False
        if found.st_mode & 0o700 != 0o700:
            os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(found.st_mode) | 0o700)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def step(at: int, name: bytes) -> int:
    """A descriptor of a folder in the one of `at`, which is closed."""
    found = os.open(name, FOLDER, dir_fd=at)
    os.close(at)
    return found


def identity(fd: int) -> tuple[int, int]:
    """Which file it is, among those that are there."""
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def without_files(fd: int) -> list[bytes]:
    """Unlinks what a folder holds but for inner folders, of which it gives the names; its owner may use these then."""
    inner = list[bytes]()
    for name in [os.fsencode(name) for name in os.listdir(from_start(fd))]:
        if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            allow(fd, name)
            inner.append(name)
        else:
            os.unlink(name, dir_fd=fd)
    return inner


@contextlib.contextmanager
def readable(above: int, name: bytes, mode: int, *, lend: bool) -> Iterator[int]:
    """Opens a file for reading; with `lend`, its owner is lent the permission where needed."""
    lent = -1
    try:
        try:
            fd = os.open(name, FILE, dir_fd=above)
        except PermissionError:
            path_only = getattr(os, "O_PATH", None)
            if path_only is None or not lend:
                raise
            lent = os.open(name, path_only | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
            if not stat.S_ISREG(os.fstat(lent).st_mode) or os.fstat(lent).st_uid != os.geteuid():
                raise
            os.chmod(f"/proc/self/fd/{lent}", stat.S_IMODE(mode) | 0o400)
            fd = os.open(name, FILE, dir_fd=above)
        try:
            if lent >= 0:
                os.chmod(f"/proc/self/fd/{lent}", stat.S_IMODE(mode))
            yield fd
        finally:
            os.close(fd)
    finally:
        if lent >= 0:
            os.close(lent)
