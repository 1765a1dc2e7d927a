"""Equality of values that share their parts: a few steps make one of 2^60 parts, which is compared all the same."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.value import Con, Value, equal, record


def shared(kind: str, last: Value) -> Value:
    value = last
    for _ in range(60):
        value = {"list": (value, value), "record": record(a=value, b=value), "variant": Con("A", (value, value))}[kind]
    return value


def many() -> tuple[Value, ...]:
    """More parts than are compared before any is remembered."""
    return tuple([Con("Some", (n,)) for n in range(5_000)])


@pytest.mark.parametrize("kind", ["list", "record", "variant"])
def test_shared_parts_are_compared_once(kind: str) -> None:
    assert equal(shared(kind, 1), shared(kind, 1))
    assert not equal(shared(kind, 1), shared(kind, 2))


@pytest.mark.parametrize("kind", ["list", "record", "variant"])
def test_shared_parts_are_compared_once_also_late(kind: str) -> None:
    for left, right, same in (
        ((shared(kind, 1), many()), (shared(kind, 1), many()), True),
        ((many(), shared(kind, 1)), (many(), shared(kind, 1)), True),
        ((shared(kind, 1), many()), (shared(kind, 2), many()), False),
        ((shared(kind, 1), many()), (shared(kind, 1), many()[1:]), False),
    ):
        assert equal(left, right) is same


def test_many_parts_that_are_alike_but_for_one_are_not_equal() -> None:
    found = many()
    for at in (0, 2_500, 4_999):
        other = (*found[:at], Con("Some", ("x",)), *found[at + 1 :])
        assert not equal(many(), other)
    assert equal(many(), found)
