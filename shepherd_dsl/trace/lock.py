"""One writer a tree: an advisory lock whose file says who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Final

from shepherd_dsl.errors import LockedError
from shepherd_dsl.trace.faults import storing

_TRIES: Final = 3
_WAIT_S: Final = 0.01


class TreeLock:
    """An exclusive `flock` on one file, held until `release` or the end of the process, however it ends."""

    __slots__ = ("_fd",)

    def __init__(self, path: Path, *, tree: str) -> None:
        """Take the lock. Raises LockedError (`store.locked`) where another process has it, StoreError otherwise."""
        with storing(path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _take(fd)
        except BlockingIOError:
            holder = holder_text(os.pread(fd, 4096, 0))
            os.close(fd)
            raise LockedError(
                "store.locked",
                f"tree {tree} is being written by {holder}",
                where=str(path),
                hint="wait for it or end it; reading (`shepherd log`, `show`) needs no lock",
            ) from None
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        holder_bytes = json.dumps(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                # Arguments may hold secrets, so only the program and its verb are written down.
                "command": " ".join([os.path.basename(sys.argv[0] or "python"), *sys.argv[1:2]])[:80],
            }
        ).encode()
        with storing(path):
            os.ftruncate(fd, 0)
            os.pwrite(fd, holder_bytes, 0)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _take(fd: int) -> None:
    """Take the lock, waiting a little: a probe may hold it for an instant. Raises BlockingIOError."""
    for _ in range(_TRIES):
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_WAIT_S)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file `path`. Raises StoreError where it cannot be opened."""
    with storing(path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
    return False


def holder_text(data: bytes) -> str:
    """Who holds a lock, from what its file says."""
    try:
        holder = json.loads(data)
        return f"process {holder['pid']} on {holder['host']} (`{holder['command']}`, since {holder['started']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
