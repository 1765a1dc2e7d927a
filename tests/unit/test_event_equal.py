"""Where two events differ is said in words, field by field."""

from __future__ import annotations

import attrs
import pytest

from shepherd_dsl.core.event import Denied, End, Entry, Event, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.event_equal import event_difference, name_of
from shepherd_dsl.core.value import ok

HASH, OTHER = "1" * 40, "2" * 40
EVENTS: tuple[Event, ...] = (
    Start(1, HASH, "main", (1,), (), HASH),
    Intent("ask", (1,)),
    Outcome(ok(1), (("a", Entry(0o100644, HASH)),), "world"),
    Denied("ask", (1,)),
    Injected("x"),
    Forked("root", 3),
    Undo(3, "retract", (1,)),
    Reverted(3),
    End("done", 1),
)
OTHERS = {
    "version": 2,
    "program": OTHER,
    "agent": "other",
    "args": (2,),
    "grant": (1,),
    "files": OTHER,
    "op": "post",
    "answer": ok(True),
    "by": "owner",
    "value": "y",
    "of": "root.0",
    "at": 4,
    "to": 4,
    "kind": "failed",
}


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
def test_the_same_event_made_again_is_the_same(event: Event) -> None:
    assert event_difference(event, event) == ""
    assert event_difference(attrs.evolve(event), event) == ""


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
def test_each_field_that_differs_is_named(event: Event) -> None:
    for field in attrs.fields(type(event)):
        other = () if field.name == "files" and isinstance(event, Outcome) else OTHERS[field.name]
        changed = attrs.evolve(event, **{field.name: other})
        assert event_difference(changed, event) == f"`{name_of(event)}`: `{field.name}` differs"
        ignored = event_difference(changed, event, ignore_program=True)
        assert (ignored == "") is (isinstance(event, Start) and field.name == "program")


def test_events_of_different_kinds_are_named() -> None:
    names = [name_of(event) for event in EVENTS]
    assert names == ["start", "intent", "outcome", "denied", "injected", "forked", "undo", "reverted", "end"]
    for recorded in EVENTS:
        for made in EVENTS:
            if made is not recorded:
                why = f"the log has `{name_of(recorded)}`, the program `{name_of(made)}`"
                assert event_difference(recorded, made) == why


def test_the_first_field_that_differs_is_named_though_the_program_does_not_count() -> None:
    changed = Start(1, OTHER, "main", (2,), (), HASH)
    assert event_difference(changed, EVENTS[0]) == "`start`: `program` differs"
    assert event_difference(changed, EVENTS[0], ignore_program=True) == "`start`: `args` differs"
