"""The system-call filter of a jail, as a classic BPF program for `seccomp(2)`.

Landlock governs opening, linking and renaming; mounts govern changes of attributes. What neither governs is refused
here, by number and by plain arguments: new namespaces and mounts, looking into other processes, kernel interfaces with
a history of holes, families of sockets that no namespace holds, leases of files, and the set-user-id and set-group-id
bits. A filter cannot look at paths or at memory, so calls that take their arguments in a structure (`clone3`,
`openat2`) are said to be missing (ENOSYS), which programs are prepared for. Another architecture's calls end the
process.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable

import attrs

_LOAD, _JUMP_EQ, _JUMP_ANY, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020080
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWTIME."""
_NEW_TIME = 0x80
"""In `clone`, whose low byte is a signal, CLONE_NEWTIME does not exist."""
_SET_ID = 0o6000
_CREATE = 0x40 | 0x400000
"""O_CREAT, and the bit of O_TMPFILE that O_DIRECTORY does not have."""
_DEVICES = (0o020000, 0o060000)
_FORMAT = 0o170000
_STALLING = (1024, 1026, 1040)
"""F_SETLEASE, F_NOTIFY and F_SETDELEG: who holds a lease of a file, or a delegation of a folder, keeps everybody on the
machine waiting who opens it; and F_NOTIFY tells what is done in a folder."""
_PUSH_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: typing into somebody's terminal."""

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Names, then the numbers on x86_64 and aarch64; None where the call does not exist.
_REFUSED: tuple[tuple[str, int | None, int | None], ...] = (
    ("mount", 165, 40),
    ("umount2", 166, 39),
    ("pivot_root", 155, 41),
    ("chroot", 161, 51),
    ("open_tree", 428, 428),
    ("open_tree_attr", 467, 467),
    ("move_mount", 429, 429),
    ("fsopen", 430, 430),
    ("fsconfig", 431, 431),
    ("fsmount", 432, 432),
    ("fspick", 433, 433),
    ("mount_setattr", 442, 442),
    ("setns", 308, 268),
    ("ptrace", 101, 117),
    ("process_vm_readv", 310, 270),
    ("process_vm_writev", 311, 271),
    ("process_madvise", 440, 440),
    ("kcmp", 312, 272),
    ("pidfd_getfd", 438, 438),
    ("move_pages", 279, 239),
    ("migrate_pages", 256, 238),
    ("kexec_load", 246, 104),
    ("kexec_file_load", 320, 294),
    ("init_module", 175, 105),
    ("finit_module", 313, 273),
    ("delete_module", 176, 106),
    ("bpf", 321, 280),
    ("perf_event_open", 298, 241),
    ("userfaultfd", 323, 282),
    ("fanotify_init", 300, 262),
    ("io_uring_setup", 425, 425),
    ("io_uring_enter", 426, 426),
    ("io_uring_register", 427, 427),
    ("add_key", 248, 217),
    ("request_key", 249, 218),
    ("keyctl", 250, 219),
    ("open_by_handle_at", 304, 265),
    ("swapon", 167, 224),
    ("swapoff", 168, 225),
    ("reboot", 169, 142),
    ("acct", 163, 89),
    ("quotactl", 179, 60),
    ("quotactl_fd", 443, 443),
    ("settimeofday", 164, 170),
    ("clock_settime", 227, 112),
    ("clock_adjtime", 305, 266),
    ("adjtimex", 159, 171),
    ("sethostname", 170, 161),
    ("setdomainname", 171, 162),
    ("syslog", 103, 116),
    ("vhangup", 153, 58),
    ("lookup_dcookie", 212, 18),
    ("iopl", 172, None),
    ("ioperm", 173, None),
    ("modify_ldt", 154, None),
    ("uselib", 134, None),
    ("nfsservctl", 180, 42),
)
_SHARED_MEMORY: tuple[tuple[str, int | None, int | None], ...] = (
    ("shmget", 29, 194),
    ("shmat", 30, 196),
    ("shmctl", 31, 195),
    ("semget", 64, 190),
    ("semop", 65, 193),
    ("semctl", 66, 191),
    ("msgget", 68, 186),
    ("msgsnd", 69, 189),
    ("msgrcv", 70, 188),
    ("msgctl", 71, 187),
    ("mq_open", 240, 180),
    ("mq_unlink", 241, 181),
)
_OWNERS: tuple[tuple[str, int | None, int | None], ...] = (
    ("chown", 92, None),
    ("fchown", 93, 55),
    ("lchown", 94, None),
    ("fchownat", 260, 54),
)
_ATTRIBUTES: tuple[tuple[str, int | None, int | None], ...] = (
    ("setxattr", 188, 5),
    ("lsetxattr", 189, 6),
    ("fsetxattr", 190, 7),
    ("setxattrat", 463, 463),
    ("removexattr", 197, 14),
    ("lremovexattr", 198, 15),
    ("fremovexattr", 199, 16),
    ("removexattrat", 466, 466),
)
_MISSING: tuple[tuple[str, int | None, int | None], ...] = (("clone3", 435, 435), ("openat2", 437, 437))

# Call, number on each, which argument holds the mode.
_MODES = (("chmod", 90, None, 1), ("fchmod", 91, 52, 1), ("fchmodat", 268, 53, 2), ("fchmodat2", 452, 452, 2))
_MODES_OF_NEW = (("creat", 85, None, 1),)
_OPENS = (("open", 2, None, 1, 2), ("openat", 257, 56, 2, 3))
_NODES = (("mknod", 133, None, 1), ("mknodat", 259, 33, 2))
_UNSHARE, _CLONE, _IOCTL, _FCNTL, _SOCKET = (272, 97), (56, 220), (16, 29), (72, 25), (41, 198)

UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
"""Families of sockets."""


@attrs.frozen(slots=True, kw_only=True)
class Filter:
    """What a filter lets through beside what every one does.

    `families` are the families of sockets that may be made (`socketpair` always may). With `own_view` the jail has a
    view of the file system and an IPC namespace of its own; without, owners and extended attributes of files and
    System V's shared memory are refused altogether, since nothing else would confine them.
    """

    families: tuple[int, ...]
    own_view: bool


def build_filter(wanted: Filter, machine: str) -> bytes | None:
    """The program for `machine` (as `platform.machine()` says), None where that is not one that is known."""
    if machine not in _AUDIT:
        return None
    column = list(_AUDIT).index(machine)
    code = _Code()
    code.load(4)
    code.jump(_JUMP_EQ, _AUDIT[machine], 1, 0)
    code.give(_KILL)
    code.load(0)
    if machine == "x86_64":
        code.jump(_JUMP_ANY, _X32, 0, 1)
        code.give(_KILL)
    refused = _REFUSED if wanted.own_view else (*_REFUSED, *_SHARED_MEMORY, *_OWNERS)
    code.refuse(_numbers(refused, column), errno.EPERM)
    code.refuse(_numbers(_MISSING, column), errno.ENOSYS)
    if not wanted.own_view:
        code.refuse(_numbers(_ATTRIBUTES, column), errno.ENOTSUP)
    for *numbers, place in ((row[1], row[2], row[3]) for row in (*_MODES, *_MODES_OF_NEW)):
        code.when(numbers[column], _any_bit(place, _SET_ID))
    for _, first, second, flags, mode in _OPENS:
        code.when((first, second)[column], _any_bit(flags, _CREATE, _any_bit(mode, _SET_ID)))
    for _, first, second, mode in _NODES:
        code.when((first, second)[column], _any_bit(mode, _SET_ID), _is_one_of(mode, _DEVICES, mask=_FORMAT))
    code.when(_UNSHARE[column], _any_bit(0, _NEW_NAMESPACES))
    code.when(_CLONE[column], _any_bit(0, _NEW_NAMESPACES & ~_NEW_TIME))
    code.when(_IOCTL[column], _is_one_of(1, _PUSH_INPUT))
    code.when(_FCNTL[column], _is_one_of(1, _STALLING))
    code.when(_SOCKET[column], _is_none_of(0, wanted.families), refusal=errno.EAFNOSUPPORT)
    code.give(_ALLOW)
    return bytes(code)


class _Code:
    """Instructions, each 8 bytes. Jumps count the instructions to skip."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def __bytes__(self) -> bytes:
        return b"".join(self._parts)

    def load(self, offset: int) -> None:
        self._parts.append(_load(offset))

    def jump(self, kind: int, value: int, if_so: int, if_not: int) -> None:
        self._parts.append(_instruction(kind, if_so, if_not, value))

    def give(self, value: int) -> None:
        self._parts.append(_instruction(_RETURN, 0, 0, value))

    def refuse(self, numbers: Iterable[int], why: int) -> None:
        for number in numbers:
            self.jump(_JUMP_EQ, number, 0, 1)
            self.give(_REFUSE | why)

    def when(self, number: int | None, *tests: bytes, refusal: int = errno.EPERM) -> None:
        """Of the call `number`, refuse what a test finds; what none finds is allowed."""
        if number is None:
            return
        body = b"".join(test + _instruction(_RETURN, 0, 0, _REFUSE | refusal) for test in tests)
        body += _instruction(_RETURN, 0, 0, _ALLOW)
        self.jump(_JUMP_EQ, number, 0, len(body) // 8)
        self._parts.append(body)


def _instruction(code: int, if_so: int, if_not: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, if_so, if_not, value)


def _load(offset: int) -> bytes:
    return _instruction(_LOAD, 0, 0, offset)


def _argument(place: int) -> bytes:
    """The low half of an argument: those that are looked at have 32 bits (both machines are little-endian)."""
    return _load(16 + 8 * place)


# A test is a run of instructions that goes on to the next one (which refuses) where it finds what it looks for, and
# else skips that.


def _any_bit(place: int, bits: int, then: bytes = b"") -> bytes:
    return _argument(place) + _instruction(_JUMP_ANY, 0, len(then) // 8 + 1, bits) + then


def _is_one_of(place: int, values: tuple[int, ...], *, mask: int = 0xFFFFFFFF) -> bytes:
    head = _argument(place) + _instruction(0x54, 0, 0, mask)
    last = len(values) - 1
    jumps = [_instruction(_JUMP_EQ, last - at, 1 if at == last else 0, value) for at, value in enumerate(values)]
    return head + b"".join(jumps)


def _is_none_of(place: int, values: tuple[int, ...]) -> bytes:
    count = len(values)
    jumps = [_instruction(_JUMP_EQ, count - at, 0, value) for at, value in enumerate(values)]
    return _argument(place) + b"".join(jumps)


def _numbers(rows: tuple[tuple[str, int | None, int | None], ...], column: int) -> list[int]:
    return [number for _, *both in rows if (number := both[column]) is not None]
