"""Whether files can be served over FUSE at a folder: found out by doing it; that they can is remembered."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.fuse_client import FuseServer
from shepherd_dsl.scope.hindrance import hindrance
from shepherd_dsl.scope.probed import remembered

_DEVICE: Final = "/dev/fuse"
_NUMBERS: Final = (10, 229)
"""Which device that is, on every Linux."""
_INSTALL: Final = (
    "pip install 'shepherd-dsl[fuse]' brings it, with a C compiler, pkg-config and libfuse 3 "
    "(Debian: apt-get install gcc pkg-config libfuse3-dev)"
)


def fuse_usable(folder: Path) -> tuple[bool, str]:
    """Whether scopes over FUSE can stand below `folder`, and in words why or why not."""
    if sys.platform != "linux":
        return False, "only for Linux"
    found = importlib.util.find_spec("pyfuse3")
    if found is None:
        return False, f"pyfuse3 is not installed: {_INSTALL}"
    return remembered(folder, "fuse", (str(found.origin), _device()), lambda: _tried(folder))


def _device() -> str:
    """What there is to connect through: its number, its mode and whose it is."""
    with contextlib.suppress(OSError):
        found = os.stat(_DEVICE)
        return f"{found.st_rdev} {found.st_mode:o} {found.st_uid} {found.st_gid}"
    return ""


def _no_device() -> str:
    """Why nothing can be connected through it, and what would change that; empty where it can."""
    try:
        found = os.stat(_DEVICE)
        if not stat.S_ISCHR(found.st_mode) or (os.major(found.st_rdev), os.minor(found.st_rdev)) != _NUMBERS:
            return f"{_DEVICE} is something else here; a container must be given the real one (--device {_DEVICE})"
        os.close(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"there is no {_DEVICE}; `modprobe fuse` may bring it; a container must be given it (--device {_DEVICE})"
    except PermissionError as error:
        return (
            f"you may not open {_DEVICE} ({error.strerror}); on most systems everybody may (`chmod 666 {_DEVICE}` by "
            f"root); a container must be given it (--device {_DEVICE})"
        )
    except OSError as error:
        return f"{_DEVICE} cannot be opened ({error.strerror}); `modprobe fuse` may help"
    return ""


def _tried(folder: Path) -> tuple[bool, str]:
    missing = _no_device()
    if missing:
        return False, missing
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".probe-", dir=folder))
    except OSError as error:
        return False, f"{folder} cannot be used: {error.strerror}"
    try:
        (place / "files").mkdir()
        server = FuseServer(place / "scopes")
        try:
            server.ask("base", name="empty", folder=str(place / "files"), rows=[])
            server.ask("open", name=b"run", base="empty")
            root = os.open("run", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=server.root)
            try:
                made = Path(f"/proc/self/fd/{root}/files/made")
                made.write_bytes(b"x")
                if made.read_bytes() != b"x":
                    return False, "it does not give back what was written"
            finally:
                os.close(root)
        finally:
            server.close()
    except OSError as error:
        return False, hindrance(error, folder, "fuse")
    finally:
        remove_tree(place)
    how = "one process serves all files" if os.geteuid() == 0 else "one process serves all files, in a user namespace"
    return True, f"{how}; a fork is a message, whatever the size; calls on files take longer than in an overlay"
