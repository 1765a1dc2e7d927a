"""The backend for Anthropic's Messages API, through the official SDK."""

from __future__ import annotations

from typing import Any

from shepherd_dsl.handlers.model import sdk
from shepherd_dsl.handlers.model.backend import Show
from shepherd_dsl.handlers.model.chat import CALLS, END, LENGTH, Chat, Reply, ToolCall, Trouble, Usage, compact
from shepherd_dsl.handlers.model.failure import (
    Misshapen,
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
    lay_out,
    ordered_call,
    parse_object,
)
from shepherd_dsl.handlers.model.options import ModelOptions

PACKAGE = "anthropic"
KEY = "ANTHROPIC_API_KEY"
default_limit = 8192
"""Tokens of an answer where neither request nor options say: the API wants a number."""

_MARK = {"type": "ephemeral"}
_STOPS = {"end_turn": END, "stop_sequence": END, "tool_use": CALLS, "max_tokens": LENGTH}
_STOPS["model_context_window_exceeded"] = LENGTH


def _input(args: str) -> dict[str, Any]:
    """A call's arguments as the API wants them, an object; text that is none is shown to the model as it was."""
    parsed = parse_object(args)
    return {"malformed": args} if parsed is None else parsed


def _message(turn: Turn) -> dict[str, Any]:
    match turn:
        case UserTurn(text):
            return {"role": "user", "content": [{"type": "text", "text": text}]}
        case ModelTurn(text, calls):
            said = [{"type": "text", "text": text}] if text else []
            asked = [{"type": "tool_use", "id": c.id, "name": c.name, "input": _input(c.args)} for c in calls]
            return {"role": "assistant", "content": [*said, *asked]}
        case ResultTurn(results):
            blocks = [{"type": "tool_result", "tool_use_id": r.id, "content": r.text} for r in results]
            return {"role": "user", "content": blocks}


def body_of(layout: Layout, *, model: str, options: ModelOptions) -> dict[str, Any]:
    """The request's parameters.

    Cache marks: one on the last tool and one on the system text, which stay the same for a whole conversation, and
    the API's own automatic mark for the end of the messages. That one is no part of any message, so a longer
    request begins with the same bytes. Three of the four marks that the API allows.
    Raises ValueError for a schema that the API cannot take.
    """
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": layout.max_tokens or options.max_tokens or default_limit,
        "messages": [_message(turn) for turn in layout.turns],
        "cache_control": _MARK,
    }
    if layout.system:
        body["system"] = [{"type": "text", "text": layout.system, "cache_control": _MARK}]
    if layout.tools:
        tools = [{"name": t.wire, "description": t.about, "input_schema": t.schema} for t in layout.tools]
        body["tools"] = [*tools[:-1], {**tools[-1], "cache_control": _MARK}]
    if layout.schema is not None:
        schema = sdk.load(PACKAGE).transform_schema(layout.schema)
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if options.temperature is not None:
        # The SDK no longer names this parameter, though the API still takes it for models that have it.
        body["extra_body"] = {"temperature": options.temperature}
    return body


def _usage(data: Any, before: Usage = Usage()) -> Usage:  # noqa: B008
    """Anthropic counts cached tokens beside `input_tokens`; `Usage.input` is the whole prompt."""
    cached = int_at(data, "cache_read_input_tokens")
    whole = int_at(data, "input_tokens") + int_at(data, "cache_creation_input_tokens") + cached
    output = int_at(data, "output_tokens") or before.output
    return Usage(whole, cached, output) if whole else Usage(before.input, before.cached, output)


def _reply(model: str, blocks: list[Any], stop: str, usage: Usage) -> Reply | Trouble:
    if stop == "refusal":
        return refused("the model declined to answer")
    text = "".join(text_at(block, "text") for block in blocks if text_at(block, "type") == "text")
    calls: list[ToolCall] = []
    for block in blocks:
        if text_at(block, "type") != "tool_use":
            continue
        if not text_at(block, "name"):
            raise Misshapen("a tool call has no name")
        calls.append(ordered_call(text_at(block, "name"), block["args"]))
    return Reply(text, tuple(calls), _STOPS.get(stop, stop or END), usage, model)


def _whole(data: dict[str, Any]) -> Reply | Trouble:
    blocks = list_at(data, "content")
    for block in blocks:
        if text_at(block, "type") == "tool_use":
            block["args"] = compact(block.get("input", {}))
    return _reply(text_at(data, "model"), blocks, text_at(data, "stop_reason"), _usage(data.get("usage")))


async def _streamed(events: Any, show: Show) -> Reply | Trouble:
    model, stop, usage = "", "", Usage()
    blocks: dict[int, dict[str, Any]] = {}
    begun = ended = False
    async for event in events:
        data = sdk.plain_data(event)
        kind = text_at(data, "type")
        if kind == "message_start":
            begun = True
            model = text_at(data, "message", "model")
            usage = _usage(data["message"].get("usage"))
        elif kind == "content_block_start":
            block = dict(data.get("content_block", {}))
            block["args"] = ""
            blocks[int_at(data, "index")] = block
        elif kind == "content_block_delta":
            found = blocks.get(int_at(data, "index"))
            if found is None:
                raise Misshapen("a piece of a block that never began")
            if text_at(data, "delta", "type") == "text_delta":
                piece = text_at(data, "delta", "text")
                found["text"] = text_at(found, "text") + piece
                show(piece)
            elif text_at(data, "delta", "type") == "input_json_delta":
                found["args"] += text_at(data, "delta", "partial_json")
        elif kind == "message_delta":
            stop = text_at(data, "delta", "stop_reason") or stop
            usage = _usage(data.get("usage"), usage)
        elif kind == "message_stop":
            ended = True
    if not begun:
        return malformed("the answer is not a stream of events")
    if not ended:
        return connection("the stream broke off before its end")
    return _reply(model, [blocks[index] for index in sorted(blocks)], stop, usage)


class AnthropicBackend:
    """One model of the Messages API (`Backend`). The client is made at the first request."""

    def __init__(self, model: str, options: ModelOptions) -> None:
        """Raises MissingExtraError without the SDK and HandlerError `model.key` without a key."""
        sdk.require(PACKAGE, needed_for=f"the model anthropic:{model}")
        self._key = sdk.key_of(options, KEY, needed_for=f"the model anthropic:{model}")
        self._model = model
        self._options = options
        self._client: Any = None

    def _connect(self) -> Any:
        if self._client is None:
            options = self._options
            base = options.base_url or options.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
            self._client = sdk.load(PACKAGE).AsyncAnthropic(
                api_key=self._key,
                base_url=base,
                max_retries=0,
                timeout=options.idle,
                http_client=sdk.http_client(options, base),
            )
        return self._client

    async def ask(self, chat: Chat, show: Show) -> Reply | Trouble:
        layout = lay_out(chat)
        if isinstance(layout, Trouble):
            return layout
        answer = await self._ask(layout, show)
        return layout.named(answer) if isinstance(answer, Reply) else answer

    async def _ask(self, layout: Layout, show: Show) -> Reply | Trouble:
        try:
            client = self._connect()
            body = body_of(layout, model=self._model, options=self._options)
        except ValueError as problem:
            return Trouble("model.request", f"request.schema: {problem}")
        try:
            if not self._options.stream:
                return _whole(sdk.plain_data(await client.messages.create(**body)))
            async with await client.messages.create(**body, stream=True) as events:
                return await _streamed(events, show)
        except sdk.caught(PACKAGE) as problem:
            return sdk.trouble_of(PACKAGE, problem, (self._key,))

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
