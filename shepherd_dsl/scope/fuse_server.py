"""Serves the files of one tree of runs over FUSE, from a mount namespace of its own that ends with it.

A process that `fuse_client.FuseServer` starts. Its arguments are the number of a socket, the number of another one, the
mount point, the number of a lock on the folder for what is written, that folder, and how many bytes of memory what is
made may take. Over the first socket go messages,
each a length of 8 bytes and a marshalled object:

    ← {"ready": ["mnt"] or ["user", "mnt"]}                     with descriptors of these namespaces and of the root
    → {"do": "base", "name": text, "folder": text, "rows": [(path, mode, hash), …]}      what scopes may lie on
    ← {}
    → {"do": "open", "name": b, "base": text}                   the scope that was closed, else a new one over that base
    ← {"scope": n}
    → {"do": "fork", "scope": n, "name": b}                     closed at first
    ← {} or {"busy": True}                                      busy: a file is open for writing, and nothing was done
    → {"do": "changed", "scope": n}
    ← {"at": time, "rows": [(path, what), …]}                   what: None, or as below without a name
    → {"do": "list", "scope": n, "folders": [number, …]}
    ← {"rows": [[(name, mode, number, hash, target, file, stamp, mtime), …], …]}
    → {"do": "note", "scope": n, "until": time, "hashes": [(number, stamp, hash), …],
       "written": [(path, ctime, hash), …]}
    → {"do": "close", "scope": n}, {"do": "remove", "name": b}
    ← {}
    ← {"error": text, "errno": n}                               to any of them

Over the second one each byte is sent back, to show that the server is at work. It ends when the other end of the first
is closed, and when the kernel ends the file system. When it ends, however that comes, the kernel lets everybody go who
waits for an answer (ENOTCONN).
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import marshal
import os
import resource
import shutil
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any, NoReturn

from shepherd_dsl.scope.fuse_contents import Contents
from shepherd_dsl.scope.fuse_tree import Clock, FrozenBase, Node, Room, Tree, fail
from shepherd_dsl.scope.mount_server import LIBC, checked, enter_namespaces

_NOSUID, _NODEV = 2, 4


def mount(at: str) -> int:
    """Mount a FUSE file system at a folder, for this process to serve; a descriptor of the connection."""
    connection = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = (
        f"fd={connection},rootmode={stat.S_IFDIR:o},user_id={os.geteuid()},group_id={os.getegid()},default_permissions"
    )
    try:
        checked(
            LIBC.mount(b"shepherd", os.fsencode(at), b"fuse", ctypes.c_ulong(_NOSUID | _NODEV), options.encode()),
            f"mount at {at}",
        )
    except OSError:
        os.close(connection)
        raise
    return connection


class Server:
    """Answers what the driver asks; the kernel's requests are answered by `fuse_requests.Requests`."""

    def __init__(self, peer: socket.socket, pings: socket.socket, connection: int, folder: Path, memory: int) -> None:
        from shepherd_dsl.scope import fuse_loop
        from shepherd_dsl.scope.fuse_requests import Requests

        self._peer, self._pings, self._connection, self._folder = peer, pings, connection, folder
        self._clock = Clock()
        space = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.requests = Requests(Contents(space, fuse_loop.breathe), self._clock, space, memory)
        self._room = Room(memory)
        self._bases: dict[str, FrozenBase] = {}
        self._closed: dict[bytes, Tree] = {}
        self._count = 0

    def ask(self) -> None:
        """The driver has a question."""
        try:
            asked = receive(self._peer)
        except OSError:
            asked = None
        if asked is None:
            self.end()
        try:
            said = getattr(self, f"_{asked.pop('do')}")(**asked)
        except OSError as error:
            said = {"error": error.strerror or str(error), "errno": error.errno or errno.EIO}
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {error}", "errno": errno.EIO}
        with contextlib.suppress(OSError):  # nobody is left to answer: the next look says so
            send(self._peer, said)

    def ping(self) -> None:
        """Show that we are at work."""
        try:
            data = self._pings.recv(64)
        except OSError:
            data = b""
        if not data:
            self.end()
        with contextlib.suppress(OSError):
            self._pings.send(data)

    def end(self) -> NoReturn:
        """Let go of everything, first of who waits for an answer: removing large files may take a while."""
        with contextlib.suppress(OSError):
            os.close(self._connection)
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(0)

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _base(self, name: str, folder: str, rows: list[tuple[str, int, str]]) -> dict[str, Any]:
        self._bases[name] = FrozenBase(Path(folder), rows)
        return {}

    def _open(self, name: bytes, base: str) -> dict[str, Any]:
        from shepherd_dsl.scope.fuse_requests import Served

        tree = self._closed.pop(name, None) or Tree(self._bases[base], self._clock, room=self._room)
        there = self.requests.names.get(name)
        if there is not None:  # opening it failed half-way
            self.requests.drop(there)
        self._count += 1
        scope = Served(self._count, name, tree)
        self.requests.scopes[scope.index] = self.requests.names[name] = scope
        return {"scope": scope.index}

    def _fork(self, scope: int, name: bytes) -> dict[str, Any]:
        found = self._scope(scope)
        if found.is_written():
            return {"busy": True}
        self._closed[name] = found.tree.fork()
        return {}

    def _changed(self, scope: int) -> dict[str, Any]:
        found = self._scope(scope)
        problem, self.requests.problem = self.requests.problem, ""
        if problem:  # a process was told EIO, and what it made of that is nobody's outcome
            raise OSError(errno.EIO, f"the server of the files made a mistake ({problem}); this is a bug: report it")
        for file in found.open.values():
            if file.writers:
                found.tree.touch(file.number)
        rows = [(path, None if number is None else self._row(found, number)) for path, number in found.tree.changed()]
        return {"at": self._clock.now(), "rows": rows}

    def _list(self, scope: int, folders: list[int]) -> dict[str, Any]:
        found = self._scope(scope)
        return {
            "rows": [
                [(name, *self._row(found, number)) for name, number in found.tree.get(folder).children.items()]
                for folder in folders
            ]
        }

    def _row(self, scope: Any, number: int) -> tuple[int, int, str | None, bytes, bytes | None, int, int]:
        """What the driver is told of a node: mode, number, hash, target, the file with its bytes, stamp, mtime."""
        node: Node = scope.tree.get(number)
        content = node.content
        if content is None:
            return node.mode, number, None, node.target, None, 0, node.mtime
        opened = scope.open.get(number)
        if opened is not None and opened.writers:
            # What is in memory alone is seen through the mount.
            return node.mode, number, None, b"", None, content.stamp, node.mtime
        return node.mode, number, content.hash, b"", content.name, content.stamp, node.mtime

    def _note(
        self,
        scope: int,
        until: int,
        hashes: list[tuple[int, int, str]],
        written: list[tuple[bytes, int | None, str | None]],
    ) -> dict[str, Any]:
        tree = self._scope(scope).tree
        tree.note_hashes(hashes)
        tree.forget_touched(until)
        tree.note_written(written)
        return {}

    def _close(self, scope: int) -> dict[str, Any]:
        found = self._scope(scope)
        if found.open:
            # Who is still at work goes on where they are, and does not reach whoever opens the scope next.
            self._closed[found.name] = found.tree.fork()
        else:
            found.tree.settle()
            self._closed[found.name] = found.tree
        self.requests.drop(found)
        return {}

    def _remove(self, name: bytes) -> dict[str, Any]:
        self._closed.pop(name, None)
        found = self.requests.names.get(name)
        if found is not None:
            self.requests.drop(found)
        return {}

    def _scope(self, index: int) -> Any:
        return self.requests.scopes.get(index) or fail(errno.ESTALE)


def send(peer: socket.socket, said: Any, fds: list[int] | None = None) -> None:
    """One message."""
    data = marshal.dumps(said)
    data = len(data).to_bytes(8, "little") + data
    sent = 0
    if fds:
        sent = peer.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    peer.sendall(memoryview(data)[sent:])


def receive(peer: socket.socket) -> Any:
    """One message without descriptors; None where the other end is closed."""
    head = _exactly(peer, 8)
    return None if head is None else marshal.loads(_exactly(peer, int.from_bytes(head, "little")) or b"N")


def _exactly(peer: socket.socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = peer.recv(min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def main(arguments: list[str]) -> None:
    """Mount and serve."""
    peer, pings = (socket.socket(fileno=int(number)) for number in arguments[:2])
    at, lock, folder = arguments[2], int(arguments[3]), Path(arguments[4])
    os.set_inheritable(lock, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o077)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")  # commands fill it, and it is made anew: it goes before the driver does, after the commands
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        _serve(peer, pings, at, folder, int(arguments[5]))
    except (ImportError, RuntimeError, OSError) as error:
        said = getattr(error, "strerror", None) or str(error)
        with contextlib.suppress(OSError):  # nobody is left to be told
            send(peer, {"error": said, "errno": getattr(error, "errno", None) or 0})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(peer: socket.socket, pings: socket.socket, at: str, folder: Path, memory: int) -> None:
    from shepherd_dsl.scope import fuse_loop

    fuse_loop.stand_in()
    import pyfuse3

    names = enter_namespaces()
    connection = mount(at)
    server = Server(peer, pings, connection, folder, memory)
    pyfuse3.init(server.requests, f"/dev/fd/{connection}", set())
    root = os.open(at, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    fds = [*(os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names), root]
    send(peer, {"ready": names}, fds)
    for fd in fds:
        os.close(fd)
    fuse_loop.serve(connection, {peer.fileno(): server.ask, pings.fileno(): server.ping}, pings.fileno())


if __name__ == "__main__":
    main(sys.argv[1:])
