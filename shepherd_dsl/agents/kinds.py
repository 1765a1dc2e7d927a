"""Types: from Python annotations to those of the language.

str Text · int Int · bool Bool · None Unit · Decimal Dec · list[T], tuple[T, ...] List[T] · T | None Option[T]
a dataclass, attrs class, TypedDict or NamedTuple: a record · an Enum: a variant without arguments
Run[T] Run[T] · Run, Any: Run[Value], Value
"""

from __future__ import annotations

import dataclasses
import enum
import re
import types
import typing
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from shepherd_dsl.check.types import BOOL, DEC, INT, TEXT, UNIT, VALUE, ListOf, RunOf, Type, option, rec, variant
from shepherd_dsl.errors import UserError

_LABEL = re.compile(r"[a-z][A-Za-z0-9_]*\Z")
_CASE = re.compile(r"[A-Z][A-Za-z0-9_]*\Z")
_BASIC: dict[object, Type] = {
    str: TEXT,
    int: INT,
    bool: BOOL,
    None: UNIT,
    type(None): UNIT,
    Decimal: DEC,
    Any: VALUE,
    object: VALUE,
}
_LISTS = (list, tuple, Sequence)


def type_of(annotation: object, where: str, *, inside: tuple[object, ...] = ()) -> Type:
    """The type that an annotation stands for. `where` names the place for the error.

    Raises UserError `python.annotation` where it stands for none.
    """
    from shepherd_dsl.agents.run import Run

    annotation = bare(annotation)
    if _hashable(annotation) and annotation in _BASIC:
        return _BASIC[annotation]
    if annotation is Run:
        return RunOf(VALUE)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Run:
        return RunOf(type_of(args[0], where, inside=inside))
    if origin in _LISTS:
        items = args[:1] if origin is not tuple or (len(args) == 2 and args[1] is Ellipsis) else ()
        if items:
            return ListOf(type_of(items[0], where, inside=inside))
    if annotation in _LISTS:
        return ListOf(VALUE)
    inner = optional(annotation)
    if inner is not None:
        return option(type_of(inner, where, inside=inside))
    if annotation in inside:
        raise _wrong(where, annotation, "it contains itself, and types do not")
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        names = sorted(member.name for member in annotation)
        if not names or not all(_CASE.match(name) for name in names):
            raise _wrong(where, annotation, "the members of an Enum begin with a capital, as constructors do")
        return variant({name: () for name in names})
    fields = fields_of(annotation)
    if fields is None:
        raise _wrong(where, annotation)
    found = {}
    for label, field in fields.items():
        if not _LABEL.match(label):
            raise _wrong(where, annotation, f"the field `{label}` does not begin with a small letter")
        found[label] = type_of(field, f"{where}.{label}", inside=(*inside, annotation))
    return rec(found)


def bare(annotation: object) -> object:
    """An annotation without what says nothing about its type: `Annotated`, `NewType`, `Required`."""
    while True:
        if typing.get_origin(annotation) in (typing.Annotated, typing.Required):
            annotation = typing.get_args(annotation)[0]
        elif typing.get_origin(annotation) is typing.NotRequired:
            annotation = typing.Optional[typing.get_args(annotation)[0]]  # noqa: UP045 — built, not written
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return annotation


def optional(annotation: object) -> object | None:
    """`T` where the annotation is `T | None`, else None."""
    annotation = bare(annotation)
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return None
    args = typing.get_args(annotation)
    rest: list[object] = [arg for arg in args if arg is not type(None)]
    return rest[0] if len(rest) == 1 and len(args) == 2 else None


def item_of(annotation: object) -> object | None:
    """`T` where the annotation is a list of `T`, else None."""
    annotation = bare(annotation)
    args = typing.get_args(annotation)
    return args[0] if typing.get_origin(annotation) in _LISTS and args else None


def result_of(annotation: object) -> object | None:
    """`T` where the annotation is `Run[T]`, else None."""
    from shepherd_dsl.agents.run import Run

    annotation = bare(annotation)
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Run else None


def fields_of(annotation: object) -> dict[str, object] | None:
    """The fields, with their annotations, of a class that stands for a record; None for any other."""
    annotation = bare(annotation)
    if not isinstance(annotation, type):
        return None
    if typing.is_typeddict(annotation):
        return dict(_hints(annotation, extras=True))
    if dataclasses.is_dataclass(annotation):
        names = [field.name for field in dataclasses.fields(annotation) if field.init]
    elif attrs.has(annotation):
        names = [field.alias or field.name for field in attrs.fields(annotation) if field.init]
    elif issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        names = list(annotation._fields)
    else:
        return None
    hints = _hints(annotation)
    return {name: hints.get(name, hints.get(f"_{name}", Any)) for name in names}


def _hints(annotation: type, *, extras: bool = False) -> dict[str, object]:
    try:
        return typing.get_type_hints(annotation, include_extras=extras)
    except NameError as why:
        raise UserError(
            "python.annotation",
            f"an annotation of `{annotation.__name__}` cannot be read: {why}",
            hint="Its names must be visible in the module of the class.",
        ) from None


def _hashable(annotation: object) -> bool:
    try:
        hash(annotation)
    except TypeError:
        return False
    return True


def _wrong(where: str, annotation: object, why: str = "") -> UserError:
    shown = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
    hint = "Write str, int, bool, None, Decimal, list[T], T | None, a dataclass, Run[T], or Any for whatever comes."
    if annotation is float:
        hint = "There are no floats: write Decimal, or int."
    return UserError(
        "python.annotation", f"`{shown}` is no type of a value" + (f": {why}" if why else ""), where=where, hint=hint
    )
