"""Overlay mounts in a namespace of their own: the side of `mount_server` that asks."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

SERVER: Final = Path(__file__).with_name("mount_server.py")
"""The script that holds them."""
_MESSAGE: Final = 1 << 20
_MOST: Final = 1 << 19
"""Bytes of a request: a message must come whole."""


class Mounts:
    """Overlays mounted where only holders of `namespaces` see them, for as long as this object, or its process, lives.

    `namespaces` are descriptors to enter in this order before a mount point shows what is mounted there. Safe to call
    from several threads. Raises OSError where the machine does not allow it.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # A session of its own: Ctrl-C at the terminal must not take the files from under a run.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SERVER), str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        self._peer = ours
        self.namespaces: tuple[int, ...] = ()
        try:
            _, fds = self._receive()
        except BaseException:
            self.close()
            raise
        self.namespaces = tuple(fds)

    def mount(self, at: Path, *, lower: Sequence[Path], upper: Path, work: Path) -> int:
        """Mount an overlay at the folder `at`; a descriptor of its root. `lower` has the topmost first."""
        _, fds = self._ask(
            {"do": "mount", "at": str(at), "lower": list(map(str, lower)), "upper": str(upper), "work": str(work)}
        )
        return fds[0]

    def root(self, at: Path) -> int:
        """A descriptor of the root of what is mounted at `at`."""
        _, fds = self._ask({"do": "root", "at": str(at)})
        return fds[0]

    def unmount(self, at: Path) -> bool:
        """Unmount what is at `at`, unless it is in use; whether that was done."""
        said, _ = self._ask({"do": "unmount", "at": str(at)})
        return not said.get("busy")

    def close(self) -> None:
        """Let go of all mounts; those in use stay for who uses them."""
        self._peer.close()
        for fd in self.namespaces:
            os.close(fd)
        self.namespaces = ()
        self._process.wait()

    def _ask(self, request: dict[str, object]) -> tuple[dict[str, Any], list[int]]:
        data = json.dumps(request).encode()
        if len(data) > _MOST:
            raise OSError("the paths of the layers are too long")
        with self._mutex:
            self._peer.send(data)
            return self._receive()

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        room = socket.CMSG_SPACE(2 * array.array("i").itemsize)
        data, beside, _, _ = self._peer.recvmsg(_MESSAGE, room)
        fds = array.array("i")
        for level, kind, payload in beside:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        for fd in fds:
            os.set_inheritable(fd, False)
        if not data:
            raise OSError("the process that holds the mounts has ended")
        said: dict[str, Any] = json.loads(data)
        if "error" in said:
            with contextlib.suppress(OSError):
                for fd in fds:
                    os.close(fd)
            raise OSError(said["errno"], said["error"])
        return said, list(fds)
