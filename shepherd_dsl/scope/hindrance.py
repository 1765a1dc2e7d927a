"""Why the machine does not let files be mounted, in words, and what would change that: for those who probe it."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final, Literal

_SYS_ADMIN: Final = 21
_SETTINGS: Final = Path("/proc/sys")
_STATUS: Final = Path("/proc/self/status")
_WANTED: Final = (
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "10000"),
)
"""Settings that keep plain users from namespaces: which, the value that does it, and one that does not."""
_OPEN_CONTAINER: Final = "--security-opt seccomp=unconfined --security-opt apparmor=unconfined"


def hindrance(error: OSError, folder: Path, kind: Literal["overlay", "fuse"]) -> str:
    """Why a file system of that kind could not be mounted below `folder`, which failed with `error`, and what would
    enable it."""
    what = error.strerror or str(error)
    if error.errno == errno.ENODEV:
        return f"the kernel does not have it ({what}); `modprobe {kind}` may bring it"
    if error.errno == errno.ENOSYS:
        return f"{what}; Linux 5.2 or later is needed"
    if error.errno == errno.ENOSPC and "namespace" in what:
        setting = "max_user_namespaces" if "user" in what else "max_mnt_namespaces"
        return f"{what}; there are as many namespaces as `sysctl user.{setting}` allows: a higher number would do"
    if error.errno in (errno.EPERM, errno.EACCES):
        return f"{what}; {permission()}"
    if kind == "overlay" and error.errno == errno.EINVAL and what.startswith("userxattr"):
        return f"{what}; Linux 5.11 or later is needed"
    if kind == "overlay" and error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.EREMOTE):
        return f"{what}; {_place(folder)}"
    return what


def permission() -> str:
    """What would give the right to make namespaces and to mount, which is missing."""
    if os.geteuid() == 0:
        if not _is_admin():
            return (
                "root has no CAP_SYS_ADMIN here: a container must be given it (--cap-add SYS_ADMIN); "
                "a plain user needs none where user namespaces are allowed"
            )
        return f"something beyond capabilities refuses it, as a container's profile does ({_OPEN_CONTAINER})"
    found = [
        f"`sysctl -w {name.replace('/', '.')}={right}`" for name, wrong, right in _WANTED if _setting(name) == wrong
    ]
    if found:
        return f"user namespaces are closed to plain users: {' and '.join(found)} by root would open them"
    if _status("Seccomp:") not in ("", "0"):
        return f"user namespaces are refused by a filter of system calls, as a container's ({_OPEN_CONTAINER})"
    return (
        "user namespaces would allow it (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces, "
        "or the rules of AppArmor or SELinux)"
    )


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as `mount` calls it; empty where that cannot be found out."""
    with contextlib.suppress(OSError, StopIteration, IndexError):
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            lines = Path(f"/proc/self/fdinfo/{fd}").read_text("ascii").splitlines()
        finally:
            os.close(fd)
        mount = next(line.split()[1] for line in lines if line.startswith("mnt_id:"))
        # Path names with other bytes stand there too; what is looked for is ASCII.
        for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
            if line.split(" ", 1)[0] == mount:
                return line.partition(" - ")[2].split()[0]
    return ""


def _place(folder: Path) -> str:
    kind = file_system(folder)
    if kind in ("overlay", "overlayfs"):
        return (
            ".shepherd lies on an overlay itself, as all files of a container do, and the kernel puts no other one "
            "there: a volume or a tmpfs mounted at .shepherd would do"
        )
    on = f" on {kind}" if kind else " where it is"
    return f".shepherd{on} cannot hold what is written to overlays: one on ext4, xfs, btrfs or tmpfs would do"


def _is_admin() -> bool:
    return bool(int(_status("CapEff:") or "0", 16) >> _SYS_ADMIN & 1)


def _status(name: str) -> str:
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text("utf-8", "replace").splitlines():
            if line.startswith(name):
                return line.split()[1]
    return ""


def _setting(name: str) -> str:
    with contextlib.suppress(OSError):
        return (_SETTINGS / name).read_text("ascii").strip()
    return ""
