"""Logs, oracle scripts and verdicts in canonical form, and `spec/wire.schema.json` against all that is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from shepherd_dsl.core.event import Intent
from shepherd_dsl.core.wire import WireError, canonical, event_text, parse, program_text, value_from, value_text
from shepherd_dsl.core.wire_log import Entry, log_from, log_text, script_from, script_text, verdict_text
from tests.support.values import answers, changes, events, names, places, programs, values

SCHEMA = json.loads((Path(__file__).parents[2] / "spec" / "wire.schema.json").read_text("utf-8"))
entries = st.tuples(names, events)
scripts = st.dictionaries(st.tuples(names, places), st.tuples(answers, changes), max_size=3)


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{name}"})


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@given(st.lists(entries, max_size=3))
@settings(max_examples=50)
def test_logs_round_trip_and_fit_the_schema(log: list[Entry]) -> None:
    text = log_text(log)
    assert canonical(parse(text)) == text
    assert log_text(log_from(parse(text))) == text
    validator("log").validate(parse(text))


@given(scripts)
@settings(max_examples=50)
def test_oracle_scripts_round_trip_and_fit_the_schema(script: dict[Any, Any]) -> None:
    text = script_text(script)
    assert canonical(parse(text)) == text
    assert script_text(script_from(parse(text))) == text
    validator("script").validate(parse(text))


@given(places, st.none() | entries)
@settings(max_examples=30)
def test_verdicts_fit_the_schema(followed: int, expected: Entry | None) -> None:
    for text in (verdict_text(followed, "", None), verdict_text(followed, "why", expected)):
        assert canonical(parse(text)) == text
        validator("verdict").validate(parse(text))


@given(values)
@settings(max_examples=60)
def test_values_fit_the_schema(value: Any) -> None:
    validator("value").validate(parse(value_text(value)))


@given(programs)
@settings(max_examples=40, deadline=None)
def test_programs_fit_the_schema(program: Any) -> None:
    validator("program").validate(parse(program_text(program)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("value", "1.5"),
        ("value", "{}"),
        ("value", '{"con":[]}'),
        ("value", '{"con":[1]}'),
        ("value", '{"dec":"1.50"}'),
        ("value", '{"dec":"-0"}'),
        ("value", '{"run":-1}'),
        ("value", '{"rec":{},"con":["A"]}'),
        ("event", '{"intent":{"op":"a"}}'),
        ("event", '{"intent":{"op":"a","args":[],"at":1}}'),
        ("event", '{"end":{"kind":"over","value":null}}'),
        ("event", '{"outcome":{"answer":1,"by":"world","files":[]}}'),
        ("event", '{"outcome":{"answer":{"con":["Unknown"]},"by":"world","files":[["a",["100644",""]]]}}'),
        ("computation", '{"lets":[],"in":{"return":{"val":1}}}'),
        ("computation", '{"lets":[["a",{"do":["b"]}]],"in":{"lets":[["a",{"do":["b"]}]],"in":{"do":["b"]}}}'),
        ("computation", '{"if":[{"val":1}]}'),
        ("program", '{"version":1,"steps":1,"ops":{"a":{"class":"compensable"}},"defs":{}}'),
        ("log", '[{"run":"root"}]'),
        ("script", '[{"run":"root","at":-1,"answer":{"con":["Unknown"]},"files":[]}]'),
        ("verdict", '{"accepted":true,"followed":1,"problem":"x"}'),
    ],
)
def test_what_the_readers_refuse_the_schema_refuses(name: str, text: str) -> None:
    assert not validator(name).is_valid(json.loads(text))
    if name == "value":
        with pytest.raises(WireError):
            value_from(parse(text))


def test_an_oracle_that_says_two_things_is_refused() -> None:
    row = '{"run":"root","at":1,"answer":{"con":["Unknown"]},"files":[]}'
    with pytest.raises(WireError) as caught:
        script_from(parse(f"[{row},{row}]"))
    assert str(caught.value) == "at $[1]: the same run and number of events given twice"


def test_what_is_no_log_is_refused_with_its_place() -> None:
    good = f'{{"run":"root","event":{event_text(Intent("a", ()))}}}'
    with pytest.raises(WireError) as caught:
        log_from(parse(f'[{good},{{"run":1,"event":{{}}}}]'))
    assert str(caught.value) == "at $[1].run: expected a text, got a number"
