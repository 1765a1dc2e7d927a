"""The files of a tree of runs, served over FUSE: the side of `fuse_server` that asks."""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import marshal
import os
import secrets
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.limits import MEMORY

MOUNT: Final = "mount"
DATA: Final = "data-"
"""In the folder of a tree: the mount point, and how the name of a folder for what is written begins."""
PATIENCE_S = 60.0
"""A server that does not show a sign of life for so long is ended, so that nobody waits for it any longer."""
EVERY_S = 5.0
"""How often it is asked for one."""
_STARTING_S: Final = 60.0
_ENDING_S: Final = 5.0
_PACKAGES: Final = str(Path(__file__).parents[2])
_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from shepherd_dsl.scope.fuse_server import main; main(sys.argv[2:])"
)


class FuseServer:
    """A server of scopes below `folder`, for as long as this object, or its process, lives.

    `namespaces` are descriptors to enter in this order before the mount point `at` shows the scopes; `root` is one of
    its root folder. What processes make takes at most about `memory` bytes of the server's. Safe to call from several
    threads. Raises OSError where the machine does not allow it, and ENOTCONN once the server has ended.
    """

    def __init__(self, folder: Path, *, memory: int = MEMORY) -> None:
        self.at = folder / MOUNT
        self.namespaces: tuple[int, ...] = ()
        self.root = -1
        self._mutex = threading.Lock()
        self._lost = False
        self.at.mkdir(parents=True, exist_ok=True)
        self.data, lock = _new_data(folder)
        ours, theirs = socket.socketpair()
        self._pings, pings = socket.socketpair()
        self._peer = ours
        with theirs, pings:
            passed = (theirs.fileno(), pings.fileno(), lock)
            try:
                # A session of its own: Ctrl-C at the terminal must not take the files from under a run.
                self._process = subprocess.Popen(
                    [
                        sys.executable, "-I", "-c", _BOOT, _PACKAGES,
                        str(passed[0]), str(passed[1]), str(self.at), str(lock), str(self.data), str(memory),
                    ],
                    pass_fds=passed,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    cwd="/",
                )  # fmt: skip
            finally:
                os.close(lock)
        self._over = threading.Event()
        try:
            self._peer.settimeout(_STARTING_S)
            fds = self._ready()
            self._peer.settimeout(None)
        except BaseException:
            self.close()
            raise
        self.namespaces, self.root = tuple(fds[:-1]), fds[-1]
        self._pings.settimeout(PATIENCE_S)
        threading.Thread(target=self._watch, args=(EVERY_S,), name="fuse-watch", daemon=True).start()

    @property
    def is_there(self) -> bool:
        """Whether it is still at work."""
        return not self._over.is_set() and not self._lost and self._process.poll() is None

    def is_lost(self, error: OSError) -> bool:
        """Whether an error, of a call here or of one on a served file, says that the server has ended."""
        if error.errno in (errno.ENOTCONN, errno.ECONNABORTED):
            self._lost = True
        return self._lost

    def ask(self, what: str, **details: object) -> dict[str, Any]:
        """What the server answers."""
        data = marshal.dumps({"do": what, **details})
        with self._mutex:
            try:
                self._peer.sendall(len(data).to_bytes(8, "little") + data)
                said: dict[str, Any] = marshal.loads(self._receive(int.from_bytes(self._receive(8), "little")))
            except OSError as error:
                self._lost = True
                raise OSError(errno.ENOTCONN, "the process that serves the run's files has ended") from error
        if "error" in said:
            raise OSError(said["errno"], said["error"])
        return said

    def close(self) -> None:
        """Let go of everything."""
        if self._over.is_set() and self.root < 0:
            return
        self._over.set()
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        for fd in (*self.namespaces, *([self.root] if self.root >= 0 else [])):
            os.close(fd)
        self.namespaces, self.root = (), -1
        try:
            self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._peer.close()
        self._pings.close()
        with contextlib.suppress(OSError):
            remove_tree(self.data)

    def _watch(self, every: float) -> None:
        """End a server that hangs: the kernel then lets go of everybody who waits for it."""
        while not self._over.wait(every):
            try:
                self._pings.send(b"?")
                if not self._pings.recv(1):
                    return
            except OSError:
                if not self._over.is_set():
                    self._process.kill()
                return

    def _ready(self) -> list[int]:
        room = socket.CMSG_SPACE(3 * array.array("i").itemsize)
        head, beside, _, _ = self._peer.recvmsg(8, room)
        fds = array.array("i")
        for level, kind, payload in beside:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        for fd in fds:
            os.set_inheritable(fd, False)
        if len(head) < 8:
            raise OSError(errno.ENOTCONN, "the process that serves the run's files did not start")
        said = marshal.loads(self._receive(int.from_bytes(head, "little")))
        if "error" in said:
            raise OSError(said["errno"], said["error"])
        return list(fds)

    def _receive(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._peer.recv(min(size, 1 << 20))
            if not part:
                raise OSError(errno.ENOTCONN, "the process that serves the run's files has ended")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _new_data(folder: Path) -> tuple[Path, int]:
    """A folder for what is written, and a lock on it that the server holds; those of servers that ended are removed."""
    for old in folder.glob(f"{DATA}*"):
        with contextlib.suppress(OSError):
            fd = os.open(old, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(old)
            finally:
                os.close(fd)
    made = folder / f"{DATA}{secrets.token_hex(6)}"
    made.mkdir(0o700)
    fd = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return made, fd
