"""Canonical text: byte for byte as `spec/contract.md` says, and nothing else is read back."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shepherd_dsl.core import jsontext
from shepherd_dsl.core.event import Entry, Event, Intent, Outcome, Start
from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.program import Def, Operation, Program
from shepherd_dsl.core.value import UNIT, UNKNOWN, Agent, Blob, Con, Dec, Handle, Record, Value, equal, ok, record, some
from shepherd_dsl.core.wire import (
    WireError,
    canonical,
    comp_from,
    comp_text,
    event_from,
    event_json,
    event_text,
    parse,
    program_from,
    program_json,
    program_text,
    value_from,
    value_json,
    value_text,
)
from tests.support.values import events, programs, texts, values

HASH = "0123456789abcdef0123456789abcdef01234567"

VALUES: list[tuple[Value, str]] = [
    (UNIT, "null"),
    (True, "true"),
    (False, "false"),
    (12, "12"),
    (-7, "-7"),
    (Dec(15, 1), '{"dec":"1.5"}'),
    (Dec(-5, 3), '{"dec":"-0.005"}'),
    (Dec(20, 0), '{"dec":"20"}'),
    (Dec(0, 0), '{"dec":"0"}'),
    ("x", '"x"'),
    ('"\\/\b\f\n\r\t', '"\\"\\\\/\\b\\f\\n\\r\\t"'),
    ("\x00\x1f\x7f\u2028é😀", '"\\u0000\\u001f\x7f\u2028é😀"'),
    (Blob(HASH, 3), f'{{"blob":["{HASH}",3]}}'),
    ((), "[]"),
    ((1, (2,)), "[1,[2]]"),
    (record(out="", code=0), '{"rec":{"code":0,"out":""}}'),
    (record(), '{"rec":{}}'),
    (record([("\U00010000", 1), ("\uffff", 2)]), '{"rec":{"\uffff":2,"\U00010000":1}}'),
    (Con("None"), '{"con":["None"]}'),
    (some(1), '{"con":["Some",1]}'),
    (Agent("implement"), '{"agent":"implement"}'),
    (Handle(0), '{"run":0}'),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_each_kind_of_value_has_the_text_of_the_contract(value: Value, text: str) -> None:
    assert value_text(value) == text
    assert equal(value_from(parse(text)), value)


@given(values)
def test_values_round_trip(value: Value) -> None:
    assert equal(value_from(parse(value_text(value))), value)
    assert equal(value_from(value_json(value)), value)


@given(values, values)
@example(True, 1)
@example(Dec(1, 0), 1)
@example(UNIT, Con("None"))
@example(Con("a", ("b",)), Con("a", (("b",),)))
@example(record(a=1), Con("rec", (("a", 1),)))
def test_values_are_equal_exactly_when_their_texts_are(left: Value, right: Value) -> None:
    assert equal(left, right) == (value_text(left) == value_text(right))
    assert equal(left, left)


@given(st.dictionaries(texts, values, max_size=5), st.randoms(use_true_random=False))
def test_the_order_in_which_fields_are_given_does_not_show(fields: dict[str, Value], random: object) -> None:
    shuffled = list(fields.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert value_text(record(shuffled)) == value_text(record(fields.items()))
    body = ",".join(f"{json.dumps(label)}:{value_text(value)}" for label, value in shuffled)
    assert equal(value_from(parse(f'{{"rec":{{{body}}}}}')), record(fields.items()))


EVENTS: list[tuple[Event, str]] = [
    (
        Start(1, HASH, "main", ("x",), (), HASH),
        f'{{"start":{{"agent":"main","args":["x"],"files":"{HASH}","grant":[],"program":"{HASH}","version":1}}}}',
    ),
    (Intent("shell.run", ("pytest -q",)), '{"intent":{"args":["pytest -q"],"op":"shell.run"}}'),
    (
        Outcome(ok(1), (("a", None), ("b/c", Entry(0o100644, HASH)), ("d", Entry(0o040000, ""))), "world"),
        '{"outcome":{"answer":{"con":["Ok",1]},"by":"world",'
        f'"files":[["a",null],["b/c",["100644","{HASH}"]],["d",["040000",""]]]}}}}',
    ),
]


@pytest.mark.parametrize(("event", "text"), EVENTS)
def test_events_have_the_text_of_the_contract(event: Event, text: str) -> None:
    assert event_text(event) == text
    assert event_text(event_from(parse(text))) == text


@given(events)
def test_events_round_trip(event: Event) -> None:
    text = event_text(event)
    back = event_from(parse(text))
    assert type(back) is type(event)
    assert event_text(back) == text
    assert canonical(event_json(event)) == text


@given(programs)
@settings(max_examples=60)
def test_programs_round_trip(program: Program) -> None:
    text = program_text(program)
    assert program_text(program_from(parse(text))) == text
    assert canonical(program_json(program)) == text


def test_a_program_has_the_text_of_the_contract() -> None:
    body = Let(
        "a", Do("m.c", (Lit("t"),)), Let("b", Call(Lit(Agent("f")), (Var("a"),)), Return(Prim("text", (Var("b"),))))
    )
    ops = {"z.u": Operation("irreversible"), "m.c": Operation("compensable", "z.u")}
    program = Program({"main": Def(("x",), If(Var("x"), body, Return(Lit(UNIT))))}, ops, 7)
    assert program_text(program) == (
        '{"defs":{"main":{"body":{"if":[{"var":"x"},{"in":{"return":{"prim":["text",{"var":"b"}]}},'
        '"lets":[["a",{"do":["m.c",{"val":"t"}]}],["b",{"call":[{"val":{"agent":"f"}},{"var":"a"}]}]]},'
        '{"return":{"val":null}}]},"params":["x"]}},'
        '"ops":{"m.c":{"class":"compensable","undo":"z.u"},"z.u":{"class":"irreversible"}},"steps":7,"version":1}'
    )


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda s: st.lists(s) | st.dictionaries(texts, s))
)
def test_canonical_text_is_compact_sorted_json(data: object) -> None:
    assert canonical(data) == json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert parse(canonical(data)) == data


@pytest.mark.parametrize("bad", [1.5, b"x", {1: 2}, {"a": float("nan")}, object()])
def test_canonical_text_has_no_floats_bytes_or_other_keys(bad: object) -> None:
    with pytest.raises(TypeError):
        canonical(bad)


# JSON, read strictly


@given(st.text('[]{},:"\\ 0123456789-.eE+truefalsn\x01é', max_size=14))
@example('{"a":1,"a":1}')
@example('["\\ud800"]')
@example("[NaN]")
@example("1 2")
@example("[1,]")
def test_the_strict_reader_takes_what_json_says_and_no_more(text: str) -> None:
    try:
        mine = jsontext.read(
            text, depth=50, number=lambda digits: float(digits) if set(digits) & set(".eE") else int(digits)
        )
    except jsontext.JsonError:
        with contextlib.suppress(ValueError):  # the standard library takes more than JSON: these are all of it
            json.loads(text, object_pairs_hook=_refuse_twice, parse_constant=_refuse)
            assert "\\ud" in text
        return
    assert mine == json.loads(text)
    assert repr(mine) == repr(json.loads(text))


def _refuse(_: object) -> None:
    raise ValueError


def _refuse_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError
    return dict(pairs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected end at character 0"),
        ("[1,", "unexpected end at character 3"),
        ("[1,]", "unexpected character at character 3"),
        ('{"a"', "unexpected end at character 4"),
        ('{"a" 1}', "expected `:` at character 5"),
        ('{"a":1,}', "expected a key at character 7"),
        ("{1:2}", "expected a key at character 1"),
        ("[}", "unexpected character at character 1"),
        ("1 2", "text after the value at character 2"),
        ('{"a":1,"a":2}', 'key given twice: "a" at character 7'),
        ('"\\ud800"', "lone surrogate in the text at character 0"),
        ("1.5", "a number with a fraction or an exponent at character 0"),
        ("NaN", "unexpected character at character 0"),
        ("01", "text after the value at character 1"),
        ('"a\nb"', "unexpected character at character 0"),
        ("9" * 20_000, "an integer too large at character 0"),
    ],
)
def test_text_that_is_no_json_is_refused_in_the_same_words_everywhere(text: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        parse(text)
    assert str(caught.value) == f"at $: {message}"


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(WireError, match="lone surrogate"):
        parse('"\ud800"')
    with pytest.raises(WireError, match="lone surrogate"):
        value_from("\udfff")


# What is not canonical in kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"con":[]}', "at $.con: expected a list with a name, got a list"),
        ('{"con":[1]}', "at $.con[0]: expected a text, got a number"),
        ('{"con":["A",{"x":1}]}', 'at $.con[1]: no value has the key "x"'),
        ('{"rec":[]}', "at $.rec: expected an object, got a list"),
        ('{"rec":{"a":{"dec":"1.50"}}}', 'at $.rec.a.dec: not a normal decimal: "1.50"'),
        ('{"dec":"-0"}', 'at $.dec: not a normal decimal: "-0"'),
        ('{"dec":"01"}', 'at $.dec: not a normal decimal: "01"'),
        ('{"dec":"1."}', 'at $.dec: not a normal decimal: "1."'),
        ('{"dec":"٣"}', 'at $.dec: not a normal decimal: "٣"'),
        ('{"dec":1}', "at $.dec: expected a text, got a number"),
        ('{"run":-1}', "at $.run: expected a number from 0 on, got a number"),
        ('{"run":true}', "at $.run: expected a number from 0 on, got a boolean"),
        ('{"blob":["AB",1]}', "at $.blob[0]: expected a hash of 40 hexadecimal digits"),
        (f'{{"blob":["{HASH}",true]}}', "at $.blob[1]: expected a number from 0 on, got a boolean"),
        ('{"agent":null}', "at $.agent: expected a text, got null"),
        ('{"rec":{},"con":["A"]}', 'at $: expected a value, got an object with "con", "rec"'),
        ("{}", "at $: expected a value, got an object with no key"),
        ('[1,[{"val":1}]]', 'at $[1][0]: no value has the key "val"'),
    ],
)
def test_what_is_no_value_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        value_from(parse(text))
    assert str(caught.value) == message


def test_floats_are_refused_also_in_structures() -> None:
    with pytest.raises(WireError, match=r"at \$\[0\]: expected a value, got a fraction"):
        value_from([1.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "at $: expected an event, got a list"),
        ('{"went":{}}', 'at $: no event has the key "went"'),
        ('{"intent":{"op":"a"}}', 'at $.intent: no key "args"'),
        ('{"intent":{"op":"a","args":[],"at":1}}', 'at $.intent: unknown key "at"'),
        ('{"intent":{"op":"a","args":[[{}]]}}', "at $.intent.args[0][0]: expected a value, got an object with no key"),
        (
            '{"outcome":{"answer":1,"by":"world","files":[]}}',
            "at $.outcome.answer: expected an outcome: Ok(v), Err(e) or Unknown",
        ),
        (
            '{"outcome":{"answer":{"con":["Unknown"]},"by":"me","files":[]}}',
            'at $.outcome.by: expected "world", "owner" or "machine"',
        ),
        ('{"end":{"kind":"over","value":null}}', 'at $.end.kind: expected "done", "failed" or "discarded"'),
        ('{"reverted":{"to":-1}}', "at $.reverted.to: expected a number from 0 on, got a number"),
        (
            f'{{"start":{{"version":2,"program":"{HASH}","agent":"a","args":[],"grant":[],"files":"{HASH}"}}}}',
            "at $.start.version: expected the format version 1, got a number",
        ),
    ],
)
def test_what_is_no_event_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        event_from(parse(text))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ('[["b",null],["a",null]]', "[1][0]: paths not sorted, or one given twice"),
        ('[["a",null],["a",null]]', "[1][0]: paths not sorted, or one given twice"),
        ('[["../a",null]]', "[0][0]: not a normal relative path"),
        ('[["/etc/passwd",null]]', "[0][0]: not a normal relative path"),
        ('[["a"]]', "[0]: expected [path, entry], got a list"),
        ('[["a",["644",""]]]', "[0][1][0]: expected a mode of six octal digits"),
        (f'[["a",["160000","{HASH}"]]]', "[0][1][0]: no file has the mode 160000"),
        (f'[["a",["040000","{HASH}"]]]', "[0][1][1]: a folder has no hash, and everything else has one"),
        ('[["a",["100644","x"]]]', "[0][1][1]: expected a hash of 40 hexadecimal digits"),
        ('[["a",["100644"]]]', "[0][1]: expected [mode, hash], got a list"),
    ],
)
def test_changes_that_no_scope_makes_are_refused(files: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        event_from(parse(f'{{"outcome":{{"answer":{{"con":["Unknown"]}},"by":"world","files":{files}}}}}'))
    assert str(caught.value) == f"at $.outcome.files{message}"


def _program(body: str) -> str:
    return f'{{"version":1,"steps":1,"ops":{{}},"defs":{{"f":{{"params":[],"body":{body}}}}}}}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1", ": expected a computation, got a number"),
        ('{"do":[]}', ".do: expected [name, e…], got a list"),
        ('{"do":[1]}', ".do[0]: expected a text, got a number"),
        ('{"do":["a",{"x":1}]}', '.do[1]: expected an expression, got an object with "x"'),
        ('{"call":[]}', ".call: expected [agent, e…], got a list"),
        ('{"call":[{"var":"a"},{"var":1}]}', ".call[1].var: expected a text, got a number"),
        ('{"if":[{"val":1}]}', ".if: expected [e, c, c], got a list"),
        ('{"if":[{"prim":["a",2]},{"return":{"val":1}},1]}', ".if[0].prim[1]: expected an expression, got a number"),
        ('{"if":[{"val":1},1,1]}', ".if[1]: expected a computation, got a number"),
        ('{"if":[{"val":1},{"return":{"val":1}},1]}', ".if[2]: expected a computation, got a number"),
        ('{"lets":[],"in":{"return":{"val":1}}}', ".lets: `lets` without a binding"),
        ('{"lets":[["a"]],"in":{"return":{"val":1}}}', ".lets[0]: expected [name, computation], got a list"),
        ('{"lets":[[1,1]],"in":{"return":{"val":1}}}', ".lets[0][0]: expected a text, got a number"),
        ('{"lets":[["a",1]],"in":{"return":{"val":1}}}', ".lets[0][1]: expected a computation, got a number"),
        (
            '{"lets":[["a",{"do":["b"]}]],"in":{"lets":[["a",{"do":["b"]}]],"in":{"do":["b"]}}}',
            ".in: `in` is itself a `lets`",
        ),
        (
            '{"lets":[["a",{"do":["b"]}]],"in":{"if":[{"val":1},{"do":["b"]},{"return":{"val":{}}}]}}',
            ".in.if[2].return.val: expected a value, got an object with no key",
        ),
        ('{"return":{"val":1},"in":1}', ': expected a computation, got an object with "in", "return"'),
    ],
)
def test_what_is_no_computation_is_refused_with_its_place(body: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        program_from(parse(_program(body)))
    assert str(caught.value) == f"at $.defs.f.body{message}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"steps":1', '"steps":-1', "at $.steps: expected a number from 0 on, got a number"),
        ('"version":1', '"version":true', "at $.version: expected the format version 1, got a boolean"),
        (
            '"ops":{}',
            '"ops":{"a":{"class":"odd"}}',
            "at $.ops.a.class: expected pure, reversible, compensable or irreversible",
        ),
        ('"ops":{}', '"ops":{"a":{"class":"compensable"}}', 'at $.ops.a: no key "undo"'),
        ('"ops":{}', '"ops":{"a":{"class":"pure","undo":"b"}}', 'at $.ops.a: unknown key "undo"'),
        ('"params":[]', '"params":["a","a"]', "at $.defs.f.params: a parameter given twice"),
        ('"params":[]', '"params":{}', "at $.defs.f.params: expected a list, got an object with no key"),
    ],
)
def test_what_is_no_program_is_refused_with_its_place(old: str, new: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        program_from(parse(_program('{"return":{"val":1}}').replace(old, new)))
    assert str(caught.value) == message


# Limits


@contextlib.contextmanager
def int_digits(limit: int) -> Iterator[None]:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("limit", [640, 4300, 0])
def test_integers_print_and_read_whatever_pythons_limit_is(limit: int) -> None:
    for number in [10**499, 10**500, 10**500 - 1, -(10**1000), 2**65536 - 1, 1 - 2**65536, 10**19000 + 7]:
        with int_digits(0):
            digits = str(number)
        with int_digits(limit):
            assert value_text(number) == digits
            assert value_from(parse(digits)) == number
            assert jsontext.int_from(digits) == number


def test_an_integer_of_more_bits_is_refused() -> None:
    with pytest.raises(WireError, match="too large"):
        value_from(2**65536)


def _nested(kind: str, depth: int) -> Value:
    value: Value = 0
    for _ in range(depth):
        value = (value,) if kind == "list" else Record((("a", value),)) if kind == "rec" else some(value)
    return value


@pytest.mark.parametrize("kind", ["list", "rec", "con"])
def test_values_nest_400_deep_and_deeper_ones_still_print(kind: str) -> None:
    value = _nested(kind, 400)
    assert equal(value_from(parse(value_text(value))), value)
    with pytest.raises(WireError, match="nesting deeper than 400"):
        value_from(parse(value_text(_nested(kind, 401))))
    assert len(value_text(_nested(kind, 100_000))) > 100_000


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 1_000_000, "[" * 20_001 + "]" * 20_001])
def test_nesting_without_end_is_refused_without_a_crash(text: str) -> None:
    with pytest.raises(WireError):
        parse(text)


def test_reading_does_not_depend_on_how_deep_the_caller_stands() -> None:
    text = value_text(_nested("con", 90))

    def deeper(levels: int) -> Value:
        return deeper(levels - 1) if levels else value_from(parse(text))

    assert equal(deeper(500), _nested("con", 90))


def test_long_programs_read_and_print() -> None:
    expr: Expr = Var("x")
    for _ in range(390):
        expr = Prim("add", (expr, Lit(1)))
    comp: Comp = Return(expr)
    for at in range(2000):
        comp = If(Var("b"), Return(Lit(at)), Let("z", Do("a.b"), comp))
    text = comp_text(comp)
    assert comp_text(comp_from(parse(text))) == text
    for _ in range(400):
        comp = If(Var("b"), comp, Return(Lit(1)))
    with pytest.raises(WireError, match="nesting deeper than 400"):
        comp_from(parse(comp_text(comp)))


def test_texts_are_the_same_under_every_hash_seed() -> None:
    script = """
from shepherd_dsl.core.expr import Return, Var
from shepherd_dsl.core.program import Def, Operation, Program
from shepherd_dsl.core.wire import WireError, canonical, program_text, value_from
defs = {name: Def((), Return(Var(name))) for name in set("qwertz")}
print(program_text(Program(defs, {name: Operation("pure") for name in set("asdfg")})))
print(canonical({name: 1 for name in set("yxcvb")}))
try:
    value_from({name: 1 for name in set("uiop")})
except WireError as error:
    print(error)
"""
    root = Path(__file__).parents[2]
    printed = set()
    for seed in ("0", "1", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        ran = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=True, text=True)
        printed.add(ran.stdout)
    assert len(printed) == 1
    assert len(printed.pop()) > 300


def test_unknown_outcomes_are_outcomes() -> None:
    assert (
        event_text(Outcome(UNKNOWN, (), "machine"))
        == '{"outcome":{"answer":{"con":["Unknown"]},"by":"machine","files":[]}}'
    )
