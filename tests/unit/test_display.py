"""Display: what has a literal is shown as that literal, by interpolation, by `expect` and by the command line alike."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shepherd_dsl.agents.handler import shown as step_shown
from shepherd_dsl.check.types import show_clause
from shepherd_dsl.cli.values import shown
from shepherd_dsl.core.display import display, quoted
from shepherd_dsl.core.grant import Clause, Pattern
from shepherd_dsl.core.prim_text import text
from shepherd_dsl.core.value import UNIT, Agent, Blob, Con, Dec, Handle, Value, dec, equal, record, some
from shepherd_dsl.syntax import format_source, parse, tree
from shepherd_dsl.testing.scripted import show_call
from tests.support.programs import results
from tests.support.values import values

HASH = "0123456789abcdef0123456789abcdef01234567"
WORDS = st.sampled_from(["a", "b2", "_x", "match", "true", "answer", "run", "__", "__0A", "_aB"])
VARIANTS = st.sampled_from(["A", "Some", "None", "_Under", "__X9", "Ok"])
TEXTS = st.one_of(st.text(max_size=20), st.text('"\\${}nu\n\r\t\0\x1b\x7f\x85\ufeff\u2028\u202e\u2067é🐑', max_size=12))

# What the language has literals for. (A dec without a fraction is shown as an int.)
plain_values: st.SearchStrategy[Value] = st.recursive(
    st.one_of(
        st.just(UNIT),
        st.booleans(),
        st.integers(),
        st.builds(dec, st.integers(), st.integers(0, 5)).filter(lambda found: found.scale > 0),
        TEXTS,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(WORDS, inner, max_size=4).map(lambda found: record(found.items())),
        st.builds(Con, VARIANTS, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=10,
)


def evaluated(expr: tree.Expr) -> Value:
    """The value of a literal."""
    match expr:
        case tree.UnitLit():
            return UNIT
        case tree.BoolLit(truth, _):
            return truth
        case tree.IntLit(number, _):
            return number
        case tree.DecLit(digits, _):
            whole, _, fraction = digits.partition(".")
            return dec(int(whole + fraction), len(fraction))
        case tree.Unary("-", tree.IntLit(number, _), _):
            return -number
        case tree.Unary("-", tree.DecLit() as operand, _):
            positive = evaluated(operand)
            assert isinstance(positive, Dec)
            return dec(-positive.coef, positive.scale)
        case tree.TextLit():
            assert expr.plain is not None, "something is interpolated"
            return expr.plain
        case tree.ListExpr(items, _):
            return tuple(map(evaluated, items))
        case tree.RecordExpr(fields, _):
            return record((field.name.text, evaluated(field.value)) for field in fields)
        case tree.Construct(con, args, _):
            return Con(con.text, tuple(map(evaluated, args)))
    raise AssertionError(f"not a literal: {expr}")


def parsed(shown_as: str) -> tree.Expr:
    """The expression that a line is."""
    module, found = parse(f"agent f() -> T {{\n  return {shown_as}\n}}\n", file="f.shep")
    assert not found, [diagnostic.message for diagnostic in found]
    (agent,) = module.items
    assert isinstance(agent, tree.AgentDecl)
    assert agent.body is not None
    (statement,) = agent.body.stmts
    assert isinstance(statement, tree.Return)
    assert statement.value is not None
    return statement.value


@given(plain_values)
@example('${x} $ \\ " \0')
@example(Con("A", ((), record(), -1, dec(-105, 2), "$", "{")))
@example(record(match=((UNIT,),), agent=Con("None")))
def test_a_plain_value_is_shown_as_a_literal_of_itself(value: Value) -> None:
    assert equal(evaluated(parsed(display(value))), value)


@given(plain_values)
def test_a_literal_is_shown_as_the_formatter_writes_it(value: Value) -> None:
    source = f"agent f() -> T {{\n  return {display(value)}\n}}\n"
    if max(map(len, source.split("\n"))) <= 120:
        assert format_source(source) == source


@given(plain_values, plain_values)
def test_different_plain_values_are_shown_differently(one: Value, other: Value) -> None:
    assert (display(one) == display(other)) == equal(one, other)


@given(values)
def test_any_value_is_shown_on_one_line_without_control_characters(value: Value) -> None:
    line = display(value)
    assert not re.search(r"[\x00-\x1f\x80-\x9f\u2028-\u202e\u2066-\u2069]", line)


@given(TEXTS)
def test_a_quoted_text_has_no_character_that_ends_it_or_opens_an_interpolation(given_text: str) -> None:
    inside = re.sub(r"\\(?:[nrt\"\\$]|u\{[0-9a-f]+\})", "_", quoted(given_text)[1:-1])
    assert not re.search(r'["\\\n\r\0]|\$\{', inside)


EXAMPLES: list[tuple[Value, str]] = [
    (UNIT, "()"),
    (True, "true"),
    (-12, "-12"),
    (10**5000, "1" + "0" * 5000),
    (dec(-5, 2), "-0.05"),
    (dec(20), "20"),
    ("", '""'),
    ('a\n\t\r\\"$5 ${x}', r'"a\n\t\r\\\"$5 \${x}"'),
    ("\0\x1b\x7f\x85é\u2027\u2028\u202e", r'"\u{0}\u{1b}\u{7f}\u{85}é' + "\u2027" + r'\u{2028}\u{202e}"'),
    ((), "[]"),
    (((), (1,), ("x",)), '[[], [1], ["x"]]'),
    (record(), "{}"),
    (record(b="x", a=1), '{ a: 1, b: "x" }'),
    (
        record([("Content-Type", 1), ("", 2), ("é", 3), ("a1", 4), ("_", 5)]),
        '{ "": 2, "Content-Type": 1, "_": 5, a1: 4, "é": 3 }',
    ),
    (record(Upper=1, _Upper=2, _0=3, __=4, _lower=5), '{ "Upper": 1, _0: 3, "_Upper": 2, __: 4, _lower: 5 }'),
    (some("x"), 'Some("x")'),
    (Con("None"), "None"),
    (Con("Two", (1, some(()))), "Two(1, Some([]))"),
    (Con("op.do", (1,)), '"op.do"(1)'),
    (Con("lower"), '"lower"'),
    (Agent("implement"), "implement"),
    (Blob(HASH, 3), f"blob {HASH}"),
    (Handle(2), "run 2"),
]


@pytest.mark.parametrize(("value", "want"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_each_kind(value: Value, want: str) -> None:
    assert display(value) == want


def test_a_deep_value_is_shown() -> None:
    value: Value = 1
    for _ in range(100_000):
        value = some((record(x=value),))
    assert display(value) == "Some([{ x: " * 100_000 + "1" + " }])" * 100_000


@given(values)
def test_the_command_line_shows_the_same_but_for_the_names_of_blobs(value: Value) -> None:
    assert shown(value) == display(value, blob=lambda blob: f"blob {blob.hash[:10]} ({blob.size} bytes)")
    if "blob " not in shown(value):
        assert shown(value) == display(value)


@given(plain_values)
def test_interpolation_shows_texts_as_they_are_and_the_rest_as_literals(value: Value) -> None:
    assert text("<", value, ">") == f"<{value if isinstance(value, str) else display(value)}>"


def test_calls_and_grants_are_shown_with_the_same_literals() -> None:
    args: tuple[Value, ...] = (record(id=1), some("${x}"), UNIT)
    want = r'({ id: 1 }, Some("\${x}"), ())'
    assert show_call("op.do", args) == f"op.do{want}"
    assert step_shown(Con("Ask", ("op.do", args))) == f"asks op.do{want}"
    patterns = (Pattern("is", value=some(())), Pattern("words", 'echo "${x}"'), Pattern("any"))
    assert show_clause(Clause("op.do", patterns, 3)) == r'op.do(Some([]), "echo \"\${x}\"", _) at most 3'


# A type that has a bit of everything, so that its values check as they are shown.
TYPES = """
type Shape = Empty | Pair(Int, Text) | Many(List[{ ok: Bool, dec: Dec, some: Option[Text], unit: Unit }])
"""
shapes: st.SearchStrategy[Value] = st.one_of(
    st.just(Con("Empty")),
    st.builds(lambda number, inner: Con("Pair", (number, inner)), st.integers(), TEXTS),
    st.lists(
        st.builds(
            lambda ok, number, inner: record(ok=ok, dec=number, some=inner, unit=UNIT),
            st.booleans(),
            st.builds(dec, st.integers(), st.integers(1, 5)).filter(lambda found: found.scale > 0),
            st.one_of(st.just(Con("None")), TEXTS.map(some)),
        ),
        max_size=3,
    ).map(lambda items: Con("Many", (tuple(items),))),
)


@settings(max_examples=25, deadline=None)
@given(shapes)
def test_a_whole_program_reads_and_shows_it_the_same(value: Value) -> None:
    line = display(value)
    source = f"""{TYPES}
agent it() -> Shape {{ return {line} }}
test "shown" {{ expect "${{it()}}" == {quoted(line)} }}
test "both sides" {{ expect it() != {line} }}
test "a text" {{ expect "${{it()}}" == "" }}
"""
    holds, sides, a_text = results(source)
    assert holds.passed, holds.reason
    assert f"left: {line}\n  right: {line}" in sides.reason
    assert f'left: {quoted(line)}\n  right: ""' in a_text.reason
