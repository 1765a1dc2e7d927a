"""The private folder of a command, which holds its home and its temporary files, below the system's temporary folder.

The driver that made it keeps it locked (`flock`) while the command runs. The system releases the lock when the driver
ends, however it ends, so a folder that can be locked belongs to nobody and is removed by the next driver; one whose
command outlived its driver stays until `leftover` has ended that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shepherd_dsl.scope.bases import remove_tree

PREFIX = "shepherd-command-"
"""How the name of a private folder begins."""


class PrivateFolder:
    """A new private folder with `home` and `tmp` in it, this process's until `remove`. Raises OSError."""

    __slots__ = ("_lock", "path")

    def __init__(self) -> None:
        self.path, self._lock = _locked_folder()
        try:
            for name in ("home", "tmp"):
                (self.path / name).mkdir(mode=0o700)
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove it, as far as that is possible, and give up the lock."""
        remove_private(str(self.path))
        os.close(self._lock)


def is_private(path: str) -> bool:
    """Whether `path` could be a private folder: anything else is never removed, whatever a file says."""
    above, name = os.path.split(path)
    return above == tempfile.gettempdir() and name.startswith(PREFIX)


def remove_private(path: str) -> OSError | None:
    """Remove a private folder, whatever a command made of it; why it could not be, where it could not.

    Nobody's outcome depends on that: what is left is found again by the next driver and by `shepherd doctor`.
    """
    try:
        # It is taken apart in a private folder: what a crash leaves of that is removed like any other.
        aside, lock = _locked_folder()
        try:
            remove_tree(Path(os.path.realpath(os.path.dirname(path)), os.path.basename(path)), aside=aside)
        finally:
            os.close(lock)
            with contextlib.suppress(OSError):
                aside.rmdir()
    except OSError as error:
        return error
    return None


def abandoned() -> list[str]:
    """The paths of the private folders of this user that no process uses and whose driver is gone, as far as can be
    seen."""
    found = []
    for path, lock in _abandoned():
        os.close(lock)
        found.append(path)
    return found


def remove_abandoned() -> list[str]:
    """Remove them; the paths of those that could not be. Best effort."""
    left = []
    for path, lock in _abandoned():
        try:
            if remove_private(path) is not None:
                left.append(path)
        finally:
            os.close(lock)
    return left


def _abandoned() -> Iterator[tuple[str, int]]:
    """Each of them with its lock, which the caller closes."""
    with contextlib.suppress(OSError):
        found = sorted(name for name in os.listdir(tempfile.gettempdir()) if name.startswith(PREFIX))
        if found:
            in_use = b"\0".join(map(marks, filter(str.isdigit, os.listdir("/proc"))))
            for name in found:
                path = os.path.join(tempfile.gettempdir(), name)
                lock = None if os.fsencode(path) in in_use else _lock_of(path)
                if lock is not None:
                    yield path, lock


def marks(process: int | str) -> bytes:
    """What a process shows of the private folder that it uses: its environment, and its arguments, for the keeper of a
    jail shows no more to its own user; nothing where it is gone or another's."""
    found = []
    for name in ("environ", "cmdline"):
        with contextlib.suppress(OSError), open(f"/proc/{process}/{name}", "rb") as file:
            found.append(file.read())
    return b"\0".join(found)


def _lock_of(path: str) -> int | None:
    """The lock of a folder of this user, None where it is another's or is held."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
            return None
        if found.st_mode & 0o700 != 0o700:
            os.chmod(path, 0o700)  # a command may have shut it
        lock = _open(path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return lock
    return None


def _locked_folder() -> tuple[Path, int]:
    while True:
        path = tempfile.mkdtemp(prefix=PREFIX)
        # Between these two lines another driver may take the folder for abandoned and remove it.
        with contextlib.suppress(FileNotFoundError):
            lock = _open(path)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock).st_nlink:
                return Path(path), lock
            os.close(lock)


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
