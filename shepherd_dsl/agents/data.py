"""What Python agents are given: records, variants, outcomes, events and stops, as Python data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from shepherd_dsl.agents.run import Run

EventKind = Literal["start", "intent", "outcome", "denied", "injected", "forked", "undo", "reverted", "end"]


class Data(Mapping[str, Any]):
    """A record without a class of its own: fields by attribute (`exit.code`) and by key (`exit["code"]`)."""

    __slots__ = ("_fields",)
    _fields: dict[str, Any]

    def __init__(self, fields: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_fields", dict(sorted(fields.items())))

    def __getattr__(self, name: str) -> Any:
        try:
            return self._fields[name]
        except KeyError:
            raise AttributeError(f"the record has no field `{name}`; it has {', '.join(self._fields)}") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a record does not change")

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{label}: {inner!r}" for label, inner in self._fields.items()) + "}"


@attrs.frozen(slots=True)
class Variant:
    """A variant without a class of its own: the constructor's name and its arguments."""

    name: str
    args: tuple[Any, ...] = ()


@attrs.frozen(slots=True)
class Exit:
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str


@attrs.frozen(slots=True)
class Error:
    """The error in an outcome: a stable code and a text."""

    code: str
    text: str


@attrs.frozen(slots=True)
class Outcome:
    """What came of an effect: `value` where it is `ok`, else `error`, else (`unknown`) nobody knows."""

    kind: Literal["ok", "error", "unknown"]
    value: Any = None
    error: Error | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.kind == "ok"

    @property
    def unknown(self) -> bool:
        """Whether nobody knows if the effect happened."""
        return self.kind == "unknown"


@attrs.frozen(slots=True)
class Stop:
    """An effect that a run wants, before anything is done: what its owner passes, answers or denies.

    `run` is the run that was driven here; `asked_by` the run below it that asks, innermost, or `run` itself.
    """

    run: Run[Any]
    op: str
    args: tuple[Any, ...]
    asked_by: Run[Any]


@attrs.frozen(slots=True)
class Event:
    """One event of a run's trace; `index` counts from 0 and is what `revert` and `fork` take.

    `op` and `args` are those asked for; an `outcome` has those of the intent or undo that it answers. `answer` and `by`
    (`world`, `owner`, `machine`) are set for an `outcome`, `to` for `undo`, `reverted` and `forked`, `value` for what
    was injected, for the arguments of a `start` and for the kind of an `end`.
    """

    index: int
    kind: EventKind
    op: str = ""
    args: tuple[Any, ...] = ()
    answer: Outcome | None = None
    by: str = ""
    to: int | None = None
    value: Any = None


@attrs.frozen(slots=True)
class Report:
    """What a revert or discard did: how many events it left behind, and the operations that were compensated, whose
    compensation failed, and that cannot be taken back."""

    undone: int
    compensated: list[str]
    failed: list[str]
    irreversible: list[str]
