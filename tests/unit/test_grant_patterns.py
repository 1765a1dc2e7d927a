"""Patterns of a grant as values and by themselves: each kind is read, written, matched and covered as itself."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.grant import (
    ANY,
    Clause,
    Pattern,
    clause_from,
    clause_value,
    covers,
    matches,
    pattern_covers,
    pattern_from,
    pattern_matches,
    pattern_value,
)
from shepherd_dsl.core.value import UNIT, Con, Value


def text(glob: str) -> Pattern:
    return Pattern("text", glob)


def path(glob: str) -> Pattern:
    return Pattern("path", glob)


def words(glob: str) -> Pattern:
    return Pattern("words", glob)


WRITTEN: list[tuple[Pattern, Con]] = [
    (ANY, Con("Any")),
    (Pattern("is", value=0), Con("Is", (0,))),
    (Pattern("is", value=UNIT), Con("Is", (UNIT,))),
    (text("a*"), Con("Text", ("a*",))),
    (text(""), Con("Text", ("",))),
    (path("a/**"), Con("Path", ("a/**",))),
    (words("git *"), Con("Words", ("git *",))),
]


@pytest.mark.parametrize(("pattern", "value"), WRITTEN)
def test_a_pattern_is_written_and_read_as_itself(pattern: Pattern, value: Con) -> None:
    assert pattern_value(pattern) == value
    assert pattern_from(value) == pattern
    clause = Clause("a.*", (pattern, ANY), 0)
    assert clause_from(clause_value(clause)) == clause


def test_a_pattern_has_an_empty_glob_and_no_value_unless_given() -> None:
    assert (ANY.glob, ANY.value) == ("", None)
    assert Pattern("text") == text("")
    assert pattern_value(Pattern("text")) == Con("Text", ("",))
    with pytest.raises(ValueError, match="without its value"):
        pattern_value(Pattern("is"))


@pytest.mark.parametrize("value", [UNIT, 0, "", "x", ()])
def test_a_pattern_of_one_value_that_has_none_matches_nothing(value: Value) -> None:
    assert not pattern_matches(Pattern("is"), value)
    assert not pattern_covers(Pattern("is"), Pattern("is", value=value))


@pytest.mark.parametrize(
    ("pattern", "fits", "others"),
    [
        (text("a *"), ("a b/c", "a  b"), ("a", " a b")),
        (path("a/*"), ("a/b", "a/b c"), ("a", "a/b/c", "/a/b")),
        (words("a *"), ("a", "a b", "a  b", "'a' b"), ("b a", "ab")),
    ],
)
def test_each_kind_of_glob_matches_in_its_own_way(
    pattern: Pattern, fits: tuple[str, ...], others: tuple[str, ...]
) -> None:
    for value in fits:
        assert pattern_matches(pattern, value), value
    for value in others:
        assert not pattern_matches(pattern, value), value
    assert not pattern_matches(pattern, ("a", "b"))


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (text("*"), text("a")), (text("**"), path("a/b")), (text("*"), words("a *")), (text("a*"), text("ab*")),
        (path("a/**"), path("a/b/c")), (words("a *"), words("a b *")), (words("a  b"), words("a b")),
        (path("a/*"), Pattern("is", value="a/b")), (words("a *"), Pattern("is", value="a  b")), (ANY, path("a")),
    ],
)  # fmt: skip
def test_what_is_wider_covers(outer: Pattern, inner: Pattern) -> None:
    assert pattern_covers(outer, inner)
    assert covers(Clause("op", (outer,)), Clause("op", (inner,)))


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (text(""), text("a")), (text("x"), text("y")), (text("x*"), text("y")), (text("*x"), path("y")),
        (text("a b"), text("a  b")), (path("a/*"), path("a/b/c")), (path("a/**"), path("a")),
        (words("a"), words("a *")),
        (text("a*"), path("ab")), (path("**"), text("a")), (words("*"), text("a")), (path("a/*"), words("a/b")),
        (Pattern("is", value="a"), text("a")), (Pattern("is", value="a"), ANY), (text("*"), ANY),
        (path("a/*"), Pattern("is", value="a/b/c")), (text("*"), Pattern("is", value=1)),
    ],
)  # fmt: skip
def test_what_is_narrower_or_of_another_kind_does_not(outer: Pattern, inner: Pattern) -> None:
    assert not pattern_covers(outer, inner)
    assert not covers(Clause("op", (outer,)), Clause("op", (inner,)))


@pytest.mark.parametrize(
    ("outer", "inner", "wider"),
    [
        ("file.*", "file.read", True), ("file.*", "file.*", True), ("file.*", "file.a.b", True),
        ("file.*", "file.a.*", True), ("file.read", "file.read", True), ("file.*", "filex.read", False),
        ("file.*", "file", False), ("file.*", "fil.e", False), ("file.read", "file.*", False),
        ("file.a.*", "file.*", False), ("file", "file.read", False),
    ],
)  # fmt: skip
def test_a_family_covers_its_operations(outer: str, inner: str, wider: bool) -> None:
    assert covers(Clause(outer), Clause(inner)) is wider
    if not inner.endswith(".*"):
        assert matches(Clause(outer), inner, ()) is wider


def test_a_limit_covers_no_more_often() -> None:
    for outer, inner, wider in (
        (None, None, True), (None, 3, True), (3, 3, True), (3, 2, True), (0, 0, True),
        (3, 4, False), (3, None, False), (0, None, False), (0, 1, False),
    ):  # fmt: skip
        assert covers(Clause("op", (), outer), Clause("op", (), inner)) is wider


def test_a_pattern_more_than_the_other_has_must_take_anything() -> None:
    assert covers(Clause("op", (ANY, ANY)), Clause("op", (ANY,)))
    assert not covers(Clause("op", (ANY, text("*"))), Clause("op", (ANY,)))
    assert covers(Clause("op"), Clause("op", (text("a"), text("b"))))
