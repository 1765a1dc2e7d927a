"""Starts one command in its jail: runs in a process of its own, imports nothing of the package, and is quick to start.

`jail` hands over this module's code and the orders (a dict, see `jail.Prepared`) in one file descriptor. What it does:

    the launcher   enters the namespaces it was given, makes new ones, starts the keeper, and ends as the command does
    the keeper     process 1 of the new PID namespace: builds the view of the file system, gives up all privileges,
                   starts the command, and when the command or the driver has ended, ends itself, and with it all that
                   is left
    the command    leads a session of its own

Without namespaces of its own, the launcher starts a child that gives up its privileges and becomes the command, and
stays until that has ended, or the driver has: then it ends the process group. The descriptor `driver` tells of the
driver's end, however that comes.

To the descriptor `report` it writes `R` when nothing is left to do but to execute the command, then `E` and an errno
where that fails, or `J`, a step and an errno where the jail cannot be set up. SIGTERM to its process group reaches all
processes of the command; SIGKILL ends them all.
"""

from __future__ import annotations

import ctypes
import os
import resource

TYPE_CHECKING = False  # what `typing` has of this name, without loading it
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any, NoReturn

    Orders = dict[str, Any]
else:
    import _signal  # `signal` loads `enum`, which takes longer than all that is done here

_NEW_USER = 0x10000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REC, _PRIVATE = 1, 2, 4, 8, 16384, 1 << 18
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_HERE, _RECURSIVE, _EMPTY_PATH, _CLONE, _CLOEXEC = -100, 0x8000, 0x1000, 1, 0o2000000
_DUMPABLE, _SECCOMP, _CAPBSET_DROP, _SECUREBITS, _NO_NEW_PRIVS = 4, 22, 24, 28, 38
_DETACH = 2
_LOOK_S = 0.2
"""How often the keeper looks at the free space of the disks, and whether the driver is still there."""
_ENDED = bytes((1, 0, 0, 0))
"""Of what `poll` is asked, the events (POLLIN: a process has ended), then room for its answer."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_step = "start"


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def main(orders: Orders) -> NoReturn:
    """Start the command that `orders` describe; does not return."""
    report = orders["report"]
    try:
        _close_others(orders)
        _enter(orders)
        if orders["namespaces_new"]:
            _launch(orders)
        else:
            _stay(orders)
            _limit(orders)
            _give_up(orders)
            _execute(orders)
    except BaseException as problem:
        number = getattr(problem, "errno", None) or 0
        os.write(report, f"J{_step}:{number}:{type(problem).__name__} {problem}".encode(errors="replace"))
    os._exit(125)


def _close_others(orders: Orders) -> None:
    keep = sorted({0, 1, 2, orders["report"], orders["driver"], *orders["namespaces"]} - {-1})
    for low, high in zip(keep, [*keep[1:], 1 << 20], strict=True):
        if low + 1 < high:
            _libc.close_range(low + 1, high - 1, 0)
    for fd in (orders["report"], orders["driver"]):
        if fd >= 0:
            os.set_inheritable(fd, False)


def _enter(orders: Orders) -> None:
    """Into the namespaces that were given, then into new ones; the new PID namespace begins with the next child."""
    global _step
    _step = "namespaces"
    for fd in orders["namespaces"]:
        _done(_libc.setns(fd, 0), "setns")
        os.close(fd)
    if orders["namespaces_new"]:
        if orders["user"] and not orders["namespaces"]:
            user, group = os.geteuid(), os.getegid()
            _done(_libc.unshare(_NEW_USER), "unshare")
            for name, text in (
                ("setgroups", "deny"),
                ("uid_map", f"{user} {user} 1"),
                ("gid_map", f"{group} {group} 1"),
            ):
                _write(f"/proc/self/{name}", text)
        _done(_libc.unshare(orders["namespaces_new"]), "unshare")
    # Where memory runs out, the command is to go first. That the system knows of no such thing is no reason to stop.
    _try_write("/proc/self/oom_score_adj", "1000")


def _stay(orders: Orders) -> None:
    """Go on in a child. This process ends as the child does, or, once the driver is gone, with the whole group."""
    global _step
    _step = "watch"
    if orders["driver"] < 0:
        return
    # SIGTERM to the group is for the command.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGINT))
    command = os.fork()
    if command == 0:
        return
    os.close(orders["report"])
    try:
        driver_is_gone = _poll(-1, orders["driver"], os.pidfd_open(command))[0]
    except OSError:
        driver_is_gone = False
    if driver_is_gone:
        os.killpg(0, _signal.SIGKILL)
    os._exit(_code(os.waitpid(command, 0)[1]))


def _launch(orders: Orders) -> NoReturn:
    global _step
    _step = "keeper"
    # Blocked and waited for: SIGTERM to the group is for the command, and the keeper hands it on.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTERM, _signal.SIGCHLD, _signal.SIGHUP, _signal.SIGINT))
    reader, writer = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(reader)
        _keep(orders, writer)
    os.close(writer)
    os.close(orders["report"])
    told = os.read(reader, 1)
    if told:
        os._exit(told[0])
    os._exit(_code(os.waitpid(keeper, 0)[1]))


def _keep(orders: Orders, writer: int) -> NoReturn:
    global _step
    try:
        _build_view(orders)
        _limit(orders)
        _give_up(orders)
        _step = "command"
        # Closes /proc/1 to the command, which could else write to `writer` what code it ended with. Its own process
        # is as any other once it executes its program.
        _done(_libc.prctl(_DUMPABLE, 0, 0, 0, 0), "dumpable")
        command = os.fork()
        if command == 0:
            os.setsid()
            _execute(orders)
        os.close(orders["report"])
        bounds = _bounds(orders)
    except BaseException as problem:
        number = getattr(problem, "errno", None) or 0
        os.write(orders["report"], f"J{_step}:{number}:{type(problem).__name__} {problem}".encode(errors="replace"))
        os._exit(125)
    code = None
    told = False
    while True:
        caught = _signal.sigtimedwait((_signal.SIGCHLD, _signal.SIGTERM), _LOOK_S)
        if caught is not None and caught.si_signo == _signal.SIGTERM:
            _all(_signal.SIGTERM)
            _all(_signal.SIGCONT)
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == command:
                    code = _code(ended[1])
        except ChildProcessError:
            os._exit(125 if code is None else code)
        if code is not None and not told:
            told = True
            os.write(writer, bytes([code]))
        if _is_over(orders["driver"]):
            os._exit(125)
        short = _too_many(orders["most_processes"]) or _short(bounds)
        if short:
            os.write(2, f"\nshepherd: ended: {short}\n".encode())
            _all(_signal.SIGKILL)


def _bounds(orders: Orders) -> list[tuple[str, int, int]]:
    """The folders that the command writes to, with the bytes and the files there must be room for on the disk of each:
    what is wanted, but at most half of what there is now."""
    found = []
    for folder in orders["watched"]:
        space = os.statvfs(folder)
        least = min(orders["keep_free"], space.f_bavail * space.f_frsize // 2)
        found.append((folder, least, min(orders["keep_files"], space.f_favail // 2)))
    return found


def _short(bounds: list[tuple[str, int, int]]) -> str:
    """What a disk has too little of, in words; nothing where all is well, or a disk cannot be asked."""
    for folder, least, fewest in bounds:
        try:
            space = os.statvfs(folder)
        except OSError:
            continue
        if space.f_bavail * space.f_frsize < least:
            return f"the disk has less than {least} bytes left"
        if space.f_favail < fewest:
            return f"the disk has room for fewer than {fewest} more files"
    return ""


def _too_many(most: int) -> str:
    """That there are more processes and threads than `most` (0: any number may be), in words."""
    if not most:
        return ""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                count += os.stat(f"/proc/{name}/task").st_nlink - 2
            except OSError:
                continue
    return f"it has more than {most} processes and threads" if count > most else ""


def _is_over(process: int) -> bool:
    """Whether the process of a descriptor has ended; not where there is none."""
    return _poll(0, process)[0]


def _poll(wait_ms: int, *processes: int) -> list[bool]:
    """Which of the processes of these descriptors have ended, waiting for one of them at most so long (-1: forever)."""
    asked = ctypes.create_string_buffer(b"".join(fd.to_bytes(4, "little", signed=True) + _ENDED for fd in processes))
    _libc.poll(asked, ctypes.c_ulong(len(processes)), wait_ms)
    return [bool(asked.raw[8 * place + 6] & 1) for place in range(len(processes))]


def _all(number: int) -> None:
    try:  # noqa: SIM105 - `contextlib` takes longer to load than all else here
        os.kill(-1, number)
    except OSError:
        pass


def _code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _build_view(orders: Orders) -> None:
    """A file system of its own that shows what the orders list and nothing else.

    All sources are taken first, since the new root is mounted over a folder that may hold some of them.
    """
    global _step
    _step = "view"
    mask = os.umask(0o022)
    _done(_libc.mount(None, b"/", None, _REC | _PRIVATE, None), "make mounts private")
    trees = []
    for path, kind, is_folder in orders["view"]:
        tree = -1
        if kind != "hide":
            tree = _call(_OPEN_TREE, _HERE, path.encode(errors="surrogateescape"), _CLONE | _CLOEXEC | _RECURSIVE)
            if tree < 0:
                if kind == "write":
                    _done(tree, f"open {path}")
                continue
            flags = {"write": _NOSUID | _NODEV, "device": _RDONLY | _NOSUID | _NOEXEC}.get(kind, 7)
            _protect(tree, b"", flags, _EMPTY_PATH | _RECURSIVE)
        trees.append((path, is_folder, tree))
    base = orders["base"].encode(errors="surrogateescape")
    _mount(b"tmpfs", base, _NOSUID | _NODEV, b"mode=755,size=1m")
    os.chdir(base)
    for name in ("proc", "dev", "tmp", "dev/shm", "run", "var", "sys"):
        os.mkdir(name)
    size = orders["tmp"]
    for folder in (b"tmp", b"dev/shm"):
        _mount(b"tmpfs", folder, _NOSUID | _NODEV, b"mode=1777,size=%d" % size)
    os.symlink("../tmp", "var/tmp")
    for name, target in (("fd", "self/fd"), ("stdin", "self/fd/0"), ("stdout", "self/fd/1"), ("stderr", "self/fd/2")):
        os.symlink(f"/proc/{target}", f"dev/{name}")
    _mount(b"proc", b"proc", _NOSUID | _NODEV | _NOEXEC, None)
    if orders["highest_process"]:
        _try_write("proc/sys/kernel/pid_max", str(orders["highest_process"]))
    _protect(_HERE, b"proc", _RDONLY | _NOSUID | _NODEV | _NOEXEC, 0)
    hidden = []
    for path, is_folder, tree in trees:
        place = path[1:]
        _make_place(place, is_folder)
        if tree < 0:
            _mount(b"tmpfs", os.fsencode(place), _NOSUID | _NODEV, b"mode=755,size=1m")
            hidden.append(place)
        else:
            _done(_call(_MOVE_MOUNT, tree, b"", _HERE, os.fsencode(place), 4), f"place {path}")
            os.close(tree)
    for path, target in orders["links"]:
        try:
            os.makedirs(os.path.dirname(path[1:]) or ".", exist_ok=True)
            os.symlink(target, path[1:])
        except OSError:
            pass  # it is there: seen through a folder above
    for place in (*hidden, "."):
        _protect(_HERE, os.fsencode(place), _RDONLY | _NOSUID | _NODEV, 0)
    _done(_libc.pivot_root(b".", b"."), "pivot_root")
    _done(_libc.umount2(b".", _DETACH), "umount")
    os.chdir("/")
    os.umask(mask)


def _make_place(place: str, is_folder: bool) -> None:
    if os.path.lexists(place):
        return
    if is_folder:
        os.makedirs(place)
    else:
        os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))


def _limit(orders: Orders) -> None:
    global _step
    _step = "limits"
    for which, most in orders["limits"]:
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(which, (most, most))


def _give_up(orders: Orders) -> None:
    """All privileges: new ones, capabilities, what Landlock governs, what the filter refuses."""
    global _step
    _step = "privileges"
    _done(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    # With these bits the user 0 gets no capabilities when it executes a program. Refused where there are none to drop.
    _libc.prctl(_SECUREBITS, 0xEF, 0, 0, 0)
    for capability in range(64):
        if _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    _done(_libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()), "capset")
    if orders["landlock"] is not None:
        _step = "landlock"
        attributes, rules = orders["landlock"]
        ruleset = _done(_call(_CREATE_RULESET, attributes, len(attributes), 0), "create")
        for path, rights, must in rules:
            try:
                fd = os.open(path, os.O_PATH | _CLOEXEC)
            except OSError:
                if must:
                    raise
                continue
            _done(_call(_ADD_RULE, ruleset, 1, rights.to_bytes(8, "little") + fd.to_bytes(4, "little"), 0), path)
            os.close(fd)
        _done(_call(_RESTRICT_SELF, ruleset, 0), "restrict")
        os.close(ruleset)
    if orders["seccomp"] is not None:
        _step = "seccomp"
        code = orders["seccomp"]
        _done(_libc.prctl(_SECCOMP, 2, ctypes.byref(_Program(len(code) // 8, code)), 0, 0), "filter")


def _execute(orders: Orders) -> NoReturn:
    """Become the command."""
    global _step
    _step = "command"
    report = orders["report"]
    try:
        # The interpreter ignores them for itself.
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
            _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        os.chdir(orders["folder"])
        os.write(report, b"R")
        if not orders["argv"]:
            os._exit(0)
        if not os.path.isfile(orders["executable"]):
            os.write(report, b"M")
        os.execve(orders["executable"], orders["argv"], orders["environ"])
    except OSError as problem:
        os.write(report, b"E%d" % (problem.errno or 0))
    os._exit(126)


def _mount(kind: bytes, place: bytes, flags: int, options: bytes | None) -> None:
    _done(_libc.mount(kind, place, kind, ctypes.c_ulong(flags), options), f"mount {kind.decode()}")


def _protect(at: int, path: bytes, flags: int, how: int) -> None:
    _done(
        _call(_MOUNT_SETATTR, at, path, how, flags.to_bytes(8, "little") + bytes(24), 32),
        "protect a mount",
    )


def _call(number: int, *arguments: int | bytes) -> int:
    result: int = _libc.syscall(
        ctypes.c_long(number),
        *(item if isinstance(item, bytes) else ctypes.c_long(item) for item in arguments),
    )
    return result


def _done(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _try_write(path: str, text: str) -> None:
    try:  # noqa: SIM105
        _write(path, text)
    except OSError:
        pass
