"""Git objects of a trace (`core.md`, "Commits and crashes"): a commit is a function of event, files and parent alone.

The tree of an event's commit holds `event.json`; `files/` and `manifest.json` where the run has files; `blobs/<hash>`
for each blob the event names, so that whoever has the commit has the bytes; and, where the event is a `start`,
`program.json`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from shepherd_dsl.core.event import (
    Denied,
    End,
    Event,
    Forked,
    Injected,
    Intent,
    Outcome,
    Reverted,
    Start,
    Undo,
)
from shepherd_dsl.core.value import Blob, Value, children
from shepherd_dsl.core.wire import value_text

BLOB: Final = b"blob"
TREE: Final = b"tree"
COMMIT: Final = b"commit"

FOLDER_MODE: Final = b"40000"
FILE_MODE: Final = b"100644"

TREE_MODE: Final = 0o040000
"""The mode of a folder, as `read_tree` gives it."""

PERSON: Final = b"Shepherd <trace@shepherd.invalid>"
EPOCH: Final = 946_684_800
"""Seconds since 1970 that stand for index 0. Commits are dated by index; real times are kept beside the trace."""

SUMMARY_LENGTH: Final = 72


@attrs.frozen(slots=True)
class GitObject:
    """A Git object: its kind (`blob`, `tree` or `commit`), its name (40 hex digits) and its body without header."""

    kind: bytes
    oid: str
    body: bytes


@attrs.frozen(slots=True)
class State:
    """The files of a run as Git sees them: the tree of `files/` and the blob `manifest.json`, each None when empty."""

    tree: str | None = None
    manifest: str | None = None


def object_id(kind: bytes, body: bytes) -> str:
    """The name that Git gives an object (SHA-1 over header and body), 40 hex digits."""
    return hashlib.sha1(b"%s %d\0%s" % (kind, len(body), body), usedforsecurity=False).hexdigest()


def git_object(kind: bytes, body: bytes) -> GitObject:
    """The object with its name computed."""
    return GitObject(kind, object_id(kind, body), body)


def tree_body(entries: Iterable[tuple[bytes, bytes, str]]) -> bytes:
    """The body of a Git tree from (mode, name, oid), in any order."""
    ordered = sorted(entries, key=lambda entry: entry[1] + b"/" if entry[0] == FOLDER_MODE else entry[1])
    return b"".join([b"%s %s\0%s" % (mode, name, bytes.fromhex(oid)) for mode, name, oid in ordered])


def read_tree(body: bytes) -> list[tuple[bytes, int, str]]:
    """The entries (name, mode, oid) of a Git tree, in its own order. Raises ValueError where the body is malformed."""
    entries: list[tuple[bytes, int, str]] = []
    at, end = 0, len(body)
    while at < end:
        space = body.index(b" ", at)
        nul = body.index(b"\0", space)
        after = nul + 21
        if after > end:
            raise ValueError("tree entry is cut off")
        entries.append((body[space + 1 : nul], int(body[at:space], 8), body[nul + 1 : after].hex()))
        at = after
    return entries


def commit_body(*, tree: str, parents: Sequence[str], index: int, message: str) -> bytes:
    """The body of a commit with the fixed author, dated by `index`. `message` is ASCII without control characters."""
    lines = [f"tree {tree}"]
    lines += [f"parent {parent}" for parent in parents]
    person = f"{PERSON.decode()} {EPOCH + index} +0000"
    lines += [f"author {person}", f"committer {person}", "", message, ""]
    return "\n".join(lines).encode("ascii")


def read_commit(body: bytes) -> tuple[str, list[str]]:
    """The tree and the parents of a commit. Raises ValueError where the body is malformed."""
    head = body[: body.index(b"\nauthor ")].split(b"\n")
    if not head[0].startswith(b"tree "):
        raise ValueError("commit without a tree")
    parents = []
    for line in head[1:]:
        if not line.startswith(b"parent "):
            raise ValueError("commit with an unknown header")
        parents.append(line[7:].decode("ascii"))
    return head[0][5:].decode("ascii"), parents


def event_objects(
    text: bytes,
    *,
    summary: str,
    index: int,
    parent: str | None,
    state: State,
    blobs: Sequence[str],
    program: str | None,
) -> tuple[str, list[GitObject]]:
    """The commit of an event and the objects it adds (event blob, folder of blobs, tree, commit; children first).

    `text` is the event's canonical text, `blobs` the blobs that it names, `program` the blob of the program text where
    the event is a `start`. `summary` must be `summary_of` the event.
    """
    event = git_object(BLOB, text)
    new = [event]
    entries = [(FILE_MODE, b"event.json", event.oid)]
    if blobs:
        folder = git_object(TREE, blob_folder(blobs))
        new.append(folder)
        entries.append((FOLDER_MODE, b"blobs", folder.oid))
    if state.tree is not None:
        entries.append((FOLDER_MODE, b"files", state.tree))
    if state.manifest is not None:
        entries.append((FILE_MODE, b"manifest.json", state.manifest))
    if program is not None:
        entries.append((FILE_MODE, b"program.json", program))
    tree = git_object(TREE, tree_body(entries))
    parents = () if parent is None else (parent,)
    commit = git_object(COMMIT, commit_body(tree=tree.oid, parents=parents, index=index, message=summary))
    new += (tree, commit)
    return commit.oid, new


def blob_folder(blobs: Iterable[str]) -> bytes:
    """The body of a tree that holds each blob under its own hash."""
    return tree_body((FILE_MODE, oid.encode("ascii"), oid) for oid in set(blobs))


def blobs_of(event: Event, text: str) -> tuple[str, ...]:
    """The hashes of the blobs that an event names, sorted. `text` is its canonical text, which is quicker to search."""
    if '{"blob":[' not in text:
        return ()
    found: set[str] = set()
    todo = list(_values(event))
    while todo:
        value = todo.pop()
        if type(value) is Blob:
            found.add(value.hash)
        else:
            todo.extend(children(value))
    return tuple(sorted(found))


def _values(event: Event) -> tuple[Value, ...]:
    match event:
        case Start():
            return (event.args, event.grant)
        case Intent() | Denied() | Undo():
            return (event.args,)
        case Outcome():
            return (event.answer,)
        case Injected() | End():
            return (event.value,)
        case Forked() | Reverted():
            return ()


def summary_of(event: Event) -> str:
    """One line for `git log`: ASCII, at most 72 characters, the same on every machine and Python version."""
    match event:
        case Start():
            line = f"start {event.agent}{_call(event.args)}"
        case Intent():
            line = f"intent {event.op}{_call(event.args)}"
        case Denied():
            line = f"denied {event.op}{_call(event.args)}"
        case Outcome():
            paths = f" files:{len(event.files)}" if event.files else ""
            line = f"outcome {event.by}{paths} {event.answer.name}{_call(event.answer.args)}"
        case Injected():
            line = f"injected {_brief(event.value)}"
        case Forked():
            line = f"forked {event.of}@{event.at}"
        case Undo():
            line = f"undo {event.at} {event.op}{_call(event.args)}"
        case Reverted():
            line = f"reverted {event.to}"
        case End():
            line = f"end {event.kind} {_brief(event.value)}"
    return _ascii(line)


def _call(args: tuple[Value, ...]) -> str:
    return f"({', '.join(map(_brief, args[:4]))}{', ...' if len(args) > 4 else ''})"


def _brief(value: Value) -> str:
    """A value as canonical text, or only its kind where that text could be long to make."""
    if type(value) is str:
        return value_text(value[:SUMMARY_LENGTH])
    todo, seen = [value], 0
    while todo:
        inner = todo.pop()
        seen += 1 if type(inner) is not str else 1 + len(inner) // SUMMARY_LENGTH
        if seen > 24 or (type(inner) is int and inner.bit_length() > 256):
            return "..."
        todo.extend(children(inner))
    return value_text(value)


def _ascii(line: str) -> str:
    if len(line) > SUMMARY_LENGTH:
        line = line[: SUMMARY_LENGTH - 3] + "..."
    if line.isascii() and line.isprintable():
        return line
    # Which other characters are printable depends on Python's Unicode version, so only ASCII is sure to stay the same.
    return "".join(c if " " <= c <= "~" else "?" for c in line)
