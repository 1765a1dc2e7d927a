"""The Python core against the reference interpreter: the same log byte for byte, the same runs, the same verdicts."""

from __future__ import annotations

import os

import pytest

from tests.differential.run_cases import Found, compare, fresh_seed
from tests.differential.shepref import Shepref
from tests.support.rules import LEAN_RULES, REQUIRED

CASES = int(os.environ.get("SHEPHERD_DIFF_CASES", "2000"))


@pytest.fixture(scope="module")
def found() -> Found:
    """The fresh cases, run on both sides."""
    seed = fresh_seed()
    print(f"{CASES} cases from seed {seed}: SHEPHERD_SEED={seed} repeats them, and")
    print(f"`python -m tests.differential.run_cases --cases {CASES} --seed {seed}` stores what differs in spec/corpus/")
    return compare(CASES, seed, os.cpu_count() or 1)


def test_both_give_the_same_logs_runs_and_verdicts(found: Found) -> None:
    assert found.cases >= CASES
    assert not found.differences, "\n".join(found.differences[:5])


def test_every_rule_is_reached_on_both_sides(found: Found) -> None:
    assert not [rule for rule in REQUIRED if not found.python_rules[rule]]
    assert not [rule for rule in LEAN_RULES if not found.lean_rules[rule]]


def test_logs_were_accepted_rejected_and_left(found: Found) -> None:
    for verdict in (
        "accepted",
        "rejected",
        "followed to the end",
        "diverged",
        "an event dropped",
        "two events swapped",
        "another run",
        "a changed outcome",
        "a changed start",
        "a changed intent",
        "a changed end",
    ):
        assert found.verdicts[verdict], verdict


def test_nonsense_is_answered_with_an_error_and_the_next_request_as_ever() -> None:
    with Shepref() as lean:
        for line in (
            "",
            "null",
            "{",
            '{"do":"run"}',
            '{"do":"fly","program":{"version":1,"steps":1,"ops":{},"defs":{}},"files":[]}',
            '{"do":7}',
            '{"do":"check","program":"nobody","files":[],"log":[]}',
            '{"do":"keep","name":"x","program":{"version":2}}',
            '"\\ud800"',
            "[" * 100_000,
            "\x00",
        ):
            assert set(lean.ask(line)) == {"error"}, line[:80]
        program = '{"version":1,"steps":1,"ops":{},"defs":{}}'
        assert lean.ask(f'{{"do":"check","program":{program},"files":[],"log":[]}}') == {
            "accepted": True,
            "followed": 0,
        }
