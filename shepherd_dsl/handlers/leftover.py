"""Processes that a crashed driver left running: remembered beside the trace, and ended before the run goes on.

For each running command a small file in `.shepherd/processes/` holds its process group, the time its leader was
started, the boot it belongs to and its private folder. A process id may be used again: a group is taken for the one
remembered only where its leader was started at that very time, or one of its members has the private folder in its
environment. Best effort: where `/proc` is not there, nothing is remembered.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
from pathlib import Path

from shepherd_dsl.handlers.private import is_private
from shepherd_dsl.handlers.process import group_members, signal_group, until_gone
from shepherd_dsl.handlers.protocol import Request

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def note_process(state: Path, request: Request, pid: int, private: Path) -> None:
    """Remember that the process group `pid`, with the private folder `private`, performs `request`."""
    started = _started(pid)
    if started is None:
        return
    noted = {"boot": _boot(), "group": pid, "private": str(private), "started": started}
    with contextlib.suppress(OSError):
        place = _place(state, request)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(noted))


def forget_process(state: Path, request: Request) -> None:
    """The process of `request` has ended."""
    with contextlib.suppress(OSError):
        _place(state, request).unlink(missing_ok=True)


async def stop_leftover(state: Path, request: Request, *, grace: float) -> bool:
    """End the process group that a crash of the driver left performing `request`, and remove its private folder;
    whether such a group was there."""
    try:
        noted = json.loads(_place(state, request).read_text())
        group, started, boot, private = int(noted["group"]), int(noted["started"]), noted["boot"], str(noted["private"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    found = boot == _boot() and (_started(group) == started or _is_marked(group, private))
    if found:
        signal_group(group, signal.SIGTERM)
        signal_group(group, signal.SIGCONT)
        if not await until_gone(group, grace):
            signal_group(group, signal.SIGKILL)
    # Whatever the file says: only a folder of the kind that a command gets is removed.
    if is_private(private):
        shutil.rmtree(private, ignore_errors=True)
    forget_process(state, request)
    return found


def _is_marked(group: int, private: str) -> bool:
    """Whether a process of the group has the private folder in its environment."""
    for pid in group_members(group):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if any(os.fsencode(private) in variable for variable in file.read().split(b"\0")):
                return True
    return False


def _place(state: Path, request: Request) -> Path:
    # Ids of runs nest and get long; a digest is always a short file name.
    key = hashlib.sha256(f"{request.tree}\0{request.run}\0{request.position}".encode()).hexdigest()[:32]
    return state / "processes" / f"{key}.json"


def _started(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None where that is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
