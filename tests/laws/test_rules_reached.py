"""The generated cases reach every rule: each operation on runs with each kind of answer, each event, each end."""

from __future__ import annotations

from collections import Counter

from tests.support.generate import cases, ran
from tests.support.rules import REQUIRED, reached

SEEDS = 1000


def test_every_rule_is_reached() -> None:
    found: Counter[str] = Counter()
    for seed in cases(SEEDS):
        found += reached(ran(seed).last)
    missing = [rule for rule in REQUIRED if not found[rule]]
    assert not missing, f"seeds 0 to {len(cases(SEEDS)) - 1} never reached: {missing}"
