"""What the user's files and folders have beside contents and modes: owner, group, time, extended attributes.

No trace holds any of it: who a run is does not depend on whose files it ran on, nor when. A merge gives what it writes
the metadata of what it replaces, and remembers that (`Memory`), so that who takes the merge back puts it back too.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from typing import Any, Final

import attrs

from shepherd_dsl.core.event import Entry

PRIVILEGED: Final = 0o6000
"""The bits by which a program gets the rights of its owner and group."""

CAPABILITIES: Final = "security.capability"
_OF_CONTENT: Final = frozenset({CAPABILITIES, "security.ima", "security.evm"})
"""Attributes that vouch for a content; who writes another one loses them, in the kernel too."""

_LISTS: Final = ("system.posix_acl_access", "system.posix_acl_default")
_VERSION: Final = 1


@attrs.frozen(slots=True)
class Metadata:
    """What a path has. Of a file or link it says who owns it (-1: whoever writes it), of a folder its permissions too.

    `time` is when it was changed (ns); None: as new as it is written.
    """

    uid: int = -1
    gid: int = -1
    time: int | None = None
    xattrs: Mapping[str, bytes] = attrs.field(factory=dict)
    mode: int = 0

    def with_other_content(self) -> Metadata:
        """What a file with another content has, in the place of this one."""
        kept = {name: value for name, value in self.xattrs.items() if name not in _OF_CONTENT}
        return attrs.evolve(self, time=None, xattrs=kept)


def metadata_of(fd: int) -> Metadata:
    """What an open file, link or folder has; one opened with `O_PATH` will do."""
    return attrs.evolve(metadata_of_stat(os.fstat(fd)), xattrs=_xattrs_of(fd))


def metadata_of_stat(found: os.stat_result) -> Metadata:
    """What a stat tells: all but the attributes."""
    return Metadata(found.st_uid, found.st_gid, found.st_mtime_ns, {}, stat.S_IMODE(found.st_mode))


def of_new_file(folder: int) -> Metadata:
    """What the system would give a file that is made in an open folder."""
    found = os.fstat(folder)
    given = _xattrs_of(folder).get("system.posix_acl_default")
    return Metadata(
        gid=found.st_gid if found.st_mode & stat.S_ISGID else os.getegid(),
        xattrs={} if given is None else {"system.posix_acl_access": given},
    )


def dress(fd: int, like: Metadata, mode: int) -> None:
    """Give an open file or folder the metadata, but for its time, and the mode.

    As far as the process may. A file gets set-id bits only together with the owner and group that are said.
    """
    found = os.fstat(fd)
    if not own(fd, like) and stat.S_ISREG(found.st_mode):
        mode &= ~PRIVILEGED
    with contextlib.suppress(OSError, AttributeError):
        # A new one has got lists from the folder it was made in.
        for name in set(_LISTS).intersection(os.listxattr(fd)).difference(like.xattrs):
            os.removexattr(fd, name)
    for name, value in like.xattrs.items():
        with contextlib.suppress(OSError, AttributeError):
            os.setxattr(fd, name, value)
    os.fchmod(fd, mode & 0o7777)


def own(fd: int, like: Metadata) -> bool:
    """Give an open file or folder the owner and the group, as far as the process may; whether it has both, and both
    are known."""
    found = os.fstat(fd)
    uid = -1 if like.uid == found.st_uid else like.uid
    gid = -1 if like.gid == found.st_gid else like.gid
    for wanted in ((uid, gid), (-1, gid)):
        if wanted != (-1, -1):
            with contextlib.suppress(OSError):
                os.chown(fd, *wanted)
                break
    found = os.fstat(fd)
    return (found.st_uid, found.st_gid) == (like.uid, like.gid)


def _xattrs_of(fd: int) -> dict[str, bytes]:
    # By this name also what is open with `O_PATH`.
    path = f"/proc/self/fd/{fd}"
    out: dict[str, bytes] = {}
    with contextlib.suppress(OSError, AttributeError):
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                out[name] = os.getxattr(path, name)
    return out


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(slots=True)
class Memory:
    """The metadata of the workspace before a merge, at all paths that it touches.

    `files` says what stood there. `folders` are those in which names changed, each with the time that the merge gave
    it, and those that it removed (None). `made` are the folders that it made. Where it is not `trusted`, another user
    wrote it, who may say of himself alone what he could have done.
    """

    files: Mapping[str, tuple[Entry, Metadata]] = attrs.field(factory=dict)
    folders: Mapping[str, tuple[Metadata, int | None]] = attrs.field(factory=dict)
    made: frozenset[str] = frozenset()
    trusted: bool = True


@attrs.frozen(slots=True)
class Past:
    """What is known of what the workspace goes back to: it had it before the first of `memories`, the oldest first.

    Without `exact`, it never had it as a whole, and each path goes back by itself.
    """

    memories: tuple[Memory, ...] = ()
    exact: bool = True

    def file(self, path: str, entry: Entry) -> Metadata | None:
        """What the file or link had when it was `entry`."""
        for memory in self._first():
            found = memory.files.get(path)
            if found is not None and found[0] == entry:
                return found[1]
        return None

    def trusted(self, path: str, entry: Entry) -> Metadata | None:
        """As `file`, where its set-id bits may come back."""
        trusting = attrs.evolve(self, memories=tuple(one for one in self.memories if one.trusted))
        return trusting.file(path, entry)

    def folder(self, path: str) -> Metadata | None:
        """What a folder had that was there and is to be made again."""
        for memory in self._first():
            if path in memory.made and self.exact:
                return None
            if path in memory.folders:
                found, _ = memory.folders[path]
                return found if self.exact else attrs.evolve(found, time=None)
        return None

    def was_there(self, path: str) -> bool | None:
        """Whether a folder was there; None where nobody knows."""
        if not self.exact:
            return False if any(path in memory.made for memory in self.memories) else None
        for memory in self._first():
            if path in memory.made or path in memory.folders:
                return path not in memory.made
        return None

    def folder_time(self, path: str, now: int) -> int | None:
        """When the folder was changed that has the time `now`, if it was changed by nobody else meanwhile."""
        known = False
        for memory in reversed(self.memories if self.exact else ()):
            if path in memory.folders:
                before, after = memory.folders[path]
                if after != now or before.time is None:
                    return None
                now, known = before.time, True
        return now if known else None

    def _first(self) -> tuple[Memory, ...]:
        return self.memories if self.exact else self.memories[::-1]


def memory_text(memory: Memory) -> str:
    """The memory as JSON."""
    found = {
        "version": _VERSION,
        "files": {
            path: [f"{entry.mode:o}", entry.hash, metadata_json(one)] for path, (entry, one) in memory.files.items()
        },
        "folders": {path: [metadata_json(one), after] for path, (one, after) in memory.folders.items()},
        "made": sorted(memory.made),
    }
    return json.dumps(found, separators=(",", ":"))


def memory_of(text: str) -> Memory:
    """The memory that `memory_text` made a text. Raises ValueError, LookupError, TypeError or AttributeError where it
    did not."""
    found = json.loads(text)
    if found["version"] != _VERSION:
        raise ValueError(f"version {found['version']}")
    return Memory(
        {
            str(path): (Entry(int(mode, 8), str(name)), metadata_from(one))
            for path, (mode, name, one) in found["files"].items()
        },
        {
            str(path): (metadata_from(one), None if after is None else int(after))
            for path, (one, after) in found["folders"].items()
        },
        frozenset(str(path) for path in found["made"]),
    )


def metadata_json(metadata: Metadata) -> list[Any]:
    """Metadata as JSON."""
    xattrs = {name: value.hex() for name, value in sorted(metadata.xattrs.items())}
    return [metadata.uid, metadata.gid, metadata.time, f"{metadata.mode:o}", xattrs]


def metadata_from(value: Any) -> Metadata:
    """The metadata that `metadata_json` made JSON. Errors as of `memory_of`."""
    uid, gid, time, mode, xattrs = value
    if not (-1 <= uid < 2**32 and -1 <= gid < 2**32 and (time is None or abs(time) < 2**63)):
        raise ValueError("an owner, a group or a time that no system has")
    return Metadata(
        int(uid),
        int(gid),
        None if time is None else int(time),
        {str(name): bytes.fromhex(one) for name, one in xattrs.items()},
        int(mode, 8),
    )
