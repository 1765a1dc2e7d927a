"""Values as a person writes them in the language."""

from __future__ import annotations

import json

from shepherd_dsl.core.jsontext import int_text
from shepherd_dsl.core.value import Agent, Blob, Con, Dec, Handle, Record, Unit, Value
from shepherd_dsl.core.wire import dec_text


def shown(value: Value) -> str:
    """A value on one line: `{ code: 0, out: "…" }`, `Some(1)`, `[1, 2]`, `()`."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return int_text(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case tuple():
            return f"[{', '.join(map(shown, value))}]"
        case Unit():
            return "()"
        case Dec():
            return dec_text(value)
        case Blob():
            return f"blob {value.hash[:10]} ({value.size} bytes)"
        case Record():
            inner = ", ".join(f"{label}: {shown(field)}" for label, field in value.fields)
            return f"{{ {inner} }}" if inner else "{}"
        case Con():
            return f"{value.name}({', '.join(map(shown, value.args))})" if value.args else value.name
        case Agent():
            return value.name
        case Handle():
            return f"run {value.index}"
