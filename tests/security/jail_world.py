"""What lies outside of a jail and must stay as it is: a folder, a process, sockets, shared memory."""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from shepherd_dsl.core.event import Intent, Outcome
from shepherd_dsl.core.value import Con, Record
from shepherd_dsl.handlers.context import open_context
from shepherd_dsl.runtime.actions import Ended, run_task
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.store import open_store
from tests.faults.world import Watch, task_of

PROGRAM = """
agent main(scripts: List[Text]) -> Int
  grants shell.script, shell.script_online
{
  for text in scripts {
    try do shell.script(text)
  }
  return 0
}
"""
SECRET = "sk-live-0123456789abcdefghij"
_SYSTEM = ("/etc/passwd", "/etc/hostname", "/usr/bin/env")
_NUMBERS = itertools.count(1)
_NEW = ("/etc/ld.so.preload", "/etc/cron.d/evil", "/usr/local/bin/evil", "/tmp/mine", "/tmp/lure")


@attrs.define(slots=True)
class World:
    """Everything outside, by the names that attempts use."""

    root: Path
    out: Path
    names: dict[str, str]
    victim: subprocess.Popen[bytes]
    listeners: list[socket.socket]
    extra: list[Path]

    def fill(self, script: str) -> str:
        """The script with `@name@` filled in."""
        return re.sub(r"@([a-z]+)@", lambda found: self.names[found.group(1)], script)

    def snapshot(self) -> dict[str, object]:
        """All that must not change."""
        found: dict[str, object] = {}
        for top in (self.out, Path(self.names["home"]), *self.extra):
            for path in sorted([top, *top.rglob("*")]):
                found[str(path)] = _seen(path)
        for path in self.root.iterdir():
            if path.name != ".shepherd":
                found[str(path)] = b"" if path.name == "program.shep" else path.read_bytes()
        for name in _SYSTEM:
            found[name] = _seen(Path(name))
        found["/dev/null"] = os.stat("/dev/null").st_mode
        found["new"] = [name for name in _NEW if os.path.lexists(name)]
        for name in (
            "kernel/core_pattern", "kernel/modprobe", "kernel/pid_max", "net/ipv4/ip_forward", "kernel/hostname"
        ):  # fmt: skip
            found[name] = setting.read_text() if (setting := Path("/proc/sys", name)).exists() else None
        state_of = Path(f"/proc/{self.victim.pid}/stat").read_text().rpartition(")")[2].split()
        # Asleep, or about to be: what matters is that nobody stopped or ended it.
        state = "at work" if state_of[0] in "RSD" else state_of[0]
        found["victim"] = (state, state_of[15:17], os.sched_getaffinity(self.victim.pid))
        return found

    def reached(self) -> list[str]:
        """The listeners that something came to."""
        found = []
        for listener in self.listeners:
            try:
                if listener.type == socket.SOCK_STREAM:
                    listener.accept()[0].close()
                else:
                    listener.recv(100)
            except BlockingIOError:
                continue
            found.append(str(listener.getsockname()))
        return found

    def run(
        self, *scripts: str, config: str = "", keep: bool = True, program: str = PROGRAM
    ) -> tuple[Ended, list[Con]]:
        """A run that performs the scripts one after the other, and their recorded outcomes."""
        settings = self.root / ".shepherd" / "config.toml"
        settings.write_text(config)
        environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": self.names["home"], "MY_TOKEN": SECRET}
        task = task_of(self.root, program, "main", tuple(self.fill(text) for text in scripts))
        ended = run_task(
            Workspace(self.root), task, context=open_context(self.root, environ=environ), display=Watch(), keep=keep,
            handlers={},
        )  # fmt: skip
        assert settings.read_text() == config
        entries = open_store(self.root).read(ended.name).entries()
        found: list[Con] = []
        asked = False
        for entry in entries:
            if isinstance(entry.event, Outcome) and asked:
                found.append(entry.event.answer)
            asked = isinstance(entry.event, Intent) and entry.event.op.startswith("shell.")
        return ended, found


def answer_of(outcome: Con) -> tuple[int, str]:
    """Exit code and output; an error counts as code -1."""
    (value,) = outcome.args
    assert isinstance(value, Record)
    if outcome.name == "Err":
        return -1, f"{value.get('code')}: {value.get('text')}"
    code, out = value.get("code"), value.get("out")
    assert isinstance(code, int)
    return code, str(out)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A world below `folder`."""
    root, out, home = folder / "workspace", folder / "outside", folder / "home"
    for path in (root, out / "deep", home):
        path.mkdir(parents=True)
    Workspace.init(root)
    for path, text in (
        (out / "a.txt", "kept\n"), (out / "secret.txt", "secret\n"), (out / "canary-name.txt", ""),
        (out / "deep" / "inner.txt", "inner\n"), (home / ".netrc", "machine example.org password hunter2\n"),
        (root / "kept.txt", "kept\n"),
    ):  # fmt: skip
        path.write_text(text)
    task_of(root, PROGRAM)
    (out / "secret.txt").chmod(0o600)
    (out / "link").symlink_to("a.txt")
    os.link(out / "deep" / "inner.txt", out / "second")
    os.setxattr(out / "a.txt", "user.kept", b"x")
    place = tempfile.mkdtemp(prefix="sock")  # the name of a socket has at most 107 bytes
    unique = f"shepherd-test-{os.path.basename(place)}"
    number = next(_NUMBERS)
    shared = Path("/dev/shm") / unique
    shared.write_text("shared\n")
    key = os.getpid() << 12 | number
    segment = ctypes.CDLL(None).shmget(key, 4096, 0o1666)
    nap = f"3000.{os.getpid()}{number:04}"
    victim = subprocess.Popen(["sleep", nap])
    listeners = [
        socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX),
    ]  # fmt: skip
    tcp, udp, unix, datagrams, abstract = listeners
    udp.bind(("127.0.0.1", 0))
    unix.bind(f"{place}/s")
    datagrams.bind(f"{place}/d")
    abstract.bind(f"\0{unique}")
    unix.listen()
    abstract.listen()
    for listener in listeners:
        listener.setblocking(False)
    disk = os.stat("/").st_dev
    try:
        yield World(
            root,
            out,
            {
                "out": str(out), "ws": str(root), "home": str(home), "python": sys.executable,
                "driver": str(os.getpid()),
                "group": str(os.getpgrp()), "victim": str(victim.pid), "nap": nap, "shm": str(shared), "key": str(key),
                "tcp": str(tcp.getsockname()[1]), "udp": str(udp.getsockname()[1]), "sock": f"{place}/s",
                "sockname": os.path.relpath(f"{place}/s", out), "datagrams": f"{place}/d", "abstract": unique,
                "tmpname": os.path.basename(place), "disk": str((os.major(disk), os.minor(disk))),
                "diskname": "vda", "files": str(root / ".shepherd"),
            },
            victim, listeners, [Path(place), shared],
        )  # fmt: skip
    finally:
        victim.kill()
        victim.wait()
        for listener in listeners:
            listener.close()
        for path in (Path(place, "s"), Path(place, "d"), shared):
            path.unlink(missing_ok=True)
        os.rmdir(place)
        ctypes.CDLL(None).shmctl(segment, 0, None)


def _seen(path: Path) -> tuple[object, ...]:
    state = os.lstat(path)
    content: object = None
    if stat.S_ISREG(state.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(state.st_mode):
        content = os.readlink(path)
    attributes = sorted(os.listxattr(path, follow_symlinks=False))
    return (
        state.st_mode, state.st_uid, state.st_gid, state.st_nlink, state.st_ino, state.st_size, state.st_mtime_ns,
        state.st_ctime_ns, content, attributes,
    )  # fmt: skip
