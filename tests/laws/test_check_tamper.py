"""Each kind of edit of an accepted log is rejected by `check`, at the right entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from attrs import evolve

from shepherd_dsl.core.event import Denied, End, Entry, Event, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.grant import ANY, Clause, request_value
from shepherd_dsl.core.replay import check
from shepherd_dsl.core.value import Con, Handle, ok
from tests.support.generate import BLOBS, HASHES, Log, Ran, cases, ran_alone

Edit = tuple[Log, set[int]]


def with_event(log: Log, at: int, event: Event) -> Log:
    return (*log[:at], (log[at][0], event), *log[at + 1 :])


def machine_outcome(done: Ran) -> Iterator[Edit]:
    """Another answer where the machine itself, or an owner, answered."""
    for at, (_, event) in enumerate(done.log):
        if isinstance(event, Outcome) and event.by != "world":
            yield with_event(done.log, at, evolve(event, answer=ok("forged"))), {at}


def other_answerer(done: Ran) -> Iterator[Edit]:
    """The answer of one who did not give it."""
    for at, (_, event) in enumerate(done.log):
        if isinstance(event, Outcome):
            by = "owner" if event.by == "world" else "world"
            yield with_event(done.log, at, evolve(event, by=by)), {at}


def machine_files(done: Ran) -> Iterator[Edit]:
    """Other files where the machine answered."""
    forged = (("forged.txt", Entry(0o100644, HASHES[1])),)
    for at, (_, event) in enumerate(done.log):
        if isinstance(event, Outcome) and event.by != "world":
            yield with_event(done.log, at, evolve(event, files=(*event.files, *forged))), {at}


def world_files(done: Ran) -> Iterator[Edit]:
    """A change to files that no oracle may make: unsorted, outside the scope, or of a pure operation."""
    entry = Entry(0o100644, HASHES[1])
    for at, (_, event) in enumerate(done.log):
        if isinstance(event, Outcome) and event.by == "world":
            for bad in ((("b", entry), ("a", entry)), (("../x", entry),), (("a", entry), ("a", None))):
                yield with_event(done.log, at, evolve(event, files=bad)), {at}


def bad_answer(done: Ran) -> Iterator[Edit]:
    """An answer that is none, or that holds a run."""
    for at, (_, event) in enumerate(done.log):
        if isinstance(event, Outcome) and event.by == "world":
            for bad in (Con("Ok"), Con("Maybe", (1,)), Con("Err", ("text",)), ok((Handle(0),)), Con("Unknown", (1,))):
                yield with_event(done.log, at, evolve(event, answer=bad)), {at}


def dropped(done: Ran) -> Iterator[Edit]:
    """An entry left out: noticed where the next one stands in its place, unless that is the same."""
    for at in range(len(done.log) - 1):
        if str(done.log[at]) != str(done.log[at + 1]):
            yield (*done.log[:at], *done.log[at + 1 :]), {at}


def added(done: Ran) -> Iterator[Edit]:
    """An entry of nobody's."""
    for at in range(1, len(done.log)):
        run = done.log[at - 1][0]
        for event in (Injected("forged"), Denied("ask", ()), Reverted(0), Undo(0, "retract", ()), End("done", 1)):
            yield (*done.log[:at], (run, event), *done.log[at:]), {at}
        if not isinstance(done.log[at][1], Outcome):
            yield (*done.log[:at], (run, Outcome(ok(0), (), "world")), *done.log[at:]), {at}


def swapped(done: Ran) -> Iterator[Edit]:
    """Two neighbours of one run in the other order."""
    for at in range(len(done.log) - 1):
        one, two = done.log[at], done.log[at + 1]
        if one[0] == two[0] and str(one) != str(two):
            yield (*done.log[:at], two, one, *done.log[at + 2 :]), {at}


def forged_grant(done: Ran) -> Iterator[Edit]:
    """A grant that says more than was given."""
    more = request_value((Clause("run.*"), Clause("fire", (ANY,))))
    for at, (_, event) in enumerate(done.log):
        if isinstance(event, Start) and at > 0:
            assert isinstance(event.grant, tuple)
            yield with_event(done.log, at, evolve(event, grant=(*event.grant[:-1], more))), {at}


def changed_start(done: Ran) -> Iterator[Edit]:
    """A start of another program, version, agent or files."""
    for at, (_, event) in enumerate(done.log):
        if isinstance(event, Start):
            for other in (
                evolve(event, program="0" * 40),
                evolve(event, version=2),
                evolve(event, files="0" * 40),
                evolve(event, agent="nobody"),
                evolve(event, args=(*event.args, 1)),
            ):
                yield with_event(done.log, at, other), {at}


def changed_args(done: Ran) -> Iterator[Edit]:
    """An intent, a refusal or an undo of something else."""
    for at, (_, event) in enumerate(done.log):
        if isinstance(event, Intent | Denied | Undo):
            yield with_event(done.log, at, evolve(event, args=(*event.args, "forged"))), {at}
            yield with_event(done.log, at, evolve(event, op="forged")), {at}
        if isinstance(event, Undo):
            yield with_event(done.log, at, evolve(event, at=event.at + 1)), {at}


def changed_rest(done: Ran) -> Iterator[Edit]:
    """Another message, place of a fork or revert, or end."""
    for at, (_, event) in enumerate(done.log):
        if isinstance(event, Injected):
            yield with_event(done.log, at, Injected(("forged",))), {at}
        elif isinstance(event, Forked):
            yield with_event(done.log, at, evolve(event, at=event.at + 1)), {at}
            yield with_event(done.log, at, evolve(event, of="root.9")), {at}
        elif isinstance(event, Reverted):
            yield with_event(done.log, at, Reverted(event.to + 1)), {at}
        elif isinstance(event, End):
            yield with_event(done.log, at, evolve(event, value=("forged",))), {at}
            yield with_event(done.log, at, evolve(event, kind="discarded" if event.kind == "done" else "done")), {at}


def other_run(done: Ran) -> Iterator[Edit]:
    """The event of another run."""
    for at, (run, event) in enumerate(done.log):
        yield (*done.log[:at], ("root.7" if run == "root" else "root", event), *done.log[at + 1 :]), {at}


EDITS = (
    machine_outcome,
    other_answerer,
    machine_files,
    world_files,
    bad_answer,
    dropped,
    added,
    swapped,
    forged_grant,
    changed_start,
    changed_args,
    changed_rest,
    other_run,
)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edited_log_is_rejected_where_it_was_edited(edit) -> None:  # type: ignore[no-untyped-def]
    count = 0
    entries: Counter[int] = Counter()
    for seed in cases(25):
        done = ran_alone(seed)
        found = list(edit(done))
        for log, places in found[:: 1 + len(found) // 12]:
            verdict = check(done.case.program, log, done.case.files, read_blob=BLOBS.__getitem__)
            assert not verdict.accepted, (seed, places)
            assert verdict.entry in places, (seed, places, verdict)
            assert verdict.problem
            count += 1
            entries[verdict.entry] += 1
    assert count > 20
    assert len(entries) > 3


def test_a_log_longer_than_the_program_is_rejected_at_its_end() -> None:
    for seed in cases(20):
        done = ran_alone(seed)
        if type(done.last.runs["root"].code).__name__ in ("Done", "Failed"):
            for extra in (Outcome(ok(1), (), "world"), Intent("ask", ())):
                log = (*done.log, ("root", extra))
                verdict = check(done.case.program, log, done.case.files, read_blob=BLOBS.__getitem__)
                assert (verdict.accepted, verdict.entry) == (False, len(done.log)), seed
