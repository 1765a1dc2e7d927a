"""Refs of the trace repository: reversible names, durable updates, reading without a lock.

    refs/shepherd/runs/<tree>/<run id>     head of a run
    refs/shepherd/log/<tree>               log of a tree: names everything that the tree needs

Updates hold Git's own `<ref>.lock`, so that `git pack-refs` and `git gc` may run at any time.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final

from shepherd_dsl.errors import CorruptError, StoreError
from shepherd_dsl.trace.faults import storing
from shepherd_dsl.trace.packs import sync_folder
from shepherd_dsl.trace.points import reached

LOG_PREFIX: Final = "refs/shepherd/log/"
RUNS_PREFIX: Final = "refs/shepherd/runs/"

_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=,()")
_CHUNK: Final = 180
_MORE: Final = "%-"
_LONGEST: Final = 3000
_OID: Final = re.compile(rb"[0-9a-f]{40}\n?\Z")
_STALE_LOCK_S: Final = 0.5


def ref_name(text: str) -> str:
    """`text` as a component (or, where it is long, several) of a ref name; reversible by `text_of_ref`.

    Bytes that Git refuses or treats specially stand as `%XX`, a dot too unless it is between a plain byte and a digit
    (so neither `..` nor `.lock` comes out). A long name is cut into components that end in `%-`, which no last
    component does: so no name is ever the folder of another.
    """
    raw = text.encode("utf-8", "surrogatepass")
    parts = []
    for at, byte in enumerate(raw):
        inside = at % _CHUNK and at < len(raw) - 1
        plain_dot = byte == 0x2E and inside and raw[at - 1] in _PLAIN and raw[at + 1] in b"0123456789"
        parts.append(chr(byte) if byte in _PLAIN or plain_dot else f"%{byte:02X}")
    if parts and parts[0] == "-":
        parts[0] = "%2D"
    chunks = ["".join(parts[at : at + _CHUNK]) for at in range(0, len(parts), _CHUNK)] or ["%"]
    return (_MORE + "/").join(chunks)


def text_of_ref(name: str) -> str:
    """The text whose `ref_name` is `name`. Raises ValueError where there is none."""
    joined = name.replace(_MORE + "/", "")
    raw = re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), joined.encode("utf-8"))
    text = "" if name == "%" else raw.decode("utf-8", "surrogatepass")
    if ref_name(text) != name:
        raise ValueError(f"not a name made by ref_name: {name!r}")
    return text


def log_ref(tree: str) -> str:
    """The ref of a tree's log."""
    return LOG_PREFIX + ref_name(tree)


def run_ref(tree: str, run: str) -> str | None:
    """The ref of a run's head, None where the id is too long for a path; the log still keeps such a run."""
    name = f"{RUNS_PREFIX}{ref_name(tree)}/{ref_name(run)}"
    return name if len(name) <= _LONGEST else None


class Refs:
    """The refs of one bare repository (Git's `files` backend)."""

    __slots__ = ("_git",)

    def __init__(self, git: Path) -> None:
        self._git = git

    def read(self, ref: str) -> str | None:
        """The object that `ref` names, None where there is no such ref. Raises CorruptError where it is damaged."""
        # `git pack-refs` writes the packed file before it removes the loose one: loose first, then packed, and once
        # more, since an update may have made a loose ref in between.
        return self._loose(ref) or self._packed().get(ref) or self._loose(ref)

    def _loose(self, ref: str) -> str | None:
        path = self._git / ref
        with storing(path):
            try:
                data = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        if not _OID.match(data):
            raise CorruptError(
                "store.ref", "a ref does not name a commit", where=str(path), hint="restore it from a copy of the trace"
            )
        return data[:40].decode("ascii")

    def _packed(self) -> dict[str, str]:
        path = self._git / "packed-refs"
        with storing(path):
            try:
                lines = path.read_text("utf-8", "surrogateescape").splitlines()
            except FileNotFoundError:
                return {}
        return {line[41:]: line[:40] for line in lines if line[:1] not in ("#", "^") and line[40:41] == " "}

    def list(self, prefix: str) -> dict[str, str]:
        """All refs below `prefix` (which ends in `/`) with what they name, by name."""
        found = {name: oid for name, oid in self._packed().items() if name.startswith(prefix)}
        top = self._git / prefix
        with storing(top):
            for folder, _, files in os.walk(top):
                for file in files:
                    if not file.endswith(".lock"):
                        ref = os.path.relpath(os.path.join(folder, file), self._git)
                        oid = self._loose(ref)
                        if oid is not None:
                            found[ref] = oid
        return dict(sorted(found.items()))

    def update(self, ref: str, oid: str, *, durable: bool = True) -> None:
        """Let `ref` name `oid`, at one stroke. Without `durable` a crash of the machine may bring the old one back.

        Raises StoreError.
        """
        path = self._git / ref
        lock = path.with_name(path.name + ".lock")
        with storing(path):
            fd = self._lock(path, lock)
            try:
                reached("ref.locked")
                os.write(fd, oid.encode("ascii") + b"\n")
                os.fsync(fd)
                reached("ref.written")
            except BaseException:
                lock.unlink(missing_ok=True)
                raise
            finally:
                os.close(fd)
            os.rename(lock, path)
            reached("ref.renamed")
            if durable:
                sync_folder(path.parent)

    def _lock(self, path: Path, lock: Path) -> int:
        deadline = None
        while True:
            try:
                return os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileNotFoundError:
                # `git pack-refs` removes folders that it emptied, so making them may have to be repeated.
                path.parent.mkdir(parents=True, exist_ok=True)
                sync_folder(path.parent.parent)
            except FileExistsError:
                # Only Git and the one writer of this tree touch this ref, Git for an instant: a lock that stays was
                # left by a process that died.
                now = time.monotonic()
                try:
                    inode = os.stat(lock).st_ino
                except FileNotFoundError:
                    continue
                if deadline is None or deadline[0] != inode:
                    deadline = (inode, now + _STALE_LOCK_S)
                elif now > deadline[1]:
                    lock.unlink(missing_ok=True)
                time.sleep(0.01)


def check_ref_room(ref: str | None) -> None:
    """Raise StoreError where a tree's name makes too long a ref."""
    if ref is None or len(ref) > _LONGEST:
        raise StoreError("store.name", "the name of the tree is too long", hint="use a name of at most 900 characters")
