"""A request laid out for rendering: checked once for all providers, tool ids given, schemas parsed.

Everything here is a function of the request alone, message by message, so the rendering of a request with more
messages begins with the rendering of the shorter one, byte for byte: what providers' prompt caches need.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypeAlias

import attrs

from shepherd_dsl.handlers.model.chat import Chat, Reply, Result, Said, ToolCall, Trouble, User, digest

LONGEST_NAME = 64


@attrs.frozen(slots=True)
class Asked:
    """A tool call with its id, and the tool's name as providers take it (`wire_name`)."""

    id: str
    name: str
    args: str


@attrs.frozen(slots=True)
class Answered:
    """The answer to the call `id`."""

    id: str
    text: str


@attrs.frozen(slots=True)
class UserTurn:
    """A message of the user."""

    text: str


@attrs.frozen(slots=True)
class ModelTurn:
    """A message of the model; text or calls, or both."""

    text: str
    calls: tuple[Asked, ...]


@attrs.frozen(slots=True)
class ResultTurn:
    """The answers to all calls of the model's message before it."""

    results: tuple[Answered, ...]


Turn: TypeAlias = UserTurn | ModelTurn | ResultTurn


@attrs.frozen(slots=True, eq=False)
class LaidTool:
    """A tool with its schema parsed; `wire` is its name as providers take it (`wire_name`)."""

    name: str
    wire: str
    about: str
    schema: dict[str, Any]


@attrs.frozen(slots=True, eq=False)
class Layout:
    """A checked request. `schema` is the answer's JSON schema; `max_tokens` 0 leaves the limit open."""

    system: str
    turns: tuple[Turn, ...]
    tools: tuple[LaidTool, ...]
    schema: dict[str, Any] | None
    max_tokens: int

    def cache_key(self, model: str) -> str:
        """A key that a conversation, its continuations and its forks share: model, system, tools, first message."""
        first = self.turns[0]
        start = first.text if isinstance(first, (UserTurn, ModelTurn)) else ""
        tools = [[tool.name, tool.about, tool.schema] for tool in self.tools]
        return "shepherd-" + digest([model, self.system, tools, start])

    def named(self, reply: Reply) -> Reply:
        """A provider's answer with the tools' own names. A tool that was never offered keeps the name given to it."""
        names = {tool.wire: tool.name for tool in self.tools}
        calls = tuple(ToolCall(names.get(call.name, call.name), call.args) for call in reply.calls)
        return attrs.evolve(reply, calls=calls)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def parse_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, None where it is anything else."""
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def wire_name(name: str) -> str:
    """A tool's name in the alphabet that all providers take: `shell.run` is `shell-run` there."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def call_id(message: int, call: int) -> str:
    """The id of a tool call: its position, so that it is the same in every rendering."""
    return f"call_{message}_{call}"


def _bad(text: str) -> Trouble:
    return Trouble("model.request", text)


def _turns(chat: Chat) -> tuple[Turn, ...] | Trouble:
    turns: list[Turn] = []
    waiting: list[tuple[str, str]] = []
    answered: list[Answered] = []
    for index, message in enumerate(chat.messages):
        where = f"request.messages[{index}]"
        if isinstance(message, Result):
            if len(answered) == len(waiting):
                return _bad(f"{where} is a result, but no tool call is waiting for one")
            ident, tool = waiting[len(answered)]
            if tool != message.tool:
                return _bad(f"{where} is a result of {message.tool}, but {tool} is the next one waiting")
            answered.append(Answered(ident, message.text))
            if len(answered) == len(waiting):
                turns.append(ResultTurn(tuple(answered)))
                waiting, answered = [], []
            continue
        if waiting:
            return _bad(f"{where}: {waiting[len(answered)][1]} is still waiting for its result")
        match message:
            case User(text):
                if not text:
                    return _bad(f"{where} is empty")
                turns.append(UserTurn(text))
            case Said(text, calls):
                asked = tuple(Asked(call_id(index, j), wire_name(c.name), c.args) for j, c in enumerate(calls))
                waiting = [(a.id, call.name) for a, call in zip(asked, calls, strict=True)]
                # No provider takes an empty message, and a model that said nothing has said nothing.
                if text or calls:
                    turns.append(ModelTurn(text, asked))
    if waiting:
        return _bad(f"{waiting[len(answered)][1]} is still waiting for its result")
    if not turns:
        return _bad("request.messages is empty")
    return tuple(turns)


def lay_out(chat: Chat) -> Layout | Trouble:
    """The request checked and laid out, or `model.request` saying what does not fit."""
    turns = _turns(chat)
    if isinstance(turns, Trouble):
        return turns
    tools: list[LaidTool] = []
    for index, tool in enumerate(chat.tools):
        schema = parse_object(tool.schema)
        if schema is None:
            return _bad(f"request.tools[{index}].schema is not a JSON object")
        wire = wire_name(tool.name)
        if not 0 < len(wire) <= LONGEST_NAME:
            return _bad(f"request.tools[{index}]: a tool's name has 1 to {LONGEST_NAME} characters")
        if any(wire == other.wire for other in tools):
            return _bad(f"request.tools[{index}]: providers cannot tell {tool.name} from another tool by its name")
        tools.append(LaidTool(tool.name, wire, tool.about, schema))
    wanted = None if chat.schema is None else parse_object(chat.schema)
    if chat.schema is not None and wanted is None:
        return _bad("request.schema is not a JSON object")
    return Layout(chat.system, turns, tuple(tools), wanted, chat.max_tokens)


def is_strict(schema: Any) -> bool:
    """Whether a schema keeps to what OpenAI's strict mode asks: every object closed, every property required."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        names = sorted(properties) if isinstance(properties, dict) else []
        required = schema.get("required", [])
        if schema.get("additionalProperties") is not False or not isinstance(required, list):
            return False
        if sorted(str(name) for name in required) != names:
            return False
    if "oneOf" in schema or "allOf" in schema:
        return False
    inner = [properties[name] for name in sorted(properties)] if isinstance(properties, dict) else []
    defs = schema.get("$defs")
    inner += [defs[name] for name in sorted(defs)] if isinstance(defs, dict) else []
    return all(is_strict(item) for item in [*inner, schema.get("items"), schema.get("anyOf")])


def ordered_call(name: str, args: str) -> ToolCall:
    """A call as a provider gave it; no arguments at all are the empty object."""
    return ToolCall(name, args if args.strip() else "{}")
