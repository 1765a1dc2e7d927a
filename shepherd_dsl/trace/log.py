"""The log of a tree as Git holds it: `refs/shepherd/log/<tree>`, a chain of commits, one a packed batch.

    blobs/<hash>        bytes put for the tree that no event names (yet)
    heads.json          {"count":n,"heads":[[run,first,length,commit]…]}: all runs, in the order of their first entries
    info.json           the tree's info
    program.json        the canonical text of its program
    segments/NNNNNNNN   the batches: {"from":n,"notes":[[run,index,name,text]…],"order":[[run's place,count]…],
                        "runs":[run…],"times":[ms,delta…]}

Its parents are the log commit before it and the heads that are new: so the one ref keeps all that the tree needs, and a
reader who has that commit has a consistent whole. Real times are here and in no event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from shepherd_dsl.errors import CorruptError
from shepherd_dsl.trace.chain import Head
from shepherd_dsl.trace.objects import (
    BLOB,
    COMMIT,
    FILE_MODE,
    FOLDER_MODE,
    TREE,
    GitObject,
    blob_folder,
    commit_body,
    git_object,
    read_commit,
    read_tree,
    tree_body,
)
from shepherd_dsl.trace.records import NoteItem
from shepherd_dsl.trace.repository import Repository

_RUN: Final = re.compile(r"[a-z0-9.()]+\Z")
_OID: Final = re.compile(r"[0-9a-f]{40}\Z")
_LATEST: Final = 1 << 47
"""Milliseconds since 1970: beyond the year 6000."""


@attrs.frozen(slots=True)
class Segment:
    """Consecutive entries of a log, from position `start` on: the run and the time (ms since 1970) of each, and the
    notes that were packed with them."""

    start: int
    order: tuple[str, ...]
    times: tuple[int, ...]
    notes: tuple[NoteItem, ...]


@attrs.frozen(slots=True)
class PackedLog:
    """What a log commit says. `segments` are (name, blob) pairs in order; `loose` are blobs no event names."""

    commit: str
    count: int
    heads: tuple[tuple[str, Head], ...]
    segments: tuple[tuple[str, str], ...]
    program: str
    info: str
    loose: tuple[str, ...]


def dumps(data: Any) -> str:
    """Canonical JSON of plain data (keys sorted, no spaces)."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def encode_segment(segment: Segment) -> bytes:
    """The text of a segment."""
    runs: dict[str, int] = {}
    order: list[list[int]] = []
    for run in segment.order:
        place = runs.setdefault(run, len(runs))
        if order and order[-1][0] == place:
            order[-1][1] += 1
        else:
            order.append([place, 1])
    times, before = [], 0
    for time in segment.times:
        times.append(time - before)
        before = time
    data: dict[str, Any] = {"from": segment.start, "runs": list(runs), "order": order, "times": times}
    if segment.notes:
        data["notes"] = [[note.run, note.index, note.name, note.text] for note in segment.notes]
    return dumps(data).encode()


def decode_segment(text: bytes) -> Segment:
    """The segment that a text says. Raises ValueError or TypeError, KeyError, IndexError where it is malformed."""
    data = json.loads(text)
    runs = [_run(run) for run in data["runs"]]
    pieces = [(runs[_natural(place)], _natural(count)) for place, count in data["order"]]
    # A few bytes could ask for more entries than any memory holds; each has a time, though.
    if sum(count for _, count in pieces) != len(data["times"]):
        raise ValueError("as many times as entries are needed")
    order = [run for run, count in pieces for _ in range(count)]
    times, time = [], 0
    for delta in data["times"]:
        time += int(delta)
        if not 0 <= time < _LATEST:
            raise ValueError("a time is out of range")
        times.append(time)
    notes = [
        NoteItem(_text(run), _natural(at), _text(name), _text(note)) for run, at, name, note in data.get("notes", ())
    ]
    return Segment(_natural(data["from"]), tuple(order), tuple(times), tuple(notes))


def _natural(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a number from 0 on is expected")
    return value


def _text(value: object) -> str:
    if type(value) is not str:
        raise ValueError("a text is expected")
    return value


def _run(value: object) -> str:
    if _RUN.match(_text(value)) is None:
        raise ValueError("the id of a run is expected")
    return _text(value)


def _head(run: object, first: object, length: object, oid: object) -> tuple[str, Head]:
    head = Head(_natural(first), _natural(length), _text(oid))
    if head.first >= head.length or _OID.match(head.commit) is None:
        raise ValueError(f"the head of run {_run(run)} is none")
    return _run(run), head


def log_objects(
    *,
    previous: str | None,
    parents: Iterable[str],
    count: int,
    heads: Iterable[tuple[str, Head]],
    segments: Sequence[tuple[str, str]],
    program: str,
    info: str,
    loose: Iterable[str],
) -> tuple[str, list[GitObject]]:
    """A log commit and the objects it adds. `program` and `info` are blobs; so are the segments' second parts."""
    rows = [[run, head.first, head.length, head.commit] for run, head in heads]
    heads_blob = git_object(BLOB, dumps({"count": count, "heads": rows}).encode())
    new = [heads_blob]
    entries = [
        (FILE_MODE, b"heads.json", heads_blob.oid),
        (FILE_MODE, b"info.json", info),
        (FILE_MODE, b"program.json", program),
    ]
    if segments:
        folder = git_object(TREE, tree_body((FILE_MODE, name.encode(), oid) for name, oid in segments))
        new.append(folder)
        entries.append((FOLDER_MODE, b"segments", folder.oid))
    body = blob_folder(loose)
    if body:
        folder = git_object(TREE, body)
        new.append(folder)
        entries.append((FOLDER_MODE, b"blobs", folder.oid))
    tree = git_object(TREE, tree_body(entries))
    before = () if previous is None else (previous,)
    every = tuple(dict.fromkeys((*before, *parents)))
    message = f"log of {count} events"
    commit = git_object(COMMIT, commit_body(tree=tree.oid, parents=every, index=count, message=message))
    new += (tree, commit)
    return commit.oid, new


def read_log(repo: Repository, commit: str) -> PackedLog:
    """What the log commit `commit` says. Raises CorruptError."""
    try:
        tree, _ = read_commit(repo.read(commit, COMMIT))
        parts = {name: oid for name, _, oid in read_tree(repo.read(tree, TREE))}
        heads = json.loads(repo.read(parts[b"heads.json"], BLOB))
        segments = read_tree(repo.read(parts[b"segments"], TREE)) if b"segments" in parts else []
        loose = read_tree(repo.read(parts[b"blobs"], TREE)) if b"blobs" in parts else []
        found = tuple(_head(*row) for row in heads["heads"])
        if len(dict(found)) != len(found) or sum(head.length - head.first for _, head in found) != heads["count"]:
            raise ValueError("its heads do not have as many events as it says")
        return PackedLog(
            commit=commit,
            count=_natural(heads["count"]),
            heads=found,
            segments=tuple((name.decode("ascii"), oid) for name, _, oid in segments),
            program=parts[b"program.json"],
            info=parts[b"info.json"],
            loose=tuple(oid for _, _, oid in loose),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad_log(commit, error) from error


def read_segment(repo: Repository, oid: str) -> Segment:
    """The segment in a blob. Raises CorruptError."""
    try:
        return decode_segment(repo.read(oid, BLOB))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise _bad_log(oid, error) from error


def _bad_log(oid: str, error: Exception) -> CorruptError:
    return CorruptError(
        "store.log",
        f"the log object {oid} does not say what a log must ({error})",
        where=oid,
        hint="was it written by another program? `shepherd doctor` tells more",
    )
