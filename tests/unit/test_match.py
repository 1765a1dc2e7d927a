"""Globs over texts, paths and commands, against definitions that are plainly right and slow."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shepherd_dsl.core.match import match_path, match_text, match_words, words


def slow_text(text: str, glob: str) -> bool:
    if not glob:
        return not text
    if glob[0] == "*":
        return any(slow_text(text[at:], glob[1:]) for at in range(len(text) + 1))
    return bool(text) and glob[0] in ("?", text[0]) and slow_text(text[1:], glob[1:])


def slow_path(path: list[str], glob: list[str]) -> bool:
    if not glob:
        return not path
    if glob[0] == "**":
        least = 1 if len(glob) == 1 else 0
        return any(slow_path(path[at:], glob[1:]) for at in range(least, len(path) + 1))
    return bool(path) and slow_text(path[0], glob[0]) and slow_path(path[1:], glob[1:])


@pytest.mark.parametrize(
    ("text", "glob", "expected"),
    [
        ("", "", True),
        ("", "*", True),
        ("", "?", False),
        ("abc", "abc", True),
        ("abc", "a?c", True),
        ("abc", "a*", True),
        ("abc", "*c", True),
        ("abc", "b*", False),
        ("aa", "a*a", True),
        ("a", "a*a", False),
        ("a\nb/c", "a*c", True),
        ("a[b]", "a[b]", True),
        ("ab", "a[b]", False),
        ("a*", "a*", True),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("é😀", "??", True),
    ],
)
def test_text_globs(text: str, glob: str, expected: bool) -> None:
    assert match_text(text, glob) is expected


@given(st.text("ab\n", max_size=8), st.text("ab\n*?", max_size=7))
@example("abab", "*ab")
@example("aab", "*ab*b")
def test_text_globs_match_as_defined(text: str, glob: str) -> None:
    assert match_text(text, glob) == slow_text(text, glob)


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("src/a.py", "src/*", True),
        ("src/x/a.py", "src/*", False),
        ("src/x/a.py", "src/**", True),
        ("src/a.py", "src/**", True),
        ("src", "src/**", False),
        ("a.py", "**", True),
        ("a.py", "**/a.py", True),
        ("x/y/a.py", "**/a.py", True),
        ("x/y/b.py", "**/a.py", False),
        ("a/b", "a/**/b", True),
        ("a/x/y/b", "a/**/b", True),
        ("a/.env", "a/*", True),
        ("src/x/a.py", "src/**.py", False),
        ("src/a.py", "src/**.py", True),
        ("src/../etc", "src/**", False),
        ("../src/a", "**", False),
        ("/src/a", "**", False),
        ("src//a", "src/**", False),
        ("src/", "src/**", False),
        ("./src/a", "**", False),
        ("", "**", False),
        ("src/a\0", "src/**", False),
        ("src/a", "src//**", False),
    ],
)
def test_path_globs(path: str, glob: str, expected: bool) -> None:
    assert match_path(path, glob) is expected


@given(
    st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=5),
    st.lists(st.sampled_from(["a", "b", "ab", "*", "?", "a*", "**"]), min_size=1, max_size=5),
)
def test_path_globs_match_as_defined(path: list[str], glob: list[str]) -> None:
    assert match_path("/".join(path), "/".join(glob)) == slow_path(path, glob)


@pytest.mark.parametrize(
    ("command", "glob", "expected"),
    [
        ("pytest -q", "pytest *", True),
        ("pytest", "pytest *", True),
        ("pytest -q tests", "pytest *", True),
        ("pytest -q tests", "pytest -q", False),
        ("pytestx -q", "pytest *", False),
        ("pytest; rm x", "pytest *", False),
        ("  'py'test\t-q ", "pytest -q", True),
        ("git push origin", "git p* *", True),
        ("git", "git p* *", False),
        ("rm a b", "rm ?", False),
        ("rm a", "rm ?", True),
        ("rm *", "rm '*'", True),
        ("rm a", "rm '*'", False),
        ("rm a b", "rm \\*", False),
        ("echo 'a b'", "echo 'a b'", True),
        ("echo a b", "echo 'a b'", False),
        ("echo 'open", "*", False),
        ("echo", "'open", False),
        ("", "*", True),
        ("anything at all", "*", True),
        ("", "", True),
    ],
)
def test_words_globs(command: str, glob: str, expected: bool) -> None:
    assert match_words(command, glob) is expected
    split = words(command)
    if split is not None:
        assert match_words(split, glob) is expected


@given(st.text("ab '\"\\\t\n\r*", max_size=12))
@example("''")
@example('"a\\b"')
@example("a\\")
def test_words_are_those_of_the_standard_library(text: str) -> None:
    try:
        expected: tuple[str, ...] | None = tuple(shlex.split(text))
    except ValueError:
        expected = None
    assert words(text) == expected


@given(st.lists(st.text("ab *?'\"\\", max_size=4), max_size=4))
def test_quoted_words_match_themselves_and_nothing_else(found: list[str]) -> None:
    glob = " ".join(map(shlex.quote, found))
    assert match_words(found, glob)
    assert match_words(glob, glob)
    assert not match_words([*found, "a"], glob)
    assert match_words([*found, "a"], glob + " *")
    for at, word in enumerate(found):
        assert not match_words([*found[:at], word + "x", *found[at + 1 :]], glob)


def test_globs_with_many_stars_end_soon() -> None:
    long = "a" * 10_000
    assert not match_text(long, "*a" * 4_000 + "b")
    assert not match_text(long + "b", "*a?" * 3_000 + "*c")
    assert match_text(long, "*a" * 4_000 + "*")
    assert not match_text(long, "*" + "a" * 5_000 + "b*")
    path = "/".join("a" * 2_000)
    assert not match_path(path, "**/a/" * 500 + "b")
    assert not match_path(path, "**/" + "*/" * 400 + "b/**")
    assert match_path(path, "**/a/" * 500 + "**")
    assert not match_words(["a"] * 5_000, "? " * 5_000 + "b")
    assert words("'" * 10_001) is None
