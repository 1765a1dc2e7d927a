"""Faults: how a primitive says that it has no value (`core.md`, "Values, expressions, computations")."""

from __future__ import annotations

from shepherd_dsl.core.value import Agent, Blob, Con, Dec, Handle, Record, Unit, Value

KINDS: dict[type, str] = {
    Unit: "unit",
    bool: "bool",
    int: "int",
    Dec: "dec",
    str: "text",
    Blob: "blob",
    tuple: "list",
    Record: "record",
    Con: "con",
    Agent: "agent",
    Handle: "run",
}
"""The kind of each value by its Python type."""


class Fault(Exception):
    """Ends the run with the error value `{code, text}`. Raised while an expression is evaluated, caught by the step."""

    __slots__ = ("code", "text")

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def wrong(primitive: str, position: int, expected: str, got: Value) -> Fault:
    """The fault `type`: argument `position` (from 1) of `primitive` is not what it must be."""
    return Fault("type", f"{primitive}: argument {position} must be {expected}, got {KINDS[type(got)]}")


def too_large(primitive: str, what: str) -> Fault:
    """The fault `size`: the result of `primitive` is beyond a limit of `limits.py`."""
    return Fault("size", f"{primitive}: {what}")
