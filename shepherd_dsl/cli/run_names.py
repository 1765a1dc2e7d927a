"""Which run a handle means: events hold handles (`run 0`), which count in the run that has them; people name runs
`1.0`.

A trace does not hold the tables of handles. What a run made itself, and what it was given when it was started, follows
from the log for certain; any other handle is shown as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from shepherd_dsl.core.event import Denied, End, Event, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.run import ROOT, split_copy
from shepherd_dsl.core.shown import map_value
from shepherd_dsl.core.value import Agent, Handle, Value, handles_in
from shepherd_dsl.trace.revisions import shown_run

if TYPE_CHECKING:
    from shepherd_dsl.trace.protocol import Recorded, TreeReader

_MAKING = ("run.spawn", "run.fork")


def with_names(event: Event, name: Callable[[int], str | None]) -> Event:
    """`event` for showing: each handle for which `name` has the name of a run stands as `run NAME`."""
    if next(_handles(event), None) is None:
        return event

    def leaf(value: Value) -> Value:
        found = name(value.index) if type(value) is Handle else None
        # The name of an agent is shown as it is: just what is wanted here.
        return value if found is None else Agent(f"run {found}")

    changed: Any = event
    for field in ("args", "answer", "value"):
        if hasattr(event, field):
            changed = attrs.evolve(changed, **{field: map_value(getattr(event, field), leaf)})
    named: Event = changed
    return named


class RunNames:
    """The names of the runs that the events of one tree mean. The log is read as far as needed."""

    __slots__ = ("_found", "_reader", "_seen")

    def __init__(self, reader: TreeReader) -> None:
        self._reader = reader
        self._seen = 0
        self._found: dict[tuple[str, int], dict[int, str]] = {}

    def event(self, item: Recorded) -> Event:
        """The event of `item` for showing, as `with_names` makes it."""
        handles = set(_handles(item.event))
        if not handles:
            return item.event
        key, total = (item.run, item.index), len(self._reader)
        # Most handles were made shortly before: the end of a long log tells what they mean.
        while self._seen < total and not handles <= self._found.get(key, {}).keys():
            self._seen = min(total, max(256, 16 * self._seen))
            self._found = dict(_tables(self._reader.tail(self._seen)))
        table = self._found.get(key, {})

        def name(handle: int) -> str | None:
            run = table.get(handle)
            return None if run is None else shown_run(self._reader.name, run)

        return with_names(item.event, name)


def _handles(event: Event) -> Iterator[int]:
    """The handles in what is shown of an event, in order."""
    match event:
        case Start() | Intent() | Denied() | Undo():
            yield from handles_in(event.args)
        case Outcome():
            yield from handles_in(event.answer)
        case Injected() | End():
            yield from handles_in(event.value)


def _tables(log: Iterable[Recorded]) -> Iterator[tuple[tuple[str, int], dict[int, str]]]:
    """For each event with handles, by run and index, the runs that they mean. `log` is the end of a log,
    oldest first; what it does not tell is left out."""
    held: dict[str, dict[int, tuple[int, str]]] = {}  # of each run: handle, the event it came with, the run it means
    questions: dict[tuple[str, int], Intent] = {}
    asking: dict[str, Intent | None] = {}
    made: dict[str, str] = {}
    for item in log:
        run, event = item.run, item.event
        mine = held.setdefault(run, {})
        match event:
            case Start() if run != ROOT:
                maker = run.rpartition(".")[0]
                question = asking.get(maker)
                if question is not None and question.op == "run.spawn":
                    made[maker] = run
                    for handle, given in enumerate(dict.fromkeys(handles_in(question.args[1]))):
                        if given in held[maker]:
                            mine[handle] = (item.index, held[maker][given][1])
            case Forked() if event.of != run:
                # Copies of the runs below it have the same fork in their ids: only one is of the run that was forked.
                copy = split_copy(run)
                maker = copy[0].rpartition(".")[0] if copy is not None else ""
                question = asking.get(maker)
                if question is None or question.op != "run.fork" or not isinstance(question.args[0], Handle):
                    continue
                if held[maker].get(question.args[0].index, (0, ""))[1] == event.of:
                    made[maker] = run
            case Forked():
                asking[run] = questions.get((run, event.at))
            case Intent():
                made.pop(run, None)
                asking[run] = event if event.op in _MAKING else None
                if event.op in _MAKING:
                    questions[(run, item.index)] = event
            case Undo():
                asking[run] = None
            case Outcome():
                child, asked = made.pop(run, None), asking.pop(run, None)
                answer = event.answer.args[0] if event.answer.args else None
                if child is not None and asked is not None and isinstance(answer, Handle):
                    mine[answer.index] = (item.index, child)
            case Reverted():
                # What came after is gone, and its handles may come again for other runs.
                for handle in [handle for handle, (since, _) in mine.items() if since > event.to]:
                    del mine[handle]
                asking[run] = questions.get((run, event.to))
        handles = list(_handles(event))
        if handles:
            yield (run, item.index), {handle: mine[handle][1] for handle in handles if handle in mine}
