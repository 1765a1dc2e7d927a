"""Whether files can be served over FUSE at a folder: found out by doing it, remembered until the machine restarts."""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.fuse_client import FuseServer
from shepherd_dsl.scope.probed import remembered

_KEPT: Final = ".probed-fuse.json"
_DEVICE: Final = "/dev/fuse"
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
    return remembered(folder / _KEPT, (str(found.origin), _device()), lambda: _tried(folder))


def _device() -> str:
    """What there is to connect through."""
    if not os.path.exists(_DEVICE):
        return "missing"
    return "usable" if os.access(_DEVICE, os.R_OK | os.W_OK) else "refused"


def _tried(folder: Path) -> tuple[bool, str]:
    device = _device()
    if device == "missing":
        return False, f"there is no {_DEVICE}; `modprobe fuse` may bring it (a container must be given the device)"
    if device == "refused":
        return False, f"you may not open {_DEVICE}; on most systems everybody may (`chmod 666 {_DEVICE}` by root)"
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
        return False, _reason(error)
    finally:
        remove_tree(place)
    how = "one process serves all files" if os.geteuid() == 0 else "one process serves all files, in a user namespace"
    return True, f"{how}; a fork is a message, whatever the size; calls on files take longer than in an overlay"


def _reason(error: OSError) -> str:
    what = error.strerror or str(error)
    if error.errno == errno.ENODEV:
        return f"the kernel has no FUSE ({what}); `modprobe fuse` may bring it"
    if error.errno in (errno.EPERM, errno.EACCES) and os.geteuid() != 0:
        return f"{what}; user namespaces would allow it (sysctl kernel.unprivileged_userns_clone, or AppArmor's rules)"
    return what
