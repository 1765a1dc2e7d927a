"""Where one glob is known to match all that another matches: a grant that narrows must be seen to."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.match_cover import path_covers, text_covers, words_cover


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("", ""), ("*", ""), ("*", "a"), ("*", "?"), ("*", "*"), ("**", "*"), ("*", "a*b?"),
        ("?", "a"), ("?", "?"), ("a?", "ab"), ("?*", "a*"), ("*?", "*a"), ("a*", "ab*"), ("a*b", "ab"),
        ("*a*", "xax"), ("*a*a*", "aa"), ("a*", "a*"), ("*b", "a*b"), ("a*b*", "axbyb"),
    ],
)  # fmt: skip
def test_a_text_glob_covers(outer: str, inner: str) -> None:
    assert text_covers(outer, inner)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("", "a"), ("a", ""), ("a", "b"), ("a", "?"), ("a", "*"), ("?", ""), ("?", "*"), ("?", "ab"), ("?*", "*"),
        ("a*", "*a"), ("a*b", "a*"), ("*a*a*", "a"), ("ab", "a"), ("a", "ab"), ("a?", "a*"),
    ],
)  # fmt: skip
def test_a_text_glob_does_not_cover(outer: str, inner: str) -> None:
    assert not text_covers(outer, inner)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("**", "a"), ("**", "a/b"), ("**", "a/**"), ("**", "**"), ("a/**", "a/b"), ("a/**", "a/b/**"), ("*", "a"),
        ("a/*", "a/b*"), ("**/c", "a/b/c"), ("a/**/c", "a/c"), ("a/**/c", "a/**/b/c"), ("?", "a"),
    ],
)  # fmt: skip
def test_a_path_glob_covers(outer: str, inner: str) -> None:
    assert path_covers(outer, inner)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("*", "a/b"), ("*", "**"), ("a/**", "a"), ("a/**", "**"), ("a/*", "a/**"), ("a/*", "a/b/c"), ("**/c", "a/b"),
        ("a/b", "a/*"), ("?", "*"), ("a", "a/b"), ("a/b", "a"),
    ],
)  # fmt: skip
def test_a_path_glob_does_not_cover(outer: str, inner: str) -> None:
    assert not path_covers(outer, inner)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("git *", "git"), ("git *", "git a b"), ("git *", "git a *"), ("*", ""), ("*", "a b *"), ("git ?", "git a"),
        ("git ?", "git '*'"), ("git ?", "git \\?"), ("git a*", "git a'*'"), ("'*'", "\\*"), ("git *a", "git '*'a"),
    ],
)  # fmt: skip
def test_a_words_glob_covers(outer: str, inner: str) -> None:
    assert words_cover(outer, inner)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("git", "git *"), ("git", "git a"), ("git a", "git"), ("git a *", "git *"), ("git '*'", "git *"),
        ("git '*'", "git a"), ("git ?", "git *a"), ("git '?'", "git a"), ("git '?'", "git ?"), ("'*'", "?"),
    ],
)  # fmt: skip
def test_a_words_glob_does_not_cover(outer: str, inner: str) -> None:
    assert not words_cover(outer, inner)
