"""Checking a tree: everything that its log names is there, reads back, and is what it should be."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from shepherd_dsl.core.event import Forked, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.wire import event_text
from shepherd_dsl.errors import StoreError
from shepherd_dsl.trace.objects import BLOB, TREE, TREE_MODE, blobs_of, event_objects, object_id, read_tree, summary_of
from shepherd_dsl.trace.protocol import Recorded
from shepherd_dsl.trace.reader import GitReader
from shepherd_dsl.trace.refs import log_ref, run_ref
from shepherd_dsl.trace.store import GitStore


@attrs.frozen(slots=True)
class Problem:
    """Something wrong with a tree: a stable code, where (a run and an event, a ref, an object) and what."""

    code: str
    where: str
    what: str


def verify_tree(store: GitStore, name: str) -> tuple[Problem, ...]:
    """All problems of a tree, none where it is sound: hashes, chains, order, canonical texts, blobs and files, refs.

    Raises RevisionError where there is no such tree; damage is reported, not raised. Journaled events count too.
    """
    try:
        reader = store.read(name)
    except StoreError as error:
        return (Problem(error.code, error.where, error.what),)
    problems: list[Problem] = []
    seen: set[str] = set()
    heads: dict[tuple[str, int], str] = {}
    entries = reader.entries()
    while True:
        try:
            recorded = next(entries)
        except StopIteration:
            break
        except StoreError as error:
            problems.append(Problem(error.code, error.where, error.what))
            break
        place = f"{recorded.run}@{recorded.index}"
        try:
            for what in _entry_problems(reader, recorded, heads, seen):
                problems.append(Problem("verify.event", place, what))
        except StoreError as error:
            problems.append(Problem(error.code, place, error.what))
        except ValueError as error:  # what `Files` says of a folder or a manifest that it does not write
            problems.append(Problem("verify.event", place, str(error)))
        heads[recorded.run, recorded.index] = recorded.commit
    try:
        problems += _ref_problems(store, reader)
    except StoreError as error:
        problems.append(Problem(error.code, error.where, error.what))
    return tuple(problems)


def _entry_problems(
    reader: GitReader, recorded: Recorded, heads: dict[tuple[str, int], str], seen: set[str]
) -> Iterator[str]:
    event, run, index = recorded.event, recorded.run, recorded.index
    parts = reader.commit_parts(recorded.commit)
    text = event_text(event)
    if text.encode("utf-8") != reader.raw(parts.event, BLOB):
        yield "event.json is not canonical text"
    if isinstance(event, Start):
        parent = None
        if index != 0:
            yield "a start that is not the first event"
    elif isinstance(event, Forked) and (run, index - 1) not in heads:
        parent = heads.get((event.of, event.at))
        if parent is None:
            parent = _inherited(reader, event)
        if index != event.at + 1:
            yield "a copy that does not go on where it was forked"
    else:
        parent = heads.get((run, index - 1))
    if parent != parts.parent:
        yield "its commit does not follow the event before it"
    blobs = blobs_of(event, text)
    commit, _ = event_objects(
        text.encode("utf-8"),
        summary=summary_of(event),
        index=index,
        parent=parent,
        state=parts.state,
        blobs=blobs,
        program=object_id(BLOB, reader.program.encode("utf-8")) if isinstance(event, Start) else None,
    )
    if commit != recorded.commit:
        yield f"its commit is {recorded.commit}, but event, files and parent make {commit}"
    back = event.to if isinstance(event, Reverted) else event.at if isinstance(event, Undo) else None
    if back is not None and back >= index:
        yield f"it refers to event {back}, which does not come before it"
    if isinstance(event, Outcome):
        for path, entry in event.files:
            if recorded.files.get(path) != entry and not recorded.files.is_folder(path):
                yield f"its files do not have what it put at {path}"
    yield from _content_problems(reader, blobs, parts.state.tree, parts.state.manifest, seen)


def _inherited(reader: GitReader, event: Forked) -> str | None:
    try:
        return reader.commit_at(event.of, event.at)
    except StoreError:
        return None


def _content_problems(
    reader: GitReader, blobs: tuple[str, ...], tree: str | None, manifest: str | None, seen: set[str]
) -> Iterator[str]:
    todo = [(BLOB, oid, "a blob it names") for oid in blobs]
    if manifest is not None:
        todo.append((BLOB, manifest, "manifest.json"))
    if tree is not None:
        todo.append((TREE, tree, "files"))
    while todo:
        kind, oid, what = todo.pop()
        if oid in seen:
            continue
        seen.add(oid)
        try:
            body = reader.raw(oid, kind)
            if kind == TREE:
                todo += [
                    (TREE if mode == TREE_MODE else BLOB, inner, f"{what}/{name.decode('utf-8', 'replace')}")
                    for name, mode, inner in read_tree(body)
                ]
        except (StoreError, ValueError) as error:
            yield f"{what}: {error.what if isinstance(error, StoreError) else error}"


def _ref_problems(store: GitStore, reader: GitReader) -> Iterator[Problem]:
    packed = reader.snapshot.packed
    if packed is None or store.is_locked(reader.name):
        return  # a writer moves them just now
    refs = store.repository.refs
    if refs.read(log_ref(reader.name)) != packed.commit:
        return
    for run, head in packed.heads:
        ref = run_ref(reader.name, run)
        if ref is not None and refs.read(ref) != head.commit:
            yield Problem("verify.ref", ref, "it does not name the head of its run; `shepherd resume` puts that right")
