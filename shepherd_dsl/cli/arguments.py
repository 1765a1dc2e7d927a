"""Arguments on the command line as values of the types an agent declares."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from shepherd_dsl.check.env import Params
from shepherd_dsl.check.schema import plain, type_value
from shepherd_dsl.check.types import BOOL, INT, TEXTS, resolve, show
from shepherd_dsl.core.prim import apply
from shepherd_dsl.core.value import Con, Value
from shepherd_dsl.errors import UserError


def read_arguments(agent: str, params: Params, texts: Sequence[str]) -> tuple[Value, ...]:
    """The values of `texts` for the parameters of `agent`, in order.

    A text stands for itself, an integer and a boolean as they are written, anything else is JSON. Raises UserError.
    """
    usage = f"{agent}({', '.join(f'{name}: {show(kind)}' for name, kind in params)})"
    if len(texts) != len(params):
        given = "1 argument" if len(texts) == 1 else f"{len(texts)} arguments"
        raise UserError(
            "args.count",
            f"{usage} takes {len(params) or 'no arguments'}, got {given}",
            hint="Quote each argument for the shell; write -- before one that begins with a dash.",
        )
    values: list[Value] = []
    for (name, kind), text in zip(params, texts, strict=True):
        top = resolve(kind)
        if not plain(top):
            raise UserError(
                "args.kind",
                f"parameter `{name}` of {usage} cannot be given on the command line",
                hint="Write an agent that makes the value, and run that.",
            )
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise UserError("args.text", f"argument `{name}` is not UTF-8") from None
        if top in TEXTS:
            values.append(text)
            continue
        wanted = type_value(top)
        found = _read(wanted, text)
        if found.name != "Ok":
            want = "a whole number" if top == INT else "true or false" if top == BOOL else "JSON"
            raise UserError(
                "args.value",
                f"argument `{name}: {show(kind)}` must be {want}, got {json.dumps(text[:80], ensure_ascii=False)}"
                + ("" if top in (INT, BOOL) else f": {found.args[0]}"),
                where=usage,
                hint=f"For example: {shlex.quote(_example(wanted))}",
            )
        values.append(found.args[0])
    return tuple(values)


def _read(kind: Value, text: str) -> Con:
    """`Ok(value)` or `Err(why)` for JSON text that must be of a type."""
    parsed = apply("json_parse", (text,))
    assert isinstance(parsed, Con)
    found = apply("decode", (kind, parsed.args[0])) if parsed.name == "Ok" else parsed
    assert isinstance(found, Con)
    return found


def _example(kind: Value) -> str:
    """A JSON text of a type that `decode` knows."""
    if not isinstance(kind, Con):
        return {"Unit": "null", "Bool": "true", "Int": "3", "Dec": "1.5"}.get(str(kind), '"text"')
    inside: Any = kind.args[0]
    match kind.name:
        case "List":
            return f"[{_example(inside)}]"
        case "Option":
            return _example(inside)
        case "Rec":
            return "{" + ", ".join(f"{json.dumps(label)}: {_example(field)}" for label, field in inside) + "}"
    name, fields = inside[0]
    if not fields:
        return json.dumps(name)
    values = ", ".join(map(_example, fields))
    return f"{{{json.dumps(name)}: {values if len(fields) == 1 else f'[{values}]'}}}"
