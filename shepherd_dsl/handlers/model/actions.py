"""Tools for a model without tool calls: with tools present, its answer is constrained to one JSON action.

The system text gets a description of the tools, and the answer's schema becomes

    {"tool": NAME, "args": {…}}   for one of the tools, `args` by the tool's own schema
    {"answer": …}                 the final answer: a text, or a value of the request's own schema

What the model said before is shown to it in the same form, and each result as a message of the user beginning with
`Result of NAME:`. Every message is rewritten by itself, so longer requests begin with the same bytes.
"""

from __future__ import annotations

from typing import Any

import attrs

from shepherd_dsl.handlers.model.chat import (
    CALLS,
    LENGTH,
    Chat,
    Message,
    Reply,
    Result,
    Said,
    ToolCall,
    Trouble,
    User,
    compact,
)
from shepherd_dsl.handlers.model.layout import Layout, parse_object


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def action_schema(layout: Layout) -> dict[str, Any] | Trouble:
    """The schema of one action. Definitions (`$defs`) move to its root, where references look for them."""
    defs: dict[str, Any] = {}

    def rooted(schema: dict[str, Any]) -> dict[str, Any] | None:
        for name, definition in schema.get("$defs", {}).items():
            if defs.setdefault(name, definition) != definition:
                return None
        return {key: value for key, value in schema.items() if key != "$defs"}

    actions: list[dict[str, Any]] = []
    for tool in layout.tools:
        args = rooted(tool.schema)
        if args is None:
            return Trouble("model.request", f"the schema of the tool {tool.name} defines a name that another one has")
        actions.append(_closed({"tool": {"const": tool.name}, "args": args}))
    answer = rooted(layout.schema) if layout.schema is not None else {"type": "string"}
    if answer is None:
        return Trouble("model.request", "request.schema defines a name that a tool's schema has")
    schema: dict[str, Any] = {"anyOf": [*actions, _closed({"answer": answer})]}
    if defs:
        schema["$defs"] = defs
    return schema


def _system(layout: Layout) -> str:
    tools = "\n".join(f"- {tool.name}: {tool.about} Arguments: {compact(tool.schema)}" for tool in layout.tools)
    how = (
        "Answer with one JSON object and nothing else.\n"
        'To use a tool: {"tool": NAME, "args": {…}}\n'
        'To give the final answer: {"answer": …}\n'
        f"Tools:\n{tools}"
    )
    return f"{layout.system}\n\n{how}" if layout.system else how


def _message(message: Message) -> Message:
    match message:
        case Said(text, calls) if calls:
            asked = [compact({"tool": c.name, "args": parse_object(c.args) or {}}) for c in calls]
            return Said("\n".join([text, *asked] if text else asked))
        case Result(tool, text):
            return User(f"Result of {tool}: {text}")
        case _:
            return message


def as_actions(chat: Chat, layout: Layout) -> Chat | Trouble:
    """A request with tools as one without: its answer is an action."""
    schema = action_schema(layout)
    if isinstance(schema, Trouble):
        return schema
    return attrs.evolve(
        chat,
        system=_system(layout),
        messages=tuple(_message(message) for message in chat.messages),
        tools=(),
        schema=compact(schema),
    )


def with_schema(chat: Chat) -> Chat:
    """A request that tells the model the schema it is held to: constrained decoding alone does not say why."""
    if chat.schema is None:
        return chat
    how = f"Answer with JSON of this schema and nothing else: {chat.schema}"
    return attrs.evolve(chat, system=f"{chat.system}\n\n{how}" if chat.system else how)


def read_action(reply: Reply) -> Reply | Trouble:
    """The answer that an action means. One that the limit cut off stays as it is."""
    if reply.stop == LENGTH:
        return reply
    action = parse_object(reply.text)
    if action is not None and isinstance(action.get("tool"), str) and isinstance(action.get("args"), dict):
        call = ToolCall(action["tool"], compact(action["args"]))
        return attrs.evolve(reply, text="", calls=(call,), stop=CALLS)
    if action is not None and "answer" in action:
        answer = action["answer"]
        return attrs.evolve(reply, text=answer if isinstance(answer, str) else compact(answer))
    return Trouble("model.malformed", "the answer is not an action")
