"""What a meta-agent does with the runs it holds. Each call is an operation on runs, recorded in its own trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, overload

from shepherd_dsl.agents import loop
from shepherd_dsl.agents.convert import from_value, to_value
from shepherd_dsl.agents.data import Event, EventKind, Outcome, Report, Stop, Variant
from shepherd_dsl.agents.effects import outcome_of
from shepherd_dsl.agents.run import Held, Run, held
from shepherd_dsl.agents.session import Session, failure, session, unwrap
from shepherd_dsl.check.grants import may_ask
from shepherd_dsl.check.types import VALUE
from shepherd_dsl.core.value import Con, Handle, Record, Value
from shepherd_dsl.errors import EffectError, UserError

T = TypeVar("T")

_DRIVING = ("run.next", "run.pass")


def _ask(asking: Session, op: str, *args: Value) -> Con:
    """Ask for an operation on runs; its arguments may hold runs."""
    from shepherd_dsl.agents.spec import what_of

    return asking.ask(op, tuple([what_of(arg, asking.place) for arg in args]))


def _handle(run: object, what: str) -> tuple[Session, Held, Handle]:
    asking = session(what)
    found = held(run, asking, what)
    return asking, found, Handle(found.index)


def _number(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError("python.value", f"`{what}` takes the index of an event, not a {type(value).__name__}")
    return int(value)


def _may_drive(asking: Session, what: str) -> None:
    """Raises EffectError where the agent may not drive runs: it would stand at the same stop for ever."""
    request = asking.built.infos[asking.agent.name].request
    for op in _DRIVING:
        if not may_ask(request, op, [None]):
            raise EffectError("denied", f"`{what}` needs the grant `{op}`, or `run`")


# ── driving ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def result(run: Run[T]) -> T:
    """Drive a run to its end, passing on what it asks; its value. Raises EffectError with its code where it failed."""
    asking, found, handle = _handle(run, "result")
    _may_drive(asking, "result")
    stop = unwrap("run.next", _ask(asking, loop.AWAIT, handle))
    asking.stops.pop(found.index, None)
    assert isinstance(stop, Con)
    if stop.name == "Failed":
        raise failure(stop.args[0])
    value: T = from_value(stop.args[0], found.result, found.hint, asking.held)
    return value


def gather(*runs: Run[Any]) -> list[Any]:
    """Drive several runs to their ends, their effects in flight side by side; their values in the given order."""
    asking = session("gather")
    handles = tuple([Handle(held(run, asking, "gather").index) for run in runs])
    if not handles:
        return []
    _may_drive(asking, "gather")
    _ask(asking, loop.DRIVE_ALL, handles)
    return [result(run) for run in runs]


def next_stop(*runs: Run[Any]) -> Stop | None:
    """Drive a run to its next effect, which is now its owner's to pass, answer or deny; None where it has ended.

    Of several runs the driver says whose turn it is. The steps of Python agents are passed on: they only say how a run
    goes on.
    """
    asking = session("next_stop")
    if not runs:
        raise UserError("python.arguments", "`next_stop` takes at least one run")
    handles = [Handle(held(run, asking, "next_stop").index) for run in runs]
    _may_drive(asking, "next_stop")
    ready: list[tuple[Run[Any], Con]] = []
    for run, handle in zip(runs, handles, strict=True):
        found = _ask(asking, loop.STOP, handle)
        if found.name == "Err" and isinstance(found.args[0], Record) and found.args[0].get("code") == "ended":
            continue
        stop = unwrap("run.next", found)
        assert isinstance(stop, Con)
        if stop.name == "Intent":
            ready.append((run, stop))
    if not ready:
        return None
    chosen = ready[0]
    if len(ready) > 1:
        picked = unwrap("run.pick", _ask(asking, "run.pick", tuple([Handle(_index(run)) for run, _ in ready])))
        chosen = next(pair for pair in ready if Handle(_index(pair[0])) == picked)
    return _stop(asking, *chosen)


def _index(run: Run[Any]) -> int:
    assert isinstance(run._state, Held)
    return run._state.index


def _stop(asking: Session, run: Run[Any], stop: Con) -> Stop:
    op, args, path = stop.args
    assert isinstance(op, str)
    assert isinstance(args, tuple)
    assert isinstance(path, tuple)
    asking.stops[_index(run)] = op
    below = path[-1] if path else None
    asker = asking.held(below, VALUE, None) if isinstance(below, Handle) else run
    return Stop(run, op, _args(asking, op, args), asker)


def _args(asking: Session, op: str, args: tuple[Value, ...]) -> tuple[Any, ...]:
    sig = asking.built.effects.get(op)
    kinds = [VALUE] * len(args) if sig is None or len(sig.params) != len(args) else [found for _, found in sig.params]
    return tuple([from_value(arg, found, None, asking.held) for arg, found in zip(args, kinds, strict=True)])


def pass_(run: Run[Any]) -> Outcome:
    """Let the effect that a run stopped at happen; what came of it.

    Raises EffectError where it is not passed: `denied` by one's own grant or its limit, `stop` where the run is at no
    effect.
    """
    asking, found, handle = _handle(run, "pass_")
    op = asking.stops.pop(found.index, None)
    outcome = unwrap("run.pass", _ask(asking, "run.pass", handle))
    assert isinstance(outcome, Con)
    return outcome_of(outcome, asking.built.effects.get(op or ""), asking)


def answer(run: Run[Any], value: Any) -> None:
    """Answer the effect that a run stopped at; nothing reaches the world."""
    asking, found, handle = _handle(run, "answer")
    sig = asking.built.effects.get(asking.stops.pop(found.index, ""))
    given = to_value(value, VALUE if sig is None else sig.result, "answer", asking.hold)
    unwrap("run.answer", _ask(asking, "run.answer", handle, given))


def deny(run: Run[Any], text: str) -> None:
    """Deny the effect that a run stopped at; the run is told `text`."""
    asking, found, handle = _handle(run, "deny")
    asking.stops.pop(found.index, None)
    unwrap("run.deny", _ask(asking, "run.deny", handle, str(text)))


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def observe(run: Run[Any], start: int = 0, *, steps: bool = False) -> list[Event]:
    """The events of a run from index `start` on, those that were reverted too. Changes nothing in the run.

    Without `steps`, the stepping of Python agents is left out; indices are those of the trace.
    """
    asking, _, handle = _handle(run, "observe")
    events = unwrap("run.trace", _ask(asking, "run.trace", handle, _number(start, "observe")))
    assert isinstance(events, tuple)
    first = max(start, 0)
    found: list[Event] = []
    op: str = ""
    args: tuple[Value, ...] = ()
    for index, event in enumerate(events, first):
        assert isinstance(event, Con)
        match event:
            case Con("Intent", (str() as asked, tuple() as given)) | Con("Undo", (_, str() as asked, tuple() as given)):
                op, args = asked, given
        if steps or not _is_step(op, event):
            found.append(_event(asking, index, event, op, args))
    return found


def _is_step(op: str, event: Con) -> bool:
    """Whether an event is of the stepping of a Python agent. The intent of the first outcome may not be among those
    looked at."""
    if event.name == "Outcome" and not op:
        came = event.args[0]
        inner = came.args[0] if isinstance(came, Con) and came.args else None
        return isinstance(inner, Con) and inner.name in ("Ask", "Return", "Fail")
    return op == loop.STEP and event.name in ("Intent", "Outcome")


def _event(asking: Session, index: int, event: Con, op: str, args: tuple[Value, ...]) -> Event:
    kind: EventKind = event.name.lower()  # type: ignore[assignment]
    match event:
        case Con("Intent" | "Undo"):
            to = event.args[0] if event.name == "Undo" and isinstance(event.args[0], int) else None
            return Event(index, kind, op, _args(asking, op, args), to=to)
        case Con("Denied", (str() as asked, tuple() as given)):
            return Event(index, kind, asked, _args(asking, asked, given))
        case Con("Outcome", (Con() as came, by)):
            outcome = outcome_of(came, asking.built.effects.get(op), asking)
            return Event(index, kind, op, _args(asking, op, args), answer=outcome, by=str(by))
        case Con("Reverted" | "Forked", (int() as to,)):
            return Event(index, kind, to=to)
        case Con("Start", (_, given)):
            return Event(index, kind, value=from_value(given, VALUE, None, asking.held))
    return Event(index, kind, value=from_value(event.args[0], VALUE, None, asking.held) if event.args else None)


def live(events: Sequence[Event]) -> list[Event]:
    """Of all events of a run from the first on, those that were not reverted."""
    found: list[Event] = []
    limit: int | None = None
    for event in reversed(events):
        if limit is not None and event.index > limit:
            continue
        if event.kind == "reverted":
            limit = event.to
            continue
        found.append(event)
    found.reverse()
    return found


def last_green(run: Run[Any]) -> int:
    """The index of the last outcome with exit code 0 that was not reverted, else 0: where to revert to.

    Also of an outcome that the run passed on.
    """
    for event in reversed(live(observe(run))):
        value = event.answer.value if event.answer is not None and event.answer.ok else None
        match value:
            case Variant("Ok", (inner,)):
                value = inner
        if event.kind == "outcome" and getattr(value, "code", None) == 0:
            return event.index
    return 0


def head(run: Run[Any]) -> int:
    """The index of a run's last event."""
    return observe(run, steps=True)[-1].index


# ── writing into, taking back ────────────────────────────────────────────────────────────────────────────────────────


def inject(run: Run[Any], text: str) -> None:
    """Put a message into a run, which reads it with `message()`."""
    asking, _, handle = _handle(run, "inject")
    if not isinstance(text, str):
        raise UserError("python.value", f"`inject` takes a text, not a {type(text).__name__}")
    unwrap("run.inject", _ask(asking, "run.inject", handle, text))


def revert(run: Run[Any], to: int) -> Report:
    """Put code and files of a run back to what they were after event `to`, compensating first.

    Raises EffectError: `step` where there is no such event, `moved`, `compensated` where that cannot be.
    """
    asking, found, handle = _handle(run, "revert")
    report = unwrap("run.revert", _ask(asking, "run.revert", handle, _number(to, "revert")))
    asking.stops.pop(found.index, None)
    return _report(report)


def discard(run: Run[Any]) -> Report:
    """Unwind a run and all below it, and end it."""
    asking, found, handle = _handle(run, "discard")
    report = unwrap("run.discard", _ask(asking, "run.discard", handle))
    asking.stops.pop(found.index, None)
    return _report(report)


def _report(value: Value) -> Report:
    assert isinstance(value, Record)
    fields: dict[str, Any] = dict(value.fields)
    names = [list(fields[label]) for label in ("compensated", "failed", "irreversible")]
    return Report(fields["undone"], *names)


@overload
def fork(run: Run[T], at: int) -> Run[T]: ...


@overload
def fork(run: Run[T], at: int, *, by: int) -> list[Run[T]]: ...


def fork(run: Run[T], at: int, *, by: int | None = None) -> Run[T] | list[Run[T]]:
    """A new run: this one after its event `at`, code and files, with all below it then. `by` makes that many."""
    asking, found, handle = _handle(run, "fork")
    at = _number(at, "fork")
    if by is not None:
        return [fork(run, at) for _ in range(_number(by, "fork"))]
    copy = unwrap("run.fork", _ask(asking, "run.fork", handle, at))
    assert isinstance(copy, Handle)
    return asking.held(copy, found.result, found.hint)


def merge(run: Run[Any]) -> None:
    """Merge a run's files into one's own. Raises EffectError `conflict`, with the paths, and nothing is changed."""
    asking, _, handle = _handle(run, "merge")
    merged = unwrap("run.merge", _ask(asking, "run.merge", handle))
    assert isinstance(merged, Con)
    if merged.name == "Conflict":
        assert isinstance(merged.args[0], tuple)
        paths = tuple(map(str, merged.args[0]))
        raise EffectError("conflict", f"merging conflicts in {', '.join(paths)}", paths=paths)
