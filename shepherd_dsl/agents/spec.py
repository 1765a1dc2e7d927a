"""How an answer of `python.step` names runs: see `loop`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shepherd_dsl.core.value import UNIT, Con, Handle, Record, Value, children, handles_in
from shepherd_dsl.errors import UserError


def what_of(value: Value, place: Callable[[Handle], Con]) -> Con:
    """The description that the loop builds `value` from; `place` gives where a run is to be found.

    Raises UserError where a run is inside a variant of several arguments.
    """
    if next(handles_in(value), None) is None:
        return Con("Plain", (value,))
    match value:
        case Handle():
            return place(value)
        case tuple():
            return Con("List", (tuple([what_of(inner, place) for inner in value]),))
        case Record(fields):
            holding = [(label, inner) for label, inner in fields if next(handles_in(inner), None) is not None]
            bare = Record(tuple([(la, UNIT if any(la == other for other, _ in holding) else v) for la, v in fields]))
            return Con("Rec", (bare, tuple([(label, what_of(inner, place)) for label, inner in holding])))
        case Con(name, (inner,)):
            return Con("Con", (name, what_of(inner, place)))
    raise UserError("python.value", "a run can be inside a list, a record or an option, and nothing else")


def places(value: Value, at: int) -> Iterator[tuple[int, Con]]:
    """The handles inside a value that the loop was given as number `at`, each with the place where it is."""
    todo: list[tuple[Value, tuple[Value, ...]]] = [(value, ())]
    while todo:
        top, path = todo.pop()
        match top:
            case Handle(index):
                yield index, Con("Run", (at, path))
            case tuple():
                todo.extend(
                    (inner, (*path, Con("Item", (i,)))) for i, inner in enumerate(top) if children_or_run(inner)
                )
            case Record(fields):
                todo.extend((v, (*path, Con("Field", (label,)))) for label, v in fields if children_or_run(v))
            case Con(_, args):
                todo.extend(
                    (inner, (*path, Con("Arg", (i,)))) for i, inner in enumerate(args) if children_or_run(inner)
                )


def children_or_run(value: Value) -> bool:
    """Whether a run may be in there."""
    return isinstance(value, Handle) or bool(children(value))


def plain(what: Value) -> Value:
    """What a description describes, for messages: runs as `Run(k)`."""
    match what:
        case Con("Plain", (value,)):
            return value
        case Con("List", (tuple() as items,)):
            return tuple([plain(item) for item in items])
        case Con("Rec", (Record(fields), tuple() as inner)):
            put = {pair[0]: plain(pair[1]) for pair in inner if isinstance(pair, tuple)}
            return Record(tuple([(label, put.get(label, value)) for label, value in fields]))
        case Con("Con", (str() as name, inner)):
            return Con(name, (plain(inner),))
    return what
