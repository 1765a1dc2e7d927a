"""The primitives of the core: total functions on values (`spec/primitives.md`, `core.md`, "Values, expressions").

A primitive gives a value or raises `Fault`, and nothing else. None looks at the clock, at chance or at the world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from shepherd_dsl.core import prim_data as data
from shepherd_dsl.core import prim_json as json
from shepherd_dsl.core import prim_text as text
from shepherd_dsl.core.fault import KINDS, Fault
from shepherd_dsl.core.limits import LIST_ITEMS
from shepherd_dsl.core.value import Value

__all__ = ["KINDS", "PRIMITIVES", "Fault", "Primitive", "apply"]


@attrs.frozen(slots=True)
class Primitive:
    """A primitive: `call` takes from `low` to `high` values, one argument each."""

    name: str
    low: int
    high: int
    call: Callable[..., Value]

    def takes(self, count: int) -> bool:
        """Whether it may be called with so many arguments."""
        return self.low <= count <= self.high

    def apply(self, *args: Value) -> Value:
        """The value on `args`. Raises Fault, with the code `name` for a wrong number of arguments."""
        if self.low <= len(args) <= self.high:
            return self.call(*args)
        raise _wrong_number(self, len(args))


def _fixed(arity: int, **calls: Callable[..., Value]) -> list[Primitive]:
    return [Primitive(name.removesuffix("_"), arity, arity, call) for name, call in calls.items()]


_ALL: Final = [
    *_fixed(
        2, eq=data.eq, add=data.add, sub=data.sub, mul=data.mul, div=data.div, mod=data.mod, lt=data.lt, le=data.le
    ),
    *_fixed(1, not_=data.not_, neg=data.neg, dec_int=data.dec_int, int_dec=data.int_dec),
    Primitive("text", 0, LIST_ITEMS, text.text),
    *_fixed(1, text_len=text.text_len, text_trim=text.text_trim, text_lower=text.text_lower),
    *_fixed(1, text_upper=text.text_upper, text_int=text.text_int, words=text.words),
    *_fixed(2, text_split=text.text_split, text_join=text.text_join, text_contains=text.text_contains),
    *_fixed(2, text_starts=text.text_starts, text_ends=text.text_ends, text_find=text.text_find),
    *_fixed(3, text_slice=text.text_slice, text_replace=text.text_replace),
    *_fixed(2, match_text=text.match_text, match_path=text.match_path, match_words=text.match_words),
    Primitive("list", 0, LIST_ITEMS, data.list_),
    *_fixed(1, len=data.len_, reverse=data.reverse),
    *_fixed(2, get=data.get, cons=data.cons, append=data.append, concat=data.concat),
    *_fixed(2, contains=data.contains, range=data.range_),
    *_fixed(3, slice=data.slice_),
    Primitive("record", 0, 2 * LIST_ITEMS, data.record_),
    *_fixed(2, field=data.field),
    *_fixed(3, with_=data.with_),
    *_fixed(1, labels=data.labels),
    Primitive("con", 1, LIST_ITEMS, data.con),
    *_fixed(1, con_name=data.con_name, kind=data.kind, agent_name=data.agent_name),
    *_fixed(1, blob_size=data.blob_size, blob_hash=data.blob_hash, raise_=data.raise_),
    *_fixed(2, con_arg=data.con_arg, fail=data.fail, decode=json.decode),
    *_fixed(3, is_con=data.is_con),
    *_fixed(1, json_print=json.json_print, json_parse=json.json_parse),
]

PRIMITIVES: Final[Mapping[str, Primitive]] = MappingProxyType({item.name: item for item in _ALL})
"""Every primitive by its name."""


def apply(name: str, args: tuple[Value, ...]) -> Value:
    """The value of the primitive `name` on `args`. Raises Fault; `name` for an unknown one or a wrong number."""
    primitive = PRIMITIVES.get(name)
    if primitive is None:
        raise Fault("name", f"no primitive `{name}`")
    return primitive.apply(*args)


def _wrong_number(primitive: Primitive, count: int) -> Fault:
    if primitive.low == primitive.high:
        wanted = str(primitive.low)
    else:
        wanted = f"at least {primitive.low}" if count < primitive.low else f"at most {primitive.high}"
    return Fault("name", f"{primitive.name}: expected {wanted} arguments, got {count}")
