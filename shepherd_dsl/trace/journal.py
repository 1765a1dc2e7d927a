"""The write-ahead journal of a tree: what is recorded and not yet packed.

    file    = "SHEPJRN1" base:u64 crc:u32 zeros to 32 bytes, then records, then zeros (room written ahead)
    record  = "REC1" seq:u32 length:u32 synced:u64 crc:u32 payload

Numbers are little-endian. `base` is how many entries of the tree's log were packed when the file began, `seq` counts
records from 0, and `crc` covers the header before it and the payload. `synced` is how many bytes of the file were known
to be on disk when the record was written. So a bad record is a torn tail (nothing acknowledged is lost) unless a good
record further on says that it had been on disk: then the file is damaged.

Room is written ahead as zeros, so that an fdatasync needs no change of the file's metadata.
"""

from __future__ import annotations

import os
import struct
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

from shepherd_dsl.errors import CorruptError, StoreError
from shepherd_dsl.trace.faults import storing
from shepherd_dsl.trace.packs import sync_folder, write_durably
from shepherd_dsl.trace.points import reached, watched

_MAGIC: Final = b"SHEPJRN1"
_FILE: Final = struct.Struct("<8sQI")
_RECORD: Final = struct.Struct("<4sIIQ")
_MARK: Final = b"REC1"
_CRC: Final = struct.Struct("<I")
HEAD_SIZE: Final = 32
RECORD_HEAD: Final = _RECORD.size + _CRC.size
_ROOM: Final = (1 << 16, 1 << 18, 1 << 20)
_LONGEST: Final = (1 << 32) - 1

write_at: Callable[[int, bytes, int], int] = os.pwrite
"""How bytes reach the file; a test of full disks puts its own function here."""


@attrs.frozen(slots=True)
class Torn:
    """What recovery cut off: an unfinished record of `size` bytes at byte `offset` of the journal at `path`.

    Nothing in it had been acknowledged.
    """

    path: str
    offset: int
    size: int


@attrs.frozen(slots=True)
class Scan:
    """What a journal file says: `base`, the payloads of its good records, where they end, and the torn rest."""

    base: int
    payloads: tuple[bytes, ...]
    end: int
    torn: Torn | None


def scan(path: Path) -> Scan | None:
    """Read a journal file, also while it is being written; None where there is none.

    Raises CorruptError (`store.journal`) where what had been acknowledged is damaged, StoreError where it cannot be
    read.
    """
    for left in range(3, -1, -1):
        with storing(path):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            return scan_bytes(data, path)
        except CorruptError:
            # A read beside a writer may miss a record and get the one after it: real damage is there again later.
            if left == 0:
                raise
            time.sleep(0.005)
    raise AssertionError("unreachable")


def scan_bytes(data: bytes, path: Path) -> Scan | None:
    """`scan` of the bytes of a journal; None where they are those of a file that was never begun."""
    if not data.strip(b"\0"):
        return None
    if len(data) < HEAD_SIZE:
        raise _damaged(path, 0, "its head is cut off")
    magic, base, crc = _FILE.unpack_from(data)
    if magic != _MAGIC or crc != zlib.crc32(data[: _FILE.size - 4]):
        raise _damaged(path, 0, "its head is unreadable")
    payloads: list[bytes] = []
    at = HEAD_SIZE
    while (payload := _record_at(data, at, len(payloads))) is not None:
        payloads.append(payload)
        at += RECORD_HEAD + len(payload)
    rest = data[at:].rstrip(b"\0")
    torn = Torn(str(path), at, len(rest)) if rest else None
    if torn is not None:
        _check_tail(data, at, len(payloads), path)
    return Scan(base, tuple(payloads), at, torn)


def _record_at(data: bytes, at: int, seq: int | None) -> bytes | None:
    start = at + RECORD_HEAD
    if start > len(data):
        return None
    mark, number, length, _ = _RECORD.unpack_from(data, at)
    if mark != _MARK or (seq is not None and number != seq) or start + length > len(data):
        return None
    payload = data[start : start + length]
    (crc,) = _CRC.unpack_from(data, at + _RECORD.size)
    return payload if crc == zlib.crc32(payload, zlib.crc32(data[at : at + _RECORD.size])) else None


def _check_tail(data: bytes, end: int, seq: int, path: Path) -> None:
    """Raise CorruptError where a good record after the bad one at `end` says that the bad one had been on disk."""
    at = end
    while (at := data.find(_MARK, at + 1)) != -1:
        if _record_at(data, at, None) is None:
            continue
        _, number, _, synced = _RECORD.unpack_from(data, at)
        if number > seq and synced > end:
            raise _damaged(path, end, f"record {seq} is damaged, later ones are whole")


def _damaged(path: Path, offset: int, why: str) -> CorruptError:
    return CorruptError(
        "store.journal",
        f"the journal is damaged at byte {offset}: {why}",
        where=str(path),
        hint="what was packed is safe; restore this file from a copy, or move it away to go on without its events",
    )


class Journal:
    """An open journal, written by one process. `write` may be called by one thread at a time, `sync` by any."""

    __slots__ = ("_failed", "_fd", "_fresh", "_next", "_path", "_room", "_seq", "_sync_lock", "_synced", "_written")

    def __init__(self, path: Path, *, base: int) -> None:
        """A new empty journal that begins after `base` entries; `install` puts it at `path`. Raises StoreError."""
        self._path = path
        self._sync_lock = threading.Lock()
        self._seq = self._next = 0
        self._failed = False
        self._written = self._synced = self._room = HEAD_SIZE
        head = _FILE.pack(_MAGIC, base, 0)[: _FILE.size - 4]
        head += _CRC.pack(zlib.crc32(head))
        with storing(path):
            self._fresh = path.with_name("journal.new")
            write_durably(self._fresh, head.ljust(HEAD_SIZE, b"\0"))
            self._fd = os.open(self._fresh, os.O_RDWR | os.O_CLOEXEC)
        reached("rotate.written")

    def install(self) -> None:
        """Replace the file at the path, durably. Raises StoreError; then this journal takes no records.

        From here on the journal that was there before must not be written any more.
        """
        try:
            with storing(self._path):
                os.rename(self._fresh, self._path)
                reached("rotate.renamed")
                sync_folder(self._path.parent)
        except StoreError:
            self._failed = True
            raise

    @property
    def size(self) -> int:
        """Bytes of records written so far."""
        return self._written - HEAD_SIZE

    def write(self, payload: bytes) -> int:
        """Append one record; gives the place up to which `sync` makes it durable.

        Raises StoreError; then the journal is as before and the call may be repeated.
        """
        if self._failed:
            raise _failed(self._path)
        if len(payload) > _LONGEST:
            raise StoreError("store.size", "more than 4 GiB in one step cannot be recorded", where=str(self._path))
        head = _RECORD.pack(_MARK, self._seq, len(payload), self._synced)
        record = b"".join((head, _CRC.pack(zlib.crc32(payload, zlib.crc32(head))), payload))
        with storing(self._path):
            self._make_room(self._written + len(record))
            reached("append.built")
            half = len(record) // 2 if watched() else 0
            if half:  # so that a test can crash in the middle
                _write_all(self._fd, record[:half], self._written)
                reached("append.half")
            _write_all(self._fd, record[half:], self._written + half)
            reached("append.written")
        self._written += len(record)
        self._seq += 1
        return self._written

    def _make_room(self, end: int) -> None:
        """Write zeros ahead, so that a full disk shows before a record is begun."""
        if end <= self._room:
            return
        step = _ROOM[min(self._next, len(_ROOM) - 1)]
        self._next += 1
        room = (end + step - 1) // step * step
        _write_all(self._fd, bytes(room - self._room), self._room)
        self._room = room

    def sync(self, place: int) -> None:
        """Wait until all up to `place` is on disk. Calls at the same time share one fdatasync. Raises StoreError."""
        if self._synced >= place:
            return
        with self._sync_lock:
            if self._synced >= place or self._fd < 0:
                return  # another thread did it, or everything was packed meanwhile
            if self._failed:
                raise _failed(self._path)
            target = self._written
            try:
                os.fdatasync(self._fd)
            except OSError:
                # After a failed fdatasync the kernel may have dropped the pages: only reading back tells.
                self._failed = True
                raise _failed(self._path) from None
            self._synced = target
        reached("append.synced")

    def sync_all(self) -> None:
        """Wait until everything written is on disk. Raises StoreError."""
        self.sync(self._written)

    def close(self) -> None:
        """Close the file; what was not synced is left to the operating system."""
        with self._sync_lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


def _failed(path: Path) -> StoreError:
    return StoreError(
        "store.sync",
        "the disk did not confirm a write, so this process records nothing more",
        where=str(path),
        hint="check the disk, then `shepherd resume`: it goes on from what is really there",
    )


def _write_all(fd: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = write_at(fd, bytes(view) if len(view) != len(data) else data, at)
        at += done
        view = view[done:]
