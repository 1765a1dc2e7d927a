"""What all nodes of the surface tree have in common."""

from __future__ import annotations

from typing import TypeVar, dataclass_transform

import attrs

from shepherd_dsl.syntax.span import Span

T = TypeVar("T")


def _shown(self: object) -> str:
    names = (name for name in getattr(type(self), "__match_args__", ()) if name not in ("span", "source"))
    return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


@dataclass_transform(frozen_default=True, eq_default=False)
def node(cls: type[T]) -> type[T]:
    """A class of nodes: frozen, slotted, equal only to itself, shown without its span.

    One `__repr__` for all: making sixty of them would take a third of the time in which this module is imported.
    """
    made = attrs.frozen(cls, slots=True, eq=False, repr=False)
    made.__repr__ = _shown  # type: ignore[method-assign]
    return made


@node
class Name:
    """A name as written; operations are dotted (`tracker.comment`)."""

    text: str
    span: Span


def same(a: object, b: object) -> bool:
    """Whether two trees say the same: equal but for spans, and for a module's `file` and `source`."""
    todo = [(a, b)]
    while todo:
        x, y = todo.pop()
        if type(x) is not type(y):
            return False
        if isinstance(x, tuple) and isinstance(y, tuple):
            if len(x) != len(y):
                return False
            todo.extend(zip(x, y, strict=True))
        elif attrs.has(cls := type(x)):
            todo.extend(
                (getattr(x, field.name), getattr(y, field.name))
                for field in attrs.fields(cls)
                if field.name not in ("span", "file", "source")
            )
        elif x != y:
            return False
    return True
