"""The backend for OpenAI's Responses API, through the official SDK. Nothing is stored at the provider."""

from __future__ import annotations

from typing import Any

from shepherd_dsl.handlers.model import sdk
from shepherd_dsl.handlers.model.backend import Show
from shepherd_dsl.handlers.model.chat import CALLS, END, LENGTH, Chat, Reply, ToolCall, Trouble, Usage
from shepherd_dsl.handlers.model.failure import (
    Misshapen,
    connection,
    int_at,
    list_at,
    malformed,
    of_word,
    refused,
    scrub,
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

_LEAST = 16
"""The API refuses smaller limits."""


def _items(turn: Turn) -> list[dict[str, Any]]:
    match turn:
        case UserTurn(text):
            return [{"role": "user", "content": text}]
        case ModelTurn(text, calls):
            said = [{"role": "assistant", "content": text}] if text else []
            asked = [{"type": "function_call", "call_id": c.id, "name": c.name, "arguments": c.args} for c in calls]
            return [*said, *asked]
        case ResultTurn(results):
            return [{"type": "function_call_output", "call_id": r.id, "output": r.text} for r in results]


def body_of(layout: Layout, *, model: str, options: ModelOptions, is_openai: bool) -> dict[str, Any]:
    """The request's parameters."""
    body: dict[str, Any] = {
        "model": model,
        "input": [item for turn in layout.turns for item in _items(turn)],
        "store": False,
    }
    if layout.system:
        body["instructions"] = layout.system
    limit = layout.max_tokens or options.max_tokens
    if limit:
        body["max_output_tokens"] = max(limit, _LEAST)
    if layout.tools:
        # `strict` is said always: here, leaving it out means true.
        body["tools"] = [{"type": "function", **function_of(t, strict=is_strict(t.schema))} for t in layout.tools]
    if layout.schema is not None:
        strict = is_strict(layout.schema)
        answer = {"type": "json_schema", "name": "answer", "schema": layout.schema, "strict": strict}
        body["text"] = {"format": answer}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if is_openai:
        body["prompt_cache_key"] = layout.cache_key(model)
    return body


def _whole(data: dict[str, Any], secrets: tuple[str, ...]) -> Reply | Trouble:
    """The answer in a finished response, which a stream's last event carries too."""
    status = text_at(data, "status")
    if status == "failed":
        return of_word(text_at(data, "error", "code"), scrub(text_at(data, "error", "message"), secrets))
    reason = text_at(data, "incomplete_details", "reason")
    if reason == "content_filter":
        return refused("the provider's filter stopped the answer")
    text: list[str] = []
    calls: list[ToolCall] = []
    for item in list_at(data, "output"):
        if text_at(item, "type") == "message":
            for part in list_at(item, "content"):
                if text_at(part, "type") == "refusal":
                    return refused(scrub(text_at(part, "refusal"), secrets))
                text.append(text_at(part, "text"))
        elif text_at(item, "type") == "function_call":
            if not text_at(item, "name"):
                raise Misshapen("a tool call has no name")
            calls.append(ordered_call(text_at(item, "name"), text_at(item, "arguments")))
    usage = data.get("usage")
    cached = int_at(usage, "input_tokens_details", "cached_tokens")
    tokens = Usage(int_at(usage, "input_tokens"), cached, int_at(usage, "output_tokens"))
    stop = LENGTH if status == "incomplete" else CALLS if calls else END
    return Reply("".join(text), tuple(calls), stop, tokens, text_at(data, "model"))


async def _streamed(events: Any, show: Show, secrets: tuple[str, ...]) -> Reply | Trouble:
    begun = False
    async for event in events:
        data = sdk.plain_data(event)
        kind = text_at(data, "type")
        begun = begun or kind.startswith("response.")
        if kind == "response.output_text.delta":
            show(text_at(data, "delta"))
        elif kind == "error":
            return of_word(text_at(data, "code"), scrub(text_at(data, "message"), secrets))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            return _whole(data.get("response") or {}, secrets)
    if not begun:
        return malformed("the answer is not a stream of events")
    return connection("the stream broke off before its end")


class OpenAIResponsesBackend:
    """One model of the Responses API (`Backend`)."""

    def __init__(self, model: str, options: ModelOptions) -> None:
        """Raises MissingExtraError without the SDK and HandlerError `model.key` without a key."""
        self._client = OpenAIClient(f"openai-responses:{model}", options)
        self._model = model
        self._options = options

    async def ask(self, chat: Chat, show: Show) -> Reply | Trouble:
        return await asked(chat, lambda layout: self._ask(layout, show))

    async def _ask(self, layout: Layout, show: Show) -> Reply | Trouble:
        body = body_of(layout, model=self._model, options=self._options, is_openai=self._client.is_openai)
        secrets = self._client.secrets
        try:
            create = self._client.get().responses.create
            if not self._options.stream:
                return _whole(sdk.plain_data(await create(**body)), secrets)
            async with await create(**body, stream=True) as events:
                return await _streamed(events, show, secrets)
        except sdk.caught(PACKAGE) as problem:
            return sdk.trouble_of(PACKAGE, problem, secrets)

    async def aclose(self) -> None:
        await self._client.aclose()
