"""Canonical text of values, events and programs (`spec/contract.md`), byte for byte, and back.

Printing is total. Reading takes what is canonical in kind (keys may come in any order, with spaces between) and refuses
the rest with a `WireError` that says where.
"""

from __future__ import annotations

from shepherd_dsl.core.event import Event
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.value import Value
from shepherd_dsl.core.wire_event import change_from, event_from
from shepherd_dsl.core.wire_print import canonical, comp_text, dec_text, event_text, program_text, value_text
from shepherd_dsl.core.wire_program import comp_from, program_from
from shepherd_dsl.core.wire_value import Json, WireError, parse, value_from

__all__ = [
    "Json",
    "WireError",
    "canonical",
    "change_from",
    "comp_from",
    "comp_text",
    "dec_text",
    "event_from",
    "event_json",
    "event_text",
    "parse",
    "program_from",
    "program_json",
    "program_text",
    "value_from",
    "value_json",
    "value_text",
]


def value_json(value: Value) -> Json:
    """The canonical JSON structure of a value."""
    return parse(value_text(value))


def event_json(event: Event) -> Json:
    """The canonical JSON structure of an event."""
    return parse(event_text(event))


def program_json(program: Program) -> Json:
    """The canonical JSON structure of a program."""
    return parse(program_text(program))
