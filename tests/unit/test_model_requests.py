"""What is sent: rendering is a function of the request, and longer requests begin with the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.core.value import Record
from shepherd_dsl.handlers.fits import misfit
from shepherd_dsl.handlers.model import (
    MODEL_CHAT,
    Chat,
    ModelOptions,
    Result,
    Said,
    ToolCall,
    User,
    anthropic_api,
    openai_chat,
    openai_responses,
    value_of,
)
from shepherd_dsl.handlers.model.chat import Message, Trouble, chat_of, compact
from shepherd_dsl.handlers.model.layout import Layout, is_strict, lay_out
from tests.fake_model_client import AFTER_TOOLS, APIS, HELLO, LOOSE, WEATHER, ask, error_in, reply_in
from tests.fake_model_server import FakeModelServer, Says

Change = Callable[[Chat], Chat]
each_api = pytest.mark.parametrize("api", APIS)


def rendered_messages(api: str, raw: bytes) -> bytes:
    """The bytes of the messages in a body, without the bracket that ends them."""
    key = b'"input":[' if api == "openai-responses" else b'"messages":['
    start = raw.index(key) + len(key)
    depth, quoted, escaped = 1, False, False
    for offset, byte in enumerate(raw[start:]):
        if quoted:
            quoted = escaped or byte != ord('"')
            escaped = byte == ord("\\") and not escaped
        elif byte == ord('"'):
            quoted = True
        elif byte in b"[{":
            depth += 1
        elif byte in b"]}":
            depth -= 1
            if depth == 0:
                return raw[start : start + offset]
    raise AssertionError("the messages never end")


@each_api
def test_a_longer_request_begins_with_the_same_bytes(api: str) -> None:
    """A conversation, one more turn of it, and two forks of that."""
    asked = attrs.evolve(AFTER_TOOLS, messages=(AFTER_TOOLS.messages[0],))
    thanks = attrs.evolve(AFTER_TOOLS, messages=(*AFTER_TOOLS.messages, Said("Rain."), User('Thanks ]}\\"!')))
    other = attrs.evolve(AFTER_TOOLS, messages=(*AFTER_TOOLS.messages, Said("Rain."), User("And Rome?")))
    with FakeModelServer(*[Says(text="ok")] * 4) as server:
        for outcome in ask(api, server, asked, AFTER_TOOLS, thanks, other):
            reply_in(outcome)
        raws = [seen.raw for seen in server.seen]
    one, two, three, four = (rendered_messages(api, raw) for raw in raws)
    assert two.startswith(one + b",")
    assert three.startswith(two + b",")
    assert four.startswith(two + b",")
    shells = {raw.replace(part, b"") for raw, part in zip(raws, (one, two, three, four), strict=True)}
    assert len(shells) == 1, "what is around the messages is the same in all four"
    if api == "anthropic":
        body = server.seen[-1].body
        assert body["cache_control"] == {"type": "ephemeral"}
        assert [("cache_control" in tool) for tool in body["tools"]] == [False, True]
        assert "cache_control" in body["system"][-1]
        assert b"cache_control" not in four
    else:
        assert server.seen[0].body["prompt_cache_key"].startswith("shepherd-")


@each_api
def test_a_request_is_the_same_bytes_every_time(api: str) -> None:
    with FakeModelServer(*[Says(text="ok")] * 2) as server:
        ask(api, server, AFTER_TOOLS)
        ask(api, server, AFTER_TOOLS)
        first, second = (seen.raw for seen in server.seen)
    assert first == second


@each_api
def test_results_carry_the_ids_of_their_calls_which_are_positions(api: str) -> None:
    with FakeModelServer(Says(text="Rain.")) as server:
        [outcome] = ask(api, server, AFTER_TOOLS)
        sent = server.seen[0].raw.decode()
    assert reply_in(outcome)["text"] == "Rain."
    assert sent.count('"call_1_0"') == 2
    assert sent.count('"call_1_1"') == 2


@each_api
@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda c: attrs.evolve(c, messages=()), "request.messages"),
        (lambda c: attrs.evolve(c, messages=(User(""),)), "request.messages[0]"),
        (lambda c: attrs.evolve(c, messages=c.messages[:3]), "weather.read is still waiting"),
        (lambda c: attrs.evolve(c, messages=(*c.messages[:2], User("x"))), "request.messages[2]"),
        (lambda c: attrs.evolve(c, messages=(User("x"), Result("note", "y"))), "request.messages[1]"),
        (lambda c: attrs.evolve(c, messages=(*c.messages[:2], Result("note", "y"))), "request.messages[2]"),
        (lambda c: attrs.evolve(c, tools=(attrs.evolve(WEATHER, schema="[1]"),)), "request.tools[0].schema"),
        (lambda c: attrs.evolve(c, tools=(LOOSE, LOOSE)), "request.tools[1]"),
        (lambda c: attrs.evolve(c, tools=(attrs.evolve(LOOSE, name="x" * 65),)), "request.tools[0]"),
        (lambda c: attrs.evolve(c, schema="{"), "request.schema"),
    ],
)
def test_a_request_that_no_provider_takes_is_not_sent(api: str, change: Change, where: str) -> None:
    with FakeModelServer() as server:
        [outcome] = ask(api, server, change(AFTER_TOOLS))
        assert server.seen == []
    code, text = error_in(outcome)
    assert code == "model.request"
    assert where in text


def test_a_request_is_its_value() -> None:
    for chat in (HELLO, AFTER_TOOLS, attrs.evolve(HELLO, schema="{}", max_tokens=9)):
        value = value_of(chat)
        assert misfit(MODEL_CHAT.params[0][1], value) is None
        assert chat_of(value) == chat
    assert isinstance(chat_of(Record((("system", "x"),))), Trouble)


def test_a_compatible_server_gets_no_fields_of_openai_alone() -> None:
    with FakeModelServer(Says(text="ok")) as server:
        chat = attrs.evolve(AFTER_TOOLS, max_tokens=50)
        [outcome] = ask("openai", server, chat, openai_fields=None)
        body = server.seen[0].body
    reply_in(outcome)
    assert body["max_tokens"] == 50
    assert not {"max_completion_tokens", "prompt_cache_key"} & set(body)
    assert all("strict" not in tool["function"] for tool in body["tools"])


@each_api
def test_limits_and_temperature_are_sent(api: str) -> None:
    with FakeModelServer(
        Says(text="o", stop="max_output_tokens" if api == "openai-responses" else ""), Says()
    ) as server:
        chats = (attrs.evolve(HELLO, max_tokens=100), HELLO)
        ask(api, server, *chats, max_tokens=300, temperature=0.5)
        key = {"anthropic": "max_tokens", "openai": "max_completion_tokens"}.get(api, "max_output_tokens")
        assert [seen.body[key] for seen in server.seen] == [100, 300]
        assert [seen.body["temperature"] for seen in server.seen] == [0.5, 0.5]


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_ARGS = st.sampled_from(["{}", '{"b":1,"a":[2.50,null]}', '{"a": "ü"}', "not json", ""])
_NAMES = st.sampled_from(["weather.read", "note", "never.offered"])
_TURNS = st.one_of(
    st.builds(lambda text: (User(text or "x"),), _TEXT),
    st.builds(
        lambda text, calls, answers: (
            Said(text, tuple(calls)),
            *(Result(call.name, answer) for call, answer in zip(calls, answers, strict=False)),
        ),
        _TEXT,
        st.lists(st.builds(ToolCall, _NAMES, _ARGS), max_size=3),
        st.lists(_TEXT, min_size=3, max_size=3),
    ),
)
_TALKS = st.lists(_TURNS, max_size=4).map(lambda turns: tuple(message for turn in turns for message in turn))
_PART = {"anthropic": "messages", "openai": "messages", "openai-responses": "input"}
_BODIES: dict[str, Callable[[Layout], dict[str, Any]]] = {
    "anthropic": lambda layout: anthropic_api.body_of(layout, model="m", options=ModelOptions()),
    "openai": lambda layout: openai_chat.body_of(layout, model="m", options=ModelOptions(), is_openai=True),
    "openai-responses": lambda layout: openai_responses.body_of(
        layout, model="m", options=ModelOptions(), is_openai=True
    ),
}


@each_api
@given(begin=_TALKS, more=_TALKS)
def test_the_rendering_of_any_continuation_begins_with_the_rendering_of_its_start(
    api: str, begin: tuple[Message, ...], more: tuple[Message, ...]
) -> None:
    chat = attrs.evolve(AFTER_TOOLS, messages=(User("first"), *begin))
    short, long = lay_out(chat), lay_out(attrs.evolve(chat, messages=(*chat.messages, *more)))
    assert isinstance(short, Layout)
    assert isinstance(long, Layout)
    bodies = [_BODIES[api](layout) for layout in (short, long)]
    first, second = (compact(body.pop(_PART[api]))[:-1] for body in bodies)
    assert second.startswith(first)
    assert bodies[0] == bodies[1]
    assert _BODIES[api](short) == _BODIES[api](short)


@given(messages=_TALKS, schema=st.none() | _TEXT, limit=st.integers(0, 2**40), system=_TEXT)
def test_a_request_survives_the_way_through_its_value(
    messages: tuple[Message, ...], schema: str | None, limit: int, system: str
) -> None:
    chat = Chat(system, messages, (WEATHER, LOOSE), schema, limit)
    value = value_of(chat)
    assert misfit(MODEL_CHAT.params[0][1], value) is None
    assert chat_of(value) == chat


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {}, "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "required": [], "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": "array", "items": {"type": "object", "properties": {}}}, False),
        ({"anyOf": [{"type": "object"}, {"type": "null"}]}, False),
        ({"$defs": {"t": {"type": "object"}}, "$ref": "#/$defs/t"}, False),
        ({"oneOf": [{"type": "string"}]}, False),
        ({"type": "string"}, True),
    ],
)
def test_strict_mode_is_used_only_for_schemas_that_allow_it(schema: dict[str, Any], strict: bool) -> None:
    assert is_strict(schema) is strict


_RENDERING = """
from shepherd_dsl.handlers.model import ModelOptions, openai_chat, openai_responses
from shepherd_dsl.handlers.model.chat import compact
from shepherd_dsl.handlers.model.layout import lay_out
from tests.fake_model_client import AFTER_TOOLS
for api in (openai_chat, openai_responses):
    print(compact(api.body_of(lay_out(AFTER_TOOLS), model="m", options=ModelOptions(), is_openai=True)))
"""


def test_the_rendering_does_not_depend_on_the_hash_seed() -> None:
    root = Path(__file__).parents[2]
    outputs = []
    for seed in ("0", "1", "4711"):
        environ = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", _RENDERING]
        outputs.append(subprocess.run(command, cwd=root, env=environ, capture_output=True, check=True).stdout)
    assert outputs[0].count(b"call_1_1") == 4
    assert outputs[0] == outputs[1] == outputs[2]


@each_api
def test_what_providers_do_not_take_is_rendered_so_that_they_do(api: str) -> None:
    """An empty message of the model, arguments that are no JSON object, and a very small limit."""
    call = ToolCall("note", "not json")
    messages = (User("a"), Said(""), User("b"), Said("", (call,)), Result("note", "wrong"))
    chat = attrs.evolve(AFTER_TOOLS, messages=messages, max_tokens=3)
    with FakeModelServer(Says(text="ok")) as server:
        [outcome] = ask(api, server, chat)
        body = server.seen[0].body
    reply_in(outcome)
    sent = json.dumps(body["input" if api == "openai-responses" else "messages"])
    assert sent.count('"assistant"') == (0 if api == "openai-responses" else 1)
    if api == "anthropic":
        assert '"input": {"malformed": "not json"}' in sent
        assert body["max_tokens"] == 3
    else:
        assert '"arguments": "not json"' in sent
        key, limit = ("max_output_tokens", 16) if api == "openai-responses" else ("max_completion_tokens", 3)
        assert body[key] == limit
