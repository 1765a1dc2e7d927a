"""Processes that a crashed driver left running: remembered beside the trace, and ended before the run goes on.

For each running command a small file in `.shepherd/processes/` holds its process group, the time its leader was
started, the boot it belongs to, its private folder, the tree and the driver. A process id may be used again: a group is
taken for the one remembered only where its leader was started at that very time, or one of its members shows that it
uses the private folder. Best effort: where `/proc` is not there, nothing is remembered.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
from pathlib import Path

import attrs

from shepherd_dsl.handlers.private import is_private, marks, remove_private
from shepherd_dsl.handlers.process import STUCK_S, group_alive, group_members, signal_group, until_gone
from shepherd_dsl.handlers.protocol import Request

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@attrs.frozen(slots=True, kw_only=True)
class Noted:
    """What was noted of a command: its process group, when the leader was started, its private folder and its boot; the
    tree, and the driver with the time it was started."""

    place: Path
    group: int
    started: int
    private: str
    boot: str
    tree: str
    driver: tuple[int, int]

    def is_running(self) -> bool:
        """Whether the process group is still there."""
        if self.boot != _boot():
            return False
        return _started(self.group) == self.started or _is_marked(self.group, self.private)

    def is_left(self) -> bool:
        """Whether it is there though its driver is not."""
        return _started(self.driver[0]) != self.driver[1] and self.is_running() and group_alive(self.group)

    def programs(self) -> list[str]:
        """The names of the programs that its processes run; command lines could hold a secret."""
        return sorted({name for pid in group_members(self.group) if (name := _program_of(pid))})


def note_process(state: Path, request: Request, pid: int, private: Path) -> None:
    """Remember that the process group `pid`, with the private folder `private`, performs `request`."""
    started, driver = _started(pid), os.getpid()
    if started is None:
        return
    noted = {
        "boot": _boot(),
        "driver": [driver, _started(driver)],
        "group": pid,
        "private": str(private),
        "started": started,
        "tree": request.tree,
    }
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
    noted = _read(_place(state, request))
    return noted is not None and await stop_noted(noted, grace=grace)


async def stop_noted(noted: Noted, *, grace: float) -> bool:
    """The same for what was noted of it; `grace` is in seconds."""
    found = noted.is_running()
    if found:
        signal_group(noted.group, signal.SIGTERM)
        signal_group(noted.group, signal.SIGCONT)
        if not await until_gone(noted.group, grace):
            signal_group(noted.group, signal.SIGKILL)
            await until_gone(noted.group, STUCK_S)
    # Whatever the file says: only a folder of the kind that a command gets is removed.
    if is_private(noted.private):
        remove_private(noted.private)
    with contextlib.suppress(OSError):
        noted.place.unlink(missing_ok=True)
    return found


def left_running(state: Path) -> list[Noted]:
    """The commands that drivers which are gone left running."""
    found = [_read(place) for place in sorted((state / "processes").glob("*.json"))]
    return [noted for noted in found if noted is not None and noted.is_left()]


def _read(place: Path) -> Noted | None:
    try:
        noted = json.loads(place.read_text())
        driver, began = noted["driver"]
        return Noted(
            place=place,
            group=int(noted["group"]),
            started=int(noted["started"]),
            private=str(noted["private"]),
            boot=str(noted["boot"]),
            tree=str(noted["tree"]),
            driver=(int(driver), int(began)),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _program_of(pid: int) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", "rb") as file:
        return file.read().decode(errors="replace").strip()
    return ""


def _is_marked(group: int, private: str) -> bool:
    """Whether a process of the group uses the private folder."""
    return any(os.fsencode(private) in marks(pid) for pid in group_members(group))


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
