"""Whether the machine can mount overlays at a folder: found out by mounting one; that it can is remembered."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.hindrance import hindrance
from shepherd_dsl.scope.mounts import Mounts
from shepherd_dsl.scope.probed import remembered


def overlay_usable(folder: Path) -> tuple[bool, str]:
    """Whether overlays can be mounted below `folder`, and in words why or why not."""
    if sys.platform != "linux":
        return False, "overlayfs is part of Linux"
    return remembered(folder, "overlay", (), lambda: _tried(folder))


def _tried(folder: Path) -> tuple[bool, str]:
    try:
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
        return False, hindrance(error, folder, "overlay")
    finally:
        remove_tree(place)
    how = "kernel overlayfs" if os.geteuid() == 0 else "kernel overlayfs in a user namespace"
    return True, f"{how}; a fork is a mount, whatever the size"
