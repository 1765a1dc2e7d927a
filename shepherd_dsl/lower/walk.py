"""Looking through surface trees."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import attrs

from shepherd_dsl.syntax import tree


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(kind) if field.name != "span")


def inside(node: object) -> Iterator[object]:
    """The nodes directly inside a node."""
    kind: Any = type(node)
    for name in _names(kind):
        value = getattr(node, name)
        if isinstance(value, tuple):
            for item in value:
                if attrs.has(type(item)):
                    yield item
        elif attrs.has(type(value)):
            yield value


def everything(node: object) -> Iterator[object]:
    """A node and all nodes inside it, in the order of the source."""
    todo = [node]
    while todo:
        top = todo.pop()
        yield top
        todo.extend(reversed(tuple(inside(top))))


def leaves(node: object) -> bool:
    """Whether a `return` or a verdict inside `node` may leave it; verdicts of a `supervise` inside stay there."""
    todo: list[tuple[object, bool]] = [(node, True)]
    while todo:
        top, verdicts = todo.pop()
        if isinstance(top, tree.Return) or (verdicts and isinstance(top, (tree.Pass, tree.Answer, tree.Deny))):
            return True
        if isinstance(top, tree.Supervise):
            verdicts = False
        todo.extend((inner, verdicts) for inner in inside(top))
    return False
