"""A case on which the sides differ is made smaller and stored, so that it runs without Lean from then on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shepherd_dsl.core.wire import canonical, parse, program_text
from tests.differential import run_cases
from tests.differential.corpus import ran
from tests.differential.python_side import python_answer
from tests.differential.shrink import Small, shrunk
from tests.support.generate import case
from tests.support.rules import reached

SEED = next(seed for seed in range(100) if reached(ran(Small(case(seed))))["reverted"])
"""A case with a revert."""


def test_a_case_becomes_smaller_and_what_was_looked_for_stays() -> None:
    before = Small(case(SEED))
    assert reached(ran(before))["reverted"]
    after = shrunk(before, lambda one: reached(ran(one))["reverted"] > 0, seconds=15)
    assert reached(ran(after))["reverted"]
    assert len(program_text(after.case.program)) < len(program_text(before.case.program)) / 2
    assert ran(after).size < ran(before).size


class Wrong:
    """Stands for `shepref`: answers as the Python core, but calls `reverted` otherwise."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def line(self, text: str) -> str:
        asked: Any = parse(text)
        if asked["do"] == "keep":
            self.kept[asked["name"]] = asked["program"]
            return "{}"
        if isinstance(asked["program"], str):
            asked["program"] = self.kept[asked["program"]]
        answer = python_answer(canonical(asked))
        if asked["do"] == "run":
            answer = answer.replace('{"reverted":', '{"undone":')
            if asked.get("rules"):
                answer = answer.replace('"runs":', '"rules":{},"runs":', 1)
        return answer

    def ask(self, text: str) -> Any:
        return json.loads(self.line(text))

    def close(self) -> None:
        pass


def test_what_differs_is_stored_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_cases, "Shepref", Wrong)
    monkeypatch.setattr(run_cases, "FOLDER", tmp_path)
    monkeypatch.setattr(run_cases, "MOST_STORED", 1)
    monkeypatch.setattr(run_cases, "SHRINK_SECONDS", 4)
    found = run_cases.some(([], [SEED]), store=True)
    assert found.differences
    [file] = tmp_path.glob("failed-*.jsonl")
    [line] = file.read_text().splitlines()
    kept: Any = parse(line)
    assert '{"undone":' in canonical(kept["answer"])
    assert '{"reverted":' in python_answer(canonical(kept["request"]))
    whole = json.dumps(parse(program_text(case(SEED).program)))
    assert len(canonical(kept["request"]["program"])) < len(whole)
