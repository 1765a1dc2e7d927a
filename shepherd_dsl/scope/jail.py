"""The jail of a command: what the operating system lets it do.

A command may read, write and execute below the run's folder and its own private one, and read and execute the software
of the machine; all else is refused: other files, the network, other processes, devices, namespaces. `probe_jail` finds
out how far a machine can do that:

    full        namespaces of its own (mounts, processes, IPC, and the network where it is off), Landlock, seccomp
    landlock    Landlock and seccomp; `Jail.lacks` says what is then not governed
    none        neither: commands are refused, unless the configuration says `[jail] off`

`launch` does the work, in the new process. Only Linux has what it takes.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import marshal
import os
import platform
import resource
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from shepherd_dsl.errors import HandlerError
from shepherd_dsl.scope.limits import Limits
from shepherd_dsl.scope.seccomp import INET, INET6, NETLINK, UNIX, Filter, build_filter
from shepherd_dsl.scope.software import is_below, private_parts, without

Strength = Literal["full", "landlock", "none"]

_READ = 1 << 0 | 1 << 2 | 1 << 3
"""Landlock's EXECUTE, READ_FILE, READ_DIR."""
_LIST = 1 << 3
_TRUNCATE, _REFER, _IOCTL = 1 << 14, 1 << 13, 1 << 15
_OF_FILES = 1 << 0 | 1 << 1 | 1 << 2 | _TRUNCATE | _IOCTL
_DEVICE_NODES = 1 << 6 | 1 << 11
_ALL = (1 << 16) - 1
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_NEW_MOUNTS, _NEW_IPC, _NEW_PIDS, _NEW_NET = 0x20000, 0x08000000, 0x20000000, 0x40000000
_SYS_ADMIN = 21
_BOOT = (
    "import marshal,os,sys;f=os.fdopen(int(sys.argv[1]),'rb');n={'__name__':'launch'};"
    "exec(marshal.load(f),n);n['main'](marshal.load(f))"
)
_ROOTS_PROCESSES = (
    "the number of root's processes is not bounded",
    "the number of root's processes is only looked at from time to time (Linux 6.14 bounds it)",
)
_FIRST_NUMBERS = 300
"""Process ids up to this one are given out only once."""
_HINT = "`shepherd doctor` says what works here; `[jail] off = true` in .shepherd/config.toml runs commands unconfined"


@attrs.frozen(slots=True, kw_only=True)
class Rules:
    """What one command may do; all else is refused.

    `folder` and `private` may be read, written and executed, `readable` read and executed, but for what is `unread`
    (real paths). `hidden` is the workspace, of which nothing is seen although it may lie below something readable.
    `namespaces` are descriptors of user and mount namespaces to enter first, the user namespace before others.
    """

    folder: str
    private: str
    readable: tuple[str, ...]
    unread: tuple[str, ...] = ()
    hidden: str | None = None
    network: bool = False
    limits: Limits = attrs.field(factory=Limits)
    namespaces: tuple[int, ...] = ()


@attrs.frozen(slots=True)
class Jail:
    """What this machine can enforce. `abi` is Landlock's (0: none); `why` says what `full` was refused for."""

    strength: Strength
    abi: int
    has_filter: bool
    why: str = ""

    def governs(self) -> tuple[str, ...]:
        """What is enforced, in words."""
        if self.strength == "none":
            return ()
        found = ["reading and writing files"]
        if self.strength == "full":
            found += ["attributes of files", "processes", "signals", "network", "Unix sockets", "shared memory"]
        elif self.abi >= 4:
            found.append("network")
        if self.has_filter:
            found.append("system calls")
        return tuple(found)

    def lacks(self) -> tuple[str, ...]:
        """What is not enforced here, in words. `docs/handlers.md` lists what is enforced nowhere."""
        if self.strength == "none":
            return ("nothing is enforced",)
        found: list[str] = []
        if self.strength == "landlock":
            found += [
                "mode and times of the user's files elsewhere can be changed",
                "names and command lines of other processes can be read",
                "a process that moves to a session of its own outlives its command",
                "the free space of the disk is not watched",
            ]
            if self.abi < 6:
                found.append("the user's other processes can be sent signals")
            if not self.has_filter:
                found.append("network beyond TCP and Unix sockets are not refused")
            if self.abi < 3:
                found.append(f"files elsewhere can be truncated (Landlock {self.abi})")
        elif self.abi < 6:
            found.append(f"abstract Unix sockets can be reached by commands that are online (Landlock {self.abi})")
        if not self.abi:
            found.append(
                "Landlock is missing: what in /etc only root may read is not hidden from root, nor what installers of "
                "software may keep passwords in"
            )
        if not self.has_filter:
            found.append(f"system calls are not filtered ({platform.machine()} is not known)")
        if os.geteuid() == 0 and (self.strength == "landlock" or not _counts_processes()):
            found.append(_ROOTS_PROCESSES[self.strength == "full"])
        return tuple(found)


NEVER = (
    "reading what lies in readable folders, locks and Unix sockets there",
    "what /proc tells of the whole machine, and of the host's paths (mountinfo)",
    "with network, what listens on the machine itself, and the names of all its Unix sockets",
    "load, free space, inodes and memory of the machine as a whole, the driver's and the FUSE server's but for bounds",
    "handlers and agents in Python, which run in shepherd's own process",
)
"""What no jail governs, in words."""


class MissingProgramError(OSError):
    """The file that was to be executed is not there, seen from the jail."""


class Launch:
    """One command about to start in its jail: what `subprocess` needs for it.

    Use it as a context manager around the start and the wait. Raises HandlerError `jail` where the jail cannot be.
    """

    def __init__(
        self,
        rules: Rules,
        argv: Sequence[str],
        *,
        executable: str,
        environ: Mapping[str, str],
        jail: Jail | None = None,
    ) -> None:
        jail = probe_jail() if jail is None else jail
        if jail.strength == "none":
            raise HandlerError("jail", f"commands cannot be confined here: {jail.why}", hint=_HINT)
        self._orders = os.memfd_create("orders")
        self._driver = _this_process()
        try:
            self._report, self._writer = os.pipe()
            orders = _orders(rules, jail, argv, executable, environ, self._writer, self._driver)
            with open(os.dup(self._orders), "wb") as file:
                file.write(_launcher())
                marshal.dump(orders, file)
            os.lseek(self._orders, 0, os.SEEK_SET)
        except BaseException:
            for fd in (self._orders, self._driver):
                if fd >= 0:
                    os.close(fd)
            raise
        # The private folder marks the processes of a command for whoever finds them after a crash: the keeper by its
        # arguments, since it does not show its environment.
        self.argv = (sys.executable, "-I", "-S", "-c", _BOOT, str(self._orders), rules.private)
        self.environ = {"HOME": environ.get("HOME", rules.private)}
        own = (self._orders, self._writer, self._driver)
        self.descriptors = (*(fd for fd in own if fd >= 0), *rules.namespaces)

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, *_: object) -> None:
        self.started()
        os.close(self._report)

    def started(self) -> None:
        """The new process has its descriptors: close them here."""
        for fd in (self._orders, self._writer, self._driver):
            if fd >= 0:
                os.close(fd)
        self._orders = self._writer = self._driver = -1

    def check(self) -> None:
        """After the end: raise OSError where the program could not be executed (MissingProgramError where it is not
        there), HandlerError where the jail failed."""
        os.set_blocking(self._report, False)
        try:
            said = os.read(self._report, 4096)
        except BlockingIOError:
            said = b""
        if said.startswith(b"R"):
            before, failed, number = said.partition(b"E")
            if failed and number.isdigit():
                kind = MissingProgramError if before == b"RM" else OSError
                raise kind(int(number), os.strerror(int(number)))
            return
        why = "its launcher did not start"
        if said.startswith(b"J"):
            step, _, rest = said[1:].decode(errors="replace").partition(":")
            why = f"{step}: {rest.partition(':')[2]}"
        raise HandlerError("jail", f"the jail of a command could not be set up: {why}", hint=_HINT)


@functools.cache
def probe_jail() -> Jail:
    """What this machine can do, found out by doing it once a process."""
    if sys.platform != "linux" or not sys.executable:
        return Jail("none", 0, False, f"there is no jail for {sys.platform}")
    abi = _landlock_abi()
    has_filter = build_filter(Filter(families=(), own_view=True), platform.machine()) is not None
    why = _try(Jail("full", abi, has_filter))
    if why is None:
        return Jail("full", abi, has_filter)
    if abi:
        problem = _try(Jail("landlock", abi, has_filter))
        if problem is None:
            return Jail("landlock", abi, has_filter, why)
        why = f"{why}; {problem}"
    return Jail("none", abi, has_filter, why if abi else f"{why}; the kernel has no Landlock")


def remark(*, off: bool) -> str | None:
    """What a run whose commands are not fully confined is to say about it; None where they are."""
    if off:
        return "the commands of this run work in a copy of the workspace, but are not confined to it ([jail] off)"
    jail = probe_jail()
    if jail.strength == "none":
        return f"commands cannot be confined here, so they are refused ({jail.why}); `[jail] off = true` runs them"
    lacks = jail.lacks()
    return f"the commands of this run are confined, but for this: {'; '.join(lacks)}" if lacks else None


def _try(jail: Jail) -> str | None:
    """None where a jail can be set up, else why not."""
    with tempfile.TemporaryDirectory(prefix="shepherd-jail-") as folder:
        rules = Rules(folder=folder, private=folder, readable=("/usr",))
        try:
            with Launch(rules, (), executable="", environ={}, jail=jail) as launch:
                subprocess.run(
                    launch.argv,
                    env=launch.environ,
                    pass_fds=launch.descriptors,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=30,
                    check=False,
                )
                launch.check()
        except HandlerError as problem:
            return problem.what.partition(": ")[2]
        except (OSError, subprocess.SubprocessError) as problem:
            return str(problem)
    return None


@functools.cache
def _launcher() -> bytes:
    """The code of `launch`, compiled: it is not compiled anew for each command."""
    spec = importlib.util.find_spec("shepherd_dsl.scope.launch")
    loader: Any = spec.loader if spec else None
    return marshal.dumps(loader.get_code("shepherd_dsl.scope.launch"))


def _this_process() -> int:
    """A descriptor by which others are told of the end of this process; -1 where the kernel has none (Linux 5.3)."""
    try:
        return os.pidfd_open(os.getpid())
    except OSError:
        return -1


def _landlock_abi() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    found = libc.syscall(ctypes.c_long(444), None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, int(found))


def _is_privileged() -> bool:
    """Whether this process may make namespaces without one for users."""
    try:
        with open("/proc/self/status", "rb") as file:
            line = next(line for line in file if line.startswith(b"CapEff:"))
    except (OSError, StopIteration):
        return False
    return bool(int(line.split()[1], 16) >> _SYS_ADMIN & 1)


def _counts_processes() -> bool:
    """Whether a PID namespace has a bound of its own on processes."""
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in platform.release().split(".")[:2])
    return (major, minor) >= (6, 14)


def _process_bounds(limits: Limits) -> dict[str, int]:
    """What bounds the number of processes beside RLIMIT_NPROC, which does not hold for root.

    Before Linux 6.14 the highest process id is one setting for the whole machine, which a jail must leave alone; root's
    processes are then counted by the keeper.
    """
    if not limits.processes:
        return {"highest_process": 0, "most_processes": 0}
    if _counts_processes():
        return {"highest_process": limits.processes + _FIRST_NUMBERS, "most_processes": 0}
    return {"highest_process": 0, "most_processes": limits.processes if os.geteuid() == 0 else 0}


def _orders(
    rules: Rules, jail: Jail, argv: Sequence[str], executable: str, environ: Mapping[str, str], report: int, driver: int
) -> dict[str, object]:
    own_view = jail.strength == "full"
    real = attrs.evolve(rules, folder=os.path.realpath(rules.folder), private=os.path.realpath(rules.private))
    families: tuple[int, ...] = (UNIX, INET, INET6, NETLINK)
    if not own_view:
        # Nothing else governs sockets below paths, nor datagrams.
        families = (INET, INET6, NETLINK) if rules.network else (NETLINK,)
    readable, links = _readable(rules)
    limits = rules.limits
    wanted = (
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_AS, limits.address_space),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
    )
    new = _NEW_MOUNTS | _NEW_IPC | _NEW_PIDS | (0 if rules.network else _NEW_NET)
    return {
        "report": report,
        "driver": driver,
        "namespaces": rules.namespaces,
        "namespaces_new": new if own_view else 0,
        "user": not _is_privileged(),
        "base": os.path.realpath(tempfile.gettempdir()),
        "view": _view(real, readable) if own_view else [],
        "links": links,
        "tmp": limits.tmp_size or 1 << 40,
        **_process_bounds(limits),
        "limits": [*((which, most) for which, most in wanted if most), (resource.RLIMIT_CORE, 0)],
        "watched": [real.folder, real.private] if limits.keep_free or limits.keep_files else [],
        "keep_free": limits.keep_free,
        "keep_files": limits.keep_files,
        "landlock": _landlock(real, readable, jail.abi, own_view=own_view) if jail.abi else None,
        "seccomp": build_filter(Filter(families=families, own_view=own_view), platform.machine()),
        "folder": real.folder,
        "executable": executable,
        "argv": list(argv),
        "environ": dict(environ),
    }


def _readable(rules: Rules) -> tuple[list[str], list[tuple[str, str]]]:
    """The real paths that may be read, none below another; and the links that lead to them by their other names."""
    places: set[str] = set()
    links: list[tuple[str, str]] = []
    for path in rules.readable:
        real = os.path.realpath(path)
        if real != "/":
            places.add(real)
        if real != path:
            links.append((path, real))
    links += [
        (path, os.path.realpath(path)) for path in (rules.folder, rules.private) if os.path.realpath(path) != path
    ]
    kept: list[str] = []
    for path in sorted(places):
        above = next((item for item in kept if is_below(path, item)), None)
        if above is None or (rules.hidden and is_below(path, rules.hidden) and not is_below(above, rules.hidden)):
            kept.append(path)
    return kept, links


def _view(rules: Rules, readable: list[str]) -> list[tuple[str, str, bool]]:
    """What is mounted, those above before those below."""
    kinds: dict[str, str] = dict.fromkeys(readable, "read")
    hidden = rules.hidden and os.path.realpath(rules.hidden)
    if hidden and hidden not in kinds and any(is_below(hidden, item) for item in readable):
        kinds[hidden] = "hide"
    kinds.update((f"/dev/{name}", "device") for name in _DEVICES if os.path.exists(f"/dev/{name}"))
    kinds[rules.folder] = kinds[rules.private] = "write"
    # What leads to these is not a command's to write, in a temporary folder of its own either.
    for path in list(kinds):
        if is_below(path, "/tmp"):
            kinds.setdefault("/".join(path.split("/")[:3]), "hide")
    return sorted(
        ((path, kind, kind in ("write", "hide") or os.path.isdir(path)) for path, kind in kinds.items()),
        key=lambda item: (item[0].count("/"), item[0]),
    )


def _landlock(
    rules: Rules, readable: list[str], abi: int, *, own_view: bool
) -> tuple[bytes, list[tuple[str, int, bool]]]:
    """The attributes of the ruleset, and (path, rights, whether it must be there)."""
    handled = _ALL
    for least, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL)):
        if abi < least:
            handled &= ~right
    net = 0 if rules.network else 3
    attributes = struct.pack("=QQQ", handled, net, 3)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    hidden = [os.path.realpath(rules.hidden)] if rules.hidden and not own_view else []
    excluded = [*hidden, *rules.unread, *(_private_parts() if os.geteuid() == 0 else ())]
    found: list[tuple[str, int, bool]] = []
    for path in readable:
        for part, whole in without(path, [item for item in excluded if item not in readable]):
            if whole:
                found.append((part, _READ & (_ALL if os.path.isdir(part) else _OF_FILES), False))
            elif not any(is_below(item, part) for item in hidden):
                found.append((part, _LIST, False))
    write = handled & ~_DEVICE_NODES & ~_IOCTL
    found += [(f"/dev/{name}", handled & (_OF_FILES & ~_IOCTL & ~1), False) for name in _DEVICES]
    found += [("/proc", _READ & ~1, False)]
    if own_view:
        found += [("/", _LIST, False), ("/tmp", write, True), ("/dev/shm", write & ~1, True)]
    found += [(rules.folder, write, True), (rules.private, write, True)]
    return attributes, [(path, rights & handled, must) for path, rights, must in found]


@functools.cache
def _private_parts() -> tuple[str, ...]:
    return private_parts("/etc")
