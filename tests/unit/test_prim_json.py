"""`json_print`, `json_parse` and `decode`: what is printed for a type is read back as it was; misfits are placed."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shepherd_dsl.core.prim import Fault, apply
from shepherd_dsl.core.value import NONE, UNIT, Con, Dec, Value, equal, ok, record, some
from tests.support.values import decs, texts


def call(name: str, *args: Value) -> Value:
    return apply(name, args)


def fault(name: str, *args: Value) -> str:
    with pytest.raises(Fault) as caught:
        apply(name, args)
    return f"{caught.value.code}: {caught.value.text}"


@st.composite
def typed(draw: st.DrawFn, depth: int = 3) -> tuple[Value, st.SearchStrategy[Value], bool]:
    """A type, its values, and whether null is the JSON of one of them."""
    kind = draw(
        st.sampled_from(["Unit", "Bool", "Int", "Dec", "Text", "List", "Option", "Rec", "Var"][: 9 if depth else 5])
    )
    plain: dict[str, st.SearchStrategy[Value]] = {
        "Unit": st.just(UNIT),
        "Bool": st.booleans(),
        "Int": st.integers(),
        "Dec": decs,
        "Text": texts,
    }
    if kind in plain:
        return kind, plain[kind], kind == "Unit"
    if kind in ("List", "Option"):
        inner, inside, null = draw(typed(depth - 1))
        if kind == "List":
            return Con("List", (inner,)), st.lists(inside, max_size=3).map(tuple), False
        if null:
            return inner, inside, True
        return Con("Option", (inner,)), st.one_of(st.just(NONE), inside.map(some)), True
    labels = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
    if kind == "Rec":
        parts = {label: draw(typed(depth - 1)) for label in labels}
        fields = st.fixed_dictionaries({label: part[1] for label, part in parts.items()})
        return Con("Rec", (tuple((n, p[0]) for n, p in parts.items()),)), fields.map(lambda d: record(d.items())), False
    names = [name for name in labels if name not in ("Some", "None")] or ["A"]
    cases = {name: draw(st.lists(typed(depth - 1), max_size=2)) for name in names}
    made = [st.tuples(*[part[1] for part in parts]).map(partial(Con, name)) for name, parts in cases.items()]
    return Con("Var", (tuple((n, tuple(p[0] for p in ps)) for n, ps in cases.items()),)), st.one_of(made), False


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_what_is_printed_parses_and_decodes_to_itself(data: st.DataObject) -> None:
    schema, inhabitants, _ = data.draw(typed())
    value = data.draw(inhabitants)
    parsed = call("json_parse", call("json_print", value))
    assert isinstance(parsed, Con)
    assert parsed.name == "Ok"
    decoded = call("decode", schema, parsed.args[0])
    assert equal(decoded, ok(value)), decoded


ITEM = Con("Rec", ((("id", "Int"), ("note", Con("Option", ("Text",)))),))
SHAPE = Con("Var", ((("Dot", ()), ("Disc", ("Dec",)), ("Box", ("Int", "Text"))),))
SCHEMA = Con("Rec", ((("items", Con("List", (ITEM,))), ("shape", SHAPE)),))


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        ("Int", "1", 1),
        ("Int", "1.0", 1),
        ("Dec", "1", Dec(1, 0)),
        ("Unit", "null", UNIT),
        (Con("Option", ("Int",)), "null", NONE),
        (ITEM, '{"id":1}', record(id=1, note=NONE)),
        (SHAPE, '"Dot"', Con("Dot")),
        (SHAPE, '{"Disc":2.5}', Con("Disc", (Dec(25, 1),))),
        (SHAPE, '{"Box":[1,"a"]}', Con("Box", (1, "a"))),
    ],
)
def test_decoding_takes(schema: Value, text: str, expected: Value) -> None:
    parsed = call("json_parse", text)
    assert isinstance(parsed, Con)
    assert equal(call("decode", schema, parsed.args[0]), ok(expected))


@pytest.mark.parametrize(
    ("schema", "text", "message"),
    [
        ("Int", '"a"', "at the top: expected Int, got text"),
        ("Int", "1.5", "at the top: expected Int, got dec"),
        ("Bool", "1", "at the top: expected Bool, got int"),
        ("Text", "null", "at the top: expected Text, got unit"),
        (SCHEMA, '{"shape":"Dot","items":[{"id":1},{"id":2},{"id":"x"}]}', "at .items[2].id: expected Int, got text"),
        (SCHEMA, '{"shape":"Dot","items":{}}', "at .items: expected a list, got record"),
        (SCHEMA, '{"shape":"Dot"}', 'at the top: missing label "items"'),
        (SCHEMA, '{"shape":"Dot","items":[],"more":1}', 'at the top: unknown label "more"'),
        (SCHEMA, "[]", "at the top: expected a record, got list"),
        (SHAPE, '"Ring"', 'at the top: expected one of Box, Disc, Dot, got "Ring"'),
        (SHAPE, "1", "at the top: expected a variant, got int"),
        (SHAPE, '"Box"', "at the top: Box has 2 arguments, got none"),
        (SHAPE, '{"Dot":[]}', 'at the top: Dot has no arguments: write the text "Dot"'),
        (SHAPE, '{"Disc":"a"}', "at .Disc: expected Dec, got text"),
        (SHAPE, '{"Box":[1]}', "at the top: expected a list of the 2 arguments of Box, got a list of 1"),
        (SHAPE, '{"Box":1}', "at the top: expected a list of the 2 arguments of Box, got int"),
        (SHAPE, '{"Box":[1,2]}', "at .Box[1]: expected Text, got int"),
    ],
)
def test_decoding_says_where_it_does_not_fit(schema: Value, text: str, message: str) -> None:
    parsed = call("json_parse", text)
    assert isinstance(parsed, Con)
    assert equal(call("decode", schema, parsed.args[0]), Con("Err", (message,)))


@pytest.mark.parametrize(
    "schema", ["Float", 1, Con("List"), Con("Rec", (1,)), Con("Rec", (("a",),)), Con("Map", ("Int",))]
)
def test_what_is_no_type_is_a_fault(schema: Value) -> None:
    assert fault("decode", schema, record(a=1)).startswith("type: decode: argument 1 must be a type")
