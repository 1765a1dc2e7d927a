"""Law `outcome_answers_intent`: every outcome answers the intent or undo before it, with only `injected` between.

"Before it" is meant among the live events: where a run was put back to an open intent, the outcome answers that one;
and a copy made at an open intent has `forked` between.
"""

from __future__ import annotations

from collections import Counter

from shepherd_dsl.core.event import Event, Forked, Injected, Intent, Outcome, Reverted, Undo
from shepherd_dsl.core.run import commits
from tests.support.generate import cases, ran


def live_before(events: list[Event], at: int) -> list[int]:
    """The indices of the live events before index `at`, newest first, from the events alone."""
    found: list[int] = []
    at -= 1
    while at >= 0:
        event = events[at]
        if isinstance(event, Reverted):
            at = event.to
        else:
            found.append(at)
            at -= 1
    return found


def test_every_outcome_answers_what_was_asked_last() -> None:
    between: Counter[str] = Counter()
    for seed in cases(400):
        for id, run in ran(seed).last.runs.items():
            events = [commit.event for commit in commits(run.trace)]
            answered: set[tuple[int, ...]] = set()
            for at, event in enumerate(events):
                if not isinstance(event, Outcome):
                    continue
                live = live_before(events, at)
                skipped = 0
                while isinstance(events[live[skipped]], Injected | Forked):
                    between[type(events[live[skipped]]).__name__] += 1
                    skipped += 1
                question = events[live[skipped]]
                assert isinstance(question, Intent | Undo), (seed, id, at)
                if live[skipped] < at - 1 - skipped:
                    between["Reverted"] += 1
                # The live events up to the question tell one answering from another: none is answered twice.
                line = tuple(live[skipped:])
                assert (at, *line) not in answered
                answered.add((at, *line))
    assert between["Injected"]
    assert between["Forked"]
    assert between["Reverted"]


def test_a_run_asks_nothing_while_it_waits() -> None:
    for seed in cases(200):
        for id, run in ran(seed).last.runs.items():
            events = [commit.event for commit in commits(run.trace)]
            for at, event in enumerate(events):
                if isinstance(event, Intent | Outcome):
                    live = [events[before] for before in live_before(events, at)]
                    live = [before for before in live if not isinstance(before, Injected | Forked)]
                    waiting = bool(live) and isinstance(live[0], Intent)
                    if isinstance(event, Intent) and id != "world":
                        assert not waiting, (seed, id, at)
