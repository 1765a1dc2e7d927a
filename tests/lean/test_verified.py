"""`spec/verified.md` is up to date, and says of each claim what is the case."""

from __future__ import annotations

import json
import re

import pytest

from tools.lean.audit import Problem, Report, Theorem
from tools.lean.places import ROOT
from tools.verified import Claim, claims, data, main, page


def test_the_page_is_up_to_date(capfd: pytest.CaptureFixture[str]) -> None:
    status = main(["--check"])
    assert status == 0, capfd.readouterr().err


def test_the_claims_are_numbered_and_their_tests_exist() -> None:
    assert [claim.number for claim in claims()] == list(range(1, 18))
    for claim in claims():
        assert claim.claim.endswith(".")
        assert claim.tests
        for test in claim.tests:
            assert (ROOT / test).is_file(), test


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: str(claim.number))
def test_the_law_tests_name_their_theorems(claim: Claim) -> None:
    texts = "".join((ROOT / test).read_text("utf-8") for test in claim.tests)
    for name in claim.theorems:
        assert re.search(rf"\b{name}\b", texts), f"{name} is not named in {', '.join(claim.tests)}"


def theorem(name: str, *axioms: str, doc: str = "It\nholds.") -> Theorem:
    return Theorem(name, f"Shepherd.{name}", "Shepherd.Laws.One", 3, doc, list(axioms))


def rows(claim: Claim, *theorems: Theorem, problems: list[Problem] | None = None) -> list[list[str]]:
    text = page([claim], Report(10, 10, list(theorems), problems or []))
    table = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


ONE = Claim(1, "It should.", ["a"], ["tests/laws/test_a.py"])
TWO = Claim(2, "They should.", ["a", "b"], ["tests/laws/test_a.py"])


def test_a_theorem_fills_its_row() -> None:
    assert rows(ONE) == [["1", "It should.", "`a`", "", "[test_a.py](../tests/laws/test_a.py)", "missing"]]
    [row] = rows(ONE, theorem("a", "propext"))
    assert row[1:4] == ["It holds.", "[`a`](../lean/Shepherd/Laws/One.lean)", "`propext`"]
    assert row[5] == "proved"


def test_what_is_missing_is_said() -> None:
    assert rows(TWO, theorem("b"))[0][5] == "in part: `a` missing"
    assert rows(TWO, theorem("a"), theorem("b"))[0][5] == "proved"
    weaker = Claim(1, "It should.", ["a"], [], "only for one child")
    assert rows(weaker)[0][5] == "missing: only for one child"
    assert rows(weaker, theorem("a"))[0][5] == "in part: only for one child"


def test_what_the_audit_rejects_is_not_proved() -> None:
    problem = Problem("unproved", "Shepherd.a", "Shepherd.Laws.One", 3, "rests on sorry")
    assert rows(ONE, theorem("a"), problems=[problem])[0][5] == "**not accepted** by the audit: `a`"
    assert "0 of 1 claims are proved" in page([ONE], Report(1, 1, [theorem("a")], [problem]))


def test_the_data_says_the_same() -> None:
    problem = Problem("unproved", "Shepherd.a", "Shepherd.Laws.One", 3, "rests on sorry")
    report = Report(1, 1, [theorem("a"), theorem("b", "propext")], [problem])
    [entry] = json.loads(data([TWO], report))["claims"]
    assert (entry["state"], entry["note"]) == ("rejected", "`a`")
    assert entry["theorems"] == [
        {"name": "a", "proved": False},
        {
            "name": "b",
            "proved": True,
            "says": "It holds.",
            "file": "lean/Shepherd/Laws/One.lean",
            "axioms": ["propext"],
        },
    ]


def test_a_wrong_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chekc"]) == 2
    assert "python -m tools.verified [--check]" in capsys.readouterr().err
