"""`shepherd explain`: a page for every code that the project raises, and a code for every page."""

from __future__ import annotations

import json

import pytest

from shepherd_dsl.cli.main import run_main
from shepherd_dsl.cli.pages import others, page_of, titles
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
    assert json.loads(capsys.readouterr().out) == {"codes": titles()}


def test_an_unknown_code_suggests_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["explain", "merge.conflct"]) == 2
    assert "did you mean merge.conflict?" in capsys.readouterr().err
