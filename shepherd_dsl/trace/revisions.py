"""Revisions: how a person names a run and an event of it.

3            the root run of tree 3; its last event where one is needed
3.0          the run `root.0` of tree 3; `3.1(root.0)` its copy made for the fork `root.1`
3@4          event 4; `3@-1` the last one, `3@-2` the one before it
3@last_green the last live outcome of a command that ended with 0
3@e8f1a2c    the event whose commit begins with these (at least 4) hexadecimal digits
@4           event 4 of the root run of the latest tree that was made here
e8f1a2c      the event with that commit, in any tree
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

import attrs

from shepherd_dsl.errors import RevisionError
from shepherd_dsl.trace.live import last_green
from shepherd_dsl.trace.protocol import Recorded, TreeReader

ROOT: Final = "root"
_SHORTEST_HASH: Final = 4
_HASH: Final = re.compile(r"[0-9a-f]{4,40}\Z")
_INDEX: Final = re.compile(r"-?[0-9]{1,18}\Z")
_RUN: Final = re.compile(r"(?P<tree>[A-Za-z0-9_-]+)(?P<rest>(?:\.[0-9]+|\([^@\s]*\))*)\Z")


class ReadableStore(Protocol):
    """What resolving needs of a trace store."""

    def names(self) -> Sequence[str]: ...

    def latest(self) -> str | None: ...

    def read(self, name: str) -> TreeReader: ...


@attrs.frozen(slots=True)
class Revision:
    """A run of a tree and, where the revision named one, the index of an event in its trace."""

    tree: str
    run: str
    index: int | None

    def __str__(self) -> str:
        run = shown_run(self.tree, self.run)
        return run if self.index is None else f"{run}@{self.index}"


def shown_run(tree: str, run: str) -> str:
    """A run as a person writes it: `3` for `root` of tree 3, `3.0` for `root.0`."""
    return tree + run.removeprefix(ROOT)


def resolve(store: ReadableStore, text: str) -> Revision:
    """The run, and the event where one is named, that a revision means. Raises RevisionError, saying what exists."""
    run_text, at, place = text.strip().partition("@")
    if not at:
        return _without_place(store, run_text)
    tree, run = _run(store, run_text)
    trace = store.read(tree).trace(run)
    return Revision(tree, run, _index(trace, tree, run, place))


def resolve_event(store: ReadableStore, text: str) -> tuple[Revision, Recorded]:
    """As `resolve`, with the event itself: the last one of the run where the revision names none."""
    found = resolve(store, text)
    trace = store.read(found.tree).trace(found.run)
    index = len(trace) - 1 if found.index is None else found.index
    return Revision(found.tree, found.run, index), trace[index]


def _without_place(store: ReadableStore, text: str) -> Revision:
    try:
        tree, run = _run(store, text)
    except RevisionError:
        if not _HASH.match(text):
            raise
        found = [
            Revision(name, run, index) for name in store.names() for run, index in _matching(store.read(name), text)
        ]
        # A forked tree shares its first commits: the tree that made them is meant.
        return _only(text, found[:1] if len({_commit(store, one) for one in found}) == 1 else found, "any run")
    return Revision(tree, run, None)


def _run(store: ReadableStore, text: str) -> tuple[str, str]:
    if not text:
        latest = store.latest()
        if latest is None:
            raise RevisionError("revision.none", "there is no run yet", hint="`shepherd run FILE` makes one")
        return latest, ROOT
    names = store.names()
    found = _RUN.match(text)
    if found is None or found["tree"] not in names:
        newest = ", ".join(names[-8:]) if names else "none"
        tree = text if found is None else found["tree"]
        raise RevisionError("revision.tree", f"there is no run {tree}", where=text, hint=f"the newest runs: {newest}")
    tree, run = found["tree"], ROOT + found["rest"]
    runs = store.read(tree).runs()
    if run not in runs:
        shown = ", ".join(shown_run(tree, one) for one in runs[:8]) + (", …" if len(runs) > 8 else "")
        raise RevisionError("revision.run", f"there is no run {text}", where=text, hint=f"tree {tree} has {shown}")
    return tree, run


def _index(trace: Sequence[Recorded], tree: str, run: str, place: str) -> int:
    shown, count = shown_run(tree, run), len(trace)
    if _INDEX.match(place):
        index = int(place)
        if -count <= index < count:
            return index % count
        if place.startswith("-") or not _HASH.match(place):
            raise _no_event(shown, place, count)
    elif place == "last_green":
        green = last_green(trace)
        if green is None:
            raise RevisionError(
                "revision.green",
                f"no command of run {shown} ended with 0",
                where=f"{shown}@{place}",
                hint=f"its events are 0 to {count - 1}: `shepherd log {shown}` shows them",
            )
        return green
    if not _HASH.match(place):
        raise RevisionError(
            "revision.form",
            f"{place!r} names no event",
            where=f"{shown}@{place}",
            hint=f"write a number (0 to {count - 1}, or -1 for the last), last_green, or at least "
            f"{_SHORTEST_HASH} digits of a commit's hash",
        )
    found = [index for index in range(count - 1, -1, -1) if _commit_of(trace, index).startswith(place)]
    if not found and _INDEX.match(place):
        raise _no_event(shown, place, count)
    only = _only(place, [Revision(tree, run, index) for index in found], f"run {shown}").index
    assert only is not None
    return only


def _no_event(shown: str, place: str, count: int) -> RevisionError:
    return RevisionError(
        "revision.event",
        f"run {shown} has no event {place}",
        where=f"{shown}@{place}",
        hint=f"its events are 0 to {count - 1} (or -1 to -{count} from the end)",
    )


def _matching(reader: TreeReader, prefix: str) -> list[tuple[str, int]]:
    """The events of a tree whose commits begin with `prefix`, each once, in the run that recorded it."""
    found: dict[str, tuple[str, int]] = {}
    for run in reader.runs():
        trace = reader.trace(run)
        for index in range(len(trace) - 1, -1, -1):
            commit = _commit_of(trace, index)
            if commit.startswith(prefix):
                found.setdefault(commit, (run, index))
    return list(found.values())


def _commit(store: ReadableStore, revision: Revision) -> str:
    assert revision.index is not None
    return _commit_of(store.read(revision.tree).trace(revision.run), revision.index)


def _commit_of(trace: Sequence[Recorded], index: int) -> str:
    # The Git store's traces give a commit without reading the event.
    commit = getattr(trace, "commit", None)
    return commit(index) if commit is not None else trace[index].commit


def _only(text: str, found: list[Revision], where: str) -> Revision:
    if not found:
        raise RevisionError(
            "revision.hash",
            f"no commit of {where} begins with {text}",
            where=text,
            hint="`shepherd log` shows the hashes of commits",
        )
    if len(found) > 1:
        shown = ", ".join(map(str, found[:8])) + (", …" if len(found) > 8 else "")
        raise RevisionError(
            "revision.ambiguous",
            f"{text} is the beginning of {len(found)} commits",
            where=text,
            hint=f"add digits; it may mean {shown}",
        )
    return found[0]
