"""The stored cases: the Python core says what Lean said, byte for byte, and Lean still says it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from shepherd_dsl.core.wire import canonical, parse
from tests.differential.corpus import FOLDER, Stored, stored
from tests.differential.python_side import python_answer, tree_of
from tests.differential.shepref import Shepref
from tests.support.rules import LEAN_RULES, REQUIRED, reached

CASES = list(stored())


def test_there_are_cases_of_every_kind() -> None:
    assert FOLDER.is_dir()
    asked: list[Any] = [parse(one.request) for one in CASES]
    assert len(asked) >= 30
    assert {request["do"] for request in asked} == {"run", "check", "diverge"}
    verdicts: list[Any] = [parse(one.answer) for one in CASES]
    assert {answer["accepted"] for answer in verdicts if "accepted" in answer} == {True, False}


@pytest.mark.parametrize("one", CASES, ids=[one.name for one in CASES])
def test_the_python_core_says_the_same(one: Stored) -> None:
    assert python_answer(one.request) == one.answer


def test_they_reach_every_rule() -> None:
    found: Counter[str] = Counter()
    for one in CASES:
        m = tree_of(one.request)
        assert m is not None
        found += reached(m)
    assert not [rule for rule in REQUIRED if not found[rule]]


def test_lean_says_the_same_and_reaches_every_rule() -> None:
    found: Counter[str] = Counter()
    with Shepref() as lean:
        for one in CASES:
            said: Any = lean.ask(one.request.replace('"do":"run"', '"do":"run","rules":true', 1))
            found += Counter(said.pop("rules", {}))
            said.pop("problem", None)
            assert canonical(said) == one.answer, one.name
    assert not [rule for rule in LEAN_RULES if not found[rule]]
