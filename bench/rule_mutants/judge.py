"""Which mutants are killed, and by which request: each in a fork, which asks the changed core."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NoReturn

import attrs

from bench.mutants.forks import BrokenError, Fork, begin, change, say, wait
from bench.mutants.operators import modules
from bench.mutants.tests import importers
from bench.rule_mutants.requests import Asked
from bench.rule_mutants.table import Mutant

LEAST, TIMES = 2.0, 20
"""A request takes too long when it takes so many times what it takes unchanged, and at least so many seconds."""
PATIENCE = 100.0
"""So many times the time of all requests, by the clock, until a fork counts as broken."""
ORIGINS = ("stored", "aimed", "fresh")


@attrs.frozen(slots=True)
class Verdict:
    """What became of a mutant: the request that killed it, None where none did, and how."""

    mutant: Mutant
    by: Asked | None
    how: str


def promising(mutant: Mutant, requests: Sequence[Asked]) -> list[Asked]:
    """The requests, the best bets first."""
    return sorted(requests, key=lambda one: (ORIGINS.index(one.origin), mutant.rule not in one.rules, len(one.request)))


def ask(mutant: Mutant, requests: Sequence[Asked], out: int) -> NoReturn:
    """In a fork. Says which of the requests kills the mutant, and how."""
    change({mutant.module: mutant.text})
    from tests.differential.python_side import python_answer

    at = 0
    signal.signal(signal.SIGPROF, lambda *_: say(out, {"end": "killed", "by": at, "how": "takes too long"}))
    for at, one in enumerate(requests):
        signal.setitimer(signal.ITIMER_PROF, max(LEAST, TIMES * one.seconds))
        try:
            same = python_answer(one.request) == one.answer
        except Exception as why:
            say(out, {"end": "killed", "by": at, "how": f"raises {type(why).__name__}"})
        if not same:
            say(out, {"end": "killed", "by": at, "how": "answers otherwise"})
    signal.setitimer(signal.ITIMER_PROF, 0)
    say(out, {"end": "survived"})


def warm() -> None:
    """All that forks need but the tests, once: they import those again."""
    for module in modules():
        importers(module)
    assert "tests.differential.python_side" in sys.modules


def judged(mutants: Sequence[Mutant], requests: Sequence[Asked], jobs: int) -> Iterator[Verdict]:
    """The verdict on each, as they come, `jobs` at a time."""
    warm()
    todo = list(reversed(mutants))
    working: dict[int, tuple[Fork, Mutant, list[Asked]]] = {}
    patience = PATIENCE * (1 + sum(one.seconds for one in requests))
    while todo or working:
        while todo and len(working) < jobs:
            mutant = todo.pop()
            mine = promising(mutant, requests)
            fork = begin(partial(ask, mutant, mine), patience)
            working[fork.pid] = fork, mutant, mine
        for fork, said in wait([fork for fork, _, _ in working.values()]):
            _, mutant, mine = working.pop(fork.pid)
            if said["end"] == "killed":
                yield Verdict(mutant, mine[said["by"]], said["how"])
            elif said["end"] == "survived":
                yield Verdict(mutant, None, "")
            else:
                raise BrokenError(f"{mutant.change}: {said}")
