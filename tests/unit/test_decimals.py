"""Decimals: one form for each number."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.prim import apply
from shepherd_dsl.core.value import Dec, dec
from shepherd_dsl.core.wire_print import dec_text


@pytest.mark.parametrize(
    ("coef", "scale", "found"),
    [
        (0, 0, Dec(0, 0)),
        (0, 7, Dec(0, 0)),
        (0, -7, Dec(0, 0)),
        (15, 1, Dec(15, 1)),
        (150, 2, Dec(15, 1)),
        (150, 1, Dec(15, 0)),
        (150, 0, Dec(150, 0)),
        (-1500, 3, Dec(-15, 1)),
        (15, -2, Dec(1500, 0)),
        (10, 1, Dec(1, 0)),
        (10, 3, Dec(1, 2)),
        (1, 3, Dec(1, 3)),
    ],
)
def test_a_decimal_has_the_least_scale_that_fits(coef: int, scale: int, found: Dec) -> None:
    assert dec(coef, scale) == found


def test_a_decimal_without_a_scale_is_whole() -> None:
    for number in (0, 1, 10, -25):
        assert dec(number) == Dec(number, 0)
        assert apply("int_dec", (number,)) == Dec(number, 0)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Dec(0, 0), "0"),
        (Dec(20, 0), "20"),
        (Dec(-20, 0), "-20"),
        (Dec(5, 1), "0.5"),
        (Dec(-5, 2), "-0.05"),
        (Dec(15, 1), "1.5"),
        (Dec(12345, 3), "12.345"),
        (Dec(-100001, 5), "-1.00001"),
    ],
)
def test_a_decimal_is_written_without_what_could_be_left_out(number: Dec, text: str) -> None:
    assert dec_text(number) == text


@pytest.mark.parametrize(
    ("name", "left", "right", "found"),
    [
        ("add", Dec(15, 1), Dec(5, 1), Dec(2, 0)),
        ("add", Dec(15, 1), 1, Dec(25, 1)),
        ("add", 1, Dec(25, 2), Dec(125, 2)),
        ("sub", Dec(1, 2), Dec(1, 1), Dec(-9, 2)),
        ("sub", 1, Dec(1, 1), Dec(9, 1)),
        ("mul", Dec(5, 1), Dec(2, 1), Dec(1, 1)),
        ("mul", Dec(5, 1), 4, Dec(2, 0)),
        ("lt", Dec(1, 1), Dec(1, 0), True),
        ("lt", Dec(1, 0), Dec(1, 1), False),
        ("lt", Dec(5, 0), 5, False),
        ("le", Dec(5, 0), 5, True),
        ("le", Dec(51, 1), 5, False),
        ("le", 5, Dec(51, 1), True),
        ("lt", Dec(-1, 1), 0, True),
    ],
)
def test_decimals_are_reckoned_exactly(name: str, left: Dec | int, right: Dec | int, found: Dec | bool) -> None:
    assert apply(name, (left, right)) == found


@pytest.mark.parametrize(("number", "found"), [(Dec(15, 1), 1), (Dec(-15, 1), -2), (Dec(-2, 0), -2), (Dec(1, 3), 0)])
def test_a_decimal_is_rounded_down_to_an_int(number: Dec, found: int) -> None:
    assert apply("dec_int", (number,)) == found
