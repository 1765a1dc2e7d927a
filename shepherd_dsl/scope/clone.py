"""Copies of folders that share what their files hold with the original until either is written (Linux).

`clone` makes them file by file (FICLONE: btrfs, xfs and others). On btrfs a folder can be a subvolume, of which
`snapshot` makes a copy in one step; `make_subvolume` and `destroy_subvolume` say whether there is such a thing there.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import normal_path, os_name
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.survey import Seen, seen_now, stamp

# The same numbers on every architecture that has the generic ones (linux/fs.h, linux/btrfs.h).
FICLONE: Final = 0x40049409
_SNAP_CREATE_V2, _SUBVOL_CREATE_V2, _SNAP_DESTROY = 0x50009417, 0x50009418, 0x5000940F
_ROOT_OF_SUBVOLUME: Final = 256
"""The inode of the topmost folder of every subvolume."""
_TICK_S: Final = 0.02
"""Longer than the clock of a file system stands still."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def clone(
    source: Path, target: Path, stage: Path, entry_of: Callable[[str, os.stat_result], Entry | None]
) -> dict[str, Seen]:
    """Make the folder `target`, which is empty, hold the files, links and folders of `source`, with their modes and
    times; what is neither, or may not be read, is left out.

    The result says what was put where, by path, as far as `entry_of` (path, stat) knows what a file of `source` holds.
    `stage` is as for `Beneath`. OSError passes through.
    """
    made: dict[str, tuple[Entry, os.stat_result]] = {}
    with Beneath(source, own=False) as there, Beneath(target, stage, own=False) as here:
        todo = [""]
        while todo:
            folder = todo.pop()
            try:
                inside = there.list(folder)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            at, to = there.folder(folder), here.folder(folder, make=True)
            for name, found in inside:
                path = f"{folder}/{name}" if folder else name
                if stat.S_ISDIR(found.st_mode):
                    if normal_path(path) is not None:
                        todo.append(path)
                    continue
                placed = _clone_one(at, to, os_name(name), found)
                entry = entry_of(path, found) if placed is not None else None
                if entry is not None and placed is not None:
                    made[path] = (entry, placed)
        # A tick later, what is changed from then on shows in its times: nothing has to be read to know it is the same.
        newest = max((found.st_ctime_ns for _, found in made.values()), default=0)
        end = time.monotonic() + _TICK_S
        while (now := here.clock()) <= newest and time.monotonic() < end:
            time.sleep(0.001)
    return {path: seen_now(entry, found, now) for path, (entry, found) in made.items()}


def _clone_one(at: int, to: int, name: bytes, found: os.stat_result) -> os.stat_result | None:
    """Clone a file or link from one folder to another; the new one's stat, None where that was not possible."""
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(name, dir_fd=at), name, dir_fd=to)
        os.utime(name, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=to, follow_symlinks=False)
        return os.stat(name, dir_fd=to, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        return None
    try:
        old = os.open(name, _READ, dir_fd=at)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        new = os.open(name, _WRITE, 0o600, dir_fd=to)
        try:
            _share(old, new)
            os.fchmod(new, stat.S_IMODE(found.st_mode))
            os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))
            # What was written meanwhile may be there or not: whoever opens the copy looks into the file.
            return os.fstat(new) if stamp(os.fstat(old)) == stamp(found) else None
        finally:
            os.close(new)
    finally:
        os.close(old)


def _share(old: int, new: int) -> None:
    try:
        fcntl.ioctl(new, FICLONE, old)
    except OSError:
        # Some files cannot be shared: those with other attributes (`chattr +C`), or too many copies of one extent.
        while part := os.read(old, 1 << 20):
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(new, rest) :]


def is_subvolume(folder: Path) -> bool:
    """Whether a folder may be the topmost one of a subvolume; `snapshot` says it for sure."""
    try:
        return folder.lstat().st_ino == _ROOT_OF_SUBVOLUME
    except OSError:
        return False


def make_subvolume(folder: Path) -> bool:
    """Make `folder` a subvolume; whether it could. Nothing is there otherwise."""
    return _ask(_SUBVOL_CREATE_V2, folder, struct.pack("=qQQ32s4040s", 0, 0, 0, b"", os.fsencode(folder.name)))


def snapshot(folder: Path, copy: Path) -> bool:
    """Make `copy` a snapshot of the subvolume `folder`; whether it could. Nothing is there otherwise.

    What is on its way to the disk is in it. A subvolume inside is not: an empty folder stands for it.
    """
    fd = os.open(folder, _FOLDER)
    try:
        return _ask(_SNAP_CREATE_V2, copy, struct.pack("=qQQ32s4040s", fd, 0, 0, b"", os.fsencode(copy.name)))
    finally:
        os.close(fd)


def destroy_subvolume(folder: Path) -> bool:
    """Remove a subvolume with all it holds; whether it could: it may be none, or hold another, or need a privilege."""
    return _ask(_SNAP_DESTROY, folder, struct.pack("=q4088s", 0, os.fsencode(folder.name)))


def _ask(number: int, folder: Path, argument: bytes) -> bool:
    above = os.open(folder.parent, _FOLDER)
    try:
        fcntl.ioctl(above, number, bytearray(argument))
    except OSError:
        return False
    finally:
        os.close(above)
    return True
