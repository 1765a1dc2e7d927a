"""What was found out about a folder by trying it, remembered in the folder until something that counts is another."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""What is another text after each start of the machine."""


def remembered(file: Path, also: tuple[str, ...], tried: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
    """(usable, why or why not) as `tried` found it, kept in `file`.

    It is tried again by another user, kernel or start of the machine, at another place, or where what it depends on
    `also` is another. That it cannot be kept is no error.
    """
    key = [platform.release(), platform.version(), _boot(), os.geteuid(), str(file.parent), *also]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        before = json.loads(file.read_bytes())
        if before["of"] == key:
            return bool(before["usable"]), str(before["reason"])
    usable, reason = tried()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"of": key, "usable": usable, "reason": reason}), "utf-8")
        temporary.replace(file)
    return usable, reason


def _boot() -> str:
    with contextlib.suppress(OSError):
        return BOOT.read_text("ascii").strip()
    return ""
