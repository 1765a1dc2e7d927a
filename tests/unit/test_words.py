"""How a command is split into words: white space, quotes, backslashes."""

from __future__ import annotations

import shlex

import pytest

from shepherd_dsl.core.match import match_words, split_words, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        (" \t\r\n", ()),
        ("x", ("x",)),
        ("x'y'x", ("xyx",)),
        ("ax xa x x", ("ax", "xa", "x", "x")),
        ("a\tb\rc\nd  e", ("a", "b", "c", "d", "e")),
        (" a ", ("a",)),
        ("a\vb\u00a0c", ("a\vb\u00a0c",)),
        ("''", ("",)),
        ("a '' b", ("a", "", "b")),
        ("'a b'", ("a b",)),
        ("'a'b'c'", ("abc",)),
        (r"'a\'", ("a\\",)),
        ('"a b"', ("a b",)),
        ('""', ("",)),
        (r'"a\"b"', ('a"b',)),
        (r'"a\\b"', (r"a\b",)),
        (r'"a\xb"', (r"a\xb",)),
        (r'"a\ b"', (r"a\ b",)),
        (r"a\ b", ("a b",)),
        (r"\x", ("x",)),
        (r"\'a", ("'a",)),
        ("\\\\", ("\\",)),
        ('"it\'s"', ("it's",)),
        ("'\"'", ('"',)),
    ],
)
def test_a_command_has_words(text: str, found: tuple[str, ...]) -> None:
    assert words(text) == found
    assert tuple(shlex.split(text)) == found


@pytest.mark.parametrize("text", ["'", '"', "a'", 'a "b', "'a", "\\", "a\\", '"\\"', '"a\\', '"\\'])
def test_an_open_quote_or_a_last_backslash_leaves_no_words(text: str) -> None:
    assert words(text) is None
    assert split_words(text) is None
    with pytest.raises(ValueError, match="No"):
        shlex.split(text)


def test_only_what_stands_bare_may_be_a_wildcard() -> None:
    assert split_words("a*'*'\"*\"\\*") == ((("a", True), ("*", True), ("*", False), ("*", False), ("*", False)),)
    assert match_words("ab***", "a*'*'\"*\"\\*")
    assert not match_words("ab**", "a*'*'\"*\"\\*")
    assert match_words("rm '*'", "rm '*'")
    assert not match_words("rm a", "rm '*'")


def test_a_last_bare_star_is_any_further_words() -> None:
    assert match_words("git", "git *")
    assert match_words("git a b", "git *")
    assert not match_words("git a b", "git '*'")
    assert not match_words("git", "git * *")
    assert match_words("git a", "git * *")
    assert match_words("git a b", "git * *")
    assert not match_words("git a", "git x*")
    assert match_words("", "*")


@pytest.mark.parametrize("glob", ["x", "a*x", "x?", "'x'", r"\x"])
def test_a_letter_is_no_wildcard(glob: str) -> None:
    for word in ("y", "ay", "yx", "*", "?"):
        assert not match_words(word, glob)
