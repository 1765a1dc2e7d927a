"""Laws `check_sound`, `check_complete`: a log, or its beginning, is accepted exactly when some oracle produces it."""

from __future__ import annotations

from random import Random

from attrs import evolve

from shepherd_dsl.core.event import Change, Event, Outcome
from shepherd_dsl.core.machine import AnswerError, advance
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.replay import check
from shepherd_dsl.core.value import Con, equal, err, ok
from tests.support.generate import BLOBS, Log, Ran, cases, log_of, ran, ran_alone
from tests.support.same import log_difference


def verdict(done: Ran, log: Log) -> tuple[bool, int]:
    found = check(done.case.program, log, done.case.files, read_blob=BLOBS.__getitem__)
    return found.accepted, found.entry


def test_complete_every_log_of_an_oracle_is_accepted() -> None:
    for seed in cases(300):
        done = ran(seed)
        assert verdict(done, done.log) == (True, len(done.log)), seed


def test_complete_so_is_every_beginning() -> None:
    for seed in cases(40):
        done = ran_alone(seed)
        for cut in range(0, len(done.log), 1 + len(done.log) // 20):
            assert verdict(done, done.log[:cut]) == (True, cut), (seed, cut)


class Unheard(Exception):
    """The oracle is asked something that the log does not answer."""


def produced(done: Ran, log: Log) -> Log:
    """What the program does when it is answered as `log` says, up to the first question that it does not answer."""
    answers = {}
    places: dict[str, int] = {}
    for run, event in log:
        places[run] = places.get(run, -1) + 1
        if type(event).__name__ == "Forked":
            places[run] = event.at + 1  # type: ignore[union-attr]
        if isinstance(event, Outcome):
            answers[run, places[run]] = event

    def oracle(query: Query) -> tuple[Con, Change]:
        found = answers.get((query.run, query.trace.index + 1))
        if found is None:
            raise Unheard
        if query.op == "run.pick" and found.answer.name == "Ok":
            listed = query.args[0]
            assert isinstance(listed, tuple)
            index = next((at for at, one in enumerate(listed) if equal(one, found.answer.args[0])), None)
            if index is None:
                raise Unheard
            return ok(index), ()
        return found.answer, found.files

    m = advance(done.case.start())
    try:
        return log_of(run_to_end(m, oracle, max_answers=len(log)))
    except (Unheard, AnswerError):
        pass
    # Answer by answer, to keep what was done before the unanswered question.
    kept = m
    for count in range(1, len(log) + 1):
        try:
            kept = run_to_end(m, oracle, max_answers=count)
        except (Unheard, AnswerError):
            break
    return log_of(kept)


def test_sound_what_is_accepted_is_what_the_program_does_when_so_answered() -> None:
    """Edits at random: what is still accepted is produced by the oracle read off the log, and nothing else is."""
    accepted = rejected = 0
    for seed in cases(60):
        done = ran_alone(seed)
        random = Random(seed)
        for _ in range(4):
            log = edited(done.log, random)
            fine, entry = verdict(done, log)
            again = produced(done, log)
            same = log_difference(again[: len(log)], log) == "" and len(again) >= len(log)
            assert fine == same, (seed, entry)
            accepted += fine
            rejected += not fine
    assert accepted
    assert rejected


def edited(log: Log, random: Random) -> Log:
    """The log with one outcome changed, or shortened there: sometimes another oracle's log, mostly nobody's."""
    places = [at for at, (_, event) in enumerate(log) if isinstance(event, Outcome)]
    if not places:
        return log
    at = random.choice(places)
    run, event = log[at]
    assert isinstance(event, Outcome)
    changed: Event = evolve(event, answer=random.choice([ok("edited"), err("edited", ""), Con("Unknown")]))
    return (*log[:at], (run, changed), *(() if random.random() < 0.7 else log[at + 1 :]))
