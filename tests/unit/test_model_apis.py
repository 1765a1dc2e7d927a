"""The three model APIs through the official SDKs, against a local server that speaks their wire formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
import attrs
import pytest

from shepherd_dsl.core.value import Con, Record
from shepherd_dsl.errors import HandlerError, MissingExtraError
from shepherd_dsl.handlers.fits import misfit
from shepherd_dsl.handlers.model import (
    MODEL_CHAT,
    Chat,
    ModelOptions,
    Result,
    Said,
    Tool,
    ToolCall,
    Usage,
    User,
    open_model,
    value_of,
)
from shepherd_dsl.handlers.model.chat import Reply, Trouble, chat_of, reply_value
from shepherd_dsl.testing.requests import Recorder, make_request
from tests.fake_model_server import KEY, MODEL, Breaks, Drops, Fails, FakeModelServer, Garbage, Hangs, Says

APIS = ("anthropic", "openai", "openai-responses")
HELLO = Chat("Be brief.", (User("Say hello, wörld 🌍."),))
WEATHER = Tool(
    "weather.read",
    "Reads the weather.",
    '{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}',
)
LOOSE = Tool("note", "Keeps a note.", '{"type":"object","properties":{"text":{"type":"string"}}}')
AFTER_TOOLS = Chat(
    "Use tools.",
    (
        User("Weather in Oslo and Rome?"),
        Said("I look.", (ToolCall("weather.read", '{"town":"Oslo"}'), ToolCall("weather.read", '{"town":"Rome"}'))),
        Result("weather.read", "rain"),
        Result("weather.read", ""),
    ),
    (WEATHER, LOOSE),
)

pytestmark = pytest.mark.parametrize("stream", [True, False], ids=["sse", "json"])
each_api = pytest.mark.parametrize("api", APIS)


def options_for(api: str, server: FakeModelServer, **changes: Any) -> ModelOptions:
    base = server.url if api == "anthropic" else f"{server.url}/v1"
    options = ModelOptions(
        base_url=base, api_key=KEY, pause=0.001, idle=5.0, deadline=20.0, openai_fields=True, environ={}
    )
    return attrs.evolve(options, **changes)


def ask(api: str, server: FakeModelServer, *chats: Chat, recorder: Recorder | None = None, **changes: Any) -> list[Con]:
    """The outcomes of requests, asked one after another of one handler."""

    async def main() -> list[Con]:
        handler = open_model(f"{api}:model-1", options_for(api, server, **changes))
        try:
            requests = [make_request("model.chat", value_of(chat), recorder=recorder) for chat in chats]
            return [await handler.perform(request) for request in requests]
        finally:
            await handler.aclose()

    return anyio.run(main)


def reply_in(outcome: Con) -> dict[str, Any]:
    """The fields of the reply in an outcome, which must be `Ok` and of the declared type."""
    assert outcome.name == "Ok", outcome
    reply = outcome.args[0]
    assert misfit(MODEL_CHAT.result, reply) is None
    assert isinstance(reply, Record)
    return dict(reply.fields)


def error_in(outcome: Con) -> tuple[str, str]:
    """The code and text of the error in an outcome, which must be `Err`."""
    assert outcome.name == "Err", outcome
    fields = dict(outcome.args[0].fields)  # type: ignore[union-attr]
    assert KEY not in fields["text"]
    return fields["code"], fields["text"]


@each_api
def test_an_answer_arrives_with_its_usage_and_its_pieces_are_shown(api: str, stream: bool) -> None:
    recorder = Recorder()
    with FakeModelServer(Says(text="Hällo 🌍, nice to meet you", input=40, cached=32, written=4, output=7)) as server:
        [outcome] = ask(api, server, HELLO, recorder=recorder, stream=stream)
    expected = Reply("Hällo 🌍, nice to meet you", stop="end", usage=Usage(40, 32, 7), model=MODEL)
    assert reply_in(outcome) == dict(reply_value(expected).fields)
    if stream:
        assert len(recorder.pieces) > 3
        assert recorder.shown == "Hällo 🌍, nice to meet you"
    else:
        assert recorder.pieces == []


@each_api
def test_tool_calls_come_back_in_order_with_the_tools_own_names(api: str, stream: bool) -> None:
    says = Says(text="I look.", calls=(("weather-read", '{"town": "Oslo"}'), ("note", "{}"), ("unknown", '{"a":[1]}')))
    with FakeModelServer(says) as server:
        [outcome] = ask(api, server, attrs.evolve(AFTER_TOOLS, messages=(User("Weather?"),)), stream=stream)
    reply = reply_in(outcome)
    assert (reply["text"], reply["stop"]) == ("I look.", "calls")
    calls = [(dict(call.fields)["name"], json.loads(dict(call.fields)["args"])) for call in reply["calls"]]
    assert calls == [("weather.read", {"town": "Oslo"}), ("note", {}), ("unknown", {"a": [1]})]


@each_api
def test_results_carry_the_ids_of_their_calls_which_are_positions(api: str, stream: bool) -> None:
    with FakeModelServer(Says(text="Rain.")) as server:
        [outcome] = ask(api, server, AFTER_TOOLS, stream=stream)
        sent = server.seen[0].raw.decode()
    assert reply_in(outcome)["text"] == "Rain."
    assert sent.count('"call_1_0"') == 2
    assert sent.count('"call_1_1"') == 2


@each_api
def test_a_schema_is_sent_as_structured_output(api: str, stream: bool) -> None:
    closed = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    loose = {"type": "object", "properties": {"n": {"type": "integer"}, "m": {"type": "string"}}, "required": ["n"]}
    with FakeModelServer(Says(text='{"n":1}'), Says(text='{"n":2}')) as server:
        chats = [attrs.evolve(HELLO, schema=json.dumps(schema)) for schema in (closed, loose)]
        outcomes = ask(api, server, *chats, stream=stream)
        first, second = (seen.body for seen in server.seen)
    assert [reply_in(outcome)["text"] for outcome in outcomes] == ['{"n":1}', '{"n":2}']
    if api == "anthropic":
        assert first["output_config"]["format"] == {"type": "json_schema", "schema": closed}
        assert second["output_config"]["format"]["schema"]["additionalProperties"] is False
    else:
        formats = [
            body["text"]["format"] if api == "openai-responses" else body["response_format"]["json_schema"]
            for body in (first, second)
        ]
        assert [(f["name"], f["schema"], f["strict"]) for f in formats] == [
            ("answer", closed, True),
            ("answer", loose, False),
        ]


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
def test_a_longer_request_begins_with_the_same_bytes(api: str, stream: bool) -> None:
    """A conversation, one more turn of it, and two forks of that."""
    asked = attrs.evolve(AFTER_TOOLS, messages=(AFTER_TOOLS.messages[0],))
    thanks = attrs.evolve(AFTER_TOOLS, messages=(*AFTER_TOOLS.messages, Said("Rain."), User('Thanks ]}\\"!')))
    other = attrs.evolve(AFTER_TOOLS, messages=(*AFTER_TOOLS.messages, Said("Rain."), User("And Rome?")))
    with FakeModelServer(*[Says(text="ok")] * 4) as server:
        for outcome in ask(api, server, asked, AFTER_TOOLS, thanks, other, stream=stream):
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
def test_a_request_is_the_same_bytes_every_time(api: str, stream: bool) -> None:
    with FakeModelServer(*[Says(text="ok")] * 2) as server:
        ask(api, server, AFTER_TOOLS, stream=stream)
        ask(api, server, AFTER_TOOLS, stream=stream)
        first, second = (seen.raw for seen in server.seen)
    assert first == second


@each_api
def test_limits_and_temperature_are_sent(api: str, stream: bool) -> None:
    with FakeModelServer(
        Says(text="o", stop="max_output_tokens" if api == "openai-responses" else ""), Says()
    ) as server:
        chats = (attrs.evolve(HELLO, max_tokens=100), HELLO)
        ask(api, server, *chats, stream=stream, max_tokens=300, temperature=0.5)
        key = {"anthropic": "max_tokens", "openai": "max_completion_tokens"}.get(api, "max_output_tokens")
        assert [seen.body[key] for seen in server.seen] == [100, 300]
        assert [seen.body["temperature"] for seen in server.seen] == [0.5, 0.5]


@each_api
def test_an_answer_cut_at_the_limit_says_so(api: str, stream: bool) -> None:
    word = {"anthropic": "max_tokens", "openai": "length"}.get(api, "max_output_tokens")
    with FakeModelServer(Says(text="Once upon", stop=word)) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
    assert (reply_in(outcome)["text"], reply_in(outcome)["stop"]) == ("Once upon", "length")


@each_api
def test_a_refusal_is_an_error(api: str, stream: bool) -> None:
    with FakeModelServer(Says(refusal="I cannot help with that.")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
    assert error_in(outcome)[0] == "model.refused"


@each_api
def test_what_may_pass_is_tried_again_and_recorded(api: str, stream: bool) -> None:
    overloaded = Fails(status=529, word="overloaded_error")
    with FakeModelServer(Fails(status=500), overloaded, Fails(status=408), Says(text="at last")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
        raws = [seen.raw for seen in server.seen]
    reply = reply_in(outcome)
    assert reply["text"] == "at last"
    assert reply["retries"] == ("model.server (HTTP 500)", "model.overloaded (HTTP 529)", "model.timeout (HTTP 408)")
    assert len(set(raws)) == 1


@each_api
@pytest.mark.parametrize("header", [("retry-after", "0.3"), ("retry-after-ms", "300")])
def test_retry_after_is_honoured(api: str, header: tuple[str, str], stream: bool) -> None:
    limited = Fails(status=429, word="rate_limit_error", headers=dict([header]))

    async def timed() -> tuple[Con, float]:
        handler = open_model(f"{api}:m", options_for(api, server, stream=stream))
        try:
            # The first request pays for the SDK's import.
            await handler.perform(make_request("model.chat", value_of(HELLO)))
            start = anyio.current_time()
            outcome = await handler.perform(make_request("model.chat", value_of(HELLO)))
            return outcome, anyio.current_time() - start
        finally:
            await handler.aclose()

    with FakeModelServer(Says(text="warm"), limited, Says(text="ok")) as server:
        outcome, seconds = anyio.run(timed)
    assert reply_in(outcome)["retries"] == ("model.rate_limit (HTTP 429)",)
    assert seconds >= 0.3


@each_api
def test_a_server_that_wants_too_long_a_pause_is_not_asked_again(api: str, stream: bool) -> None:
    with FakeModelServer(Fails(status=429, word="rate_limit_error", headers={"retry-after": "3600"})) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
    code, text = error_in(outcome)
    assert code == "model.rate_limit"
    assert "3600 s" in text


@each_api
def test_tries_are_bounded(api: str, stream: bool) -> None:
    with FakeModelServer(*[Fails(status=503)] * 3) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, attempts=3)
    code, text = error_in(outcome)
    assert code == "model.overloaded"
    assert "3 tries" in text


@each_api
@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Fails(status=400, word="invalid_request_error", text="no such field"), "model.request"),
        (Fails(status=404, word="not_found_error", text="no such model"), "model.request"),
        (Fails(status=413, word="request_too_large"), "model.request"),
        (Fails(status=403, word="permission_error"), "model.auth"),
        (Fails(status=402, word="billing_error"), "model.quota"),
        (Fails(status=429, word="insufficient_quota"), "model.quota"),
        (Fails(status=500, headers={"x-should-retry": "false"}), "model.server"),
    ],
    ids=lambda value: f"{value.status}-{value.word}" if isinstance(value, Fails) else "",
)
def test_what_will_not_pass_is_not_tried_again(api: str, step: Fails, code: str, stream: bool) -> None:
    with FakeModelServer(step) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
    assert error_in(outcome) == (code, f"HTTP {402 if code == 'model.quota' else step.status}: {step.text}")


@each_api
def test_a_wrong_key_is_an_error_that_does_not_show_it(api: str, stream: bool) -> None:
    wrong = "sk-wrong-fedcba9876543210"
    with FakeModelServer(Says(text="never")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, api_key=wrong)
    code, text = error_in(outcome)
    assert code == "model.auth"
    assert wrong not in text
    assert "‹key›" in text


@each_api
def test_a_key_without_a_familiar_form_is_not_shown_either(api: str, stream: bool) -> None:
    with FakeModelServer(Says(text="never")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, api_key="plainword")
    assert "plainword" not in error_in(outcome)[1]


@each_api
def test_a_dropped_connection_is_tried_again(api: str, stream: bool) -> None:
    recorder = Recorder()
    with FakeModelServer(Drops(says=Says(text="Hello there, you")), Says(text="Hello again")) as server:
        [outcome] = ask(api, server, HELLO, recorder=recorder, stream=stream)
    reply = reply_in(outcome)
    assert (reply["text"], reply["retries"]) == ("Hello again", ("model.connection (connection)",))
    if stream:
        assert recorder.shown.endswith("\n‹broken off; asking again›\nHello again")


@each_api
def test_a_server_that_is_not_there_is_a_connection_error(api: str, stream: bool) -> None:
    with FakeModelServer() as server:
        gone = server.url
    base = gone if api == "anthropic" else f"{gone}/v1"
    [outcome] = ask(api, server, HELLO, stream=stream, base_url=base, attempts=2)
    code, text = error_in(outcome)
    assert code == "model.connection"
    assert "2 tries" in text


@each_api
def test_a_slow_server_times_out(api: str, stream: bool) -> None:
    with FakeModelServer(Hangs(), Says(text="quick")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, idle=0.3)
    reply = reply_in(outcome)
    assert (reply["text"], reply["retries"]) == ("quick", ("model.timeout (timeout)",))


@each_api
def test_a_try_has_a_deadline(api: str, stream: bool) -> None:
    with FakeModelServer(Hangs()) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, deadline=1.5, attempts=1)
    assert error_in(outcome)[0] == "model.timeout"


@each_api
@pytest.mark.parametrize(
    "garbage",
    [
        Garbage(body=b'{"half": '),
        Garbage(body=b'{"id":"x","object":"strange"}'),
        Garbage(body=b"<html>Bad gateway</html>", kind="text/html"),
        Garbage(body=b"[1,2]"),
        Garbage(body=b"\xff\xfe"),
        Garbage(body=b""),
    ],
    ids=["half", "other", "html", "list", "bytes", "empty"],
)
def test_a_malformed_body_is_an_error(api: str, garbage: Garbage, stream: bool) -> None:
    with FakeModelServer(garbage) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
    assert error_in(outcome)[0] == "model.malformed"


@each_api
def test_requests_side_by_side_each_get_their_answer(api: str, stream: bool) -> None:
    async def main() -> list[str]:
        handler = open_model(f"{api}:m", options_for(api, server, stream=stream))
        texts: list[str] = []

        async def one() -> None:
            outcome = await handler.perform(make_request("model.chat", value_of(HELLO)))
            texts.append(reply_in(outcome)["text"])

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(one)
        await handler.aclose()
        return texts

    with FakeModelServer(*(Says(text=f"answer {n}") for n in range(4))) as server:
        assert sorted(anyio.run(main)) == [f"answer {n}" for n in range(4)]


@each_api
def test_a_cancelled_request_ends(api: str, stream: bool) -> None:
    async def main() -> bool:
        handler = open_model(f"{api}:m", options_for(api, server, stream=stream))
        with anyio.move_on_after(1.5) as scope:
            await handler.perform(make_request("model.chat", value_of(HELLO)))
        await handler.aclose()
        return scope.cancelled_caught

    with FakeModelServer(Hangs()) as server:
        assert anyio.run(main)


@each_api
def test_a_missing_key_names_its_variable(api: str, stream: bool) -> None:
    with pytest.raises(HandlerError) as caught:
        open_model(f"{api}:m", ModelOptions(environ={}, stream=stream))
    assert caught.value.code == "model.key"
    assert ("ANTHROPIC_API_KEY" if api == "anthropic" else "OPENAI_API_KEY") in str(caught.value)


@each_api
def test_a_missing_package_names_its_extra(api: str, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", nothing)
    with pytest.raises(MissingExtraError) as caught:
        open_model(f"{api}:m", ModelOptions(api_key=KEY, environ={}, stream=stream))
    extra = "anthropic" if api == "anthropic" else "openai"
    assert caught.value.hint == f"pip install 'shepherd-dsl[{extra}]'"


@each_api
def test_key_and_base_url_come_from_the_environment(api: str, stream: bool) -> None:
    with FakeModelServer(Says(text="found")) as server:
        name = "ANTHROPIC" if api == "anthropic" else "OPENAI"
        base = server.url if api == "anthropic" else f"{server.url}/v1"
        environ = {f"{name}_API_KEY": KEY, f"{name}_BASE_URL": base}
        [outcome] = ask(api, server, HELLO, base_url=None, api_key=None, environ=environ, stream=stream)
    assert reply_in(outcome)["text"] == "found"


def test_a_compatible_server_gets_no_fields_of_openai_alone(stream: bool) -> None:
    with FakeModelServer(Says(text="ok")) as server:
        chat = attrs.evolve(AFTER_TOOLS, max_tokens=50)
        [outcome] = ask("openai", server, chat, stream=stream, openai_fields=None)
        body = server.seen[0].body
    reply_in(outcome)
    assert body["max_tokens"] == 50
    assert not {"max_completion_tokens", "prompt_cache_key"} & set(body)
    assert all("strict" not in tool["function"] for tool in body["tools"])


@each_api
@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("overloaded_error", "model.overloaded"),
        ("server_error", "model.server"),
        ("rate_limit_error", "model.rate_limit"),
    ],
)
def test_an_error_in_mid_stream_is_tried_again(api: str, word: str, code: str, stream: bool) -> None:
    if not stream:
        return  # there is no middle
    with FakeModelServer(Breaks(says=Says(text="Hello there"), word=word), Says(text="whole")) as server:
        [outcome] = ask(api, server, HELLO)
    reply = reply_in(outcome)
    assert (reply["text"], reply["retries"]) == ("whole", (f"{code} ({word})",))


@each_api
def test_a_stream_that_ends_early_is_not_an_answer(api: str, stream: bool) -> None:
    if not stream:
        return  # there is no middle
    with FakeModelServer(Breaks(says=Says(text="Hello there"), clean=True), Says(text="whole")) as server:
        [outcome] = ask(api, server, HELLO)
    assert reply_in(outcome)["text"] == "whole"


Change = Callable[[Chat], Chat]


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
def test_a_request_that_no_provider_takes_is_not_sent(api: str, change: Change, where: str, stream: bool) -> None:
    with FakeModelServer() as server:
        [outcome] = ask(api, server, change(AFTER_TOOLS), stream=stream)
        assert server.seen == []
    code, text = error_in(outcome)
    assert code == "model.request"
    assert where in text


def test_a_request_is_its_value(stream: bool) -> None:
    for chat in (HELLO, AFTER_TOOLS, attrs.evolve(HELLO, schema="{}", max_tokens=9)):
        value = value_of(chat)
        assert misfit(MODEL_CHAT.params[0][1], value) is None
        assert chat_of(value) == chat
    assert isinstance(chat_of(Record((("system", "x"),))), Trouble)
