"""`merge_conflict_free` and `conflict_inert` (`core.md`, 13): a merge without conflict loses no one's change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files, git_blob_hash, merge

STEADY = settings(deadline=None, derandomize=True, database=None)
MANY = settings(deadline=None, derandomize=True, database=None, max_examples=400)

reached: Counter[str] = Counter()

paths = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)
entries = st.sampled_from([Entry(0o100644, git_blob_hash(data)) for data in (b"1", b"2")]) | st.just(EMPTY_FOLDER)
changes = st.dictionaries(paths, entries | st.none(), max_size=4).map(lambda found: tuple(sorted(found.items())))


@pytest.fixture(scope="module")
def every_branch_is_reached() -> Iterator[None]:
    yield
    for branch in ("merged", "both changed", "same change", "path conflict", "clash", "nothing to do"):
        assert reached[branch], f"no case reached: {branch}"


def clash(left: dict[str, Entry], right: dict[str, Entry]) -> bool:
    """Whether one side has a file where the other has something below."""
    return any(
        below.startswith(f"{path}/") and entry != EMPTY_FOLDER for path, entry in left.items() for below in right
    )


@pytest.mark.usefixtures("every_branch_is_reached")
@MANY
@given(st.lists(changes, max_size=2), changes, changes)
def test_merge_conflict_free(start: list[Change], mine: Change, other: Change) -> None:
    base = Files.empty()
    for change in start:
        base = base.apply(change)
    ours, theirs = base.apply(mine), base.apply(other)
    b, o, t = dict(base.items()), dict(ours.items()), dict(theirs.items())
    every = b.keys() | o.keys() | t.keys()
    by_path = {path for path in every if o.get(path) != b.get(path) != t.get(path) != o.get(path)}
    merged = merge(base, ours, theirs)
    mirrored = merge(base, theirs, ours)
    if isinstance(merged, tuple):
        assert list(merged) == sorted(set(merged))
        assert by_path <= set(merged)
        if not by_path:
            taken = {path: t.get(path) if t.get(path) != b.get(path) else o.get(path) for path in every}
            whole = {path: entry for path, entry in taken.items() if entry is not None}
            assert clash(whole, whole)
            reached["clash"] += 1
        else:
            reached["path conflict"] += 1
        assert isinstance(mirrored, tuple)
        assert by_path <= set(mirrored)
        assert (dict(ours.items()), dict(theirs.items())) == (o, t)
        return
    assert not by_path
    m = dict(merged.items())
    for path in every:
        want = t.get(path) if t.get(path) != b.get(path) else o.get(path)
        below = any(inner.startswith(f"{path}/") for inner in m)
        assert m.get(path) == want or (want == EMPTY_FOLDER and below), path
    assert m.keys() <= every
    assert isinstance(mirrored, Files)
    assert mirrored == merged
    reached["merged"] += 1
    reached["both changed"] += bool(base.diff(ours) and base.diff(theirs))
    reached["same change"] += bool({*base.diff(ours)} & {*base.diff(theirs)})
    reached["nothing to do"] += theirs == base


@STEADY
@given(changes, changes)
def test_merge_with_an_unchanged_side(start: Change, change: Change) -> None:
    base = Files.empty().apply(start)
    other = base.apply(change)
    assert merge(base, base, other) == other
    assert merge(base, other, base) == other
    assert merge(base, other, other) == other


FILE, OTHER = Entry(0o100644, git_blob_hash(b"1")), Entry(0o100644, git_blob_hash(b"2"))


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "conflicts"),
    [
        ({"f": FILE}, {"f": OTHER}, {}, ("f",)),
        ({}, {"a": FILE}, {"a/b": FILE}, ("a", "a/b")),
        ({}, {"a/b": FILE, "a/c": FILE}, {"a": FILE}, ("a", "a/b", "a/c")),
        ({"a/x": FILE}, {"a/x": FILE, "a/y": FILE}, {"a": FILE}, ("a", "a/y")),
        ({}, {"a": FILE}, {"a/b/c": EMPTY_FOLDER}, ("a", "a/b/c")),
        ({}, {"a/b": EMPTY_FOLDER}, {"a": FILE}, ("a", "a/b")),
        ({}, {"a": EMPTY_FOLDER}, {"a/b": FILE}, None),
        ({"a": FILE}, {"a": FILE}, {"a/b": FILE}, None),
    ],
)
def test_files_against_folders(
    base: dict[str, Entry], ours: dict[str, Entry], theirs: dict[str, Entry], conflicts: tuple[str, ...] | None
) -> None:
    merged = merge(Files.of(base.items()), Files.of(ours.items()), Files.of(theirs.items()))
    assert isinstance(merged, Files) if conflicts is None else merged == conflicts
