"""What a journal record says: the entries of one step and the objects and notes put since the record before."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import attrs

from shepherd_dsl.trace.objects import BLOB, TREE, GitObject, State

_LENGTH: Final = struct.Struct("<I")
_TIME: Final = struct.Struct("<Q")


@attrs.frozen(slots=True, eq=False)
class EntryItem:
    """One entry of the log: the run, its event as canonical text with summary and named blobs, the files after it, and
    when it was recorded (milliseconds since 1970)."""

    run: str
    text: bytes
    summary: str
    state: State
    blobs: tuple[str, ...]
    time_ms: int


@attrs.frozen(slots=True)
class NoteItem:
    """A text kept beside an event, under a name."""

    run: str
    index: int
    name: str
    text: str


@attrs.frozen(slots=True)
class TreeItem:
    """What a tree is: first item of its first journal. `info` is JSON."""

    program: str
    info: str


Item: TypeAlias = EntryItem | NoteItem | TreeItem | GitObject


def encode(items: Iterable[Item]) -> bytes:
    """The items as the payload of a record: for each a tag, the number of its fields, and the fields with lengths."""
    out: list[bytes] = []
    for item in items:
        tag, fields = _fields(item)
        out.append(tag)
        out.append(bytes((len(fields),)))
        for field in fields:
            out.append(_LENGTH.pack(len(field)))
            out.append(field)
    return b"".join(out)


def _fields(item: Item) -> tuple[bytes, tuple[bytes, ...]]:
    if type(item) is EntryItem:
        return b"E", (
            item.run.encode(),
            item.text,
            item.summary.encode(),
            bytes.fromhex(item.state.tree or ""),
            bytes.fromhex(item.state.manifest or ""),
            bytes.fromhex("".join(item.blobs)),
            _TIME.pack(item.time_ms),
        )
    if type(item) is GitObject:
        return (b"B" if item.kind == BLOB else b"T"), (bytes.fromhex(item.oid), item.body)
    if type(item) is NoteItem:
        return b"N", (item.run.encode(), _TIME.pack(item.index), item.name.encode(), item.text.encode())
    assert type(item) is TreeItem
    return b"I", (item.program.encode(), item.info.encode())


def decode(payload: bytes) -> Iterator[Item]:
    """The items of a record's payload. Raises ValueError where it is malformed."""
    at = 0
    while at < len(payload):
        tag, count = payload[at : at + 1], payload[at + 1]
        at += 2
        fields: list[bytes] = []
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(payload, at)
            at += 4
            fields.append(payload[at : at + length])
            at += length
        if at > len(payload):
            raise ValueError("item is cut off")
        yield _item(tag, fields)


def _item(tag: bytes, fields: list[bytes]) -> Item:
    match tag, fields:
        case b"E", [run, text, summary, tree, manifest, blobs, time]:
            state = State(tree.hex() or None, manifest.hex() or None)
            names = blobs.hex()
            split = tuple(names[n : n + 40] for n in range(0, len(names), 40))
            return EntryItem(run.decode(), text, summary.decode(), state, split, _TIME.unpack(time)[0])
        case b"B", [oid, body]:
            return GitObject(BLOB, oid.hex(), body)
        case b"T", [oid, body]:
            return GitObject(TREE, oid.hex(), body)
        case b"N", [run, index, name, text]:
            return NoteItem(run.decode(), _TIME.unpack(index)[0], name.decode(), text.decode())
        case b"I", [program, info]:
            return TreeItem(program.decode(), info.decode())
    raise ValueError(f"unknown item {tag!r}")
