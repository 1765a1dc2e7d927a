"""Types: what fits where, least common types, and their two forms for models."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import hypothesis.strategies as st
import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings

from shepherd_dsl.check.infer import fits, join
from shepherd_dsl.check.schema import answer_schema, json_schema, plain, type_value
from shepherd_dsl.check.types import (
    BLOB,
    BOOL,
    COMMAND,
    CONTENT,
    DEC,
    INT,
    PATH,
    TEXT,
    UNIT,
    VALUE,
    Hole,
    ListOf,
    Rec,
    RunOf,
    Type,
    Variant,
    option,
    option_item,
    rec,
    resolve,
    settle,
    show,
    variant,
)
from shepherd_dsl.core.prim import apply
from shepherd_dsl.core.value import UNIT as UNIT_VALUE
from shepherd_dsl.core.value import Con, Record, Value, dec, equal, ok, record

LABELS = st.sampled_from(["a", "b", "code", "text"])
NAMES = st.sampled_from(["A", "B", "Edit", "Stop"])
BASIC = st.sampled_from([UNIT, BOOL, INT, DEC, TEXT])


def _inner(types: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    return st.one_of(
        types.map(ListOf),
        st.dictionaries(LABELS, types, min_size=1, max_size=3).map(rec),
        st.dictionaries(NAMES, st.lists(types, max_size=2).map(tuple), min_size=1, max_size=3).map(variant),
    )


TYPES: st.SearchStrategy[Type] = st.recursive(BASIC, _inner, max_leaves=6)
"""Types without `Option`: a variant in one may look like `Some(v) | None` only if it is called so."""


@st.composite
def typed_values(draw: Any) -> tuple[Type, Value]:
    """A plain type and a value of it."""
    found = draw(TYPES)
    if draw(st.booleans()) and found != UNIT:
        found = option(found) if not isinstance(found, Variant) else ListOf(found)
    return found, draw(values_of(found))


def _con(name: str, *args: Value) -> Con:
    return Con(name, args)


def values_of(found: Type) -> st.SearchStrategy[Value]:
    """Values of a plain type."""
    if isinstance(found, ListOf):
        return st.lists(values_of(found.item), max_size=3).map(tuple)
    if isinstance(found, Variant):
        return st.one_of([st.builds(partial(_con, name), *map(values_of, args)) for name, args in found.cases])
    if isinstance(found, Rec):
        return st.tuples(*(values_of(inner) for _, inner in found.fields)).map(
            lambda vs: record(zip([label for label, _ in found.fields], vs, strict=True))
        )
    basic: dict[Type, st.SearchStrategy[Value]] = {
        UNIT: st.just(UNIT_VALUE),
        BOOL: st.booleans(),
        INT: st.integers(-(10**20), 10**20),
        DEC: st.builds(dec, st.integers(-(10**9), 10**9), st.integers(0, 6)),
        TEXT: st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    }
    return basic[found]


@given(TYPES)
def test_a_type_fits_itself_and_any_value(found: Type) -> None:
    assert fits(found, found)
    assert fits(found, VALUE)
    assert not fits(VALUE, found)


@settings(max_examples=300)
@given(TYPES, TYPES)
def test_a_join_holds_both_and_fits_wherever_both_fit(left: Type, right: Type) -> None:
    both = join(left, right)
    if both is None:
        assert not fits(left, right)
        assert not fits(right, left)
    else:
        assert fits(left, both)
        assert fits(right, both)
        other = join(right, left)
        assert other is not None
        assert fits(both, other)
        assert fits(other, both)


@settings(max_examples=300)
@given(TYPES, TYPES, TYPES)
def test_fitting_is_transitive(one: Type, two: Type, three: Type) -> None:
    wider, widest = join(one, two), None
    if wider is not None:
        widest = join(wider, three)
    if widest is not None:
        assert fits(one, widest)


@given(TYPES, TYPES)
def test_a_failed_attempt_fills_no_hole(left: Type, right: Type) -> None:
    hole = Hole()
    if not fits(rec({"a": hole, "b": left}), rec({"a": INT, "b": right})):
        assert hole.bound is None


def test_a_hole_widens_until_something_reads_it() -> None:
    hole = Hole()
    assert fits(variant({"A": ()}), hole)
    assert fits(variant({"B": (INT,)}), hole)
    assert resolve(hole) == variant({"A": (), "B": (INT,)})
    assert fits(hole, variant({"A": (), "B": (INT,), "C": ()}))
    assert not fits(variant({"D": ()}), hole)


def test_a_hole_never_holds_itself() -> None:
    hole = Hole()
    assert not fits(ListOf(hole), hole)
    assert hole.bound is None
    assert settle(ListOf(hole)) == ListOf(UNIT)


@pytest.mark.parametrize(
    ("actual", "wanted", "expected"),
    [
        (PATH, TEXT, True),
        (TEXT, COMMAND, True),
        (BLOB, CONTENT, True),
        (TEXT, CONTENT, True),
        (INT, CONTENT, False),
        (INT, DEC, False),
        (BOOL, INT, False),
        (RunOf(INT), RunOf(DEC), False),
        (variant({"Some": (INT,)}), option(INT), True),
        (option(INT), variant({"Some": (INT,)}), False),
        (rec({"a": INT, "b": INT}), rec({"a": INT}), False),
    ],
)
def test_what_fits(actual: Type, wanted: Type, expected: bool) -> None:
    assert fits(actual, wanted) is expected


@settings(max_examples=300, deadline=None)
@given(typed_values())
def test_a_value_goes_through_json_and_back(pair: tuple[Type, Value]) -> None:
    found, value = pair
    assert plain(found)
    as_text = apply("json_print", (to_json(found, value),))
    assert isinstance(as_text, str)
    read = apply("json_parse", (as_text,))
    assert isinstance(read, Con)
    assert read.name == "Ok"
    decoded = apply("decode", (type_value(found), read.args[0]))
    assert equal(decoded, ok(value)), (show(found), as_text, decoded)
    jsonschema.validate(json.loads(as_text), json_schema(found))


def to_json(found: Type, value: Value) -> Value:
    """A value as a model would write it: as `spec/contract.md` lays variants out."""
    if isinstance(found, ListOf):
        assert isinstance(value, tuple)
        return tuple(to_json(found.item, inner) for inner in value)
    if isinstance(found, Variant):
        assert isinstance(value, Con)
        if option_item(found) is not None:
            return Con("Some", (to_json(found.cases[1][1][0], value.args[0]),)) if value.args else value
        types = dict(found.cases)[value.name]
        args = tuple(to_json(t, arg) for t, arg in zip(types, value.args, strict=True))
        if not args:
            return value.name
        return record([(value.name, args[0] if len(args) == 1 else args)])
    if isinstance(found, Rec):
        assert isinstance(value, Record)
        pairs = [(label, inner, value.get(label)) for label, inner in found.fields]
        return record((label, to_json(inner, part)) for label, inner, part in pairs if part is not None)
    return value


def test_what_is_no_record_is_wrapped_for_a_model() -> None:
    assert answer_schema(TEXT) is None
    assert json.loads(answer_schema(INT) or "")["required"] == ["answer"]
    assert json.loads(answer_schema(rec({"a": INT})) or "")["required"] == ["a"]


@pytest.mark.parametrize("found", [BLOB, VALUE, RunOf(INT), ListOf(RunOf(INT)), rec({"a": BLOB})])
def test_what_has_no_json_form(found: Type) -> None:
    assert not plain(found)
    with pytest.raises(TypeError):
        json_schema(found)
    with pytest.raises(TypeError):
        type_value(found)
