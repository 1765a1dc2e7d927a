"""JSON text read strictly: what is wrong, and at which character."""

from __future__ import annotations

from typing import Any

import pytest

from shepherd_dsl.core.jsontext import JsonError, int_from, int_text, is_scalar_text, quote, read


@pytest.mark.parametrize(
    ("text", "what", "at"),
    [
        ("", "unexpected end", 0),
        ("  ", "unexpected end", 2),
        ("{", "unexpected end", 1),
        ("{ ", "unexpected end", 2),
        ('{"a"', "unexpected end", 4),
        ('{"a" ', "unexpected end", 5),
        ('{"a":', "unexpected end", 5),
        ('{"a": ', "unexpected end", 6),
        ('{"a":1', "unexpected end", 6),
        ('{"a":1,', "unexpected end", 7),
        ('{"a":1, ', "unexpected end", 8),
        ("[", "unexpected end", 1),
        ("[ ", "unexpected end", 2),
        ("[1", "unexpected end", 2),
        ("[1,", "unexpected end", 3),
        ("[[1],", "unexpected end", 5),
        ('{"a" 1', "expected `:`", 5),
        ('{"a"x', "expected `:`", 4),
        ('{"a"}', "expected `:`", 4),
        ('{"a":1,}', "expected a key", 7),
        ("{1:2}", "expected a key", 1),
        ("{,", "expected a key", 1),
        ("{]", "expected a key", 1),
        ('{"a":1,2}', "expected a key", 7),
        ("{x", "expected a key", 1),
        ("[1,]", "unexpected character", 3),
        ("[,", "unexpected character", 1),
        ("[:", "unexpected character", 1),
        ("[}", "unexpected character", 1),
        ("[1 2]", "unexpected character", 3),
        ("[1}", "unexpected character", 2),
        ("[1:2]", "unexpected character", 2),
        ('{"a":1]', "unexpected character", 6),
        ('{"a":1:2}', "unexpected character", 6),
        ('{"a":1 "b":2}', "unexpected character", 7),
        ('{"a"::1}', "unexpected character", 5),
        ('{"a":}', "unexpected character", 5),
        ('{"a":[}', "unexpected character", 6),
        ("}", "unexpected character", 0),
        ("]", "unexpected character", 0),
        (",", "unexpected character", 0),
        ("+1", "unexpected character", 0),
        ("1 2", "text after the value", 2),
        ("1 ]", "text after the value", 2),
        ("[1]]", "text after the value", 3),
        ("{}}", "text after the value", 2),
        ("{} ,", "text after the value", 3),
        ('{"a":1,"a":2}', 'key given twice: "a"', 7),
        ('{"a":{"b":1,"b":2}}', 'key given twice: "b"', 12),
        ('["\\ud800"]', "lone surrogate in the text", 1),
        ('{"\\ud800":1}', "lone surrogate in the text", 1),
        ("[[[[1]]]]", "nesting deeper than 3", 3),
        ('[{"a":[{}]}]', "nesting deeper than 3", 7),
    ],
)
def test_what_is_wrong_is_placed(text: str, what: str, at: int) -> None:
    with pytest.raises(JsonError) as caught:
        read(text, depth=3, number=int)
    assert (caught.value.what, caught.value.at) == (what, at)
    assert str(caught.value) == f"{what} at character {at}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[]", []),
        ("[ ]", []),
        ("{}", {}),
        ("{ }", {}),
        (" [ 1 , 2 ] ", [1, 2]),
        ('\t{ "a" : 1 ,\r\n"b" : [ ] } ', {"a": 1, "b": []}),
        ('{"a":{"b":{}},"c":{}}', {"a": {"b": {}}, "c": {}}),
        ('{"a":{"a":1},"b":{"a":2}}', {"a": {"a": 1}, "b": {"a": 2}}),
        ('[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
        ("[[],[[]],{}]", [[], [[]], {}]),
        ("[true,false,null]", [True, False, None]),
        ('["",""," "]', ["", "", " "]),
        ('"\\u00e9\\ud83d\\ude00\\/\\""', 'é😀/"'),
        ("-0", 0),
    ],
)
def test_what_is_right_is_read(text: str, found: Any) -> None:
    made = read(text, depth=3, number=int)
    assert made == found
    assert type(made) is type(found)


def test_what_a_number_may_not_be_is_said_in_its_own_words() -> None:
    def odd(word: str) -> int:
        if word != "7":
            raise ValueError(f"not seven: {word}")
        return 7

    assert read("[7,7]", depth=1, number=odd) == [7, 7]
    with pytest.raises(JsonError) as caught:
        read("[7,-1.5e+3]", depth=1, number=odd)
    assert (caught.value.what, caught.value.at) == ("not seven: -1.5e+3", 3)


def test_surrogates_are_no_text() -> None:
    for text in ("", "a", "\ud7ff", "\ue000", "😀"):
        assert is_scalar_text(text)
    for text in ("\ud800", "a\udfff", "\udc00b"):
        assert not is_scalar_text(text)


def test_a_text_is_quoted_with_short_escapes() -> None:
    assert quote('"\\/\b\f\n\r\t\x00\x1f\x7fé') == '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7fé"'


def test_integers_come_back() -> None:
    for number in (0, 1, 10**500, 10**500 - 1, 10**999, 10**1000, 7 * 10**5000, 10**5000 + 1):
        assert int_from(int_text(number)) == number
        assert int_from(int_text(-number)) == -number
        assert int_from(f"-{int_text(number)}") == -number
