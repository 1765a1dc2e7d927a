"""What was found to work in a folder by trying it, remembered in the folder until something that counts is another."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Final

BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
"""What is another text after each start of the machine."""
_KEPT: Final = ".probed"
_RIGHTS: Final = ("CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:")
_NAMESPACES: Final = ("user", "mnt")


def remembered(
    folder: Path, name: str, also: tuple[str, ...], tried: Callable[[], tuple[bool, str]]
) -> tuple[bool, str]:
    """(usable, why or why not) as `tried` found it of the backend `name` in `folder`.

    Only that it works is kept, since what did not work may do so as soon as somebody mends it. It is tried again by
    another user, kernel or start of the machine, at another place, with other rights or in other namespaces, or where
    what it depends on `also` is another. That it cannot be kept is no error.
    """
    file = folder / f"{_KEPT}-{name}.json"
    key = [platform.release(), platform.version(), _boot(), os.geteuid(), os.getegid(), str(folder), *_rights(), *also]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        before = json.loads(file.read_bytes())
        if before["of"] == key:
            return True, str(before["reason"])
    usable, reason = tried()
    if usable:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps({"of": key, "reason": reason}), "utf-8")
            temporary.replace(file)
    return usable, reason


def forget(folder: Path) -> None:
    """Remember nothing of a folder: everything is tried again. What cannot be removed is left."""
    with contextlib.suppress(OSError):
        for file in folder.glob(f"{_KEPT}*"):
            file.unlink(missing_ok=True)


def _boot() -> str:
    with contextlib.suppress(OSError):
        return BOOT.read_text("ascii").strip()
    return ""


def _rights() -> list[str]:
    """What this process may ask of the kernel, and the namespaces in which it does."""
    found = []
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text("utf-8", "replace").splitlines()
        found = [line for line in lines if line.startswith(_RIGHTS)]
    for name in _NAMESPACES:
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/ns/{name}"))
    return found
