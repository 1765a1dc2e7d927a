"""The list of one-line mistakes in the core: well-formed, and the stored cases kill them, without Lean.

A drawn sample is tried here; `make mutants` tries all.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.rule_mutants import judge, page
from bench.rule_mutants.requests import Asked
from bench.rule_mutants.table import Mutant, mutants, problems
from tests.differential.corpus import stored
from tests.differential.run_cases import fresh_seed
from tools.lean.places import ROOT

LEAST = 80
SAMPLE = 10


def test_each_changes_one_line_once_and_every_rule_has_one() -> None:
    rows = mutants()
    assert len(rows) >= LEAST
    assert not list(problems(rows))


def test_a_row_that_is_wrong_is_named() -> None:
    good = Mutant(
        "let", "step", "stack = (comp.name, comp.body, env, stack)", "stack = (comp.name, comp.body, None, stack)"
    )
    rows = (
        good,
        good,
        Mutant("no rule", "step", "steps > limit", "steps >= limit"),
        Mutant("if", "step", "evaluate(", "evaluated("),
        Mutant("if", "step", "steps > limit", "steps > limit"),
        Mutant("if", "step", "if steps > limit:", "if steps > limit"),
    )
    found = list(problems(rows))
    for part in (
        "is there 2 times",
        "no rule no rule",
        "'evaluate(' is there",
        "does not change one line",
        "expected ':'",
    ):
        assert any(part in problem for problem in found), part
    assert "no mutant for let" not in found
    assert "no mutant for call" in found


def test_the_page_is_of_this_list() -> None:
    text = page.PAGE.read_text("utf-8")
    assert [row for row in mutants() if page.cells(row) not in text] == []


def test_a_drawn_sample_is_killed_by_the_stored_cases() -> None:
    seed = fresh_seed()
    argv = ["-m", "bench.rule_mutants", "--stored", "--jobs", "1", "--sample", str(SAMPLE), "--seed", str(seed)]
    print(f"SHEPHERD_SEED={seed} repeats this: python {' '.join(argv)}")
    done = subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        ("    steps = code.steps + 1", "    steps = 1 + code.steps", ""),
        ("return steps, Asks(comp.op, args, stack)", "return steps, Asks(comp.op, args, None)", "answers otherwise"),
        ("return steps, Asks(comp.op, args, stack)", "return Asks(comp.op, args, stack)", "raises TypeError"),
        ("            steps += 1", "            steps += 0 * len([0] * 10**9)", "raises MemoryError"),
        ("            steps += 1", "            while True: pass", "takes too long"),
    ],
)
def test_how_a_mutant_is_killed(old: str, new: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "LEAST", 0.5)
    first = next(one for one in stored() if '"do":"run"' in one.request)
    asked = Asked("stored", first.name, first.request, first.answer, 0.01, frozenset())
    (verdict,) = judge.judged([Mutant("do", "step", old, new)], [asked], 1)
    assert verdict.how == how
    assert (verdict.by is None) == (how == "")
