"""The private folder of a command, which holds its home and its temporary files, below the system's temporary folder.

The driver that made it keeps it locked (`flock`) while the command runs. The system releases the lock when the driver
ends, however it ends, so a folder that can be locked belongs to nobody and is removed by the next driver; one whose
command outlived its driver stays until `leftover` has ended that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

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
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def is_private(path: str) -> bool:
    """Whether `path` could be a private folder: anything else is never removed, whatever a file says."""
    above, name = os.path.split(path)
    return above == tempfile.gettempdir() and name.startswith(PREFIX)


def remove_abandoned() -> None:
    """Remove the private folders of this user whose driver is gone and which no process uses. Best effort."""
    with contextlib.suppress(OSError):
        found = sorted(name for name in os.listdir(tempfile.gettempdir()) if name.startswith(PREFIX))
        if found:
            in_use = b"\0".join(_environments())
            for name in found:
                path = os.path.join(tempfile.gettempdir(), name)
                if os.fsencode(path) not in in_use:
                    _remove_unlocked(path)


def _remove_unlocked(path: str) -> None:
    with contextlib.suppress(OSError):
        if os.lstat(path).st_uid != os.geteuid():
            return
        lock = _open(path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)


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


def _environments() -> Iterator[bytes]:
    """The environments of all processes that may be read."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                yield file.read()
