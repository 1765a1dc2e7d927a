"""The bounds that a step keeps: how many steps between two events, how large a value may enter a trace."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.limits import TEXT_CHARS, VALUE_DEPTH, VALUE_NODES
from shepherd_dsl.core.run import Running
from shepherd_dsl.core.step import Asks, Ends, Faults, LocalStop, check_size, local_step, run_locally
from shepherd_dsl.core.value import UNIT, Agent, Blob, Con, Dec, Handle, Value, record
from tests.support.build import call, do, iff, program, ret, seq


def stop_of(body: Comp, steps: int, *, at_once: bool) -> LocalStop:
    """Where `body` comes to a stop if so many steps are allowed, in one go or step by step."""
    made = program(steps, main=((), ret(1)))
    code: Running | LocalStop = Running(body, None, None, 0)
    assert isinstance(code, Running)
    if at_once:
        return run_locally(made, code)[1]
    while isinstance(code, Running):
        code = local_step(made, code)
    return code


BODIES: list[tuple[Comp, int, type]] = [
    (ret(1), 1, Ends),
    (do("ask"), 1, Asks),
    (seq(("a", ret(1)), ret("$a")), 3, Ends),
    (iff(True, ret(1), ret(2)), 2, Ends),
    (call("main"), 2, Ends),
    (seq(("a", call("main")), ("b", ret(1)), do("ask", "$b")), 6, Asks),
]
"""A body, how many steps it takes, and how it ends."""


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("body", "steps", "kind"), BODIES)
def test_the_last_step_that_is_allowed_is_taken(body: Comp, steps: int, kind: type, at_once: bool) -> None:
    for more in (0, 1, 5):
        assert type(stop_of(body, steps + more, at_once=at_once)) is kind
    for allowed in range(steps):
        stop = stop_of(body, allowed, at_once=at_once)
        assert isinstance(stop, Faults)
        assert stop.error.get("code") == "steps"  # type: ignore[union-attr]


def test_the_steps_taken_are_counted_on() -> None:
    made = program(10, main=((), ret(1)))
    for before in (0, 3, 9):
        taken, stop = run_locally(made, Running(ret(1), None, None, before))
        assert taken == before + 1
        assert isinstance(stop, Ends)
        after = local_step(made, Running(seq(("a", ret(1)), ret(2)), None, None, before))
        assert isinstance(after, Running)
        assert after.steps == before + 1
    assert isinstance(run_locally(made, Running(ret(1), None, None, 10))[1], Faults)


def refused(value: Value) -> str:
    with pytest.raises(Fault) as caught:
        check_size(value)
    return caught.value.code


@pytest.mark.parametrize("inner", ["", 1, ()], ids=repr)
def test_a_value_holds_at_most_so_many_values_of_any_kind(inner: Value) -> None:
    check_size((inner,) * (VALUE_NODES - 1))
    assert refused((inner,) * VALUE_NODES) == "size"
    half = (inner,) * (VALUE_NODES // 2 - 1)
    check_size((half, half[1:]))
    assert refused((half, half)) == "size"


def test_characters_are_counted_wherever_they_stand() -> None:
    part = "x" * (TEXT_CHARS // 4)
    check_size((part, (part, record(a=part)), Con("A", (part,))))
    assert refused((part, (part, record(a=part)), Con("A", (part, "x")))) == "size"
    check_size(part * 4)
    assert refused((part * 4 + "x",)) == "size"


@pytest.mark.parametrize("value", ["x", 1, True, UNIT, Agent("f"), Handle(0), Dec(1, 0), Blob("0" * 40, 1), ()])
def test_a_value_is_as_deep_as_what_it_holds_is_nested(value: Value) -> None:
    inner = value
    for _ in range(VALUE_DEPTH):
        inner = (inner,)
    check_size(inner)
    if value == ():
        return
    assert refused((inner,)) == "depth"


def test_a_value_whose_parts_are_shared_is_counted_in_full() -> None:
    value: Value = 1
    for _ in range(VALUE_DEPTH):
        value = (value, value)
    assert refused(value) == "size"
