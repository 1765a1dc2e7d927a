"""Whether the machine can mount overlays at a folder: found out by mounting one, remembered until it is restarted."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path

from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.mounts import Mounts
from shepherd_dsl.scope.probed import remembered

_KEPT = ".probed.json"


def overlay_usable(folder: Path) -> tuple[bool, str]:
    """Whether overlays can be mounted below `folder`, and in words why or why not."""
    if sys.platform != "linux":
        return False, "overlayfs is part of Linux"
    return remembered(folder / _KEPT, (), lambda: _tried(folder))


def _tried(folder: Path) -> tuple[bool, str]:
    try:
        filesystems = Path("/proc/filesystems").read_text("ascii", "replace").split()
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".probe-", dir=folder))
    except OSError as error:
        return False, f"{folder} cannot be used: {error.strerror}"
    try:
        for name in ("lower/files", "upper", "work", "at"):
            (place / name).mkdir(parents=True)
        (place / "lower" / "files" / "gone").touch()
        mounts = Mounts()
        try:
            root = mounts.mount(place / "at", lower=[place / "lower"], upper=place / "upper", work=place / "work")
            try:
                files = Path(f"/proc/self/fd/{root}/files")
                (files / "gone").unlink()
                (files / "made").write_bytes(b"x")
            finally:
                os.close(root)
            if not (place / "upper" / "files" / "made").is_file():
                return False, "an overlay does not keep what is written where it should"
        finally:
            mounts.close()
    except OSError as error:
        return False, _reason(error, "overlay" in filesystems)
    finally:
        remove_tree(place)
    how = "kernel overlayfs" if os.geteuid() == 0 else "kernel overlayfs in a user namespace"
    return True, f"{how}; a fork is a mount, whatever the size"


def _reason(error: OSError, has_overlay: bool) -> str:
    what = error.strerror or str(error)
    if not has_overlay and error.errno == errno.ENODEV:
        return f"the kernel has no overlayfs ({what}); `modprobe overlay` may bring it"
    if error.errno in (errno.EPERM, errno.EACCES) and os.geteuid() != 0:
        return f"{what}; user namespaces would allow it (sysctl kernel.unprivileged_userns_clone, or AppArmor's rules)"
    if error.errno == errno.ENOSYS:
        return f"{what}; Linux 5.2 or later is needed"
    return what
