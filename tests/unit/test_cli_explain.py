"""`shepherd explain`: a page for every code that the project raises, and a code for every page."""

from __future__ import annotations

import json

import pytest

from shepherd_dsl.cli.main import COMMANDS, run_main
from shepherd_dsl.cli.pages import others, page_of, titles
from shepherd_dsl.cli.theorems import Claim, claims_of, proofs_page, words
from tests.support.codes import raised

MADE_ELSEWHERE = {
    "run.compensated", "run.ended", "run.moved", "run.own", "run.step",  # a refusal of the machine
    "fail", "unknown",  # made by lowered programs
    "discarded",  # made by the fault of awaiting a run that was discarded
}  # fmt: skip
"""Codes that no literal in the place of a code shows."""


def test_every_code_has_a_page() -> None:
    codes = raised()
    assert len(codes) > 80, "the search for codes finds too little"
    missing = {code: places[0] for code, places in codes.items() if code not in others()}
    assert not missing


def test_every_page_has_a_code() -> None:
    assert set(others()) - set(raised()) - MADE_ELSEWHERE == set()


@pytest.mark.parametrize("code", sorted(titles()))
def test_pages_are_whole(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["explain", code.swapcase()]) == 0
    out = capsys.readouterr().out
    assert out == (page_of(code) or "").rstrip("\n") + "\n"
    assert out.splitlines()[0] == f"{code}: {titles()[code]}"
    assert max(map(len, out.splitlines())) <= 120


def test_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["explain", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"codes": titles(), "words": words()}


def test_an_unknown_code_suggests_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["explain", "merge.conflct"]) == 2
    assert "did you mean merge.conflict?" in capsys.readouterr().err


def test_every_claim_has_a_word_and_no_word_is_a_code() -> None:
    assert {claim["number"] for word in words() for claim in claims_of(word)} == set(range(1, 18))
    assert not set(words()) & set(titles())
    assert {"revert", "fork", "merge", "replay", "log", "run", "verify", "undo", "discard"} <= set(words()) & set(
        COMMANDS
    )
    assert {"supervise", "grants"} <= set(words())


@pytest.mark.parametrize("word", words())
def test_a_word_names_its_theorems_and_says_what_is_not_proved(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["explain", word.upper()]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == f"{word}: {words()[word]}"
    assert max(map(len, out.splitlines())) <= 120
    for claim in claims_of(word):
        for theorem in claim["theorems"]:
            named = f"theorem {theorem['name']}"
            assert (f"{named} in {theorem['file']}" if theorem["proved"] else f"{named}: not proved yet") in out
        if claim["state"] != "proved":
            assert "Not proved" in out or "Proved in part" in out


def test_each_state_is_said() -> None:
    def page(state: str, note: str = "", proved: bool = False) -> str:
        there = {"says": "It holds.", "file": "lean/A.lean", "axioms": ["propext"]} if proved else {}
        claim: Claim = {
            "number": 1, "claim": "It should.", "words": ["x"], "state": state, "note": note,
            "theorems": [{"name": "a", "proved": proved, **there}], "tests": ["tests/laws/test_a.py"],
        }  # fmt: skip
        return proofs_page("x", [claim])

    assert page("proved", proved=True).splitlines()[2:7] == [
        "It should.", "  Proved in Lean.", "  theorem a in lean/A.lean", "    It holds.", "    axioms: propext",
    ]  # fmt: skip
    assert page("proved", proved=True).startswith("x: 1 of 1 claims about it proved\n")
    assert "  Not proved yet.\n  theorem a: not proved yet\n" in page("missing")
    assert "  Not proved yet: only for one child.\n" in page("missing", "only for one child")
    assert "  Proved in part: for one child.\n" in page("part", "for one child", proved=True)
    assert "the audit of the proofs rejects `a`" in page("rejected", "`a`")
