"""Answers and errors of the three model APIs, through the official SDKs and a local server."""

from __future__ import annotations

import importlib
import json

import anyio
import attrs
import pytest

from shepherd_dsl.core.value import Con
from shepherd_dsl.handlers.model import (
    Usage,
    User,
    open_model,
    value_of,
)
from shepherd_dsl.handlers.model.chat import Reply, reply_value
from shepherd_dsl.testing.requests import Recorder, make_request
from tests.fake_model_client import AFTER_TOOLS, APIS, HELLO, ask, error_in, options_for, reply_in
from tests.fake_model_server import MODEL, Drops, Fails, FakeModelServer, Garbage, Hangs, Says

each_api = pytest.mark.parametrize("api", APIS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["sse", "json"])
pytestmark = [each_api, both_ways]


@pytest.fixture(scope="module", autouse=True)
def _sdks_are_there() -> None:
    """Importing the SDKs takes seconds, which no deadline of a test should have to allow for."""
    for package in ("anthropic", "openai"):
        importlib.import_module(package)


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


def test_tool_calls_come_back_in_order_with_the_tools_own_names(api: str, stream: bool) -> None:
    says = Says(text="I look.", calls=(("weather-read", '{"town": "Oslo"}'), ("note", "{}"), ("unknown", '{"a":[1]}')))
    with FakeModelServer(says) as server:
        [outcome] = ask(api, server, attrs.evolve(AFTER_TOOLS, messages=(User("Weather?"),)), stream=stream)
    reply = reply_in(outcome)
    assert (reply["text"], reply["stop"]) == ("I look.", "calls")
    calls = [(dict(call.fields)["name"], json.loads(dict(call.fields)["args"])) for call in reply["calls"]]
    assert calls == [("weather.read", {"town": "Oslo"}), ("note", {}), ("unknown", {"a": [1]})]


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


def test_an_answer_cut_at_the_limit_says_so(api: str, stream: bool) -> None:
    word = {"anthropic": "max_tokens", "openai": "length"}.get(api, "max_output_tokens")
    with FakeModelServer(Says(text="Once upon", stop=word)) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
    assert (reply_in(outcome)["text"], reply_in(outcome)["stop"]) == ("Once upon", "length")


def test_a_refusal_is_an_error(api: str, stream: bool) -> None:
    with FakeModelServer(Says(refusal="I cannot help with that.")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
    assert error_in(outcome)[0] == "model.refused"


def test_what_may_pass_is_tried_again_and_recorded(api: str, stream: bool) -> None:
    overloaded = Fails(status=529, word="overloaded_error")
    with FakeModelServer(Fails(status=500), overloaded, Fails(status=408), Says(text="at last")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
        raws = [seen.raw for seen in server.seen]
    reply = reply_in(outcome)
    assert reply["text"] == "at last"
    assert reply["retries"] == ("model.server (HTTP 500)", "model.overloaded (HTTP 529)", "model.timeout (HTTP 408)")
    assert len(set(raws)) == 1


@pytest.mark.parametrize("header", [("retry-after", "0.15"), ("retry-after-ms", "150")])
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
    assert seconds >= 0.15


def test_a_server_that_wants_too_long_a_pause_is_not_asked_again(api: str, stream: bool) -> None:
    with FakeModelServer(Fails(status=429, word="rate_limit_error", headers={"retry-after": "3600"})) as server:
        [outcome] = ask(api, server, HELLO, stream=stream)
    code, text = error_in(outcome)
    assert code == "model.rate_limit"
    assert "3600 s" in text


def test_tries_are_bounded(api: str, stream: bool) -> None:
    with FakeModelServer(*[Fails(status=503)] * 3) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, attempts=3)
    code, text = error_in(outcome)
    assert code == "model.overloaded"
    assert "3 tries" in text


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


def test_a_wrong_key_is_an_error_that_does_not_show_it(api: str, stream: bool) -> None:
    wrong = "sk-wrong-fedcba9876543210"
    with FakeModelServer(Says(text="never")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, api_key=wrong)
    code, text = error_in(outcome)
    assert code == "model.auth"
    assert wrong not in text
    assert "‹key›" in text


def test_a_key_without_a_familiar_form_is_not_shown_either(api: str, stream: bool) -> None:
    with FakeModelServer(Says(text="never")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, api_key="plainword")
    assert "plainword" not in error_in(outcome)[1]


def test_a_dropped_connection_is_tried_again(api: str, stream: bool) -> None:
    recorder = Recorder()
    events = {"anthropic": 4, "openai": 2, "openai-responses": 6}[api]  # as far as the first piece of text
    with FakeModelServer(Drops(says=Says(text="Hello there, you"), events=events), Says(text="Hello again")) as server:
        [outcome] = ask(api, server, HELLO, recorder=recorder, stream=stream)
    reply = reply_in(outcome)
    assert (reply["text"], reply["retries"]) == ("Hello again", ("model.connection (connection)",))
    if stream:
        broken, _, after = recorder.shown.partition("\n‹broken off; asking again›\n")
        assert (broken, after) == ("Hello", "Hello again")


def test_a_server_that_is_not_there_is_a_connection_error(api: str, stream: bool) -> None:
    with FakeModelServer() as server:
        gone = server.url
    base = gone if api == "anthropic" else f"{gone}/v1"
    [outcome] = ask(api, server, HELLO, stream=stream, base_url=base, attempts=2)
    code, text = error_in(outcome)
    assert code == "model.connection"
    assert "2 tries" in text


def test_a_slow_server_times_out(api: str, stream: bool) -> None:
    with FakeModelServer(Hangs(), Says(text="quick")) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, idle=0.3)
    reply = reply_in(outcome)
    assert (reply["text"], reply["retries"]) == ("quick", ("model.timeout (timeout)",))


def test_a_try_has_a_deadline(api: str, stream: bool) -> None:
    with FakeModelServer(Hangs()) as server:
        [outcome] = ask(api, server, HELLO, stream=stream, deadline=2, attempts=1)
    assert error_in(outcome)[0] == "model.timeout"


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


def test_a_cancelled_request_ends(api: str, stream: bool) -> None:
    async def main() -> bool:
        handler = open_model(f"{api}:m", options_for(api, server, stream=stream))
        scope = anyio.CancelScope()

        async def cancel_once_asked() -> None:
            while server.script:  # noqa: ASYNC110 (the server runs in a thread of its own)
                await anyio.sleep(0.02)
            scope.cancel()

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_once_asked)
                with scope:
                    await handler.perform(make_request("model.chat", value_of(HELLO)))
        await handler.aclose()
        return scope.cancelled_caught

    with FakeModelServer(Hangs()) as server:
        assert anyio.run(main)


def test_a_driver_on_trio_is_served_too(api: str, stream: bool) -> None:
    async def main() -> Con:
        handler = open_model(f"{api}:m", options_for(api, server, stream=stream))
        try:
            return await handler.perform(make_request("model.chat", value_of(HELLO)))
        finally:
            await handler.aclose()

    with FakeModelServer(Fails(status=500), Says(text="ok")) as server:
        outcome = anyio.run(main, backend="trio")
    assert reply_in(outcome)["retries"] == ("model.server (HTTP 500)",)
