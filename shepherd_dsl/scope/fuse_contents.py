"""The bytes of files in FUSE scopes: those of a frozen base, and those that were written, each in a file of its own.

A content that scopes share is never written: who writes to it gets a copy first (`Contents.copy`), a reflink where the
file system has them. The file of a content goes when no tree refers to it any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from typing import Final

_FICLONE: Final = 0x40049409
_PIECE: Final = 8 << 20
"""Bytes that are copied before the server looks whether it is asked something."""
_LONGEST: Final = 4000
_FILE: Final = os.O_NOFOLLOW | os.O_CLOEXEC


class Content:
    """The bytes of one or more files. `hash` is their Git blob hash where that is known.

    `stamp` is another number after each change of the bytes. `owner` is the token of the tree that may write them.
    """

    __slots__ = ("_folder", "hash", "name", "owner", "stamp")

    def __init__(self, folder: int, name: bytes, *, owner: object, hash: str | None, stamp: int) -> None:
        """The file `name`, a path, below the folder with the descriptor `folder`. None owns what is frozen."""
        self._folder = folder
        self.name = name
        self.owner = owner
        self.hash = hash
        self.stamp = stamp

    def open(self, flags: int) -> int:
        """A descriptor of the file."""
        with _folder_of(self._folder, self.name) as (folder, name):
            return os.open(name, flags | _FILE, dir_fd=folder)

    def stat(self) -> os.stat_result:
        """What the file system says of it."""
        with _folder_of(self._folder, self.name) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def read_link(self) -> bytes:
        """Where it leads, for a symbolic link of a base."""
        with _folder_of(self._folder, self.name) as (folder, name):
            return os.readlink(name, dir_fd=folder)


class Written(Content):
    """A content that was written in a scope; its file is removed with it."""

    __slots__ = ()

    def remove(self) -> None:
        """Removes its file; its name is never used again."""
        with contextlib.suppress(OSError):
            os.unlink(self.name, dir_fd=self._folder)

    __del__ = remove


class Contents:
    """Makes the contents that are written, as files of the folder with the descriptor `folder`.

    `breathe` is called between the pieces of a long copy.
    """

    def __init__(self, folder: int, breathe: Callable[[], None]) -> None:
        self._folder = folder
        self._breathe = breathe
        self._count = 0

    def make(self, owner: object, stamp: int) -> tuple[Written, int]:
        """A new content without bytes, and a descriptor to read and write it."""
        self._count += 1
        name = b"%d" % self._count
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=self._folder)
        return Written(self._folder, name, owner=owner, hash=None, stamp=stamp), fd

    def copy(self, of: Content, most: int, owner: object) -> tuple[Written, int]:
        """A content with the first `most` bytes of `of`, and a descriptor of it. Holes stay holes."""
        source = of.open(os.O_RDONLY)
        try:
            made, fd = self.make(owner, of.stamp)
            try:
                size = min(most, os.fstat(source).st_size)
                if size:
                    self._fill(fd, source, size)
            except BaseException:
                os.close(fd)
                made.remove()
                raise
        finally:
            os.close(source)
        made.hash = of.hash
        return made, fd

    def _fill(self, to: int, source: int, size: int) -> None:
        try:
            fcntl.ioctl(to, _FICLONE, source)
        except OSError:
            at = 0
            while at < size:
                try:
                    begin = os.lseek(source, at, os.SEEK_DATA)
                    end = min(size, os.lseek(source, begin, os.SEEK_HOLE))
                except OSError as error:
                    if error.errno != errno.ENXIO:
                        raise
                    break  # nothing but a hole is left
                self._fill_range(to, source, begin, end)
                at = end
        os.ftruncate(to, size)

    def _fill_range(self, to: int, source: int, at: int, end: int) -> None:
        whole = True
        while at < end:
            size = min(_PIECE, end - at)
            moved = 0
            if whole:
                try:
                    moved = os.copy_file_range(source, to, size, at, at)
                except OSError as error:
                    if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM):
                        raise
                    whole = False
            if not moved:
                moved = write_all(to, os.pread(source, size, at), at)
            if not moved:
                return
            at += moved
            self._breathe()


def write_all(fd: int, data: bytes, at: int) -> int:
    """Writes all of `data`; its length."""
    done = os.pwrite(fd, data, at)
    while done < len(data):
        done += os.pwrite(fd, memoryview(data)[done:], at + done)
    return done


@contextlib.contextmanager
def _folder_of(top: int, path: bytes) -> Iterator[tuple[int, bytes]]:
    """A descriptor of a folder on the way to `path` below `top`, and the rest of the path, short enough for a call."""
    opened = -1
    try:
        while len(path) > _LONGEST:
            cut = path.rindex(b"/", 0, _LONGEST)
            at = top if opened < 0 else opened
            below = os.open(path[:cut], os.O_RDONLY | os.O_DIRECTORY | _FILE, dir_fd=at)
            if opened >= 0:
                os.close(opened)
            opened, path = below, path[cut + 1 :]
        yield (top if opened < 0 else opened), path
    finally:
        if opened >= 0:
            os.close(opened)
