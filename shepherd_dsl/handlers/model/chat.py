"""What `model.chat` asks and answers, as data, and its way from and to values (`spec/contract.md`).

Chat    = { system, messages, tools, schema, max_tokens }
Message = User(text) | Said(text, calls) | Result(tool, text)
Reply   = { text, calls, stop, usage, model, retries }
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeAlias

import attrs

from shepherd_dsl.core.value import NONE, Con, Record, Value, record, some
from shepherd_dsl.handlers.protocol import OperationSpec

END = "end"
CALLS = "calls"
LENGTH = "length"


@attrs.frozen(slots=True)
class ToolCall:
    """A tool the model wants; `args` is JSON text, as the model wrote it."""

    name: str
    args: str


@attrs.frozen(slots=True)
class User:
    """What the user says."""

    text: str


@attrs.frozen(slots=True)
class Said:
    """What the model said before: its text and the tools it wanted, in order."""

    text: str
    calls: tuple[ToolCall, ...] = ()


@attrs.frozen(slots=True)
class Result:
    """The answer of one tool; results follow the `Said` that asked, in the order of its calls."""

    tool: str
    text: str


Message: TypeAlias = User | Said | Result


@attrs.frozen(slots=True)
class Tool:
    """A tool offered to the model; `schema` is the JSON schema of its arguments, as JSON text."""

    name: str
    about: str
    schema: str


@attrs.frozen(slots=True)
class Chat:
    """One request. `schema` is the JSON schema of the answer as JSON text; `max_tokens` 0 leaves the limit open."""

    system: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    schema: str | None = None
    max_tokens: int = 0


@attrs.frozen(slots=True)
class Usage:
    """Tokens. `input` counts the whole prompt, `cached` the part of it that was read from the provider's cache."""

    input: int = 0
    cached: int = 0
    output: int = 0


@attrs.frozen(slots=True)
class Reply:
    """The answer. `stop` is `end`, `calls` (the model waits for tools) or `length` (cut at the limit).

    `retries` has one short text for each try that failed before this one.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    stop: str = END
    usage: Usage = Usage()
    model: str = ""
    retries: tuple[str, ...] = ()


@attrs.frozen(slots=True)
class Trouble:
    """A try that failed: the error's code and text, whether asking again may help, and how long the server wants us
    to wait before that (seconds, None where it did not say). `why` is the word for it in `Reply.retries`."""

    code: str
    text: str
    again: bool = False
    wait: float | None = None
    why: str = ""


def _rec(*fields: tuple[str, Value]) -> Con:
    return Con("Rec", (tuple((label, kind) for label, kind in fields),))


def _list(item: Value) -> Con:
    return Con("List", (item,))


_CALL = _rec(("name", "Text"), ("args", "Text"))
_MESSAGE = Con("Var", ((("User", ("Text",)), ("Said", ("Text", _list(_CALL))), ("Result", ("Text", "Text"))),))
_TOOL = _rec(("name", "Text"), ("about", "Text"), ("schema", "Text"))
CHAT_TYPE = _rec(
    ("system", "Text"),
    ("messages", _list(_MESSAGE)),
    ("tools", _list(_TOOL)),
    ("schema", Con("Option", ("Text",))),
    ("max_tokens", "Int"),
)
REPLY_TYPE = _rec(
    ("text", "Text"),
    ("calls", _list(_CALL)),
    ("stop", "Text"),
    ("usage", _rec(("input", "Int"), ("cached", "Int"), ("output", "Int"))),
    ("model", "Text"),
    ("retries", _list("Text")),
)
MODEL_CHAT = OperationSpec(
    effect_class="pure",
    params=(("request", CHAT_TYPE),),
    result=REPLY_TYPE,
    about="Asks a model: one request, one answer.",
)


class _Misfit(Exception):
    """A value that is not a `Chat`; its text says where."""


def _field(value: Value, label: str, where: str) -> Value:
    found = value.get(label) if isinstance(value, Record) else None
    if found is None:
        raise _Misfit(f"{where} has no field {label}")
    return found


def _text(value: Value, where: str) -> str:
    if not isinstance(value, str):
        raise _Misfit(f"{where} is not a text")
    return value


def _items(value: Value, where: str) -> tuple[Value, ...]:
    if not isinstance(value, tuple):
        raise _Misfit(f"{where} is not a list")
    return value


def _call(value: Value, where: str) -> ToolCall:
    return ToolCall(
        _text(_field(value, "name", where), f"{where}.name"), _text(_field(value, "args", where), f"{where}.args")
    )


def _message(value: Value, where: str) -> Message:
    match value:
        case Con("User", (text,)):
            return User(_text(text, where))
        case Con("Said", (text, calls)):
            listed = tuple(_call(c, f"{where}.calls[{j}]") for j, c in enumerate(_items(calls, f"{where}.calls")))
            return Said(_text(text, where), listed)
        case Con("Result", (tool, text)):
            return Result(_text(tool, where), _text(text, where))
        case _:
            raise _Misfit(f"{where} is not User, Said or Result")


def _tool(value: Value, where: str) -> Tool:
    name, about, schema = (_text(_field(value, f, where), f"{where}.{f}") for f in ("name", "about", "schema"))
    return Tool(name, about, schema)


def chat_of(value: Value) -> Chat | Trouble:
    """The request that a value stands for, or `model.request` saying where the value is no `Chat`."""
    try:
        schema = _field(value, "schema", "request")
        limit = _field(value, "max_tokens", "request")
        if type(limit) is not int or limit < 0:
            raise _Misfit("request.max_tokens is not a number of tokens")
        if schema == NONE:
            wanted = None
        elif isinstance(schema, Con) and schema.name == "Some" and len(schema.args) == 1:
            wanted = _text(schema.args[0], "request.schema")
        else:
            raise _Misfit("request.schema is neither Some(text) nor None")
        messages = _items(_field(value, "messages", "request"), "request.messages")
        tools = _items(_field(value, "tools", "request"), "request.tools")
        return Chat(
            system=_text(_field(value, "system", "request"), "request.system"),
            messages=tuple(_message(m, f"request.messages[{i}]") for i, m in enumerate(messages)),
            tools=tuple(_tool(t, f"request.tools[{i}]") for i, t in enumerate(tools)),
            schema=wanted,
            max_tokens=limit,
        )
    except _Misfit as misfit:
        return Trouble("model.request", str(misfit))


def _call_value(call: ToolCall) -> Record:
    return record(name=call.name, args=call.args)


def _message_value(message: Message) -> Con:
    match message:
        case User(text):
            return Con("User", (text,))
        case Said(text, calls):
            return Con("Said", (text, tuple(_call_value(call) for call in calls)))
        case Result(tool, text):
            return Con("Result", (tool, text))


def value_of(chat: Chat) -> Record:
    """The value of a request: the inverse of `chat_of`."""
    return record(
        system=chat.system,
        messages=tuple(_message_value(message) for message in chat.messages),
        tools=tuple(record(name=tool.name, about=tool.about, schema=tool.schema) for tool in chat.tools),
        schema=NONE if chat.schema is None else some(chat.schema),
        max_tokens=chat.max_tokens,
    )


def reply_value(reply: Reply) -> Record:
    """The value of an answer."""
    usage = reply.usage
    return record(
        text=reply.text,
        calls=tuple(_call_value(call) for call in reply.calls),
        stop=reply.stop,
        usage=record(input=usage.input, cached=usage.cached, output=usage.output),
        model=reply.model,
        retries=reply.retries,
    )


def sound(text: str) -> str:
    """The text as Unicode scalar values, as values of the core are.

    A provider may escape halves of a surrogate pair, even in two pieces of a stream: halves that meet are joined, a
    half that stays alone becomes U+FFFD.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def sound_reply(reply: Reply) -> Reply:
    """The answer with every text `sound`."""
    calls = tuple(ToolCall(sound(call.name), sound(call.args)) for call in reply.calls)
    retries = tuple(sound(text) for text in reply.retries)
    return Reply(sound(reply.text), calls, sound(reply.stop), reply.usage, sound(reply.model), retries)


def plain(chat: Chat) -> dict[str, Any]:
    """The request as plain JSON data in a fixed order of keys, as cassettes show it."""

    def message(item: Message) -> dict[str, Any]:
        match item:
            case User(text):
                return {"user": text}
            case Said(text, calls):
                return {"said": text, "calls": [{"name": c.name, "args": c.args} for c in calls]}
            case Result(tool, text):
                return {"result": text, "tool": tool}

    return {
        "system": chat.system,
        "messages": [message(item) for item in chat.messages],
        "tools": [{"name": tool.name, "about": tool.about, "schema": tool.schema} for tool in chat.tools],
        "schema": chat.schema,
        "max_tokens": chat.max_tokens,
    }


def compact(data: Any) -> str:
    """JSON without spaces, in the order of keys given."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(data: Any) -> str:
    """32 hex digits that name plain JSON data, whatever the order of its keys."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
