"""Equality, depth and the other folds over values, also over values that share their parts."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.core.value import UNIT, Con, Handle, Value, children, dec, depth, equal, handles_in, record, some
from tests.support.values import values


def slow_depth(value: Value) -> int:
    inner = children(value)
    return 1 + max(map(slow_depth, inner)) if inner else 0


def slow_equal(left: Value, right: Value) -> bool:
    """Equality by the repr of Python, in which values of different kinds differ."""
    return repr(left) == repr(right)


@given(values)
def test_depth_counts_nested_containers(value: Value) -> None:
    assert depth(value) == slow_depth(value)
    assert depth((value, (value, value))) == slow_depth(value) + 2


@given(values, values)
def test_equality_is_structural(left: Value, right: Value) -> None:
    assert equal(left, right) == slow_equal(left, right)
    assert equal((left, right), (left, right))
    assert equal(some(left), some(right)) == slow_equal(left, right)


def doubled(times: int, last: Value) -> Value:
    value = last
    for _ in range(times):
        value = (value, value)
    return value


def test_folds_over_values_that_share_their_parts_end_soon() -> None:
    assert depth(doubled(200, UNIT)) == 200
    assert equal(doubled(60, 1), doubled(60, 1))
    assert not equal(doubled(60, 1), doubled(60, True))
    assert not equal(doubled(60, 1), doubled(61, 1))


def test_folds_take_any_depth() -> None:
    one: Value = 0
    other: Value = 0
    for _ in range(50_000):
        one, other = Con("A", (one,)), Con("A", (other,))
    assert equal(one, other)
    assert depth(one) == 50_000


def test_a_list_of_many_equal_parts_is_compared_part_by_part() -> None:
    assert equal(tuple((n,) for n in range(20_000)), tuple((n,) for n in range(20_000)))
    assert not equal(tuple((n,) for n in range(20_000)), tuple((n if n else -1,) for n in range(20_000)))
    assert not equal(tuple((n,) for n in range(20_000)), tuple((n if n < 19_999 else -1,) for n in range(20_000)))


@given(st.integers(), st.integers(-20, 20))
def test_decimals_are_normal(coef: int, scale: int) -> None:
    number = dec(coef, scale)
    assert number.scale >= 0
    assert number.scale == 0 or number.coef % 10
    assert Fraction(number.coef, 10**number.scale) == Fraction(coef) / Fraction(10) ** scale


def test_a_label_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="given twice: a"):
        record([("a", 1)], a=2)


def test_handles_are_found_left_to_right() -> None:
    assert list(handles_in((Handle(2), record(b=Handle(0), a=some(Handle(1))), Handle(2)))) == [2, 1, 0, 2]
