"""Git packs: written sealed, with their index, in one go; and a look-up of what the packs of a repository hold.

Packs hold whole objects, no deltas. Formats: Git's `gitformat-pack` (version 2 of packs and of indices).
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import sys
import time
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from shepherd_dsl.core.content import LARGE, PIECE, Large
from shepherd_dsl.errors import StoreError
from shepherd_dsl.trace.faults import damaged, storing
from shepherd_dsl.trace.objects import BLOB, COMMIT, TREE, GitObject
from shepherd_dsl.trace.points import reached

try:
    from isal import isal_zlib
except ImportError:  # not to be had for every processor
    isal_zlib = None  # type: ignore[assignment]

Bytes: TypeAlias = "bytes | mmap.mmap"

UNFINISHED: Final = "tmp_shepherd_"
"""How the name of a pack begins that is still being written."""

_KINDS: Final = {COMMIT: 1, TREE: 2, BLOB: 3}
_KIND_OF: Final = {number: kind for kind, number in _KINDS.items()}
_LARGE: Final = 1 << 31
_READ_BYTES: Final = 1 << 14
_SMALL_BODY: Final = 4096
_WORTH: Final = 0.97
"""A stream longer than this share of what it holds is not worth its time."""
FLUSH_BYTES: Final = 1 << 22
"""Bytes of a pack that are held back before they are written; a smaller pack is written in one go."""

_SMALL_FILE: Final = 1 << 17
_PACKS_OPEN: Final = 32
"""Packs that are held at once."""
_NUMBER_BITS: Final = 24
"""Bits of the number of a pack."""
_TICK_NS: Final = 20_000_000
_IDX_MAGIC: Final = b"\377tOc\0\0\0\2"


def compress(body: bytes) -> bytes:
    """`body` as a zlib stream, made by ISA-L where it is there: four to ten times as fast, and as small.

    What can hardly be compressed is stored, since it is read faster. Without ISA-L small bodies get a small window:
    setting up zlib costs ten times the compressing.
    """
    if isal_zlib is not None:
        packed: bytes = isal_zlib.compress(body, 1)
        return packed if len(packed) <= _WORTH * len(body) else zlib.compress(body, 0)
    if len(body) <= _SMALL_BODY:
        stream = zlib.compressobj(6, zlib.DEFLATED, 12, 5)
        return stream.compress(body) + stream.flush()
    return zlib.compress(body, 1)


def _header(kind: int, size: int) -> bytes:
    head = bytearray()
    byte = kind << 4 | size & 15
    size >>= 4
    while size:
        head.append(byte | 128)
        byte = size & 127
        size >>= 7
    head.append(byte)
    return bytes(head)


class PackWriter:
    """Writes one pack beside the others and gives it its name when sealed; until then Git does not see it.

    `seal(keep=…)` leaves a `.keep` file with that text beside the pack, so that `git gc` spares it until a ref names
    what is in it; `release` takes that away. All OSErrors come as StoreError.
    """

    __slots__ = ("_at", "_entries", "_fd", "_folder", "_path", "_pending", "_pending_size", "path")

    def __init__(self, folder: Path, *, unique: str) -> None:
        """Begin a pack in `folder` (…/objects/pack). `unique` is not in use by any other living writer."""
        self._folder = folder
        self._path = folder / f"{UNFINISHED}{unique}.pack"
        with storing(folder):
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o444)
        self._entries: dict[str, tuple[int, int]] = {}
        self._pending = [b"PACK\0\0\0\2\0\0\0\0"]
        self._pending_size = self._at = 12
        self.path = self._path

    def add(self, item: GitObject) -> None:
        """Add an object; one that is in the pack already is passed over."""
        if item.oid in self._entries:
            return
        data = _header(_KINDS[item.kind], len(item.body)) + compress(item.body)
        self._entries[item.oid] = (self._at, zlib.crc32(data))
        self._pending.append(data)
        self._at += len(data)
        self._pending_size += len(data)
        if self._pending_size > FLUSH_BYTES:
            self._flush()

    def add_blob(self, content: Large) -> str:
        """Add a blob that is read piece by piece; its name. What reading it raises passes through: `abandon` then."""
        digest = hashlib.sha1(b"blob %d\0" % content.size, usedforsecurity=False)
        begin, crc, stream = self._at, 0, (isal_zlib or zlib).compressobj(1)

        def put(data: bytes) -> None:
            nonlocal crc
            crc = zlib.crc32(data, crc)
            self._pending.append(data)
            self._at += len(data)
            self._pending_size += len(data)
            if self._pending_size > FLUSH_BYTES:
                self._flush()

        put(_header(_KINDS[BLOB], content.size))
        for part in content.parts():
            digest.update(part)
            put(stream.compress(part))
        put(stream.flush())
        oid = digest.hexdigest()
        self._entries[oid] = (begin, crc)
        return oid

    def __len__(self) -> int:
        return len(self._entries)

    def _flush(self) -> None:
        with storing(self._path):
            _write_all(self._fd, b"".join(self._pending))
        self._pending, self._pending_size = [], 0

    def seal(self, *, keep: str) -> str:
        """Finish the pack durably and give it its name (40 hex digits, its checksum). Git sees it from now on."""
        count = struct.pack(">I", len(self._entries))
        with storing(self._path):
            if self._at == self._pending_size:  # nothing is written yet: no need to read the file back
                whole = bytearray(b"".join(self._pending))
                whole[8:12] = count
                checksum = hashlib.sha1(whole, usedforsecurity=False).digest()
                _write_all(self._fd, bytes(whole[: len(whole) // 2]))
                reached("pack.half")
                _write_all(self._fd, bytes(whole[len(whole) // 2 :]) + checksum)
            else:
                self._flush()
                os.pwrite(self._fd, count, 8)
                reached("pack.half")
                checksum = _file_sha1(self._fd)
                os.lseek(self._fd, 0, os.SEEK_END)
                _write_all(self._fd, checksum)
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1
            index = self._path.with_suffix(".idx")
            write_durably(index, _index(self._entries, checksum))
            reached("pack.written")
            name = checksum.hex()
            final = self._folder / f"pack-{name}"
            # Need not survive a crash of the machine: until a ref names the pack, the journal has what is in it.
            final.with_suffix(".keep").write_bytes(keep.encode("utf-8") + b"\n")
            reached("pack.kept")
            os.rename(self._path, final.with_suffix(".pack"))
            reached("pack.pack_named")
            os.rename(index, final.with_suffix(".idx"))
            reached("pack.idx_named")
            sync_folder(self._folder)
        self.path = final.with_suffix(".pack")
        return name

    def release(self) -> None:
        """The pack's objects are named by refs now: let `git gc` treat it as any other."""
        with storing(self.path):
            self.path.with_suffix(".keep").unlink(missing_ok=True)

    def abandon(self) -> None:
        """Throw an unfinished pack away; does nothing after `seal`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._path.unlink(missing_ok=True)


def _index(entries: dict[str, tuple[int, int]], pack_checksum: bytes) -> bytes:
    names = sorted(entries)
    fanout, at = [], 0
    firsts = [int(name[:2], 16) for name in names]
    for byte in range(256):
        while at < len(firsts) and firsts[at] <= byte:
            at += 1
        fanout.append(at)
    offsets, large = [], []
    for name in names:
        offset = entries[name][0]
        if offset >= _LARGE:
            large.append(offset)
            offset = _LARGE | (len(large) - 1)
        offsets.append(offset)
    body = b"".join(
        (
            _IDX_MAGIC,
            struct.pack(">256I", *fanout),
            bytes.fromhex("".join(names)),
            struct.pack(f">{len(names)}I", *(entries[name][1] for name in names)),
            struct.pack(f">{len(names)}I", *offsets),
            struct.pack(f">{len(large)}Q", *large),
            pack_checksum,
        )
    )
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


class PackIndex:
    """Which objects the packs of a repository hold, and those that are whole there, without opening a Git library.

    Packs that appear or go (`git gc`) are noticed by the folder's time of change. There are as many packs as there were
    runs, so the names of all of them are looked up at once: those that begin with the same byte are merged when the
    first of them is asked for.
    """

    __slots__ = ("_folder", "_maps", "_merged", "_objects", "_order", "_packs", "_stamp")

    def __init__(self, objects: Path) -> None:
        self._objects = objects
        self._folder = objects / "pack"
        self._maps: dict[str, Bytes] = {}
        self._packs: dict[str, Bytes] = {}
        self._order: list[str] = []
        self._merged: dict[int, tuple[int, array[int]]] = {}
        self._stamp = -1

    def contains(self, oid: str) -> bool:
        """Whether the repository has the object, packed or loose. A pack that appeared since is noticed."""
        self._refresh()
        return self._find(bytes.fromhex(oid)) is not None or (self._objects / oid[:2] / oid[2:]).exists()

    def whole(self, oid: str) -> tuple[bytes, bytes] | None:
        """The kind and the body of an object that is in a pack without deltas, as those written here are.

        None for any other, and where anything is odd: a Git library then reads it, or says what is wrong. The caller
        checks the body against the name.
        """
        raw = bytes.fromhex(oid)
        try:
            self._refresh()
            name = self._find(raw)
            if name is not None:
                index = self._maps[name]
                return _whole(self._pack(name), _offset(index, _place(index, raw)))
        except (StoreError, OSError, ValueError, IndexError, zlib.error):
            return None
        return None

    def large(self, oid: str) -> Large | None:
        """A blob of more than `LARGE` bytes that is in a pack without deltas; None for any other.

        Its pieces are checked against its name: CorruptError comes instead of the last one where they differ.
        """
        raw = bytes.fromhex(oid)
        try:
            self._refresh()
            name = self._find(raw)
            if name is None:
                return None
            index = self._maps[name]
            pack, at = self._pack(name), _offset(index, _place(index, raw))
            kind, size, begin = _head(pack, at)
        except (StoreError, OSError, ValueError, IndexError):
            return None
        return Large(size, partial(_pieces, pack, begin, oid, size)) if kind == BLOB and size > LARGE else None

    def _find(self, raw: bytes) -> str | None:
        """The first pack that has the object."""
        keys = self._keys(raw[0])
        key = int.from_bytes(raw[1:6], "big") << _NUMBER_BITS
        for at in range(bisect_left(keys, key), len(keys)):
            if keys[at] ^ key >= 1 << _NUMBER_BITS:
                break
            name = self._order[keys[at] ^ key]
            if _has(self._maps[name], raw):
                return name
        return None

    def _keys(self, first: int) -> array[int]:
        """Of each packed object whose name begins with the byte: its next five, and the number of its pack; sorted."""
        done, keys = self._merged.get(first, (0, array("Q")))
        if done < len(self._order):
            found = keys.tolist()
            for number in range(done, len(self._order)):
                index = self._maps[self._order[number]]
                low, high = _span(index, first)
                names = index[1032 + 20 * low : 1032 + 20 * high]
                found += [
                    (head & 0xFFFFFFFFFF0000) << (_NUMBER_BITS - 16) | number
                    for (head,) in struct.iter_unpack(">Q12x", names[: len(names) // 20 * 20])
                ]
            found.sort()
            keys = array("Q", found)
            self._merged[first] = (len(self._order), keys)
        return keys

    def _pack(self, name: str) -> Bytes:
        found = self._packs.pop(name, None)
        if found is None:
            while len(self._packs) >= _PACKS_OPEN:
                del self._packs[next(iter(self._packs))]
            found = _read((self._folder / name).with_suffix(".pack"))
        self._packs[name] = found
        return found

    def matching(self, prefix: str) -> list[str]:
        """The names of all packed objects that begin with `prefix` (2 hex digits at least), sorted."""
        self._refresh()
        low = bytes.fromhex((prefix + "0" * 40)[:40])
        found: set[str] = set()
        for index in self._maps.values():
            count = _count(index)
            at = _place(index, low)
            while at < count:
                name = index[1032 + 20 * at : 1052 + 20 * at].hex()
                if not name.startswith(prefix):
                    break
                found.add(name)
                at += 1
        return sorted(found)

    def _refresh(self) -> None:
        with storing(self._folder):
            stamp = os.stat(self._folder).st_mtime_ns
            if stamp == self._stamp:
                return
            # A change within the tick of the clock of the one before does not show.
            settled = time.time_ns() - stamp > _TICK_NS
            names = sorted(
                name for name in os.listdir(self._folder) if name.startswith("pack-") and name[-4:] == ".idx"
            )
            # `git gc` names a new pack before it removes those it replaces, so what is gone here is not needed.
            for name in self._maps.keys() - set(names):
                del self._maps[name]
                self._packs.pop(name, None)
                self._merged.clear()
            self._order = [name for name in self._order if name in self._maps]
            for name in names:
                if name in self._maps:
                    continue
                try:
                    index = _read(self._folder / name)
                except FileNotFoundError:
                    continue
                if index[:8] == _IDX_MAGIC:
                    self._maps[name] = index
                    self._order.append(name)
            self._stamp = stamp if settled else -1


def _read(path: Path) -> Bytes:
    """The bytes of a file, of a large one as they are looked at.

    A map holds a descriptor (until Python 3.13), and there are as many packs as there were runs.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size <= _SMALL_FILE:
            return file.read()
        if sys.version_info >= (3, 13):
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ, trackfd=False)
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _count(index: Bytes) -> int:
    return int.from_bytes(index[1028:1032], "big")


def _span(index: Bytes, first: int) -> tuple[int, int]:
    """The positions of the names that begin with the byte."""
    low = int.from_bytes(index[8 + 4 * (first - 1) : 12 + 4 * (first - 1)], "big") if first else 0
    return low, int.from_bytes(index[8 + 4 * first : 12 + 4 * first], "big")


def _place(index: Bytes, raw: bytes) -> int:
    """The position of the first name that is not below `raw`."""
    low, high = _span(index, raw[0])
    while low < high:
        middle = (low + high) // 2
        if index[1032 + 20 * middle : 1052 + 20 * middle] < raw:
            low = middle + 1
        else:
            high = middle
    return low


def _has(index: Bytes, raw: bytes) -> bool:
    at = 1032 + 20 * _place(index, raw)
    return index[at : at + 20] == raw and (at - 1032) // 20 < _count(index)


def _offset(index: Bytes, place: int) -> int:
    """Where in its pack the object at this position of the index begins."""
    at = 1032 + 24 * _count(index) + 4 * place
    offset = int.from_bytes(index[at : at + 4], "big")
    if offset < _LARGE:
        return offset
    at = 1032 + 28 * _count(index) + 8 * (offset - _LARGE)
    return int.from_bytes(index[at : at + 8], "big")


def _head(pack: Bytes, at: int) -> tuple[bytes | None, int, int]:
    """The kind (None for a delta) and size of the object that begins there, and where its stream begins."""
    byte = pack[at]
    kind, size, shift = _KIND_OF.get(byte >> 4 & 7), byte & 15, 4
    while byte & 128:
        at += 1
        byte = pack[at]
        size |= (byte & 127) << shift
        shift += 7
    return kind, size, at + 1


def _pieces(pack: Bytes, at: int, oid: str, size: int) -> Iterator[bytes]:
    """The body of the blob whose stream begins there; the last piece is held back until the whole is checked."""
    stream, digest = zlib.decompressobj(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    left, held, why = size, b"", "its content does not have this hash"
    try:
        while not stream.eof and left >= 0:
            data = stream.unconsumed_tail
            if not data:
                data = pack[at : at + PIECE]
                at += len(data)
                if isinstance(pack, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                    pack.madvise(mmap.MADV_DONTNEED)  # else what was read stays in our memory
            if not data:
                break
            part = stream.decompress(data, PIECE)
            if part:
                digest.update(part)
                left -= len(part)
                if held:
                    yield held
                held = part
    except zlib.error as error:
        why = str(error)
    if left or digest.hexdigest() != oid:
        raise damaged(oid, BLOB, "the packs of the trace", why)
    yield held


def _whole(pack: Bytes, at: int) -> tuple[bytes, bytes] | None:
    """The kind and the body of the object that begins there; None for a delta. Raises ValueError and zlib.error."""
    kind, size, at = _head(pack, at)
    if kind is None:
        return None
    stream, parts = zlib.decompressobj(), []
    while not stream.eof:
        data = pack[at : at + _READ_BYTES]
        if not data:
            raise ValueError("the pack ends within an object")
        parts.append(stream.decompress(data))
        at += len(data)
    body = b"".join(parts)
    if len(body) != size:
        raise ValueError("the object has another size than its header says")
    return kind, body


def _file_sha1(fd: int) -> bytes:
    digest = hashlib.sha1(usedforsecurity=False)
    at = 0
    while chunk := os.pread(fd, 1 << 20, at):
        digest.update(chunk)
        at += len(chunk)
    return digest.digest()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and wait until it is on disk. Its name is durable only after `sync_folder`. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        _write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def add_all(writer: PackWriter, items: Iterable[GitObject]) -> None:
    """Add every object of `items`."""
    for item in items:
        writer.add(item)
