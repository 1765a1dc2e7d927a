"""The shape of canonical text: exactly the keys of the contract, everywhere, and nesting counted alike everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shepherd_dsl.core.event import Outcome
from shepherd_dsl.core.expr import Let, Return
from shepherd_dsl.core.files import EMPTY_FOLDER
from shepherd_dsl.core.value import UNKNOWN, Con
from shepherd_dsl.core.wire import WireError, comp_from, event_from, event_text, parse, program_from, value_from
from shepherd_dsl.core.wire_log import entry_from, script_from

HASH = "0123456789abcdef0123456789abcdef01234567"
ONE: Any = {"return": {"val": 1}}

EVENTS: list[Any] = [
    {"start": {"version": 1, "program": HASH, "agent": "a", "args": [], "grant": [], "files": HASH}},
    {"intent": {"op": "a", "args": []}},
    {"denied": {"op": "a", "args": []}},
    {"injected": {"value": 1}},
    {"outcome": {"answer": {"con": ["Unknown"]}, "by": "world", "files": []}},
    {"forked": {"of": "root", "at": 1}},
    {"undo": {"at": 1, "op": "a", "args": []}},
    {"reverted": {"to": 1}},
    {"end": {"kind": "done", "value": 1}},
]
OBJECTS: list[tuple[Callable[[Any], object], tuple[str | int, ...], Any]] = [
    *[(event_from, tuple(event), event) for event in EVENTS],
    (program_from, (), {"version": 1, "steps": 1, "ops": {}, "defs": {}}),
    (
        program_from,
        ("defs", "f"),
        {"version": 1, "steps": 1, "ops": {}, "defs": {"f": {"params": ["x"], "body": ONE}}},
    ),
    (program_from, ("ops", "a"), {"version": 1, "steps": 1, "ops": {"a": {"class": "pure"}}, "defs": {}}),
    (
        program_from,
        ("ops", "a"),
        {"version": 1, "steps": 1, "ops": {"a": {"class": "compensable", "undo": "b"}}, "defs": {}},
    ),
    (comp_from, (), {"lets": [["x", ONE]], "in": ONE}),
    (comp_from, (), {"if": [{"val": 1}, ONE, ONE]}),
    (entry_from, (), {"run": "root", "event": EVENTS[1]}),
    (script_from, (0,), [{"run": "root", "at": 1, "answer": {"con": ["Unknown"]}, "files": []}]),
]
"""A reader, the way to an object in what it reads, and what it reads."""


def changed(data: Any, way: tuple[str | int, ...], change: Callable[[Any], Any]) -> Any:
    """A copy of `data` with the object at the end of the way changed."""
    if not way:
        return change(data)
    step, rest = way[0], way[1:]
    if isinstance(data, list):
        return [changed(item, rest, change) if at == step else item for at, item in enumerate(data)]
    return {key: changed(item, rest, change) if key == step else item for key, item in data.items()}


def place(way: tuple[str | int, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way)


def refusal(reader: Callable[[Any], object], data: Any) -> str:
    with pytest.raises(WireError) as caught:
        reader(data)
    return str(caught.value)


@pytest.mark.parametrize(("reader", "way", "data"), OBJECTS)
def test_an_object_is_read(reader: Callable[[Any], object], way: tuple[str | int, ...], data: Any) -> None:
    reader(data)


@pytest.mark.parametrize(("reader", "way", "data"), OBJECTS)
def test_an_object_has_no_other_key(reader: Callable[[Any], object], way: tuple[str | int, ...], data: Any) -> None:
    more = changed(data, way, lambda found: {**found, "zzz": 1})
    assert refusal(reader, more) == f'at {place(way)}: unknown key "zzz"'


@pytest.mark.parametrize(("reader", "way", "data"), OBJECTS)
def test_an_object_has_all_its_keys(reader: Callable[[Any], object], way: tuple[str | int, ...], data: Any) -> None:
    found = data
    for step in way:
        found = found[step]
    for key in found:
        if key in ("lets", "if"):
            continue  # without it, it is no such object
        less = changed(data, way, lambda whole, key=key: {k: v for k, v in whole.items() if k != key})
        assert refusal(reader, less).startswith(f"at {place(way)}"), key


@pytest.mark.parametrize(("reader", "way", "data"), OBJECTS)
def test_an_object_is_no_list(reader: Callable[[Any], object], way: tuple[str | int, ...], data: Any) -> None:
    assert refusal(reader, changed(data, way, lambda found: 7)).startswith(f"at {place(way)}: expected ")


def test_the_first_key_that_is_missing_is_named() -> None:
    assert refusal(event_from, {"undo": {"op": "a"}}) == 'at $.undo: no key "args"'
    assert refusal(event_from, {"undo": {}}) == 'at $.undo: no key "args"'
    assert refusal(event_from, {"undo": {"y": 1, "x": 1}}) == 'at $.undo: unknown key "x"'


@pytest.mark.parametrize("data", [{}, {**EVENTS[1], **EVENTS[2]}, [EVENTS[1]], [], "start", None])
def test_an_event_is_an_object_with_one_key(data: Any) -> None:
    assert refusal(event_from, data).startswith("at $: expected an event, got ")


@pytest.mark.parametrize(
    "answer",
    [["Ok"], ["Ok", 1, 2], ["Err"], ["Err", 1, 2], ["Unknown", 1], ["Maybe"], ["Maybe", 1], ["None"], ["Some", 1]],
)
def test_an_outcome_is_ok_or_an_error_or_unknown(answer: list[Any]) -> None:
    data = {"outcome": {"answer": {"con": answer}, "by": "world", "files": []}}
    assert refusal(event_from, data) == "at $.outcome.answer: expected an outcome: Ok(v), Err(e) or Unknown"


@pytest.mark.parametrize("answer", [["Ok", 1], ["Err", 1], ["Unknown"]])
def test_an_outcome_carries_one_value_or_none(answer: list[Any]) -> None:
    event = event_from({"outcome": {"answer": {"con": answer}, "by": "world", "files": []}})
    assert isinstance(event, Outcome)
    assert event.answer == Con(answer[0], tuple(answer[1:]))


def test_at_most_four_keys_of_an_object_are_named() -> None:
    many = dict.fromkeys("fedcba", 1)
    assert refusal(value_from, many) == 'at $: expected a value, got an object with "a", "b", "c", "d"'


def test_a_long_text_that_is_no_decimal_is_named_by_its_beginning() -> None:
    assert refusal(value_from, {"dec": "x" * 50}) == f'at $.dec: not a normal decimal: "{"x" * 40}"'


def test_an_empty_folder_has_a_mode_and_no_hash() -> None:
    assert EMPTY_FOLDER.mode == 0o040000
    assert EMPTY_FOLDER.hash == ""
    event = Outcome(UNKNOWN, (("d", EMPTY_FOLDER),), "world")
    text = '{"outcome":{"answer":{"con":["Unknown"]},"by":"world","files":[["d",["040000",""]]]}}'
    assert event_text(event) == text


# Nesting: 400 levels, whatever they are made of


def nested(step: Callable[[Any], Any], times: int, inner: Any) -> Any:
    for _ in range(times):
        inner = step(inner)
    return inner


def read_or_refused(reader: Callable[[Any], object], step: Callable[[Any], Any], most: int, inner: Any) -> None:
    """`most` steps around `inner` are read, one more is refused."""
    reader(nested(step, most, inner))
    assert refusal(reader, nested(step, most + 1, inner)).endswith(": nesting deeper than 400")


@pytest.mark.parametrize(
    "step", [lambda v: [1, v], lambda v: {"rec": {"a": 1, "b": v}}, lambda v: {"con": ["A", 1, v]}]
)
def test_values_nest_400_deep(step: Callable[[Any], Any]) -> None:
    read_or_refused(value_from, step, 400, 1)


def test_text_of_any_kind_nests_20_000_deep() -> None:
    """What is no value is read too, to be refused with its place."""
    found = parse("[" * 20_000 + "]" * 20_000)
    for _ in range(19_999):
        assert isinstance(found, list)
        (found,) = found
    assert found == []
    with pytest.raises(WireError, match="nesting deeper than 20000 at character 20000"):
        parse("[" * 20_001 + "]" * 20_001)


@pytest.mark.parametrize("event", ["intent", "denied"])
def test_the_list_of_arguments_is_a_level(event: str) -> None:
    read_or_refused(lambda data: event_from({event: {"op": "a", "args": data}}), lambda v: [v], 400, 1)


@pytest.mark.parametrize(
    "step",
    [
        lambda c: {"lets": [["x", ONE], ["y", c]], "in": ONE},
        lambda c: {"if": [{"val": 1}, c, ONE]},
    ],
    ids=["bound", "then"],
)
def test_computations_nest_as_deep_as_values(step: Callable[[Any], Any]) -> None:
    """`return` and its literal are two more."""
    read_or_refused(comp_from, step, 398, ONE)


@pytest.mark.parametrize(
    "step",
    [lambda c: {"lets": [["x", c]], "in": ONE}, lambda c: {"if": [{"val": 1}, c, ONE]}],
    ids=["bound", "then"],
)
def test_an_operation_without_arguments_is_one_level(step: Callable[[Any], Any]) -> None:
    read_or_refused(comp_from, step, 399, {"do": ["a"]})


HEADS: dict[str, Callable[[Any], Any]] = {
    "return": lambda e: {"return": e},
    "agent": lambda e: {"call": [e]},
    "argument": lambda e: {"call": [{"val": 1}, e]},
    "do": lambda e: {"do": ["a", {"val": 1}, e]},
    "if": lambda e: {"if": [e, ONE, ONE]},
}


@pytest.mark.parametrize("head", HEADS)
def test_expressions_nest_as_deep_wherever_they_stand(head: str) -> None:
    read_or_refused(
        lambda data: comp_from(HEADS[head](data)), lambda e: {"prim": ["list", {"val": 1}, e]}, 398, {"val": 1}
    )


@pytest.mark.parametrize("head", HEADS)
def test_a_literal_goes_on_counting_where_its_expression_stands(head: str) -> None:
    read_or_refused(lambda data: comp_from(HEADS[head]({"val": data})), lambda v: [v], 399, 1)


@pytest.mark.parametrize(
    "step",
    [
        lambda c: {"if": [{"val": 1}, ONE, c]},
        lambda c: {"lets": [["x", ONE]], "in": {"if": [{"val": 1}, ONE, c]}},
    ],
    ids=["else", "in"],
)
def test_what_comes_after_does_not_nest(step: Callable[[Any], Any]) -> None:
    deep = nested(lambda e: {"prim": ["list", e]}, 398, {"val": 1})
    comp_from(nested(step, 1_000, {"return": deep}))
    too_deep = {"return": {"prim": ["list", deep]}}
    assert refusal(comp_from, nested(step, 1_000, too_deep)).endswith(": nesting deeper than 400")


def test_a_binding_may_be_deep_after_another() -> None:
    deep = nested(lambda c: {"if": [{"val": 1}, c, ONE]}, 397, ONE)
    found = comp_from({"lets": [["x", deep], ["y", deep]], "in": ONE})
    assert isinstance(found, Let)
    assert isinstance(found.body, Let)
    assert isinstance(found.body.body, Return)
