"""Which paths a merge names when it fails, and what it takes where it does not."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files, git_blob_hash, merge

A, B, C = (Entry(0o100644, git_blob_hash(data)) for data in (b"a", b"b", b"c"))
Side = dict[str, Entry | None]


def merged(base: Side, ours: Side, theirs: Side) -> Files | tuple[str, ...]:
    """The merge of two changes of the same files."""
    start = Files.empty().apply(tuple(sorted(base.items())))
    return merge(start, start.apply(tuple(sorted(ours.items()))), start.apply(tuple(sorted(theirs.items()))))


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "paths"),
    [
        ({"a": A}, {"a": B}, {"a": C}, ("a",)),
        ({"a": A}, {"a": None}, {"a": C}, ("a",)),
        ({"a": A}, {"a": B}, {"a": None}, ("a",)),
        ({}, {"a": B}, {"a": C}, ("a",)),
        ({}, {"a": EMPTY_FOLDER}, {"a": C}, ("a",)),
        # A file of one side and what the other newly put below it.
        ({}, {"a": A}, {"a/b": B}, ("a", "a/b")),
        ({}, {"a/b": A}, {"a": B}, ("a", "a/b")),
        ({}, {"a": A}, {"a/b": B, "a/c/d": B}, ("a", "a/b", "a/c/d")),
        ({}, {"a/b": A, "a/c/d": A}, {"a": B}, ("a", "a/b", "a/c/d")),
        ({}, {"a/b": A}, {"a/b/c/d": B}, ("a/b", "a/b/c/d")),
        ({}, {"a": A}, {"a/b": EMPTY_FOLDER}, ("a", "a/b")),
        ({"a": A}, {"a": B}, {"a": None, "a/b": C}, ("a", "a/b")),
        # A path that both changed is named alone, whatever stands in its way.
        ({"a/b": A}, {"a/b": None, "a": B}, {"a/b": C}, ("a/b",)),
        ({"a": A}, {"a": None, "a/b": B}, {"a": C}, ("a",)),
        ({"a": A, "x": A}, {"a": B, "x": B}, {"a": C, "x": C}, ("a", "x")),
    ],
)
def test_a_merge_that_fails_names_the_paths(base: Side, ours: Side, theirs: Side, paths: tuple[str, ...]) -> None:
    assert merged(base, ours, theirs) == paths


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "found"),
    [
        ({"a": A}, {"a": B}, {"a": B}, {"a": B}),
        ({"a": A}, {"a": None}, {"a": None}, {}),
        ({"a": A, "b": A}, {"a": B}, {"b": None}, {"a": B}),
        ({"a/b": A}, {"a/c": B}, {"a/b": None}, {"a/c": B}),
        ({"a/b": A}, {"a/b": None}, {"a/c/d": B}, {"a/c/d": B}),
        ({"a": A}, {"x": B}, {"a": None, "a/b": C}, {"a/b": C, "x": B}),
        ({"a/b": A}, {"x": B}, {"a/b": None, "a": C}, {"a": C, "x": B}),
        ({}, {"a": EMPTY_FOLDER}, {"a/b": C}, {"a/b": C}),
        ({}, {"a/b": C}, {"a": EMPTY_FOLDER}, {"a/b": C}),
        ({"a": EMPTY_FOLDER}, {"a/b": C}, {"x": B}, {"a/b": C, "x": B}),
    ],
)
def test_a_merge_takes_what_one_side_changed(base: Side, ours: Side, theirs: Side, found: dict[str, Entry]) -> None:
    whole = merged(base, ours, theirs)
    assert isinstance(whole, Files)
    assert dict(whole.items()) == found


def test_the_usual_mode_is_that_of_most_files_in_all_folders() -> None:
    files = Files.of(
        [
            *[(f"{folder}/{name}", Entry(0o100600, A.hash)) for folder in "ab" for name in "xy"],
            *[(f"c/{name}", Entry(0o100644, A.hash)) for name in "xyz"],
        ]
    )
    assert files.manifest == b'{"modes":{"c/x":"100644","c/y":"100644","c/z":"100644"},"plain":"100600"}'
    more = files.apply((("c/d/e", Entry(0o100644, A.hash)), ("c/d/f/g", Entry(0o100644, A.hash))))
    assert more.manifest == b'{"modes":{"a/x":"100600","a/y":"100600","b/x":"100600","b/y":"100600"}}'
