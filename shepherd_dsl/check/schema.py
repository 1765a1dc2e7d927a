"""What a model is told about a type (JSON schema) and what checks its answer (the type as a value, for `decode`).

Source: `spec/contract.md`, "Types as values". Both have no form for runs, agents, blobs and type parameters.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from shepherd_dsl.check.types import (
    BOOL,
    CONTENT,
    DEC,
    INT,
    TEXTS,
    UNIT,
    Basic,
    ListOf,
    Rec,
    Type,
    Variant,
    option_item,
    resolve,
)
from shepherd_dsl.core.value import Con, Value

ANSWER = "answer"
"""The label under which a model gives an answer that is not a record: providers want an object at the top."""

Json = dict[str, Any]


def plain(found: Type) -> bool:
    """Whether values of this type can be read from JSON."""
    top = resolve(found)
    match top:
        case Basic():
            return top in TEXTS or top in (UNIT, BOOL, INT, DEC, CONTENT)
        case ListOf(item):
            return plain(item)
        case Rec(fields):
            return all(plain(inner) for _, inner in fields)
        case Variant(cases):
            return all(plain(arg) for _, args in cases for arg in args)
    return False


def json_schema(found: Type) -> Json:
    """The JSON schema of a plain type. Raises TypeError on another."""
    top = resolve(found)
    match top:
        case Basic(name):
            if top in TEXTS or top == CONTENT:
                return {"type": "string"}
            kinds = {"Unit": "null", "Bool": "boolean", "Int": "integer", "Dec": "number"}
            if name in kinds:
                return {"type": kinds[name]}
        case ListOf(item):
            return {"type": "array", "items": json_schema(item)}
        case Rec(fields):
            return object_schema(fields)
        case Variant(cases):
            inner = option_item(top)
            if inner is not None:
                return {"anyOf": [json_schema(inner), {"type": "null"}]}
            names = [name for name, args in cases if not args]
            choices: list[Json] = [{"type": "string", "enum": names}] if names else []
            for name, args in cases:
                if args:
                    choices.append(_object({name: _arguments(args)}))
            return choices[0] if len(choices) == 1 else {"anyOf": choices}
    raise TypeError(f"no JSON form: {top}")


def _arguments(args: Sequence[Type]) -> Json:
    if len(args) == 1:
        return json_schema(args[0])
    return {
        "type": "array",
        "prefixItems": [json_schema(arg) for arg in args],
        "minItems": len(args),
        "maxItems": len(args),
    }


def _object(properties: dict[str, Json]) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def object_schema(fields: Sequence[tuple[str, Type]]) -> Json:
    """The schema of an object with these members, all required, in this order."""
    return _object({label: json_schema(inner) for label, inner in fields})


def schema_text(schema: Json) -> str:
    """Canonical text of a schema."""
    return json.dumps(schema, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def answer_schema(found: Type) -> str | None:
    """The schema a model's answer of this type is asked to fit, as JSON text; None for texts, which need none.

    A type that is not a record is wrapped: `{"answer": …}`.
    """
    top = resolve(found)
    if top in TEXTS or top == CONTENT:
        return None
    return schema_text(json_schema(top) if isinstance(top, Rec) else object_schema([(ANSWER, top)]))


def type_value(found: Type) -> Value:
    """The type as `decode` takes it. Raises TypeError where it has no such form."""
    top = resolve(found)
    match top:
        case Basic(name):
            if top in TEXTS or top == CONTENT:
                return "Text"
            if top in (UNIT, BOOL, INT, DEC):
                return name
        case ListOf(item):
            return Con("List", (type_value(item),))
        case Rec(fields):
            return Con("Rec", (tuple((label, type_value(inner)) for label, inner in fields),))
        case Variant(cases):
            inner = option_item(top)
            if inner is not None:
                return Con("Option", (type_value(inner),))
            return Con("Var", (tuple((name, tuple(type_value(arg) for arg in args)) for name, args in cases),))
    raise TypeError(f"no JSON form: {top}")
