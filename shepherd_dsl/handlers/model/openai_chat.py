"""The backend for OpenAI's Chat Completions API and every server that speaks it, through the official SDK."""

from __future__ import annotations

from typing import Any

from shepherd_dsl.handlers.model import sdk
from shepherd_dsl.handlers.model.backend import Show
from shepherd_dsl.handlers.model.chat import CALLS, END, LENGTH, Chat, Reply, ToolCall, Trouble, Usage
from shepherd_dsl.handlers.model.failure import (
    Misshapen,
    at,
    connection,
    int_at,
    list_at,
    malformed,
    refused,
    text_at,
)
from shepherd_dsl.handlers.model.layout import (
    Layout,
    ModelTurn,
    ResultTurn,
    Turn,
    UserTurn,
    is_strict,
    ordered_call,
)
from shepherd_dsl.handlers.model.openai_base import PACKAGE, OpenAIClient, asked, function_of
from shepherd_dsl.handlers.model.options import ModelOptions

_STOPS = {"stop": END, "tool_calls": CALLS, "function_call": CALLS, "length": LENGTH}


def _messages(turn: Turn) -> list[dict[str, Any]]:
    match turn:
        case UserTurn(text):
            return [{"role": "user", "content": text}]
        case ModelTurn(text, calls):
            message: dict[str, Any] = {"role": "assistant", "content": text or None}
            if calls:
                message["tool_calls"] = [
                    {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.args}} for c in calls
                ]
            return [message]
        case ResultTurn(results):
            return [{"role": "tool", "tool_call_id": r.id, "content": r.text} for r in results]


def body_of(layout: Layout, *, model: str, options: ModelOptions, is_openai: bool) -> dict[str, Any]:
    """The request's parameters. OpenAI caches prefixes by itself; the cache key sends them to the same machine."""
    system = [{"role": "system", "content": layout.system}] if layout.system else []
    body: dict[str, Any] = {
        "model": model,
        "messages": [*system, *(message for turn in layout.turns for message in _messages(turn))],
    }
    limit = layout.max_tokens or options.max_tokens
    if limit:
        body["max_completion_tokens" if is_openai else "max_tokens"] = limit
    if layout.tools:
        body["tools"] = [
            {"type": "function", "function": function_of(t, strict=is_strict(t.schema) if is_openai else None)}
            for t in layout.tools
        ]
    if layout.schema is not None:
        answer = {"name": "answer", "schema": layout.schema, "strict": is_strict(layout.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": answer}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if is_openai:
        body["prompt_cache_key"] = layout.cache_key(model)
    return body


def _usage(data: Any) -> Usage:
    cached = int_at(data, "prompt_tokens_details", "cached_tokens")
    return Usage(int_at(data, "prompt_tokens"), cached, int_at(data, "completion_tokens"))


def _reply(text: str, refusal: str, calls: list[Any], stop: str, usage: Usage, model: str) -> Reply | Trouble:
    if refusal or stop == "content_filter":
        return refused(refusal or "the provider's filter stopped the answer")
    listed: list[ToolCall] = []
    for call in calls:
        name = text_at(call, "function", "name")
        if not name:
            raise Misshapen("a tool call has no name")
        listed.append(ordered_call(name, text_at(call, "function", "arguments")))
    # Some compatible servers say `stop` although they ask for tools.
    word = CALLS if listed and stop == "stop" else _STOPS.get(stop, stop or END)
    return Reply(text, tuple(listed), word, usage, model)


def _whole(data: dict[str, Any]) -> Reply | Trouble:
    message = at(data, "choices", 0, "message")
    if not isinstance(message, dict):
        raise Misshapen("no choices in the answer")
    calls = list_at(message, "tool_calls") if message.get("tool_calls") else []
    stop = text_at(data, "choices", 0, "finish_reason")
    text, refusal = text_at(message, "content"), text_at(message, "refusal")
    return _reply(text, refusal, calls, stop, _usage(data.get("usage")), text_at(data, "model"))


async def _streamed(chunks: Any, show: Show) -> Reply | Trouble:
    text: list[str] = []
    refusal: list[str] = []
    calls: dict[int, dict[str, Any]] = {}
    stop, model, usage, begun = "", "", Usage(), False
    async for chunk in chunks:
        data = sdk.plain_data(chunk)
        if not isinstance(data.get("choices"), list):
            raise Misshapen("a piece of the stream has no choices")
        begun = True
        model = text_at(data, "model") or model
        if isinstance(data.get("usage"), dict):
            usage = _usage(data["usage"])
        delta = at(data, "choices", 0, "delta")
        piece = text_at(delta, "content")
        if piece:
            text.append(piece)
            show(piece)
        refusal.append(text_at(delta, "refusal"))
        for part in at(delta, "tool_calls") or []:
            call = calls.setdefault(int_at(part, "index"), {"function": {"name": "", "arguments": ""}})
            for field in ("name", "arguments"):
                call["function"][field] += text_at(part, "function", field)
        stop = text_at(data, "choices", 0, "finish_reason") or stop
    if not begun:
        return malformed("the answer is not a stream of events")
    if not stop:
        return connection("the stream broke off before its end")
    return _reply("".join(text), "".join(refusal), [calls[index] for index in sorted(calls)], stop, usage, model)


class OpenAIChatBackend:
    """One model of the Chat Completions API (`Backend`). `extra` is merged into every request."""

    def __init__(
        self,
        model: str,
        options: ModelOptions,
        *,
        spec: str = "",
        extra: dict[str, Any] | None = None,
    ) -> None:
        """Raises MissingExtraError without the SDK and HandlerError `model.key` without a key."""
        self._client = OpenAIClient(spec or f"openai:{model}", options)
        self._model = model
        self._options = options
        self._extra = extra

    async def ask(self, chat: Chat, show: Show) -> Reply | Trouble:
        return await asked(chat, lambda layout: self._ask(layout, show))

    async def _ask(self, layout: Layout, show: Show) -> Reply | Trouble:
        body = body_of(layout, model=self._model, options=self._options, is_openai=self._client.is_openai)
        try:
            create = self._client.get().chat.completions.create
            if not self._options.stream:
                return _whole(sdk.plain_data(await create(**body, extra_body=self._extra)))
            usage = {"include_usage": True}
            async with await create(**body, stream=True, stream_options=usage, extra_body=self._extra) as chunks:
                return await _streamed(chunks, show)
        except sdk.caught(PACKAGE) as problem:
            return sdk.trouble_of(PACKAGE, problem, self._client.secrets)

    async def aclose(self) -> None:
        await self._client.aclose()
