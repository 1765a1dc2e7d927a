"""The limits are those that the contract writes down, each to the last one that is allowed."""

from __future__ import annotations

import pytest

from shepherd_dsl.core import limits
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.jsontext import JSON_DEPTH, JsonError, int_from, int_text, read
from shepherd_dsl.core.prim import apply
from shepherd_dsl.core.value import Dec
from shepherd_dsl.core.wire import parse, value_from, value_json


def test_the_numbers_of_the_contract() -> None:
    assert limits.INT_BITS == 65_536
    assert limits.INT_DIGITS == len(int_text(2**65_536 - 1)) == 19_729
    assert limits.DEC_SCALE == 16_384
    assert limits.TEXT_CHARS == 16_777_216
    assert limits.LIST_ITEMS == limits.VALUE_NODES == 1_048_576
    assert (limits.VALUE_DEPTH, limits.TRACE_DEPTH, limits.WIRE_DEPTH, JSON_DEPTH) == (100, 200, 400, 100)


def test_the_largest_integer_is_the_last() -> None:
    most = 2**65_536 - 1
    assert apply("add", (most, 0)) == most
    assert apply("neg", (most,)) == -most
    for name, args in (("add", (most, 1)), ("sub", (-most, 1)), ("mul", (most, 2))):
        with pytest.raises(Fault) as found:
            apply(name, args)
        assert found.value.code == "size"


def test_the_longest_fraction_is_the_last() -> None:
    half = Dec(1, 8_192)
    assert apply("mul", (half, half)) == Dec(1, 16_384)
    with pytest.raises(Fault) as found:
        apply("mul", (half, Dec(1, 8_193)))
    assert found.value.code == "size"


@pytest.mark.parametrize("digits", [1, 499, 500, 501, 999, 1_000, 1_001, 4_300, 4_301, 19_728])
@pytest.mark.parametrize("sign", ["", "-"])
def test_integers_of_any_length_are_read_and_printed(digits: int, sign: str) -> None:
    """Longer ones than Python converts in one go, with noughts and nines at the seams."""
    for text in (f"{sign}1{'0' * (digits - 1)}", f"{sign}{'9' * digits}", f"{sign}{'1234567' * digits}"[: digits + 1]):
        assert int_text(int_from(text)) == text
        number = int_from(text)
        assert (number < 0) is (sign == "-")
        assert abs(number) % 1_000 == int(text.lstrip("-")[-3:])
    assert int_from(f"{sign}1{'0' * digits}") == int(f"{sign}1") * 10**digits


def test_json_nests_as_deep_as_it_may() -> None:
    for depth in (1, 2, 100):
        assert read("[" * depth + "]" * depth, depth=depth, number=int) is not None
        with pytest.raises(JsonError, match=f"nesting deeper than {depth} at character {depth}"):
            read("[" * (depth + 1) + "]" * (depth + 1), depth=depth, number=int)


def test_values_in_canonical_text_nest_as_deep_as_they_may() -> None:
    value: object = 1
    for _ in range(300):
        value = (value,)
    assert value_from(value_json(value)) == value  # type: ignore[arg-type]
    assert parse("[" * 400 + "]" * 400) is not None
