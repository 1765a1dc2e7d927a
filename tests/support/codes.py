"""The error codes that the source raises or gives to programs, found by reading it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import shepherd_dsl

SOURCE = Path(shepherd_dsl.__file__).parent
_CODE = re.compile(r"[a-z][a-z_]*(\.[a-z_]+)*\Z")
_MAKERS = re.compile(r"([A-Za-z]*Error|err|Fault|Trouble|_Failed|__init__)\Z")
"""What makes an error: an exception of the tree, or a helper that makes an `Err` or a fault."""
_NOT_CODES = frozenset({"AssertionError", "MissingExtraError"})
_NAMED = re.compile(r"(code|CODE|AUTH|QUOTA|REQUEST|RATE|OVERLOADED|SERVER|TIMEOUT|CONNECTION|MALFORMED|REFUSED)\Z")
"""Variables that hold a code."""


def raised() -> dict[str, list[str]]:
    """Each code with the places (`file:line`) that make it; what is only there for tests is left out."""
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE)
        if place.parts[0] in ("testing", "conformance"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for code in _codes(node):
                found.setdefault(code, []).append(f"{place}:{getattr(node, 'lineno', 0)}")
    return found


def _codes(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and node.args:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if _MAKERS.match(name) and name not in _NOT_CODES:
            yield from _texts(node.args[0])
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            target, value = target.elts[0], value.elts[0]
        if isinstance(target, ast.Name) and _NAMED.match(target.id):
            yield from _texts(value)


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.match(node.value):
        yield node.value
