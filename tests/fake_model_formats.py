"""The wire formats of the three model APIs, for the fake server: what they demand of a request and how they answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs
import jsonschema  # type: ignore[import-untyped]

KEY = "sk-test-0123456789abcdef"
MODEL = "model-1-20250101"


class Refused(Exception):
    """The request is not what the API demands: HTTP status, the error's type, and a text."""

    def __init__(self, status: int, word: str, text: str) -> None:
        super().__init__(text)
        self.status, self.word, self.text = status, word, text


@attrs.frozen(kw_only=True)
class Says:
    """An answer, apart from any API. `calls` are (tool, JSON text); `cached` tokens are a part of `input`."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    stop: str = ""
    refusal: str = ""
    input: int = 20
    cached: int = 0
    written: int = 0
    output: int = 5


def _demand(condition: object, text: str) -> None:
    if not condition:
        raise Refused(400, "invalid_request_error", text)


def _fits(body: Any, schema: dict[str, Any]) -> None:
    try:
        jsonschema.validate(body, schema)
    except jsonschema.ValidationError as problem:
        raise Refused(400, "invalid_request_error", f"{problem.json_path}: {problem.message}") from None


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] = {}) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": [*required],
        "additionalProperties": False,
    }


def _array(items: Any, least: int = 1) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


def _one_of(*schemas: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [*schemas]}


_TEXT = {"type": "string"}
_FULL = {"type": "string", "minLength": 1}
_NAME = {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}
_COUNT = {"type": "integer", "minimum": 1}
_ANY_OBJECT = {"type": "object"}
_OBJECT_SCHEMA = {"type": "object", "properties": {"type": {"const": "object"}}, "required": ["type"]}
_NUMBER = {"type": "number"}


def _closed_everywhere(schema: Any) -> bool:
    """Whether every object in a schema is closed, as both providers' constrained decoding demands."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            return False
        return all(_closed_everywhere(inner) for inner in schema.values())
    return all(_closed_everywhere(inner) for inner in schema) if isinstance(schema, list) else True


def _strict(schema: dict[str, Any]) -> None:
    if schema.get("type") == "object":
        _demand(schema.get("additionalProperties") is False, "strict: additionalProperties must be false")
        wanted = sorted(schema.get("properties", {}))
        _demand(sorted(schema.get("required", [])) == wanted, "strict: every property must be required")
    for inner in [*schema.get("properties", {}).values(), schema.get("items")]:
        if inner is not None:
            _strict(inner)


# ---- Anthropic Messages

_MARK = {"cache_control": _object({"type": {"const": "ephemeral"}})}
_A_TEXT = _object({"type": {"const": "text"}, "text": _FULL}, _MARK)
_A_USE = _object({"type": {"const": "tool_use"}, "id": _NAME, "name": _NAME, "input": _ANY_OBJECT}, _MARK)
_A_RESULT = _object({"type": {"const": "tool_result"}, "tool_use_id": _NAME, "content": _TEXT}, _MARK)
_A_BODY = _object(
    {
        "model": _FULL,
        "max_tokens": _COUNT,
        "messages": _array(
            _one_of(
                _object({"role": {"const": "user"}, "content": _array(_one_of(_A_TEXT, _A_RESULT))}),
                _object({"role": {"const": "assistant"}, "content": _array(_one_of(_A_TEXT, _A_USE))}),
            )
        ),
    },
    {
        **_MARK,
        "system": _array(_A_TEXT),
        "tools": _array(_object({"name": _NAME, "description": _TEXT, "input_schema": _OBJECT_SCHEMA}, _MARK)),
        "output_config": _object({"format": _object({"type": {"const": "json_schema"}, "schema": _ANY_OBJECT})}),
        "temperature": _NUMBER,
        "stream": {"type": "boolean"},
    },
)


def check_anthropic(headers: Mapping[str, str], body: Any) -> None:
    """What Anthropic's Messages API demands."""
    # The API takes a key in either header; which one the SDK sends depends on its version.
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if key != KEY:
        raise Refused(401, "authentication_error", f"invalid x-api-key {key}")
    version = headers.get("anthropic-version", "")
    _demand(re.fullmatch(r"\d{4}-\d{2}-\d{2}", version), "anthropic-version: header is required")
    _demand(headers.get("content-type") == "application/json", "content-type must be application/json")
    _fits(body, _A_BODY)
    _demand(json.dumps(body).count('"cache_control"') <= 4, "at most 4 blocks with cache_control may be provided")
    waiting: list[str] = []
    for index, message in enumerate(body["messages"]):
        answered = [block["tool_use_id"] for block in message["content"] if block["type"] == "tool_result"]
        _demand(answered == waiting, f"messages.{index}: tool_use ids {waiting} need tool_result blocks right after")
        waiting = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
    _demand(not waiting, "tool_use ids were found without tool_result blocks")
    _demand(body["messages"][0]["role"] == "user", "the first message must be of the user")
    if "output_config" in body:
        _demand(_closed_everywhere(body["output_config"]["format"]["schema"]), "additionalProperties must be false")


def _anthropic_usage(says: Says) -> dict[str, int]:
    return {
        "input_tokens": says.input - says.cached - says.written,
        "cache_creation_input_tokens": says.written,
        "cache_read_input_tokens": says.cached,
        "output_tokens": says.output,
    }


def _anthropic_stop(says: Says) -> str:
    return "refusal" if says.refusal else says.stop or ("tool_use" if says.calls else "end_turn")


def anthropic_json(says: Says) -> dict[str, Any]:
    text = [{"type": "text", "text": says.text}] if says.text else []
    calls = [
        {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": json.loads(args)}
        for index, (name, args) in enumerate(says.calls)
    ]
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [*text, *calls],
        "stop_reason": _anthropic_stop(says),
        "stop_sequence": None,
        "usage": _anthropic_usage(says),
    }


def _pieces(text: str) -> list[str]:
    return re.findall(r"(?s).{1,5}", text)


def anthropic_events(says: Says) -> list[tuple[str, dict[str, Any]]]:
    whole = anthropic_json(says)
    usage = {**whole["usage"], "output_tokens": 1}
    start = {**whole, "content": [], "stop_reason": None, "usage": usage}
    events: list[tuple[str, dict[str, Any]]] = [("message_start", {"message": start}), ("ping", {})]
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            empty: dict[str, Any] = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        else:
            empty = {**block, "input": {}}
            args = says.calls[index - (1 if says.text else 0)][1]
            # The API sends nothing, or an empty piece, for a call without arguments.
            pieces = [""] if args == "{}" else ["", *_pieces(args)]
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        events.append(("content_block_start", {"index": index, "content_block": empty}))
        events += [("content_block_delta", {"index": index, "delta": delta}) for delta in deltas]
        events.append(("content_block_stop", {"index": index}))
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append(("message_delta", {"delta": stop, "usage": {"output_tokens": says.output}}))
    events.append(("message_stop", {}))
    return [(name, {"type": name, **data}) for name, data in events]


def anthropic_error(word: str, text: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": word, "message": text}, "request_id": "req_01"}


# ---- OpenAI, both APIs


def _check_openai_headers(headers: Mapping[str, str]) -> None:
    if headers.get("authorization") != f"Bearer {KEY}":
        shown = headers.get("authorization", "").removeprefix("Bearer ")
        raise Refused(401, "invalid_request_error", f"Incorrect API key provided: {shown}.")
    _demand(headers.get("content-type") == "application/json", "content-type must be application/json")


_FUNCTION = {"name": _NAME, "description": _TEXT, "parameters": _OBJECT_SCHEMA, "strict": {"type": "boolean"}}
_ANSWER = {"name": _NAME, "schema": _ANY_OBJECT, "strict": {"type": "boolean"}}
_CACHE_KEY = {"type": "string", "minLength": 1, "maxLength": 64}

_C_CALL = _object(
    {"id": _NAME, "type": {"const": "function"}, "function": _object({"name": _NAME, "arguments": _TEXT})}
)
_C_BODY = _object(
    {
        "model": _FULL,
        "messages": _array(
            _one_of(
                _object({"role": {"const": "system"}, "content": _TEXT}),
                _object({"role": {"const": "user"}, "content": _TEXT}),
                _object({"role": {"const": "assistant"}, "content": _TEXT}),
                _object(
                    {"role": {"const": "assistant"}, "content": {"type": ["string", "null"]}},
                    {"tool_calls": _array(_C_CALL)},
                )
                | {"required": ["role", "tool_calls"]},
                _object({"role": {"const": "tool"}, "tool_call_id": _NAME, "content": _TEXT}),
            )
        ),
    },
    {
        "tools": _array(_object({"type": {"const": "function"}, "function": _object({}, _FUNCTION)})),
        "response_format": _object({"type": {"const": "json_schema"}, "json_schema": _object(_ANSWER)}),
        "max_completion_tokens": _COUNT,
        "max_tokens": _COUNT,
        "temperature": _NUMBER,
        "prompt_cache_key": _CACHE_KEY,
        "stream": {"type": "boolean"},
        "stream_options": _object({"include_usage": {"type": "boolean"}}),
        "seed": {"type": "integer"},
    },
)


def check_chat(headers: Mapping[str, str], body: Any) -> None:
    """What OpenAI's Chat Completions API demands."""
    _check_openai_headers(headers)
    # `anyOf` here: a message of the assistant without calls fits two forms.
    _fits(body, json.loads(json.dumps(_C_BODY).replace('"oneOf"', '"anyOf"')))
    _demand("stream" in body or "stream_options" not in body, "stream_options is only allowed when streaming")
    _demand("max_tokens" not in body or "max_completion_tokens" not in body, "two limits")
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            _demand(waiting and message["tool_call_id"] == waiting.pop(0), "a tool message without its tool call")
            continue
        _demand(not waiting, f"tool_calls must be followed by tool messages: {waiting}")
        waiting = [call["id"] for call in message.get("tool_calls", [])]
    _demand(not waiting, f"tool_calls must be followed by tool messages: {waiting}")
    for tool in body.get("tools", []):
        if tool["function"].get("strict"):
            _strict(tool["function"]["parameters"])
    if body.get("response_format", {}).get("json_schema", {}).get("strict"):
        _strict(body["response_format"]["json_schema"]["schema"])


def _chat_usage(says: Says) -> dict[str, Any]:
    return {
        "prompt_tokens": says.input,
        "completion_tokens": says.output,
        "total_tokens": says.input + says.output,
        "prompt_tokens_details": {"cached_tokens": says.cached},
    }


def chat_json(says: Says) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": says.text or None, "refusal": says.refusal or None}
    if says.calls:
        message["tool_calls"] = [
            {"id": f"call_x{index}", "type": "function", "function": {"name": name, "arguments": args}}
            for index, (name, args) in enumerate(says.calls)
        ]
    stop = says.stop or ("tool_calls" if says.calls else "stop")
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": stop, "logprobs": None}],
        "usage": _chat_usage(says),
    }


def chat_events(says: Says) -> list[tuple[str, dict[str, Any]]]:
    whole = chat_json(says)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _pieces(says.text)]
    deltas += [{"refusal": piece} for piece in _pieces(says.refusal)]
    for index, (name, args) in enumerate(says.calls):
        first = {
            "index": index,
            "id": f"call_x{index}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        deltas.append({"tool_calls": [first]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in _pieces(args)]
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    chunks = [
        {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], "usage": None} for delta in deltas
    ]
    stop = whole["choices"][0]["finish_reason"]
    chunks.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": stop}], "usage": None})
    chunks.append({**base, "choices": [], "usage": whole["usage"]})
    return [("", chunk) for chunk in chunks]


def openai_error(word: str, text: str) -> dict[str, Any]:
    return {"error": {"message": text, "type": word, "param": None, "code": word}}


# ---- OpenAI Responses

_R_BODY = _object(
    {
        "model": _FULL,
        "input": _array(
            _one_of(
                _object({"role": {"enum": ["user", "assistant"]}, "content": _FULL}),
                _object({"type": {"const": "function_call"}, "call_id": _NAME, "name": _NAME, "arguments": _TEXT}),
                _object({"type": {"const": "function_call_output"}, "call_id": _NAME, "output": _TEXT}),
            )
        ),
        "store": {"const": False},
    },
    {
        "instructions": _FULL,
        "max_output_tokens": {"type": "integer", "minimum": 16},
        "tools": _array(_object({"type": {"const": "function"}, **_FUNCTION})),
        "text": _object({"format": _object({"type": {"const": "json_schema"}, **_ANSWER})}),
        "temperature": _NUMBER,
        "prompt_cache_key": _CACHE_KEY,
        "stream": {"type": "boolean"},
    },
)


def check_responses(headers: Mapping[str, str], body: Any) -> None:
    """What OpenAI's Responses API demands."""
    _check_openai_headers(headers)
    _fits(body, _R_BODY)
    open_calls: list[str] = []
    for item in body["input"]:
        if item.get("type") == "function_call":
            open_calls.append(item["call_id"])
        elif item.get("type") == "function_call_output":
            _demand(item["call_id"] in open_calls, "No tool call found for function call output")
            open_calls.remove(item["call_id"])
    _demand(not open_calls, f"No tool output found for function call {open_calls}")
    for tool in body.get("tools", []):
        if tool["strict"]:
            _strict(tool["parameters"])
    if body.get("text", {}).get("format", {}).get("strict"):
        _strict(body["text"]["format"]["schema"])


def responses_json(says: Says) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if says.text:
        parts.append({"type": "output_text", "text": says.text, "annotations": []})
    if says.refusal:
        parts.append({"type": "refusal", "refusal": says.refusal})
    output: list[dict[str, Any]] = [{"type": "reasoning", "id": "rs_1", "summary": []}]
    if parts:
        message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": parts}
        output.append(message)
    for index, (name, args) in enumerate(says.calls):
        call = {"type": "function_call", "id": f"fc_{index}", "call_id": f"call_x{index}", "name": name}
        output.append({**call, "arguments": args, "status": "completed"})
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": MODEL,
        "status": "incomplete" if says.stop else "completed",
        "incomplete_details": {"reason": says.stop} if says.stop else None,
        "error": None,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": says.input,
            "input_tokens_details": {"cached_tokens": says.cached},
            "output_tokens": says.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": says.input + says.output,
        },
    }


def responses_events(says: Says) -> list[tuple[str, dict[str, Any]]]:
    whole = responses_json(says)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
    ]
    for index, item in enumerate(whole["output"]):
        where = {"output_index": index, "item_id": item["id"]}
        events.append(
            ("response.output_item.added", {"output_index": index, "item": {**item, "status": "in_progress"}})
        )
        if item["type"] == "message":
            place = {**where, "content_index": 0}
            events += [
                ("response.output_text.delta", {**place, "delta": piece, "logprobs": []})
                for piece in _pieces(says.text)
            ]
            events.append(("response.output_text.done", {**place, "text": says.text, "logprobs": []}))
        elif item["type"] == "function_call":
            deltas = [{**where, "delta": piece} for piece in _pieces(item["arguments"])]
            events += [("response.function_call_arguments.delta", delta) for delta in deltas]
        events.append(("response.output_item.done", {"output_index": index, "item": item}))
    events.append((f"response.{whole['status']}", {"response": whole}))
    return [(name, {"type": name, **data, "sequence_number": n}) for n, (name, data) in enumerate(events)]
