"""The primitives: what each gives, that each is total, and that `spec/primitives.md` tells the truth about them."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shepherd_dsl.core.limits import DEC_SCALE, INT_BITS, LIST_ITEMS, TEXT_CHARS
from shepherd_dsl.core.prim import PRIMITIVES, Fault, apply
from shepherd_dsl.core.value import (
    NONE,
    UNIT,
    Agent,
    Blob,
    Con,
    Dec,
    Handle,
    Record,
    Value,
    dec,
    equal,
    ok,
    record,
    some,
)
from shepherd_dsl.core.wire import value_text
from tests.support.values import decs, leaves, numbers, texts, values

HASH = "0" * 40
PAGE = Path(__file__).parents[2] / "spec" / "primitives.md"


def call(name: str, *args: Value) -> Value:
    return apply(name, args)


def fault(name: str, *args: Value) -> str:
    with pytest.raises(Fault) as caught:
        apply(name, args)
    return f"{caught.value.code}: {caught.value.text}"


EXAMPLES: list[tuple[str, tuple[Value, ...], Value]] = [
    ("eq", (1, True), False),
    ("eq", (1, Dec(1, 0)), False),
    ("eq", (record(a=1, b=2), record(b=2, a=1)), True),
    ("eq", (Handle(1), Handle(1)), True),
    ("eq", (Handle(1), Handle(2)), False),
    ("not", (True,), False),
    ("not", (False,), True),
    ("add", (2, 3), 5),
    ("add", (2, Dec(5, 1)), Dec(25, 1)),
    ("add", (Dec(5, 1), Dec(5, 1)), Dec(1, 0)),
    ("sub", (2, 3), -1),
    ("sub", (Dec(15, 1), Dec(5, 2)), Dec(145, 2)),
    ("mul", (-2, 3), -6),
    ("mul", (Dec(5, 1), 4), Dec(2, 0)),
    ("div", (7, 2), 3),
    ("div", (-7, 2), -4),
    ("div", (7, -2), -4),
    ("mod", (-7, 2), 1),
    ("mod", (7, -2), -1),
    ("neg", (5,), -5),
    ("neg", (Dec(5, 1),), Dec(-5, 1)),
    ("lt", (1, 2), True),
    ("lt", (2, 2), False),
    ("le", (2, 2), True),
    ("le", (3, 2), False),
    ("lt", (1, Dec(11, 1)), True),
    ("le", (Dec(10, 0), 10), True),
    ("lt", ("Z", "a"), True),
    ("lt", ("\uffff", "\U00010000"), True),
    ("le", ("b", "a"), False),
    ("dec_int", (Dec(-15, 1),), -2),
    ("dec_int", (Dec(15, 1),), 1),
    ("int_dec", (3,), Dec(3, 0)),
    ("text", (), ""),
    ("text", ("a", 1, True, UNIT, Dec(15, 1), False), "a1true()1.5false"),
    ("text", (("a", 1),), '["a", 1]'),
    ("text", (some("x"),), 'Some("x")'),
    ("text", (record(b="x", a=1), record()), '{ a: 1, b: "x" }{}'),
    ("text", (Agent("f"), Con("None")), "fNone"),
    ("text", (Blob("0" * 40, 3),), "blob " + "0" * 40),
    ("text_len", ("é😀",), 2),
    ("text_slice", ("hello", 1, 3), "el"),
    ("text_slice", ("hello", -2, 99), "hello"),
    ("text_slice", ("hello", 3, 1), ""),
    ("text_slice", ("hello", 0, -1), ""),
    ("text_split", ("a,b,", ","), ("a", "b", "")),
    ("text_split", ("", ","), ("",)),
    ("text_split", ("ab", ""), ("a", "b")),
    ("text_split", ("", ""), ()),
    ("text_join", (("a", "b"), ", "), "a, b"),
    ("text_join", ((), ", "), ""),
    ("text_trim", (" \t\n\r\v\fa b\u00a0 ",), "a b\u00a0"),
    ("text_lower", ("ABCZÉ",), "abczÉ"),
    ("text_upper", ("abczéß",), "ABCZéß"),
    ("text_contains", ("abc", "bc"), True),
    ("text_contains", ("bc", "abc"), False),
    ("text_starts", ("abc", "ab"), True),
    ("text_starts", ("abc", "bc"), False),
    ("text_ends", ("abc", "bc"), True),
    ("text_ends", ("abc", "ab"), False),
    ("text_find", ("abcbc", "bc"), some(1)),
    ("text_find", ("abc", "x"), NONE),
    ("text_find", ("abc", ""), some(0)),
    ("text_replace", ("aaa", "aa", "b"), "ba"),
    ("text_replace", ("abc", "", "x"), "abc"),
    ("text_int", ("-007",), some(-7)),
    ("text_int", ("-0",), some(0)),
    ("text_int", ("+1",), NONE),
    ("text_int", ("1 ",), NONE),
    ("text_int", ("",), NONE),
    ("text_int", ("-",), NONE),
    ("text_int", ("٣",), NONE),
    ("text_int", ("1_0",), NONE),
    ("words", ("a 'b c' d\\ e",), some(("a", "b c", "d e"))),
    ("words", ("a 'b",), NONE),
    ("match_text", ("abc", "a*"), True),
    ("match_path", ("src/a", "src/*"), True),
    ("match_path", ("src/../a", "**"), False),
    ("match_words", ("rm -rf x", "rm *"), True),
    ("match_words", (("rm", "x y"), "rm ?"), False),
    ("list", (1, "a"), (1, "a")),
    ("list", (), ()),
    ("len", ((1, 2),), 2),
    ("get", (("a", "b"), 1), "b"),
    ("cons", (1, (2,)), (1, 2)),
    ("append", ((1,), 2), (1, 2)),
    ("concat", ((1,), (2,)), (1, 2)),
    ("slice", ((1, 2, 3), 1, 2), (2,)),
    ("slice", ((1, 2, 3), -1, -1), ()),
    ("slice", ((1, 2, 3), -1, 2), (1, 2)),
    ("reverse", ((1, 2, 3),), (3, 2, 1)),
    ("contains", ((1, 2), 2), True),
    ("contains", ((1,), True), False),
    ("range", (2, 5), (2, 3, 4)),
    ("range", (5, 2), ()),
    ("record", ("b", 1, "a", 2), Record((("a", 2), ("b", 1)))),
    ("record", (), Record(())),
    ("field", (record(a=1, b=2), "b"), 2),
    ("with", (record(a=1, b=2), "a", 3), record(a=3, b=2)),
    ("labels", (record(b=1, a=2),), ("a", "b")),
    ("con", ("A", 1, 2), Con("A", (1, 2))),
    ("con_name", (some(1),), "Some"),
    ("con_arg", (Con("A", (1, 2)), 1), 2),
    ("is_con", (some(1), "Some", 1), True),
    ("is_con", (some(1), "Some", 0), False),
    ("is_con", (some(1), "None", 1), False),
    ("is_con", (3, "Some", 1), False),
    ("kind", (1,), "int"),
    ("decode", ("Int", 1), ok(1)),
    ("decode", (Con("List", ("Text",)), ("a", "b")), ok(("a", "b"))),
    ("decode", ("Bool", 1), Con("Err", ("at the top: expected Bool, got int",))),
    ("agent_name", (Agent("f"),), "f"),
    ("blob_size", (Blob(HASH, 3),), 3),
    ("blob_hash", (Blob(HASH, 3),), HASH),
    ("json_print", (record(b=(UNIT, some(1), NONE), a=Dec(15, 1)),), '{"a":1.5,"b":[null,1,null]}'),
    ("json_print", ((Con("A"), Con("B", (1,)), Con("C", (1, 2))),), '["A",{"B":1},{"C":[1,2]}]'),
    ("json_print", ('"\n\u2028',), '"\\"\\n\u2028"'),
    ("json_parse", ('{"b":[null,true],"a":"\\u00e9"}',), ok(record(a="é", b=(UNIT, True)))),
    (
        "json_parse",
        (" [ 1 , -0 , 1.50 , 1e2 , 12E-1, -0.0 ] ",),
        ok((1, 0, Dec(15, 1), Dec(100, 0), Dec(12, 1), Dec(0, 0))),
    ),
    ("json_parse", ('{"a":1,"a":2}',), Con("Err", ('not JSON: key given twice: "a" at character 7',))),
    ("json_parse", ('"\\ud83d\\ude00"',), ok("😀")),
    ("json_parse", ('"\\ud83d"',), Con("Err", ("not JSON: lone surrogate in the text at character 0",))),
    ("json_parse", ("NaN",), Con("Err", ("not JSON: unexpected character at character 0",))),
    ("json_parse", ("1e999999999999",), Con("Err", ("not JSON: a number too large at character 0",))),
    ("json_parse", ("1e-99999",), Con("Err", ("not JSON: a number too large at character 0",))),
    ("json_parse", ("9" * 20_000,), Con("Err", ("not JSON: a number too large at character 0",))),
    ("json_parse", ("0e999999999999",), ok(Dec(0, 0))),
    ("json_parse", ("[" * 100 + "]" * 100 + "x",), Con("Err", ("not JSON: text after the value at character 200",))),
    ("json_parse", ("[" * 101,), Con("Err", ("not JSON: nesting deeper than 100 at character 100",))),
]


@pytest.mark.parametrize(("name", "args", "expected"), EXAMPLES, ids=[f"{e[0]}-{i}" for i, e in enumerate(EXAMPLES)])
def test_what_each_primitive_gives(name: str, args: tuple[Value, ...], expected: Value) -> None:
    assert value_text(apply(name, args)) == value_text(expected)


def test_every_primitive_has_an_example() -> None:
    without = set(PRIMITIVES) - {name for name, _, _ in EXAMPLES}
    assert without == {"fail", "raise"}  # they give nothing


def test_kinds_have_the_names_of_the_contract() -> None:
    some_of_each: list[Value] = [UNIT, True, 1, Dec(1, 0), "", Blob(HASH, 0), (), record(), NONE, Agent("a"), Handle(0)]
    assert (
        " ".join(str(call("kind", value)) for value in some_of_each)
        == "unit bool int dec text blob list record con agent run"
    )


FAULTS = [
    ("add", ("a", 1), "type: add: argument 1 must be a number, got text"),
    ("add", (1, True), "type: add: argument 2 must be a number, got bool"),
    ("sub", (UNIT, 1), "type: sub: argument 1 must be a number, got unit"),
    ("mul", (1, ()), "type: mul: argument 2 must be a number, got list"),
    ("div", (1, 0), "zero: div: division by zero"),
    ("mod", (1, 0), "zero: mod: division by zero"),
    ("div", (True, 1), "type: div: argument 1 must be an int, got bool"),
    ("mod", (1, Dec(1, 0)), "type: mod: argument 2 must be an int, got dec"),
    ("neg", ("1",), "type: neg: argument 1 must be a number, got text"),
    ("not", (1,), "type: not: argument 1 must be a bool, got int"),
    ("lt", (1, "a"), "type: lt: argument 2 must be a number, got text"),
    ("lt", ("a", 1), "type: lt: argument 2 must be a text, got int"),
    ("le", (True, False), "type: le: argument 1 must be a number or a text, got bool"),
    ("dec_int", (1,), "type: dec_int: argument 1 must be a dec, got int"),
    ("int_dec", (True,), "type: int_dec: argument 1 must be an int, got bool"),
    ("text", (Handle(0),), "handle: text: a run has no text"),
    ("text", ("a", (1, (Handle(0),))), "handle: text: a run has no text"),
    ("text_slice", ("a", True, 1), "type: text_slice: argument 2 must be an int, got bool"),
    ("text_join", (("a", 1), ""), "type: text_join: argument 1 must be a list of texts, got int"),
    ("match_words", (("a", 1), ""), "type: match_words: argument 1 must be a text or a list of texts, got int"),
    ("match_words", (1, ""), "type: match_words: argument 1 must be a text or a list of texts, got int"),
    ("get", ((1,), 1), "index: get: no element at the index given; the list has 1"),
    ("get", ((1,), -1), "index: get: no element at the index given; the list has 1"),
    ("get", ((1,), True), "type: get: argument 2 must be an int, got bool"),
    ("get", ("a", 0), "type: get: argument 1 must be a list, got text"),
    ("record", ("a", 1, "a", 2), "type: record: label given twice: a"),
    ("record", (1, 1), "type: record: argument 1 must be a text, got int"),
    ("record", ("a", 1, "b"), "name: record: labels and values in turn, got 3 arguments"),
    ("field", (record(a=1), "b"), "type: field: no label b"),
    ("field", (record(a=1), 1), "type: field: argument 2 must be a text, got int"),
    ("field", (some(1), "a"), "type: field: argument 1 must be a record, got con"),
    ("with", (record(a=1), "b", 1), "type: with: no label b"),
    ("con", (1,), "type: con: argument 1 must be a text, got int"),
    ("con_arg", (some(1), 1), "index: con_arg: no argument at the index given; Some has 1"),
    ("con_arg", (some(1), -1), "index: con_arg: no argument at the index given; Some has 1"),
    ("is_con", (1, 1, 1), "type: is_con: argument 2 must be a text, got int"),
    ("is_con", (1, "A", True), "type: is_con: argument 3 must be an int, got bool"),
    ("json_print", (Agent("a"),), "type: json_print: a value of the kind agent has no JSON"),
    ("json_print", ((Handle(0),),), "type: json_print: a value of the kind run has no JSON"),
    ("json_print", (Blob(HASH, 1),), "type: json_print: a value of the kind blob has no JSON"),
    ("fail", ("code", "why"), "code: why"),
    ("fail", (1, "why"), "type: fail: argument 1 must be a text, got int"),
    ("raise", (record(code="c", text="t"),), "c: t"),
    (
        "raise",
        (record(code="c", text="t", more=1),),
        "type: raise: argument 1 must be an error {code: Text, text: Text}, got record",
    ),
    (
        "raise",
        (record(code="c", text=1),),
        "type: raise: argument 1 must be an error {code: Text, text: Text}, got record",
    ),
    ("eq", (1,), "name: eq: expected 2 arguments, got 1"),
    ("eq", (1, 2, 3), "name: eq: expected 2 arguments, got 3"),
    ("con", (), "name: con: expected at least 1 arguments, got 0"),
    ("nothing", (), "name: no primitive `nothing`"),
]


@pytest.mark.parametrize(("name", "args", "expected"), FAULTS, ids=[f"{e[0]}-{i}" for i, e in enumerate(FAULTS)])
def test_what_is_a_fault(name: str, args: tuple[Value, ...], expected: str) -> None:
    assert fault(name, *args) == expected


# Totality and the page


def page_rows() -> dict[str, tuple[str, set[str]]]:
    rows = {}
    for line in PAGE.read_text("utf-8").splitlines():
        found = re.fullmatch(r"\| `(\w+)\(.*?\)` \| (.*?) \| .* \| (.*?) \|", line)
        if found:
            name, count, faults = found.groups()
            assert name not in rows
            rows[name] = (count, set(re.findall(r"`(\w+)`", faults)))
    return rows


ROWS = page_rows()


def test_the_page_names_every_primitive_with_its_arity() -> None:
    arities = {p.name: str(p.low) if p.low == p.high else f"{p.low} or more" for p in PRIMITIVES.values()}
    assert {name: count for name, (count, _) in ROWS.items()} == arities


schemas: st.SearchStrategy[Value] = st.recursive(
    st.sampled_from(["Unit", "Bool", "Int", "Dec", "Text"]),
    lambda inner: st.one_of(
        st.builds(lambda t: Con("List", (t,)), inner),
        st.builds(lambda t: Con("Option", (t,)), inner),
        st.dictionaries(texts, inner, max_size=3).map(lambda d: Con("Rec", (tuple(d.items()),))),
        st.dictionaries(texts, st.lists(inner, max_size=2).map(tuple), max_size=3).map(
            lambda d: Con("Var", (tuple(d.items()),))
        ),
    ),
    max_leaves=6,
)
lists = st.lists(values, max_size=4).map(tuple)
records = st.dictionaries(st.sampled_from("abc"), leaves, max_size=3).map(lambda d: record(d.items()))
anything = st.one_of(
    values,
    st.integers(-2, 4),
    numbers,
    decs,
    texts,
    lists,
    st.lists(texts, max_size=3).map(tuple),
    records,
    st.builds(Con, texts, lists),
    schemas,
    st.sampled_from(["a", "b", "*", "a b", "'", "[1]", '{"a":[1.5]}', "7"]),
    st.builds(lambda code, text: record(code=code, text=text), texts, texts),
)


@st.composite
def arguments(draw: st.DrawFn, name: str) -> tuple[Value, ...]:
    """As many arguments as the primitive takes; each may be anything, or is often one of an example."""
    primitive = PRIMITIVES[name]
    model = draw(st.sampled_from([args for example, args, _ in EXAMPLES if example == name] or [()]))
    count = draw(st.integers(primitive.low, min(primitive.high, primitive.low + 3)))
    model += (draw(anything),) * (count - len(model))
    return tuple([draw(anything) if draw(st.integers(0, 3)) == 0 else value for value in model[:count]])


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_every_primitive_is_total_and_faults_as_the_page_says(name: str) -> None:
    primitive = PRIMITIVES[name]
    seen: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(arguments(name))
    def law(args: tuple[Value, ...]) -> None:
        code, text = "value", f"{name}: "
        value: Value = UNIT
        try:
            value = primitive.apply(*args)
        except Fault as found:
            code, text = found.code, found.text
        seen[code] += 1
        if name in ("fail", "raise"):
            assert code != "value"
        else:
            assert code in {"value", *ROWS[name][1]}
            assert text.startswith(f"{name}: ")
            assert code != "value" or value_text(value) == value_text(primitive.apply(*args))

    law()
    assert seen["value"] or name in ("fail", "raise"), seen
    if "type" in ROWS[name][1]:
        assert seen["type"], "no example had the wrong kind"


# Numbers


def exact(number: Value) -> Fraction:
    return Fraction(number.coef, 10**number.scale) if isinstance(number, Dec) else Fraction(number)  # type: ignore[arg-type]


some_numbers = st.one_of(st.integers(-50, 50), st.integers(), decs)


@given(some_numbers, some_numbers)
@example(Dec(5, 1), Dec(-5, 1))
def test_arithmetic_is_exact_and_normal(left: Value, right: Value) -> None:
    a, b = exact(left), exact(right)
    for name, expected in (("add", a + b), ("sub", a - b), ("mul", a * b)):
        found = call(name, left, right)
        assert exact(found) == expected
        assert (type(found) is Dec) == (type(left) is Dec or type(right) is Dec)
        if isinstance(found, Dec):
            assert found == dec(found.coef, found.scale)
    assert call("lt", left, right) == (a < b)
    assert call("le", left, right) == (a <= b)
    assert exact(call("neg", left)) == -a


@given(st.integers(), st.integers().filter(bool))
def test_division_rounds_down_and_leaves_a_rest_of_the_sign_of_the_divisor(left: int, right: int) -> None:
    quotient, rest = call("div", left, right), call("mod", left, right)
    assert isinstance(quotient, int)
    assert isinstance(rest, int)
    assert quotient * right + rest == left
    assert 0 <= rest < right or right < rest <= 0


@given(decs)
def test_the_int_of_a_dec_is_its_floor(number: Dec) -> None:
    floor = call("dec_int", number)
    assert isinstance(floor, int)
    assert floor <= exact(number) < floor + 1


# Limits


def test_numbers_stop_at_their_limits() -> None:
    largest = 2**INT_BITS - 1
    assert call("add", largest, 0) == largest
    assert fault("add", largest, 1) == f"size: add: an integer has at most {INT_BITS} bits"
    assert fault("sub", -largest, 1).startswith("size: ")
    assert fault("mul", largest, 2).startswith("size: ")
    assert call("neg", largest) == -largest
    tiny = Dec(1, DEC_SCALE)
    assert call("mul", tiny, 10) == Dec(1, DEC_SCALE - 1)
    assert fault("mul", tiny, Dec(1, 1)).startswith("size: mul: a decimal has at most")
    assert fault("add", Dec(largest, 0), Dec(1, 1)).startswith("size: ")
    assert call("lt", tiny, Dec(1, 0)) is True
    digits = call("text", largest)
    assert equal(call("text_int", digits), some(largest))
    assert fault("text_int", "1" + "0" * 19_730).startswith("size: ")
    assert equal(call("text_int", "0" * 30_000 + "1"), some(1))
    assert equal(call("json_parse", digits), ok(largest))


def test_texts_and_lists_stop_at_their_limits() -> None:
    half = "a" * (TEXT_CHARS // 2)
    assert len(str(call("text", half, half))) == TEXT_CHARS
    assert fault("text", half, half, "a").startswith("size: ")
    assert fault("text_join", (half, half), "a").startswith("size: ")
    assert fault("text_replace", half, "a", "aaa").startswith("size: ")
    assert fault("text_split", half, "").startswith("size: ")
    assert fault("text_split", half, "a").startswith("size: ")
    full = call("range", 0, LIST_ITEMS)
    assert call("len", full) == LIST_ITEMS
    assert fault("range", -1, LIST_ITEMS).startswith("size: ")
    assert fault("range", 0, 2**60_000).startswith("size: ")
    assert fault("cons", 1, full).startswith("size: ")
    assert fault("append", full, 1).startswith("size: ")
    assert fault("concat", full, (1,)).startswith("size: ")
    assert fault("json_parse", "[" + "1," * LIST_ITEMS + "1]").startswith("size: ")


def test_values_that_share_their_parts_without_end_are_not_printed() -> None:
    value: Value = "a"
    for _ in range(90):
        value = (value, value)
    assert fault("text", value).startswith("size: ")
    assert fault("json_print", value).startswith("size: ")


def test_deep_values_are_shown_but_have_no_json() -> None:
    value: Value = ()
    for _ in range(100):
        value = (value,)
    schema: Value = "Int"
    for _ in range(101):
        schema = Con("List", (schema,))
    assert call("json_print", value) == "[" * 101 + "]" * 101
    assert equal(call("decode", schema, value), ok(value))
    assert fault("json_print", (value,)) == "depth: json_print: nesting deeper than 100"
    assert fault("decode", Con("List", (schema,)), (value,)).startswith("depth: ")
    for _ in range(100_000):
        value = (value,)
    assert len(str(call("text", value))) > 200_000
    assert call("eq", value, (value,)) is False
