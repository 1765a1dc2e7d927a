"""Holds the overlay mounts of one tree of runs, in a mount namespace of its own that ends with it.

A script: `mounts.Mounts` starts it by its path with `python -I -S`, so it imports nothing of the package. Its argument
is a socket, over which each message is one JSON object, file descriptors beside it:

    ← {"ready": ["mnt"] or ["user", "mnt"]}             with descriptors of these namespaces
    → {"do": "mount", "at": p, "lower": [p…], "upper": p, "work": p}
    ← {}                                                with a descriptor of the root of what was mounted
    → {"do": "root", "at": p}
    ← {}                                                with such a descriptor once more
    → {"do": "unmount", "at": p}
    ← {} or {"busy": true}                              busy: a process is at work there, and nothing was done
    ← {"error": text, "errno": n}                       to any of them

Nobody else sees the mounts, and the kernel takes them away when this process ends, however it ends; and it ends when
the other end of the socket is closed. A plain user gets a user namespace first, in which mounting is allowed.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import json
import os
import signal
import socket
import sys

LIBC = ctypes.CDLL(None, use_errno=True)

# The same numbers on every architecture (asm-generic).
MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT = 429, 430, 431, 432
FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 0, 1, 6
FSOPEN_CLOEXEC = FSMOUNT_CLOEXEC = 1
MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 0x2, 0x4
MOVE_MOUNT_F_EMPTY_PATH = 4
AT_FDCWD = -100
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_SLAVE = 0x4000, 0x80000
UMOUNT_NOFOLLOW = 8
MESSAGE = 1 << 20


def checked(result: int, what: str) -> int:
    """The result of a call, or OSError."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def call(number: int, *args: object, what: str) -> int:
    """A system call that has no wrapper."""
    return checked(LIBC.syscall(number, *args), what)


def enter_namespaces() -> list[str]:
    """Move into namespaces of our own; their names."""
    made = ["mnt"]
    uid, gid = os.geteuid(), os.getegid()
    if uid:
        checked(LIBC.unshare(CLONE_NEWUSER), "a user namespace")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            try:
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
            except OSError as error:
                raise OSError(error.errno, f"a user namespace: {error.strerror}") from error
        made.insert(0, "user")
    checked(LIBC.unshare(CLONE_NEWNS), "a mount namespace")
    # What others mount later is seen here; what is mounted here is seen nowhere else.
    checked(LIBC.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None), "a mount namespace")
    return made


def mount(at: str, lower: list[str], upper: str, work: str) -> int:
    """Mount an overlay; a descriptor of its root."""
    context = call(FSOPEN, b"overlay", FSOPEN_CLOEXEC, what="overlay")
    held: list[int] = []

    def short(path: str) -> bytes:
        # A setting holds 255 bytes, which a path may exceed.
        held.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return b"/proc/self/fd/%d" % held[-1]

    def say(name: bytes, value: bytes) -> None:
        call(FSCONFIG, context, FSCONFIG_SET_STRING, name, value, 0, what=name.decode())

    try:
        for flag in (b"userxattr", b"volatile"):
            call(FSCONFIG, context, FSCONFIG_SET_FLAG, flag, None, 0, what=flag.decode())
        folders = [short(path) for path in lower]
        try:
            for folder in folders:
                say(b"lowerdir+", folder)
        except OSError:  # before Linux 6.7
            say(b"lowerdir", b":".join(folders))
        say(b"upperdir", short(upper))
        say(b"workdir", short(work))
        call(FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0, what="overlay")
        made = call(FSMOUNT, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, what="overlay")
        try:
            call(MOVE_MOUNT, made, b"", AT_FDCWD, os.fsencode(at), MOVE_MOUNT_F_EMPTY_PATH, what=at)
        finally:
            os.close(made)
        return os.open(at, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        for fd in (*held, context):
            os.close(fd)


def unmount(at: str) -> bool:
    """Unmount, unless a process is at work there; whether it was done."""
    try:
        checked(LIBC.umount2(os.fsencode(at), UMOUNT_NOFOLLOW), at)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    return True


def answer(asked: dict[str, object]) -> tuple[dict[str, object], list[int]]:
    """What is said to a message, and the descriptors that go with it."""
    at = str(asked["at"])
    if asked["do"] == "mount":
        lower = asked["lower"]
        assert isinstance(lower, list)
        return {}, [mount(at, lower, str(asked["upper"]), str(asked["work"]))]
    if asked["do"] == "root":
        return {}, [os.open(at, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    return ({} if unmount(at) else {"busy": True}), []


def send(peer: socket.socket, said: dict[str, object], fds: list[int]) -> None:
    """One message."""
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    peer.sendmsg([json.dumps(said).encode()], beside)
    for fd in fds:
        os.close(fd)


def failed(error: OSError) -> dict[str, object]:
    """What is said of an error."""
    return {"error": error.strerror or str(error), "errno": error.errno or 0}


def serve(peer: socket.socket) -> None:
    """Answer until the other end is closed."""
    try:
        names = enter_namespaces()
        fds = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names]
    except OSError as error:
        send(peer, failed(error), [])
        return
    send(peer, {"ready": names}, fds)
    while True:
        data = peer.recv(MESSAGE)
        if not data:
            return
        try:
            said, fds = answer(json.loads(data))
        except OSError as error:
            said, fds = failed(error), []
        send(peer, said, fds)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    with contextlib.suppress(BrokenPipeError):  # nobody is left to answer
        serve(socket.socket(fileno=int(sys.argv[1])))
